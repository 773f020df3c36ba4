package transport

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/holdfast-registry/holdfast/registry"
	"github.com/holdfast-registry/holdfast/transport/pb"
	"github.com/holdfast-registry/holdfast/transport/wire"
)

func TestHistoryComesFirstThenWhatHappens(t *testing.T) {
	r := newWatchRig(t, WatchLimits{})
	r.logs.register("p", 7)
	r.logs.register("q", 8)
	r.logs.append("p", 1)
	r.logs.append("p", 1)
	w := r.open()
	w.add(&pb.EventWatch{Id: 1, ProcessId: "p", Credit: 9}, &pb.EventWatch{Id: 2, ProcessId: "q", Credit: 9})
	w.expect("1: life 7 1 2")
	w.expect("2: life 8")
	r.logs.append("q", 1)
	w.expect("2: life 8 1")
	r.logs.append("p", 1)
	w.expect("1: life 7 3")
	w.add(&pb.EventWatch{Id: 3, ProcessId: "p", Life: 7, AfterSequence: 2, Credit: 9})
	w.expect("3: life 7 3")
	w.add(&pb.EventWatch{Id: 4, ProcessId: "p", Life: 6, Credit: 9})
	w.expect("4: life 0 LifeEnded")
	w.add(&pb.EventWatch{Id: 5, ProcessId: "never", Credit: 9})
	w.expect("5: life 0 NotFound")
	w.ask(&pb.WatchEventsRequest{Remove: []uint64{3, 77}})
	r.eventually("the watch is let go", func() bool { return r.logs.following() == 2 })
	r.logs.append("p", 1)
	w.expect("1: life 7 4")
	r.logs.prune("p")
	w.expect("1: life 0 LifeEnded")
	r.logs.append("q", 1)
	w.expect("2: life 8 2")
	if err := w.stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if _, err := w.next(); err == nil || status.Code(err) != codes.Unknown || err.Error() != "EOF" {
		t.Errorf("a stream that its client ended ends with %v", err)
	}
}

// TestWithoutCreditNothingIsSent: not even the end of the life.
func TestWithoutCreditNothingIsSent(t *testing.T) {
	r := newWatchRig(t, WatchLimits{})
	r.logs.register("p", 7)
	r.logs.register("q", 8)
	for range 3 * registry.WatchPageRows {
		r.logs.append("p", 1)
	}
	w := r.open()
	w.add(&pb.EventWatch{Id: 1, ProcessId: "p"}, &pb.EventWatch{Id: 2, ProcessId: "q", Credit: 9})
	w.expect("1: life 7")
	w.expect("2: life 8")
	page := func(first int) string {
		text := "1: life 7"
		for i := range registry.WatchPageRows {
			text += fmt.Sprint(" ", first+i)
		}
		return text
	}
	w.ask(&pb.WatchEventsRequest{Credit: []*pb.WatchCredit{{Id: 1, Pages: 1}, {Id: 99, Pages: 1}}})
	w.expect(page(1))
	r.logs.append("p", 1)
	r.logs.append("q", 1)
	w.expect("2: life 8 1")
	w.ask(&pb.WatchEventsRequest{Credit: []*pb.WatchCredit{{Id: 1, Pages: 1}, {Id: 1, Pages: 1}}})
	w.expect(page(1 + registry.WatchPageRows))
	w.expect(page(1 + 2*registry.WatchPageRows))
	r.logs.prune("p")
	r.logs.append("q", 1)
	w.expect("2: life 8 2")
	w.ask(&pb.WatchEventsRequest{Credit: []*pb.WatchCredit{{Id: 1, Pages: 1}}})
	w.expect("1: life 0 LifeEnded")
}

// TestAWatchWithMuchBehindItHoldsUpNoOther: pages are taken in turn, whoever
// came first.
func TestAWatchWithMuchBehindItHoldsUpNoOther(t *testing.T) {
	for name, order := range map[string][]string{"that comes after it": {"much", "little"}, "that came before it": {"little", "much"}} {
		t.Run(name, func(t *testing.T) {
			r := newWatchRig(t, WatchLimits{})
			r.logs.register("much", 7)
			r.logs.register("little", 7)
			for range 50 {
				r.logs.append("much", registry.WatchPageBytes)
			}
			w := r.open()
			var watches []*pb.EventWatch
			for id, process := range order {
				watches = append(watches, &pb.EventWatch{Id: uint64(id), ProcessId: process, Life: 7, Credit: 100})
			}
			w.add(watches...)
			before := 0
			for {
				said, err := w.next()
				if err != nil {
					t.Fatal(err)
				}
				if order[said.GetId()] == "little" {
					break
				}
				before++
			}
			if before > 2 {
				t.Errorf("%d pages of one watch came before the first word on the other", before)
			}
		})
	}
}

// TestANodeThatIsBehindSaysNothingFalse: it knows neither process nor life yet.
func TestANodeThatIsBehindSaysNothingFalse(t *testing.T) {
	for name, watch := range map[string]*pb.EventWatch{
		"the process is new":               {Id: 1, ProcessId: "p", Credit: 9},
		"the cursor is of a newer life":    {Id: 1, ProcessId: "q", Life: 9, Credit: 9},
		"there was another life before":    {Id: 1, ProcessId: "q", Credit: 9},
		"the cursor is of an unknown life": {Id: 1, ProcessId: "p", Life: 9, Credit: 9},
	} {
		t.Run(name, func(t *testing.T) {
			r := newWatchRig(t, WatchLimits{})
			r.logs.register("q", 3)
			r.logs.onCatchUp = func() error {
				r.logs.register("p", 9)
				r.logs.register("q", 9)
				return nil
			}
			w := r.open()
			w.add(watch)
			w.expect("1: life 9")
		})
	}
	t.Run("a life that is here needs no leader", func(t *testing.T) {
		r := newWatchRig(t, WatchLimits{})
		r.logs.register("p", 3)
		r.logs.append("p", 1)
		r.logs.onCatchUp = func() error { return errNoLeader }
		w := r.open()
		w.add(&pb.EventWatch{Id: 1, ProcessId: "p", Life: 3, AfterSequence: 0, Credit: 9})
		w.expect("1: life 3 1")
		w.add(&pb.EventWatch{Id: 2, ProcessId: "p", Life: 3, AfterSequence: 5, Credit: 9})
		w.expect("2: life 3")
		w.add(&pb.EventWatch{Id: 3, ProcessId: "p", Credit: 9})
		w.expect("3: life 0 NoLeader")
	})
	t.Run("many watches catch up together", func(t *testing.T) {
		r := newWatchRig(t, WatchLimits{})
		r.logs.register("p", 3)
		var watches []*pb.EventWatch
		for id := range uint64(1000) {
			watches = append(watches, &pb.EventWatch{Id: id, ProcessId: "p", Credit: 9})
		}
		w := r.open()
		w.add(watches...)
		for id := range 1000 {
			w.expect(fmt.Sprintf("%d: life 3", id))
		}
		if n := r.logs.caughtUp.Load(); n != 1 {
			t.Errorf("caught up %d times", n)
		}
	})
}

func TestTheLimitsOfWatches(t *testing.T) {
	r := newWatchRig(t, WatchLimits{Streams: 2, PerStream: 3, PerNode: 4})
	r.logs.register("p", 3)
	watch := func(id uint64) *pb.EventWatch { return &pb.EventWatch{Id: id, ProcessId: "p", Life: 3, Credit: 1} }
	a := r.open()
	a.add(watch(1), watch(2), watch(3))
	for id := 1; id <= 3; id++ {
		a.expect(fmt.Sprintf("%d: life 3", id))
	}
	a.add(watch(4))
	refused := func(w *watchTo, field string, limit, value uint64) {
		t.Helper()
		said, err := w.next()
		if err != nil {
			t.Fatal(err)
		}
		e := wire.ErrorFromDetail(said.GetEnded())
		if e.Code != registry.CodeOverloaded || e.Fields.Field != field || *e.Fields.Limit != limit || *e.Fields.Value != value {
			t.Errorf("%v, %+v", e, e.Fields)
		}
	}
	refused(a, "watches", 3, 4)
	b := r.open()
	b.add(watch(1))
	b.expect("1: life 3")
	b.add(watch(2))
	refused(b, "node.watches", 4, 5)
	a.ask(&pb.WatchEventsRequest{Remove: []uint64{1}})
	a.add(watch(5))
	a.expect("5: life 3")
	a.add(&pb.EventWatch{Id: 6, ProcessId: " "}, &pb.EventWatch{Id: 7, ProcessId: "p", EventType: strings.Repeat("x", registry.MaxStringBytes+1)})
	a.expect("6: life 0 InvalidArgument")
	a.expect("7: life 0 TooLarge")
	c := r.open()
	if e := c.ends(); e.Code != registry.CodeOverloaded || e.Fields.Field != "streams" || *e.Fields.Limit != 2 {
		t.Errorf("a third stream ended with %v, %+v", e, e.Fields)
	}
	a.add(watch(5))
	if e := a.ends(); e.Code != registry.CodeInvalidArgument || e.Fields.Field != "add.id" {
		t.Errorf("an id twice in a stream: %v", e)
	}
}

// TestRefusedWatchesThatNobodyReadsAreBounded has a client add what is refused
// and read nothing.
func TestRefusedWatchesThatNobodyReadsAreBounded(t *testing.T) {
	r := newWatchRig(t, WatchLimits{PerStream: 100, SendWait: patience})
	w := r.open()
	r.eventually("the stream is served", func() bool { return openStreams(r.metrics) == 1 })
	// What tells that the stream is cut off comes behind what is unread, so the
	// client may be held up for as long as it reads nothing.
	go func() {
		for id := uint64(0); ; id++ {
			if w.stream.Send(&pb.WatchEventsRequest{Add: []*pb.EventWatch{{Id: id, ProcessId: strings.Repeat("\x01", 600)}}}) != nil {
				return
			}
		}
	}()
	r.eventually("the stream is cut off", func() bool { return openStreams(r.metrics) == 0 })
	if e := w.ends(); e.Code != registry.CodeOverloaded {
		t.Errorf("the stream ended with %v", e)
	}
}

// TestAReaderThatIsTooSlowIsCutOff has one that asks for everything, reads
// nothing, and then goes on from where it was.
func TestAReaderThatIsTooSlowIsCutOff(t *testing.T) {
	const events = 200
	r := newWatchRig(t, WatchLimits{SendWait: 200 * time.Millisecond})
	r.logs.register("p", 3)
	for range events {
		r.logs.append("p", registry.WatchPageBytes/2)
	}
	slow := r.open()
	slow.add(&pb.EventWatch{Id: 1, ProcessId: "p", Life: 3, Credit: events})
	r.eventually("the stream is cut off", func() bool { return testutil.ToFloat64(r.metrics.watchCutoffs) == 1 })
	var read uint64
	take := func(w *watchTo) error {
		said, err := w.next()
		if err != nil {
			return err
		}
		for _, e := range said.GetEvents() {
			if e.GetSequence() != read+1 {
				t.Fatalf("event %d came behind event %d", e.GetSequence(), read)
			}
			read++
		}
		return nil
	}
	var err error
	for err == nil {
		err = take(slow)
	}
	if e, _ := wire.ErrorFromStatus(err); e == nil || e.Code != registry.CodeOverloaded || e.Fields.Field != "stream" || !e.Definite() {
		t.Errorf("the stream ended with %v", err)
	}
	if read == events {
		t.Error("everything had been sent: nothing kept the node from piling it up")
	}
	again := r.open()
	again.add(&pb.EventWatch{Id: 1, ProcessId: "p", Life: 3, AfterSequence: read, Credit: events})
	for read < events {
		if err := take(again); err != nil {
			t.Fatal(err)
		}
	}
}

func TestASilentStreamSaysThatItLives(t *testing.T) {
	r := newWatchRig(t, WatchLimits{Silence: 20 * time.Millisecond})
	r.logs.register("p", 3)
	events := r.open()
	events.add(&pb.EventWatch{Id: 1, ProcessId: "p", Credit: 9})
	events.expect("1: life 3")
	changes, err := r.client.WatchChanges(r.ctx, &pb.WatchChangesRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if first, err := changes.Recv(); err != nil || first.GetCursor().GetRevision() != 1 {
		t.Fatalf("%v, %v", first, err)
	}
	for range 3 {
		if response, err := changes.Recv(); err != nil || response.GetCursor() != nil || len(response.GetChanges()) > 0 {
			t.Fatalf("%v, %v", response, err)
		}
		if response, err := events.stream.Recv(); err != nil || len(response.GetWatched()) > 0 {
			t.Fatalf("%v, %v", response, err)
		}
	}
	r.logs.append("p", 1)
	events.expect("1: life 3 1")
	for {
		response, err := changes.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if len(response.GetChanges()) > 0 {
			if response.GetCursor().GetRevision() != 2 {
				t.Errorf("%v", response)
			}
			break
		}
	}
}

func TestANodeThatLostItsLeaderEndsItsStreams(t *testing.T) {
	r := newWatchRig(t, WatchLimits{Contact: 100 * time.Millisecond})
	r.logs.register("p", 3)
	w := r.open()
	w.add(&pb.EventWatch{Id: 1, ProcessId: "p", Credit: 9})
	w.expect("1: life 3")
	r.logs.contactMs.Store(101)
	if e := w.ends(); e.Code != registry.CodeNoLeader {
		t.Errorf("the stream ended with %v", e)
	}
	if e := r.open().ends(); e.Code != registry.CodeNoLeader {
		t.Errorf("a new one ended with %v", e)
	}
}

func TestAStopEndsStreams(t *testing.T) {
	r := newWatchRig(t, WatchLimits{})
	r.logs.register("p", 3)
	w := r.open()
	w.add(&pb.EventWatch{Id: 1, ProcessId: "p", Credit: 9})
	w.expect("1: life 3")
	changes, err := r.client.WatchChanges(r.ctx, &pb.WatchChangesRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := changes.Recv(); err != nil {
		t.Fatal(err)
	}
	close(r.stop)
	if e := w.ends(); e.Code != registry.CodeNoLeader || !strings.Contains(e.Message, "stopping") {
		t.Errorf("the stream of events ended with %v", e)
	}
	_, err = changes.Recv()
	if e, _ := wire.ErrorFromStatus(err); e == nil || e.Code != registry.CodeNoLeader {
		t.Errorf("the stream of changes ended with %v", err)
	}
}

func TestAPanicInAStreamTakesNoOtherDown(t *testing.T) {
	r := newWatchRig(t, WatchLimits{})
	r.logs.register("p", 3)
	good, bad := r.open(), r.open()
	good.add(&pb.EventWatch{Id: 1, ProcessId: "p", Credit: 9})
	good.expect("1: life 3")
	bad.add(&pb.EventWatch{Id: 1, ProcessId: "panic", Life: 1, Credit: 9})
	if e := bad.ends(); e.Code != registry.CodeInternal {
		t.Errorf("the stream ended with %v", e)
	}
	r.logs.append("p", 1)
	good.expect("1: life 3 1")
}

func TestAFeedOfChangesGoesOnFromItsCursor(t *testing.T) {
	r := newWatchRig(t, WatchLimits{})
	feed := func(after *pb.ChangeCursor) func() string {
		stream, err := r.client.WatchChanges(r.ctx, &pb.WatchChangesRequest{After: after})
		if err != nil {
			t.Fatal(err)
		}
		return func() string {
			response, err := stream.Recv()
			if e, answered := wire.ErrorFromStatus(err); answered {
				return e.Code.String()
			} else if err != nil {
				return err.Error()
			}
			text := fmt.Sprintf("at %d:", response.GetCursor().GetRevision())
			for _, change := range response.GetChanges() {
				text += fmt.Sprintf(" %d", change.GetRevision())
			}
			return text
		}
	}
	expect := func(next func() string, want string) {
		t.Helper()
		if got := next(); got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
	}
	r.logs.register("p", 1)
	r.logs.register("q", 1)
	// The present is what the node knows once it has caught up.
	r.logs.onCatchUp = func() error {
		r.logs.append("p", 1)
		return nil
	}
	present := feed(nil)
	expect(present, "at 3:")
	r.logs.append("p", 1)
	expect(present, "at 4: 4")
	r.logs.onCatchUp = nil
	past := feed(&pb.ChangeCursor{ClusterId: "c", Revision: 2})
	expect(past, "at 4: 3 4")
	r.logs.append("p", 1)
	expect(past, "at 5: 5")
	expect(present, "at 5: 5")
	// A cursor that is ahead of the node, but not of the cluster.
	r.logs.onCatchUp = func() error {
		r.logs.append("p", 1)
		return nil
	}
	expect(feed(&pb.ChangeCursor{ClusterId: "c", Revision: 6}), "at 6:")
	expect(feed(&pb.ChangeCursor{ClusterId: "c", Revision: 60}), "Compacted")
	expect(feed(&pb.ChangeCursor{ClusterId: "other", Revision: 1}), "Compacted")
	r.logs.onCatchUp = func() error { return errNoLeader }
	expect(feed(nil), "NoLeader")
	expect(feed(&pb.ChangeCursor{ClusterId: "c", Revision: 8}), "at 8:")
}
