package transport

import (
	"time"

	"google.golang.org/grpc"

	"github.com/holdfast-registry/holdfast/registry"
	"github.com/holdfast-registry/holdfast/transport/pb"
	"github.com/holdfast-registry/holdfast/transport/wire"
)

// changeStream is one stream of WatchChanges.
type changeStream struct {
	*pushing
	service *watchService
	stream  grpc.ServerStreamingServer[pb.WatchChangesResponse]
	after   registry.ChangeCursor
}

func (s *changeStream) run() {
	page, more, err := s.service.backend.WatchChanges(s.after)
	if err != nil || s.after == (registry.ChangeCursor{}) {
		// A node that is behind does not know the cursor yet, and its present is
		// not the present.
		if err = s.service.backend.CatchUp(s.ctx); err == nil {
			page, more, err = s.service.backend.WatchChanges(s.after)
		}
	}
	for first := true; ; first = false {
		if err != nil {
			s.cancel(err)
			return
		}
		if first || len(page.Changes) > 0 {
			if !s.push(func() error { return s.stream.Send(wire.WatchedChangesToPB(page)) }) {
				return
			}
			s.after = page.Cursor
		}
		if more != nil && !s.await(more) {
			return
		}
		page, more, err = s.service.backend.WatchChanges(s.after)
	}
}

// await waits for further changes, and breaks the silence meanwhile.
func (s *changeStream) await(more <-chan struct{}) bool {
	silent := time.NewTimer(s.silence())
	defer silent.Stop()
	for {
		select {
		case <-more:
			return true
		case <-s.ctx.Done():
			return false
		case <-silent.C:
			if !s.push(func() error { return s.stream.Send(&pb.WatchChangesResponse{}) }) {
				return false
			}
			silent.Reset(s.silence())
		}
	}
}
