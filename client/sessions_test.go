package client

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/holdfast-registry/holdfast/registry"
	"github.com/holdfast-registry/holdfast/transport/pb"
)

// stamps is a fake node that opens sessions and keeps the stamps of writes.
type stamps struct {
	mu     sync.Mutex
	opened int
	closed []string
	seen   []*pb.SessionStamp
	// answer is how writes are answered, by their number from 1; nil answers.
	answer func(n int, stamp *pb.SessionStamp) error
	// open is how the opening of sessions is answered.
	open func(n int) error
}

func (s *stamps) call(_ context.Context, request proto.Message) (proto.Message, registry.AnswerInfo, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch request := request.(type) {
	case *pb.OpenSessionRequest:
		s.opened++
		if s.open != nil {
			if err := s.open(s.opened); err != nil {
				return nil, registry.AnswerInfo{}, err
			}
		}
		return &pb.OpenSessionResponse{SessionId: fmt.Sprint("session ", s.opened)}, registry.AnswerInfo{}, nil
	case *pb.CloseSessionRequest:
		s.closed = append(s.closed, request.GetSessionId())
		return &pb.CloseSessionResponse{}, registry.AnswerInfo{}, nil
	case stampable:
		s.seen = append(s.seen, request.GetSession())
		if s.answer != nil {
			if err := s.answer(len(s.seen), request.GetSession()); err != nil {
				return nil, registry.AnswerInfo{}, err
			}
		}
	}
	return responseTo(request), registry.AnswerInfo{}, nil
}

// same tells that two tries were of the same write.
func sameStamp(a, b *pb.SessionStamp) bool {
	return a.GetId() == b.GetId() && a.GetSequence() == b.GetSequence()
}

func TestEveryWriteIsStamped(t *testing.T) {
	s := new(stamps)
	node := newFakeNode(t, s.call)
	c := mustDialSessions(t, []string{node.addr})
	for range 3 {
		mustCall(t, c, writeCall)
	}
	mustCall(t, c, readCall)
	if s.opened != 1 || len(s.seen) != 3 {
		t.Fatalf("%d sessions, %d writes", s.opened, len(s.seen))
	}
	for i, stamp := range s.seen {
		if want := uint64(i) + 1; stamp.GetId() != "session 1" || stamp.GetSequence() != want || stamp.GetFloor() != want {
			t.Errorf("write %d has the stamp %v", i+1, stamp)
		}
	}
	c.Close()
	if len(s.closed) != 1 || s.closed[0] != "session 1" {
		t.Errorf("closed %q", s.closed)
	}
}

func TestACallersOwnStampIsSentAsItIs(t *testing.T) {
	s := new(stamps)
	node := newFakeNode(t, s.call)
	c := mustDialSessions(t, []string{node.addr})
	own := registry.SessionStamp{ID: "own", Sequence: 7, Floor: 3}
	if err := writeCall(registry.WithSession(t.Context(), own), c); err != nil {
		t.Fatal(err)
	}
	if got := s.seen[0]; s.opened != 0 || got.GetId() != "own" || got.GetSequence() != 7 || got.GetFloor() != 3 {
		t.Errorf("%v, with %d sessions opened", got, s.opened)
	}
}

// TestAStampedWriteIsTriedAgainUntilItIsAnswered is what sessions are for.
func TestAStampedWriteIsTriedAgainUntilItIsAnswered(t *testing.T) {
	t.Run("after an answer that says it does not know", func(t *testing.T) {
		s := &stamps{answer: func(n int, _ *pb.SessionStamp) error {
			if n < 3 {
				return failure(registry.CodeOutcomeUnknown)
			}
			return nil
		}}
		node := newFakeNode(t, s.call)
		mustCall(t, mustDialSessions(t, []string{node.addr}), writeCall)
		if len(s.seen) != 3 || !sameStamp(s.seen[0], s.seen[1]) || !sameStamp(s.seen[0], s.seen[2]) {
			t.Errorf("stamps %v", s.seen)
		}
	})
	t.Run("after a try that was not answered in time", func(t *testing.T) {
		s := new(stamps)
		silence := hang(t)
		silent := newFakeNode(t, func(ctx context.Context, request proto.Message) (proto.Message, registry.AnswerInfo, error) {
			if _, ok := request.(*pb.AckWakeRequest); ok {
				return silence(ctx, request)
			}
			return s.call(ctx, request)
		})
		node := newFakeNode(t, s.call)
		c := mustDialSessions(t, []string{silent.addr, node.addr}, WithAttemptTimeout(300*time.Millisecond))
		mustCall(t, c, writeCall)
		if len(s.seen) != 1 || s.seen[0].GetSequence() != 1 {
			t.Errorf("stamps %v", s.seen)
		}
	})
}

// TestAnEarlierTryMakesTheOutcomeUnknown: what a node says of the last try is
// not what became of the write.
func TestAnEarlierTryMakesTheOutcomeUnknown(t *testing.T) {
	for _, c := range []struct {
		code registry.Code
		want registry.Code
	}{
		{registry.CodeInvalidArgument, registry.CodeOutcomeUnknown},
		{registry.CodeTooLarge, registry.CodeOutcomeUnknown},
		{registry.CodeSessionExpired, registry.CodeOutcomeUnknown},
		{registry.CodeOverloaded, registry.CodeOutcomeUnknown},
		{registry.CodeNotLeader, registry.CodeOutcomeUnknown},
		{registry.CodeNoLeader, registry.CodeOutcomeUnknown},
		{registry.CodeFenced, registry.CodeFenced},
		{registry.CodeNotFound, registry.CodeNotFound},
		{registry.CodeTerminal, registry.CodeTerminal},
	} {
		t.Run(c.code.String(), func(t *testing.T) {
			s := &stamps{answer: func(n int, _ *pb.SessionStamp) error {
				if n == 1 {
					return failure(registry.CodeOutcomeUnknown)
				}
				return failure(c.code)
			}}
			node := newFakeNode(t, s.call)
			failed := mustBe(t, writeCall(t.Context(), mustDialSessions(t, []string{node.addr}, WithRetryTimeout(300*time.Millisecond))), c.want)
			if failed.Definite() != c.want.Info().Definite || len(s.seen) < 2 {
				t.Errorf("definite %v after %d tries", failed.Definite(), len(s.seen))
			}
			// Without an earlier try it is just what it says.
			s.answer = func(int, *pb.SessionStamp) error { return failure(c.code) }
			if c.code != registry.CodeSessionExpired {
				mustBe(t, writeCall(t.Context(), mustDialSessions(t, []string{node.addr}, WithRetryTimeout(0))), c.code)
			}
		})
	}
}

func TestAnExpiredSessionIsReplaced(t *testing.T) {
	s := &stamps{answer: func(_ int, stamp *pb.SessionStamp) error {
		if stamp.GetId() == "session 1" && stamp.GetSequence() > 1 {
			return failure(registry.CodeSessionExpired)
		}
		return nil
	}}
	node := newFakeNode(t, s.call)
	c := mustDialSessions(t, []string{node.addr})
	mustCall(t, c, writeCall)
	mustCall(t, c, writeCall)
	mustCall(t, c, writeCall)
	if last := s.seen[len(s.seen)-1]; s.opened != 2 || last.GetId() != "session 2" || last.GetSequence() != 2 {
		t.Errorf("%d sessions, the last stamp is %v", s.opened, last)
	}
}

func TestASessionThatCannotBeOpenedLeavesTheWriteUnsent(t *testing.T) {
	for _, code := range []registry.Code{registry.CodeOverloaded, registry.CodeNoLeader, registry.CodeOutcomeUnknown} {
		s := &stamps{open: func(int) error { return failure(code) }}
		node := newFakeNode(t, s.call)
		err := writeCall(t.Context(), mustDialSessions(t, []string{node.addr}, WithRetryTimeout(200*time.Millisecond)))
		var failed *registry.Error
		if !errors.As(err, &failed) || !failed.Definite() || len(s.seen) != 0 {
			t.Errorf("%v: %v, definite %v, after %d writes", code, err, registry.IsDefinite(err), len(s.seen))
		}
		if s.opened < 2 {
			t.Errorf("%v: opened %d times", code, s.opened)
		}
	}
}

func TestFloorsRiseOnceAllWritesBelowAreAnswered(t *testing.T) {
	p := &sessionPool{open: func(context.Context) (string, error) { return "s", nil }}
	take := func() *ticket {
		ticket, err := p.take(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return ticket
	}
	first, second, third := take(), take(), take()
	second.done()
	third.done()
	if floor := take().stamp().GetFloor(); floor != 1 {
		t.Errorf("the floor is %d while the first write is outstanding", floor)
	}
	first.done()
	if floor := take().stamp().GetFloor(); floor != 4 {
		t.Errorf("the floor is %d, want 4", floor)
	}
}

func TestManyOutstandingWritesUseMoreSessions(t *testing.T) {
	opened := 0
	p := &sessionPool{open: func(context.Context) (string, error) {
		opened++
		return fmt.Sprint(opened), nil
	}}
	var tickets []*ticket
	for range 2*maxOutstanding + 1 {
		ticket, err := p.take(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if stamp := ticket.stamp(); stamp.GetSequence()-stamp.GetFloor() >= registry.MaxSessionAnswers {
			t.Fatalf("the session would have to keep too much: %v", stamp)
		}
		tickets = append(tickets, ticket)
	}
	if opened != 3 {
		t.Errorf("%d sessions for %d outstanding writes", opened, len(tickets))
	}
	for _, ticket := range tickets {
		ticket.done()
	}
	if ticket, err := p.take(t.Context()); err != nil || ticket.session.id != "1" || opened != 3 {
		t.Errorf("room that was freed is not used again (%v)", err)
	}
}

func TestConcurrentFirstWritesOpenOneSession(t *testing.T) {
	s := new(stamps)
	node := newFakeNode(t, s.call)
	c := mustDialSessions(t, []string{node.addr})
	var writers sync.WaitGroup
	for range 20 {
		writers.Go(func() {
			if err := writeCall(t.Context(), c); err != nil {
				t.Error(err)
			}
		})
	}
	writers.Wait()
	if s.opened != 1 {
		t.Errorf("%d sessions", s.opened)
	}
	numbers := map[uint64]bool{}
	for _, stamp := range s.seen {
		numbers[stamp.GetSequence()] = true
	}
	if len(numbers) != 20 {
		t.Errorf("%d different sequences for 20 writes", len(numbers))
	}
}
