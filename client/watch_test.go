package client

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/holdfast-registry/holdfast/registry"
	"github.com/holdfast-registry/holdfast/transport/pb"
	"github.com/holdfast-registry/holdfast/transport/wire"
)

type eventsServer = grpc.BidiStreamingServer[pb.WatchEventsRequest, pb.WatchEventsResponse]

// fakeStreams is a real server whose streams a test makes up. Every stream gets
// its number, from 1.
type fakeStreams struct {
	pb.UnimplementedWatchesServer
	addr    string
	events  func(number int, stream eventsServer) error
	changes func(number int, after registry.ChangeCursor, stream grpc.ServerStreamingServer[pb.WatchChangesResponse]) error

	mu     sync.Mutex
	number int
}

func newFakeStreams(t *testing.T, f *fakeStreams) *fakeStreams {
	t.Helper()
	var listener net.Listener = listenLoopback(t)
	f.addr = listener.Addr().String()
	server := grpc.NewServer()
	pb.RegisterWatchesServer(server, f)
	go server.Serve(listener)
	t.Cleanup(server.Stop)
	return f
}

func (f *fakeStreams) begin() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.number++
	return f.number
}

func (f *fakeStreams) WatchEvents(stream eventsServer) error {
	return wire.ErrorToStatus(f.events(f.begin(), stream))
}

func (f *fakeStreams) WatchChanges(request *pb.WatchChangesRequest, stream grpc.ServerStreamingServer[pb.WatchChangesResponse]) error {
	return wire.ErrorToStatus(f.changes(f.begin(), wire.ChangeCursorFromPB(request.GetAfter()), stream))
}

// watched is a page of events, of a life, for the watch of an id.
func watched(id, life uint64, sequences ...uint64) *pb.WatchEventsResponse {
	said := &pb.WatchedEvents{Id: id, Life: life}
	for _, sequence := range sequences {
		said.Events = append(said.Events, &pb.ProcessEvent{ProcessId: "p", Sequence: sequence, EventType: "note", Payload: []byte("1")})
	}
	return &pb.WatchEventsResponse{Watched: []*pb.WatchedEvents{said}}
}

func refusedWatch(id uint64, err error) *pb.WatchEventsResponse {
	return &pb.WatchEventsResponse{Watched: []*pb.WatchedEvents{{Id: id, Ended: wire.ErrorToDetail(err)}}}
}

// added waits for a watch to be added to a stream.
func added(stream eventsServer) (*pb.EventWatch, error) {
	for {
		request, err := stream.Recv()
		if err != nil {
			return nil, err
		}
		if add := request.GetAdd(); len(add) > 0 {
			return add[0], nil
		}
	}
}

func dialStreams(t *testing.T, change func(*Client), addrs ...string) *Client {
	t.Helper()
	c, err := Dial(addrs)
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(c)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func sequences(t *testing.T, ctx context.Context, w *EventWatch, n int) (got []uint64) {
	t.Helper()
	for range n {
		event, err := w.Next(ctx)
		if err != nil {
			t.Fatalf("behind %v: %v", got, err)
		}
		got = append(got, event.Sequence)
	}
	return got
}

// TestAStreamThatBreaksItsPromiseIsGivenUp: what a watch returns is right, or it
// is asked for again.
func TestAStreamThatBreaksItsPromiseIsGivenUp(t *testing.T) {
	for name, lie := range map[string]func(add *pb.EventWatch) []*pb.WatchEventsResponse{
		"an event is left out": func(add *pb.EventWatch) []*pb.WatchEventsResponse {
			return []*pb.WatchEventsResponse{watched(add.GetId(), 7, 3)}
		},
		"an event is left out in the middle of a page": func(add *pb.EventWatch) []*pb.WatchEventsResponse {
			return []*pb.WatchEventsResponse{watched(add.GetId(), 7, 2, 3, 5)}
		},
		"an event comes again": func(add *pb.EventWatch) []*pb.WatchEventsResponse {
			return []*pb.WatchEventsResponse{watched(add.GetId(), 7, 1)}
		},
		"an event of another life comes": func(add *pb.EventWatch) []*pb.WatchEventsResponse {
			return []*pb.WatchEventsResponse{watched(add.GetId(), 8, 2)}
		},
		"more comes than was asked for": func(add *pb.EventWatch) []*pb.WatchEventsResponse {
			return []*pb.WatchEventsResponse{watched(add.GetId(), 7, 2), watched(add.GetId(), 7, 3), watched(add.GetId(), 7, 4)}
		},
		"the stream just ends": func(*pb.EventWatch) []*pb.WatchEventsResponse { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			resumed := make(chan registry.EventCursor, 1)
			f := newFakeStreams(t, &fakeStreams{events: func(number int, stream eventsServer) error {
				add, err := added(stream)
				if err != nil {
					return err
				}
				if number > 1 {
					resumed <- registry.EventCursor{Life: add.GetLife(), Sequence: add.GetAfterSequence()}
					if add.GetCredit() == 0 {
						if _, err := stream.Recv(); err != nil {
							return err
						}
					}
					if err := stream.Send(watched(add.GetId(), 7, add.GetAfterSequence()+1, add.GetAfterSequence()+2)); err != nil {
						return err
					}
					<-stream.Context().Done()
					return nil
				}
				if err := stream.Send(watched(add.GetId(), 7, 1)); err != nil {
					return err
				}
				said := lie(add)
				for _, response := range said {
					if err := stream.Send(response); err != nil {
						return err
					}
				}
				if said != nil {
					<-stream.Context().Done()
				}
				return nil
			}})
			// Nothing but the broken promise ends the first stream, and nothing is
			// read until the second one stands.
			patient := func(c *Client) { c.options.streamSilence = time.Hour }
			w := dialStreams(t, patient, f.addr).WatchEvents(registry.EventWatch{ProcessID: "p"})
			var from registry.EventCursor
			select {
			case from = <-resumed:
			case <-ctx.Done():
				t.Fatal("the stream goes on")
			}
			if from.Life != 7 || from.Sequence < 1 {
				t.Errorf("the watch went on behind %+v", from)
			}
			n := int(from.Sequence) + 2
			if got := sequences(t, ctx, w, n); got[n-1] != uint64(n) || !slices.Equal(got, upTo(n)) {
				t.Errorf("saw %v", got)
			}
			if cursor := w.Cursor(); cursor != (registry.EventCursor{Life: 7, Sequence: uint64(n)}) {
				t.Errorf("the cursor is %+v", cursor)
			}
		})
	}
}

func upTo(n int) (all []uint64) {
	for sequence := range uint64(n) {
		all = append(all, sequence+1)
	}
	return all
}

// TestTheNextPageIsAskedForWhenOneWasRead: two pages may be here, and no more.
func TestTheNextPageIsAskedForWhenOneWasRead(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	credits := make(chan uint32, 10)
	f := newFakeStreams(t, &fakeStreams{events: func(_ int, stream eventsServer) error {
		add, err := added(stream)
		if err != nil {
			return err
		}
		credits <- add.GetCredit()
		for sequence := uint64(1); sequence < 5; sequence += 2 {
			if err := stream.Send(watched(add.GetId(), 7, sequence, sequence+1)); err != nil {
				return err
			}
		}
		for {
			request, err := stream.Recv()
			if err != nil {
				return err
			}
			for _, credit := range request.GetCredit() {
				credits <- credit.GetPages()
			}
			for range request.GetRemove() {
				close(credits)
				return nil
			}
		}
	}})
	w := dialStreams(t, nil, f.addr).WatchEvents(registry.EventWatch{ProcessID: "p"})
	if first := <-credits; first != pagesAhead {
		t.Errorf("%d pages were asked for", first)
	}
	sequences(t, ctx, w, 1)
	select {
	case <-credits:
		t.Error("a page was asked for before one was read")
	default:
	}
	sequences(t, ctx, w, 1)
	if more := <-credits; more != 1 {
		t.Errorf("%d more pages were asked for", more)
	}
	w.Close()
	for more := range credits {
		t.Errorf("%d more pages were asked for", more)
	}
}

func TestWhichEndsOfAWatchAreTriedAgain(t *testing.T) {
	refusal := func(code registry.Code, field string) error {
		return registry.Errorf(code, registry.Fields{Field: field}, "as the test wants it")
	}
	for _, c := range []struct {
		err   error
		again bool
	}{
		{refusal(registry.CodeNotFound, ""), false},
		{refusal(registry.CodeLifeEnded, ""), false},
		{refusal(registry.CodeInvalidArgument, ""), false},
		{refusal(registry.CodeTooLarge, ""), false},
		{refusal(registry.CodeCorrupt, ""), false},
		{refusal(registry.CodeOverloaded, "watches"), false},
		{refusal(registry.CodeOverloaded, "node.watches"), true},
		{refusal(registry.CodeNoLeader, ""), true},
		{refusal(registry.CodeNotLeader, ""), true},
	} {
		t.Run(fmt.Sprintf("%v again %v", registry.CodeOf(c.err), c.again), func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			f := newFakeStreams(t, &fakeStreams{events: func(number int, stream eventsServer) error {
				for tries := 1; ; tries++ {
					add, err := added(stream)
					if err != nil {
						return err
					}
					response := refusedWatch(add.GetId(), c.err)
					if tries == 3 {
						response = watched(add.GetId(), 7, 1)
					}
					if err := stream.Send(response); err != nil {
						return err
					}
				}
			}})
			w := dialStreams(t, nil, f.addr).WatchEvents(registry.EventWatch{ProcessID: "p"})
			_, err := w.Next(ctx)
			if c.again && err != nil || !c.again && registry.CodeOf(err) != registry.CodeOf(c.err) {
				t.Errorf("the watch brought %v", err)
			}
			if _, again := w.Next(short(t)); !c.again && again != err {
				t.Errorf("then it brought %v", again)
			}
		})
	}
}

func short(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	t.Cleanup(cancel)
	return ctx
}

func TestAServerWithoutStreamsSaysSo(t *testing.T) {
	f := newFakeNode(t, nil)
	c := dialStreams(t, nil, f.addr)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, err := c.AwaitTerminal(ctx, "p"); !errors.Is(err, registry.ErrUnsupported) {
		t.Errorf("waiting: %v", err)
	}
	w := c.WatchChanges(registry.ChangeCursor{})
	defer w.Close()
	if _, err := w.Begin(ctx); !errors.Is(err, registry.ErrUnsupported) {
		t.Errorf("the feed: %v", err)
	}
}

// TestANodeThatSaysNothingIsLeft has one that takes streams and is silent, as a
// node does that is stopped, or behind a network that swallows everything.
func TestANodeThatSaysNothingIsLeft(t *testing.T) {
	silent := newFakeStreams(t, &fakeStreams{
		events: func(_ int, stream eventsServer) error {
			<-stream.Context().Done()
			return nil
		},
		changes: func(_ int, _ registry.ChangeCursor, stream grpc.ServerStreamingServer[pb.WatchChangesResponse]) error {
			<-stream.Context().Done()
			return nil
		},
	})
	good := newFakeStreams(t, &fakeStreams{
		events: func(_ int, stream eventsServer) error {
			add, err := added(stream)
			if err != nil {
				return err
			}
			if err := stream.Send(watched(add.GetId(), 7, 1)); err != nil {
				return err
			}
			<-stream.Context().Done()
			return nil
		},
		changes: func(_ int, after registry.ChangeCursor, stream grpc.ServerStreamingServer[pb.WatchChangesResponse]) error {
			if err := stream.Send(wire.WatchedChangesToPB(registry.WatchedChanges{Cursor: registry.ChangeCursor{ClusterID: "c", Revision: 9}})); err != nil {
				return err
			}
			<-stream.Context().Done()
			return nil
		},
	})
	impatient := func(c *Client) { c.options.streamSilence = 100 * time.Millisecond }
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	w := dialStreams(t, impatient, silent.addr, good.addr).WatchEvents(registry.EventWatch{ProcessID: "p"})
	if _, err := w.Next(ctx); err != nil {
		t.Error(err)
	}
	feed := dialStreams(t, impatient, silent.addr, good.addr).WatchChanges(registry.ChangeCursor{})
	defer feed.Close()
	if cursor, err := feed.Begin(ctx); err != nil || cursor.Revision != 9 {
		t.Errorf("%v, %v", cursor, err)
	}
}

// TestTheCursorOfAFeedNeverLosesAChange: in the middle of a revision it is the
// place before it.
func TestTheCursorOfAFeedNeverLosesAChange(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var pages []registry.WatchedChanges
	at := func(revision uint64) registry.ChangeCursor {
		return registry.ChangeCursor{ClusterID: "c", Revision: revision}
	}
	page := func(revisions ...uint64) {
		var changes []registry.ProcessChange
		for _, revision := range revisions {
			changes = append(changes, registry.ProcessChange{Revision: revision, ProcessID: "p", Life: 1, Kind: registry.ChangeGrant})
		}
		pages = append(pages, registry.WatchedChanges{Changes: changes, Cursor: at(slices.Max(revisions))})
	}
	page(5, 6, 6, 6, 7)
	page(8, 8)
	page(9)
	f := newFakeStreams(t, &fakeStreams{changes: func(number int, after registry.ChangeCursor, stream grpc.ServerStreamingServer[pb.WatchChangesResponse]) error {
		for _, page := range pages {
			if page.Cursor.Revision <= after.Revision {
				continue
			}
			if err := stream.Send(wire.WatchedChangesToPB(page)); err != nil {
				return err
			}
			if number == 1 {
				return registry.Errorf(registry.CodeOverloaded, registry.Fields{Field: fieldSlow}, "cut off")
			}
		}
		<-stream.Context().Done()
		return nil
	}})
	w := dialStreams(t, nil, f.addr).WatchChanges(at(4))
	defer w.Close()
	if cursor, err := w.Begin(ctx); err != nil || cursor != at(4) {
		t.Errorf("it begins at %v, %v", cursor, err)
	}
	for i, want := range []struct{ revision, cursor uint64 }{{5, 5}, {6, 5}, {6, 5}, {6, 6}, {7, 7}, {8, 7}, {8, 8}, {9, 9}} {
		change, err := w.Next(ctx)
		if err != nil || change.Revision != want.revision || w.Cursor() != at(want.cursor) {
			t.Errorf("change %d: %+v, %v, cursor %v, want %+v", i, change, err, w.Cursor(), want)
		}
	}
}

// TestCompactedIsFinalWhenAllAddressesSaySo: windows differ from node to node.
func TestCompactedIsFinalWhenAllAddressesSaySo(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	compacted := func(int, registry.ChangeCursor, grpc.ServerStreamingServer[pb.WatchChangesResponse]) error {
		return registry.Errorf(registry.CodeCompacted, registry.Fields{}, "not here")
	}
	a, b := newFakeStreams(t, &fakeStreams{changes: compacted}), newFakeStreams(t, &fakeStreams{changes: compacted})
	good := newFakeStreams(t, &fakeStreams{changes: func(_ int, after registry.ChangeCursor, stream grpc.ServerStreamingServer[pb.WatchChangesResponse]) error {
		after.Revision++
		return stream.Send(wire.WatchedChangesToPB(registry.WatchedChanges{Changes: []registry.ProcessChange{{Revision: after.Revision, Kind: registry.ChangeAck}}, Cursor: after}))
	}})
	cursor := registry.ChangeCursor{ClusterID: "c", Revision: 4}
	w := dialStreams(t, nil, a.addr, b.addr, good.addr).WatchChanges(cursor)
	defer w.Close()
	for want := uint64(5); want < 8; want++ {
		if change, err := w.Next(ctx); err != nil || change.Revision != want {
			t.Fatalf("%+v, %v", change, err)
		}
	}
	w = dialStreams(t, nil, a.addr, b.addr).WatchChanges(cursor)
	defer w.Close()
	if change, err := w.Next(ctx); !errors.Is(err, registry.ErrCompacted) {
		t.Errorf("%+v, %v", change, err)
	}
}
