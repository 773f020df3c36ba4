package fsm

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-registry/holdfast/registry"
)

func (r *rig) watch(w registry.EventWatch) (page registry.WatchedEvents, err error) {
	r.m.Read(func(v View) { page, err = v.WatchEvents(w) })
	return page, err
}

func TestWhatAWatchSees(t *testing.T) {
	r := newRig(t)
	r.register("q", "")
	life := r.register("p", "")
	r.must(r.do(note("p", `1`, "")))
	line := registry.ProcessEventAppendRequest{EventType: "line", Payload: registry.JSON(`2`)}
	r.must(r.do(NewAppendEvent("p", line, hashOf("line", `2`), false, registry.Materialised{}, nil, nil)))
	r.must(r.do(note("p", `3`, "")))
	r.must(r.do(completion("p", success("4"))))
	r.must(r.do(note("p", `5`, "")))
	for name, c := range map[string]struct {
		watch registry.EventWatch
		want  []uint64
	}{
		"all from the start":              {registry.EventWatch{}, []uint64{1, 2, 3, 4, 5}},
		"all of the life":                 {registry.EventWatch{After: registry.EventCursor{Life: life}}, []uint64{1, 2, 3, 4, 5}},
		"strictly behind the cursor":      {registry.EventWatch{After: registry.EventCursor{Life: life, Sequence: 3}}, []uint64{4, 5}},
		"behind the last one":             {registry.EventWatch{After: registry.EventCursor{Sequence: 5}}, nil},
		"far behind the last one":         {registry.EventWatch{After: registry.EventCursor{Sequence: ^uint64(0)}}, nil},
		"one type":                        {registry.EventWatch{EventType: "note"}, []uint64{1, 3, 5}},
		"one type behind the cursor":      {registry.EventWatch{EventType: "note", After: registry.EventCursor{Sequence: 1}}, []uint64{3, 5}},
		"one type behind another's":       {registry.EventWatch{EventType: "note", After: registry.EventCursor{Sequence: 4}}, []uint64{5}},
		"one type far behind":             {registry.EventWatch{EventType: "note", After: registry.EventCursor{Sequence: ^uint64(0)}}, nil},
		"a type that never occurred":      {registry.EventWatch{EventType: "other"}, nil},
		"the end":                         {registry.EventWatch{EndOnly: true}, []uint64{4}},
		"the end behind it":               {registry.EventWatch{EndOnly: true, After: registry.EventCursor{Sequence: 4}}, nil},
		"the end of one type":             {registry.EventWatch{EndOnly: true, EventType: registry.EventCompleted}, []uint64{4}},
		"the end, which is of another":    {registry.EventWatch{EndOnly: true, EventType: registry.EventFailed}, nil},
		"the end of what has not ended":   {registry.EventWatch{EndOnly: true, ProcessID: "q"}, nil},
		"a process without any event yet": {registry.EventWatch{ProcessID: "q"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			if c.watch.ProcessID == "" {
				c.watch.ProcessID = "p"
			}
			page, err := r.watch(c.watch)
			if err != nil || page.More || page.Life == 0 {
				t.Fatalf("%+v, %v", page, err)
			}
			var got []uint64
			for _, e := range page.Events {
				got = append(got, e.Sequence)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("saw %v, want %v", got, c.want)
			}
		})
	}
	for watch, code := range map[registry.EventWatch]registry.Code{
		{ProcessID: "never"}: registry.CodeNotFound,
		{ProcessID: "never", After: registry.EventCursor{Life: 1}}:  registry.CodeLifeEnded,
		{ProcessID: "p", After: registry.EventCursor{Life: 1}}:      registry.CodeLifeEnded,
		{ProcessID: "p", After: registry.EventCursor{Life: 99_999}}: registry.CodeLifeEnded,
	} {
		if page, err := r.watch(watch); registry.CodeOf(err) != code {
			t.Errorf("%+v: %+v, %v, want %v", watch, page, err, code)
		}
	}
}

func TestAReadOfAWatchEndsWherePromised(t *testing.T) {
	r := newRig(t)
	r.register("many", "")
	for i := range registry.WatchPageRows + 1 {
		r.must(r.do(note("many", fmt.Sprint(i), "")))
	}
	page, err := r.watch(registry.EventWatch{ProcessID: "many"})
	if err != nil || len(page.Events) != registry.WatchPageRows || !page.More {
		t.Errorf("%d events, more %v, %v", len(page.Events), page.More, err)
	}
	page, err = r.watch(registry.EventWatch{ProcessID: "many", After: registry.EventCursor{Sequence: registry.WatchPageRows}})
	if err != nil || len(page.Events) != 1 || page.More {
		t.Errorf("then %d events, more %v, %v", len(page.Events), page.More, err)
	}
	r.register("large", "")
	large := `"` + strings.Repeat("x", registry.WatchPageBytes) + `"`
	for range 3 {
		r.must(r.do(note("large", large, "")))
	}
	for after := range uint64(3) {
		page, err := r.watch(registry.EventWatch{ProcessID: "large", After: registry.EventCursor{Sequence: after}})
		if err != nil || len(page.Events) != 1 || page.More != (after < 2) || page.Events[0].Sequence != after+1 {
			t.Errorf("after %d: %d events, more %v, %v", after, len(page.Events), page.More, err)
		}
	}
}

func TestAWatchNeverGoesOnInAnotherLife(t *testing.T) {
	r := newRig(t)
	life := r.register("p", "")
	r.must(r.do(completion("p", success("1"))))
	r.pass(10)
	r.must(r.do(&PruneTerminalProcesses{CutoffMs: r.stamp}))
	watch := registry.EventWatch{ProcessID: "p", After: registry.EventCursor{Life: life}}
	if page, err := r.watch(watch); registry.CodeOf(err) != registry.CodeLifeEnded {
		t.Errorf("after the prune: %+v, %v", page, err)
	}
	next := r.register("p", "")
	r.must(r.do(note("p", `1`, "")))
	if page, err := r.watch(watch); registry.CodeOf(err) != registry.CodeLifeEnded {
		t.Errorf("in the next life: %+v, %v", page, err)
	}
	if page, err := r.watch(registry.EventWatch{ProcessID: "p"}); err != nil || page.Life != next || len(page.Events) != 1 {
		t.Errorf("of the life that there is: %+v, %v", page, err)
	}
}
