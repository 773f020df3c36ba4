package client

import (
	"context"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/holdfast-registry/holdfast/registry"
	"github.com/holdfast-registry/holdfast/transport/pb"
	"github.com/holdfast-registry/holdfast/transport/wire"
)

// OpenSession implements registry.Sessions. The client opens and uses sessions
// of its own accord (see the package comment): open one by hand only to keep
// its id beyond this client's life, and stamp writes with registry.WithSession.
func (c *Client) OpenSession(ctx context.Context) (string, error) {
	out, err := call(ctx, c, repeatableWrite, pb.RegistryClient.OpenSession, &pb.OpenSessionRequest{})
	return out.GetSessionId(), err
}

// CloseSession implements registry.Sessions.
func (c *Client) CloseSession(ctx context.Context, id string) error {
	_, err := call(ctx, c, repeatableWrite, pb.RegistryClient.CloseSession, &pb.CloseSessionRequest{SessionId: id})
	return err
}

// SettleWrite implements registry.Sessions.
func (c *Client) SettleWrite(ctx context.Context, stamp registry.SessionStamp) (registry.WriteOutcome, error) {
	out, err := call(ctx, c, repeatableWrite, pb.RegistryClient.SettleWrite, &pb.SettleWriteRequest{Stamp: wire.SessionToPB(&stamp)})
	return converted(out, err, wire.WriteOutcomeFromPB)
}

// maxOutstanding is how many writes a session has outstanding at most: fewer
// than the answers that the cluster keeps, since a floor takes a while to get
// there.
const maxOutstanding = registry.MaxSessionAnswers * 3 / 4

// closeTimeout bounds how long Close tries to close sessions. One that it
// cannot close expires.
const closeTimeout = time.Second

// sessionPool holds the sessions that the client's own stamps are of. There is
// one, unless very many writes are outstanding at a time.
type sessionPool struct {
	open func(context.Context) (string, error)

	mu       sync.Mutex
	sessions []*openSession
	// opening is closed when the session that is being opened is there, or is
	// not going to be; nil when none is.
	opening chan struct{}
}

// openSession is one session and what is outstanding in it.
type openSession struct {
	id string
	// next is the sequence of the next write; floor the lowest that is
	// outstanding, or next. finished holds the others above floor that are not
	// outstanding any more.
	next, floor uint64
	finished    map[uint64]bool
}

// ticket is the right to send one write under a stamp, however often.
type ticket struct {
	pool     *sessionPool
	session  *openSession
	sequence uint64
}

// take returns a ticket, and opens a session first if there is none with room.
func (p *sessionPool) take(ctx context.Context) (*ticket, error) {
	for {
		p.mu.Lock()
		for _, s := range p.sessions {
			if s.next-s.floor < maxOutstanding {
				t := &ticket{pool: p, session: s, sequence: s.next}
				s.next++
				p.mu.Unlock()
				return t, nil
			}
		}
		opening := p.opening
		if opening == nil {
			p.opening = make(chan struct{})
		}
		p.mu.Unlock()
		if opening == nil {
			if err := p.openOne(ctx); err != nil {
				return nil, err
			}
			continue
		}
		select {
		case <-opening:
		case <-ctx.Done():
			return nil, registry.Errorf(registry.CodeNoLeader, registry.Fields{},
				"the call ended while a session was being opened: nothing was sent: %v", ctx.Err())
		}
	}
}

func (p *sessionPool) openOne(ctx context.Context) error {
	id, err := p.open(ctx)
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.opening)
	p.opening = nil
	if err == nil {
		p.sessions = append(p.sessions, &openSession{id: id, next: 1, floor: 1, finished: map[uint64]bool{}})
	}
	return err
}

// drop forgets a session that the cluster does not know any more.
func (p *sessionPool) drop(gone *openSession) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, s := range p.sessions {
		if s == gone {
			p.sessions = append(p.sessions[:i:i], p.sessions[i+1:]...)
			return
		}
	}
}

// close closes all sessions, as far as that goes quickly.
func (p *sessionPool) close(closeSession func(ctx context.Context, id string) error) {
	p.mu.Lock()
	sessions := p.sessions
	p.sessions = nil
	p.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	var closing sync.WaitGroup
	for _, s := range sessions {
		closing.Go(func() { _ = closeSession(ctx, s.id) })
	}
	closing.Wait()
}

// stamp returns the write's stamp with the floor as it is now.
func (t *ticket) stamp() *pb.SessionStamp {
	t.pool.mu.Lock()
	defer t.pool.mu.Unlock()
	return &pb.SessionStamp{Id: t.session.id, Sequence: t.sequence, Floor: t.session.floor}
}

// done says that the write's answer is not wanted any more, given or not: the
// floor rises once that is so for all writes below.
func (t *ticket) done() {
	t.pool.mu.Lock()
	defer t.pool.mu.Unlock()
	s := t.session
	s.finished[t.sequence] = true
	for s.finished[s.floor] {
		delete(s.finished, s.floor)
		s.floor++
	}
}

// stampable is a request that may be stamped, with the stamp that its caller
// gave it, if any.
type stampable interface {
	proto.Message
	GetSession() *pb.SessionStamp
}

// setStamp puts a stamp on a request.
func setStamp(request stampable, stamp *pb.SessionStamp) {
	m := request.ProtoReflect()
	m.Set(m.Descriptor().Fields().ByName("session"), protoreflect.ValueOfMessage(stamp.ProtoReflect()))
}
