package registrytest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-registry/holdfast/registry"
)

// Harness is a registry under test and what can be done to it beside calling
// it. Only Registry and Tier are required.
type Harness struct {
	registry.Registry
	// Tier is the durability tier that the registry has to answer.
	Tier registry.DurabilityTier
	// Others are further ways to the same state, such as clients of other
	// nodes. What was written through Registry must be seen through them.
	Others []registry.Registry
	// Advance, if set, moves the registry's clock on by so many milliseconds;
	// otherwise it stands still. The registry then belongs to one check, so the
	// function given to Run must return a new one every time.
	Advance func(ms uint64)
	// Costly leaves out the checks that make ten thousand writes and more, which
	// are those of limits that only many rows reach.
	Costly bool
	// Reopen, if set, stops the registry, starts it again on what it stored and
	// returns it. It is called by checks that run alone.
	Reopen func(t TB) registry.Registry
}

// TB is what a check needs of a test. *testing.T is one.
type TB interface {
	Helper()
	Logf(format string, args ...any)
	Errorf(format string, args ...any)
	// Fatalf ends the goroutine of the check.
	Fatalf(format string, args ...any)
	Context() context.Context
}

// Check is one sentence of the contract and the code that holds a registry to
// it.
type Check struct {
	// Topic groups the checks that speak of the same thing.
	Topic string
	// Name is the sentence.
	Name string
	// Why says which section of docs/spec.md asks for it, and what for if the
	// name does not tell.
	Why string
	// Alone tells that the check disturbs others, and must not run beside them.
	Alone bool
	// Needs is what the harness must offer for the check to run.
	Needs Need
	check func(*scene)
}

// Need is something that not every backend offers.
type Need string

// The needs of checks.
const (
	// NeedsReopen checks restart the registry: Harness.Reopen.
	NeedsReopen Need = "reopen"
	// NeedsClock checks let minutes pass: Harness.Advance.
	NeedsClock Need = "clock"
	// NeedsCheapWrites checks make ten thousand writes and more: not
	// Harness.Costly.
	NeedsCheapWrites Need = "cheap writes"
	// NeedsSessions checks want a registry.Sessions, NeedsFences ones a
	// registry.Fences, NeedsQueue ones a registry.Queue and NeedsBatches ones a
	// registry.Batches.
	NeedsSessions Need = "sessions"
	NeedsFences   Need = "fences"
	NeedsQueue    Need = "queue"
	NeedsBatches  Need = "batches"
)

// offers tells whether a check with this need can run.
func (h Harness) offers(need Need) bool {
	switch need {
	case NeedsReopen:
		return h.Reopen != nil
	case NeedsClock:
		return h.Advance != nil
	case NeedsCheapWrites:
		return !h.Costly
	case NeedsSessions:
		_, ok := h.Registry.(registry.Sessions)
		return ok
	case NeedsFences:
		_, ok := h.Registry.(registry.Fences)
		return ok
	case NeedsQueue:
		_, ok := h.Registry.(registry.Queue)
		return ok
	case NeedsBatches:
		_, ok := h.Registry.(registry.Batches)
		return ok
	}
	return true
}

// topic is the checks of one topic, in the order in which they are to be read.
type topic struct {
	name   string
	checks []Check
}

// Checks returns all checks, topic by topic.
func Checks() []Check {
	var all []Check
	for _, topic := range topics {
		for _, check := range topic.checks {
			check.Topic = topic.name
			all = append(all, check)
		}
	}
	return all
}

// Run runs all checks as subtests, one level by topic and one by name. open is
// called once before the first check and once for every check; what it starts
// must end with its t.
func Run(t *testing.T, open func(t *testing.T) Harness) {
	t.Helper()
	first := open(t)
	codes := newCodeLog()
	ran := 0
	for _, topic := range topics {
		t.Run(topic.name, func(t *testing.T) {
			for _, check := range topic.checks {
				if !first.offers(check.Needs) {
					ran++
					continue
				}
				t.Run(check.Name, func(t *testing.T) {
					ran++
					if !check.Alone {
						t.Parallel()
					}
					check.judge(t, open(t), codes)
				})
			}
		})
	}
	// With -run only a part may have run, which does not meet every code.
	if ran == len(Checks()) {
		t.Run("Errors", func(t *testing.T) {
			t.Run("every code comes from a call or has a reason not to", func(t *testing.T) { codes.judge(t, first) })
		})
	}
}

// Judge runs one check on a registry and reports to t. It returns when the check
// is over, or ends the goroutine by t.Fatalf. A harness that does not offer what
// the check needs fails it.
func (c Check) Judge(t TB, h Harness) {
	t.Helper()
	if !h.offers(c.Needs) {
		t.Fatalf("the check needs %s, which the harness does not offer", c.Needs)
	}
	c.judge(t, h, newCodeLog())
}

// checkTimeout bounds one check. Nothing takes nearly as long, but a registry
// that does not answer must fail and not hang.
const checkTimeout = 2 * time.Minute

func (c Check) judge(t TB, h Harness, codes *codeLog) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), checkTimeout)
	defer cancel()
	s := &scene{TB: noted{TB: t, why: c.Why}, Harness: h, ctx: ctx, prefix: newPrefix(), codes: codes}
	defer func() {
		// An answer without a part that the contract promises must not end the
		// checks that are still to come.
		if cause := recover(); cause != nil {
			s.Errorf("the check panicked, most likely since an answer lacks something: %v\n%s", cause, debug.Stack())
		}
	}()
	c.check(s)
}

// noted adds to every failure what the contract says.
type noted struct {
	TB
	why string
}

func (n noted) Errorf(format string, args ...any) {
	n.TB.Helper()
	n.TB.Errorf("%s\n(%s)", fmt.Sprintf(format, args...), n.why)
}

func (n noted) Fatalf(format string, args ...any) {
	n.TB.Helper()
	n.TB.Fatalf("%s\n(%s)", fmt.Sprintf(format, args...), n.why)
}

var prefixes struct {
	sync.Mutex
	next uint64
}

// run tells the ids of this program apart from those that another one left in
// the same registry.
var run = rand.Uint64()

// newPrefix makes the beginning of all ids of one check.
func newPrefix() string {
	prefixes.Lock()
	defer prefixes.Unlock()
	prefixes.next++
	return fmt.Sprintf("c%x.%d.", run, prefixes.next)
}
