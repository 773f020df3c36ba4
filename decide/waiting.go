package decide

import (
	"container/list"
	"context"
	"sync"
	"time"

	"github.com/holdfast-registry/holdfast/fsm"
)

// Waiting holds the calls that wait for processes of some kinds to become
// ready. One process wakes one call, the one that has waited longest, so that a
// thousand idle workers do not all ask for the same piece of work. It is safe
// for concurrent use.
type Waiting struct {
	mu sync.Mutex
	// byKind and anyKind are in the order of arrival; a call of several kinds is
	// in several lists.
	byKind  map[string]*list.List
	anyKind list.List
	// arrivals numbers the calls, to tell which of two has waited longer.
	arrivals uint64
}

// waiter is one call that waits.
type waiter struct {
	arrival uint64
	woken   chan struct{}
	// wokenFor is the kind that it was woken for.
	wokenFor string
	// places are where the call stands in the lists.
	places []place
}

type place struct {
	list    *list.List
	element *list.Element
	kind    string
}

// Wake wakes a call for each of these kinds, as far as any waits for it.
func (w *Waiting) Wake(kinds []string) {
	if len(kinds) == 0 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, kind := range kinds {
		var first *waiter
		if ofKind := w.byKind[kind]; ofKind != nil {
			first = ofKind.Front().Value.(*waiter)
		}
		if front := w.anyKind.Front(); front != nil {
			if any := front.Value.(*waiter); first == nil || any.arrival < first.arrival {
				first = any
			}
		}
		if first != nil {
			w.take(first)
			first.wokenFor = kind
			close(first.woken)
		}
	}
}

// lookAgain is how often a waiting call looks by itself. A call that was woken
// may not live to claim anything; those behind it find the work then.
const lookAgain = 2 * time.Second

// Await waits until done is true of the state, the wait is over, or ended is
// closed, and answers nil then; it answers the context's error when that ends
// first. Calls are woken for these kinds; none are all. read runs a function
// over the applied state.
func (w *Waiting) Await(ctx context.Context, kinds []string, waitMs uint64, ended <-chan struct{}, read func(func(fsm.View)), done func(fsm.View) bool) error {
	over := time.NewTimer(time.Duration(waitMs) * time.Millisecond)
	defer over.Stop()
	again := time.NewTicker(lookAgain)
	defer again.Stop()
	for {
		// First in line, then a look: what becomes ready in between wakes.
		me := w.add(kinds)
		for waiting := true; waiting; {
			ready := false
			read(func(v fsm.View) { ready = done(v) })
			if ready {
				w.leave(me)
				return nil
			}
			select {
			case <-me.woken:
				waiting = false
			case <-again.C:
			case <-over.C:
				w.leave(me)
				return nil
			case <-ended:
				w.leave(me)
				return nil
			case <-ctx.Done():
				w.leave(me)
				return ctx.Err()
			}
		}
		// Woken: look once more, and go to the end of the line if somebody else
		// was quicker.
		ready := false
		read(func(v fsm.View) { ready = done(v) })
		if ready {
			return nil
		}
	}
}

func (w *Waiting) add(kinds []string) *waiter {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.arrivals++
	me := &waiter{arrival: w.arrivals, woken: make(chan struct{})}
	if len(kinds) == 0 {
		me.places = []place{{list: &w.anyKind, element: w.anyKind.PushBack(me)}}
		return me
	}
	if w.byKind == nil {
		w.byKind = make(map[string]*list.List)
	}
	for _, kind := range kinds {
		ofKind := w.byKind[kind]
		if ofKind == nil {
			ofKind = list.New()
			w.byKind[kind] = ofKind
		}
		me.places = append(me.places, place{ofKind, ofKind.PushBack(me), kind})
	}
	return me
}

// take takes a call out of all lists.
func (w *Waiting) take(who *waiter) {
	for _, p := range who.places {
		p.list.Remove(p.element)
		if p.list != &w.anyKind && p.list.Len() == 0 {
			delete(w.byKind, p.kind)
		}
	}
	who.places = nil
}

// leave ends a call's waiting. If it was woken at the same moment, the next one
// is woken instead: the work may still be there.
func (w *Waiting) leave(me *waiter) {
	w.mu.Lock()
	woken := me.places == nil
	w.take(me)
	w.mu.Unlock()
	if woken {
		w.Wake([]string{me.wokenFor})
	}
}
