package fsm

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/holdfast-registry/holdfast/registry"
)

// fill puts rows into the state without the cost of entries.
func (r *rig) fill(count int, change func(i int, row *process)) {
	body := registration("template", "")
	if err := body.load(); err != nil {
		r.t.Fatal(err)
	}
	for i := range count {
		row := &process{record: body.record, hash: body.Hash, index: new(eventIndex)}
		row.record.ID = fmt.Sprintf("p%06d", i)
		r.m.state.Revision++
		row.record.Life, row.record.Revision = r.m.state.Revision, r.m.state.Revision
		row.record.RegistrationHash = hexHash(body.Hash)
		if change != nil {
			change(i, row)
		}
		r.m.state.put(nil, row)
	}
}

func (r *rig) list(filter registry.ProcessListFilter, page registry.PageRequest) registry.Page[registry.ProcessRecord] {
	r.t.Helper()
	var out registry.Page[registry.ProcessRecord]
	var err error
	r.m.Read(func(v View) { out, err = v.ListProcesses(filter, page) })
	if err != nil {
		r.t.Fatal(err)
	}
	return out
}

func (r *rig) events(id string, after uint64, page registry.PageRequest) (out registry.Page[registry.ProcessEvent], err error) {
	r.m.Read(func(v View) { out, err = v.EventsAfter(id, after, page) })
	return out, err
}

var anyState = registry.ProcessListFilter{Status: registry.StatusAny}

// TestPagesEnd is A15: by rows, by bytes or by rows examined.
func TestPagesEnd(t *testing.T) {
	quarter := registry.JSON(`"` + strings.Repeat("x", 256<<10-2) + `"`)
	heavy := func(_ int, row *process) { row.record.Input.Metadata = quarter }
	for _, c := range []struct {
		name   string
		rows   int
		change func(int, *process)
		filter registry.ProcessListFilter
		size   int
		want   []int
	}{
		{"at 500 rows by default", 501, nil, anyState, 0, []int{500, 1}},
		{"at the size asked for", 7, nil, anyState, 3, []int{3, 3, 1}},
		{"without a token when the last row fits exactly", 6, nil, anyState, 3, []int{3, 3}},
		{"at 1 MiB", 9, heavy, anyState, 0, []int{4, 4, 1}},
		{"after 10,000 rows examined, though none matched", 20_001, nil, registry.ProcessListFilter{Status: "failed"}, 0, []int{0, 0, 0}},
		{"at once where there is nothing", 0, nil, anyState, 0, []int{0}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			r.fill(c.rows, c.change)
			request := registry.PageRequest{Size: c.size}
			var sizes []int
			next := 0
			for range 10 {
				page := r.list(c.filter, request)
				sizes = append(sizes, len(page.Items))
				for _, record := range page.Items {
					if want := fmt.Sprintf("p%06d", next); record.ID != want {
						t.Fatalf("%s where %s should come", record.ID, want)
					}
					next++
				}
				if page.NextToken == "" {
					break
				}
				request.Token = page.NextToken
			}
			if fmt.Sprint(sizes) != fmt.Sprint(c.want) {
				t.Errorf("pages of %v rows, want %v", sizes, c.want)
			}
		})
	}
}

func TestARowThatIsLargerThanAPageComesAlone(t *testing.T) {
	r := newRig(t)
	r.fill(3, func(_ int, row *process) { row.record.Input.Metadata = registry.JSON(strings.Repeat("x", 2<<20)) })
	page := r.list(anyState, registry.PageRequest{})
	if len(page.Items) != 1 || page.NextToken == "" {
		t.Errorf("%d rows", len(page.Items))
	}
}

func TestRunningRowsAreListedWithoutLookingAtTheOthers(t *testing.T) {
	r := newRig(t)
	r.fill(20_000, func(i int, row *process) {
		if i < 19_999 {
			row.record.Status.State = registry.StateFailed
		}
	})
	for _, filter := range []registry.ProcessListFilter{{}, {Status: registry.StatusRunning}} {
		page := r.list(filter, registry.PageRequest{})
		if len(page.Items) != 1 || page.Items[0].ID != "p019999" || page.NextToken != "" {
			t.Errorf("%d rows, token %q", len(page.Items), page.NextToken)
		}
	}
}

func TestAListGoesOnWhereItStoppedWhenItsRowIsGone(t *testing.T) {
	r := newRig(t)
	r.fill(4, nil)
	first := r.list(registry.ProcessListFilter{}, registry.PageRequest{Size: 2})
	r.must(r.do(completion("p000001", success("1"))))
	rest := r.list(registry.ProcessListFilter{}, registry.PageRequest{Token: first.NextToken})
	if len(rest.Items) != 2 || rest.Items[0].ID != "p000002" {
		t.Errorf("%d rows after one left the list", len(rest.Items))
	}
}

func TestEventPages(t *testing.T) {
	r := newRig(t)
	r.register("p", "")
	for i := range 7 {
		r.must(r.do(note("p", fmt.Sprint(i+1), "")))
	}
	for _, c := range []struct {
		name  string
		after uint64
		size  int
		want  string
	}{
		{"by three", 0, 3, "[1 2 3][4 5 6][7]"},
		{"by one", 0, 1, "[1][2][3][4][5][6][7]"},
		{"that end with the last event", 1, 3, "[2 3 4][5 6 7]"},
		{"from the middle", 4, 2, "[5 6][7]"},
		{"from the end", 7, 2, "[]"},
		{"from beyond the end", 99, 2, "[]"},
		{"from the highest sequence there is", ^uint64(0), 2, "[]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, request := "", registry.PageRequest{Size: c.size}
			for range 10 {
				page, err := r.events("p", c.after, request)
				if err != nil {
					t.Fatal(err)
				}
				sequences := []uint64{}
				for _, e := range page.Items {
					sequences = append(sequences, e.Sequence)
				}
				got += fmt.Sprint(sequences)
				if request.Token = page.NextToken; request.Token == "" {
					break
				}
			}
			if got != c.want {
				t.Errorf("pages %s, want %s", got, c.want)
			}
		})
	}
}

func TestEventPagesEndAtFiveThousandWhateverIsAskedFor(t *testing.T) {
	r := newRig(t)
	r.fill(1, func(_ int, row *process) {
		for i := range uint64(5001) {
			row.append(&event{ProcessEvent: registry.ProcessEvent{ProcessID: row.record.ID, Sequence: i + 1, Payload: registry.JSON("1")}})
		}
	})
	page, err := r.events("p000000", 0, registry.PageRequest{Size: 9999})
	if err != nil || len(page.Items) != 5000 || page.NextToken == "" {
		t.Errorf("%d events (%v)", len(page.Items), err)
	}
}

func TestEventPagesEndAtOneMebibyte(t *testing.T) {
	r := newRig(t)
	r.register("p", "")
	for range 5 {
		r.must(r.do(note("p", `"`+strings.Repeat("x", 300<<10)+`"`, "")))
	}
	page, err := r.events("p", 0, registry.PageRequest{})
	if err != nil || len(page.Items) != 4 || page.NextToken == "" {
		t.Errorf("%d events (%v)", len(page.Items), err)
	}
}

func TestEventsThatAreAppendedWhileListedComeOnce(t *testing.T) {
	r := newRig(t)
	r.register("p", "")
	r.must(r.do(note("p", "1", "")))
	r.must(r.do(note("p", "2", "")))
	first, _ := r.events("p", 0, registry.PageRequest{Size: 1})
	r.must(r.do(note("p", "3", "")))
	rest, err := r.events("p", 0, registry.PageRequest{Token: first.NextToken})
	if err != nil || len(rest.Items) != 2 || rest.Items[0].Sequence != 2 || rest.NextToken != "" {
		t.Errorf("%+v (%v)", rest, err)
	}
}

func (r *rig) recent(id string, limit uint64, page registry.PageRequest) (out registry.Page[registry.ProcessEvent], err error) {
	r.m.Read(func(v View) { out, err = v.RecentEvents(id, limit, page) })
	return out, err
}

func sequencesOf(events []registry.ProcessEvent) string {
	sequences := []uint64{}
	for _, e := range events {
		sequences = append(sequences, e.Sequence)
	}
	return fmt.Sprint(sequences)
}

func TestRecentEvents(t *testing.T) {
	r := newRig(t)
	r.register("p", "")
	for i := range 5 {
		r.must(r.do(note("p", fmt.Sprint(i+1), "")))
	}
	for _, c := range []struct {
		name  string
		limit uint64
		size  int
		want  string
	}{
		{"with a limit of zero are none", 0, 0, "[]"},
		{"are the last ones, ascending", 2, 0, "[4 5]"},
		{"are all when there are just as many", 5, 0, "[1 2 3 4 5]"},
		{"are all when there are fewer", 6, 0, "[1 2 3 4 5]"},
		{"are all with the highest limit there is", ^uint64(0), 0, "[1 2 3 4 5]"},
		{"come in pages", 4, 3, "[2 3 4][5]"},
		{"come in pages that end with the list", 4, 2, "[2 3][4 5]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, request := "", registry.PageRequest{Size: c.size}
			for range 10 {
				page, err := r.recent("p", c.limit, request)
				if err != nil {
					t.Fatal(err)
				}
				got += sequencesOf(page.Items)
				if request.Token = page.NextToken; request.Token == "" {
					break
				}
			}
			if got != c.want {
				t.Errorf("pages %s, want %s", got, c.want)
			}
		})
	}
}

func TestRecentEventsEndWhereTheListBegan(t *testing.T) {
	r := newRig(t)
	r.register("p", "")
	for i := range 4 {
		r.must(r.do(note("p", fmt.Sprint(i), "")))
	}
	first, err := r.recent("p", 3, registry.PageRequest{Size: 2})
	if err != nil || sequencesOf(first.Items) != "[2 3]" {
		t.Fatalf("%s (%v)", sequencesOf(first.Items), err)
	}
	r.must(r.do(note("p", "5", "")))
	rest, err := r.recent("p", 3, registry.PageRequest{Token: first.NextToken})
	if err != nil || sequencesOf(rest.Items) != "[4]" || rest.NextToken != "" {
		t.Errorf("%s, token %q (%v)", sequencesOf(rest.Items), rest.NextToken, err)
	}
}

func TestCountEventsThrough(t *testing.T) {
	r := newRig(t)
	r.register("p", "")
	r.register("q", "")
	// note is at 1, 3 and 4, the end at 2.
	r.must(r.do(note("p", "1", "")))
	r.must(r.do(completion("p", success("1"))))
	r.must(r.do(note("p", "2", "")))
	r.must(r.do(note("p", "3", "")))
	r.must(r.do(note("q", "1", "")))
	for _, c := range []struct {
		eventType string
		through   uint64
		want      uint64
	}{
		{"note", 0, 0}, {"note", 1, 1}, {"note", 2, 1}, {"note", 3, 2}, {"note", 4, 3}, {"note", 5, 3}, {"note", ^uint64(0), 3},
		{"process.completed", 1, 0}, {"process.completed", 2, 1}, {"process.completed", ^uint64(0), 1},
		{"process.failed", ^uint64(0), 0}, {"no such type", ^uint64(0), 0}, {"", ^uint64(0), 0},
	} {
		for name, m := range map[string]*Machine{"the machine": r.m, "a restored one": restored(t, write(t, r.m.Snapshot()))} {
			m.Read(func(v View) {
				if got, err := v.CountEventsThrough("p", c.eventType, c.through); err != nil || got != c.want {
					t.Errorf("%s counts %d of %q through %d (%v), want %d", name, got, c.eventType, c.through, err, c.want)
				}
			})
		}
	}
}

func TestAnUnknownProcessHasNoEvents(t *testing.T) {
	r := newRig(t)
	_, err := r.events("none", 0, registry.PageRequest{})
	_, recent := r.recent("none", 0, registry.PageRequest{})
	var count error
	r.m.Read(func(v View) { _, count = v.CountEventsThrough("none", "note", 1) })
	for _, err := range []error{err, recent, count} {
		if asRefusal(t, err).Code != registry.CodeNotFound {
			t.Error(err)
		}
	}
}

// TestPageTokens: a token is only good for the list that gave it.
func TestPageTokens(t *testing.T) {
	r := newRig(t)
	r.fill(3, nil)
	for _, id := range []string{"p000000", "p000001"} {
		r.must(r.do(note(id, "1", "")))
		r.must(r.do(note(id, "2", "")))
	}
	ofRecords := r.list(anyState, registry.PageRequest{Size: 1}).NextToken
	page, _ := r.events("p000000", 0, registry.PageRequest{Size: 1})
	ofEvents := page.NextToken
	encode := base64.RawURLEncoding.EncodeToString
	for name, token := range map[string]string{
		"of another list": ofRecords, "that is no base64": "!", "without content": encode([]byte{1}),
		"of another format": encode([]byte{2, listEvents, 0}), "that was cut": ofEvents[:len(ofEvents)-2], "of another length": encode([]byte{1, listEvents, 1, 2}),
	} {
		if _, err := r.events("p000000", 0, registry.PageRequest{Token: token}); asRefusal(t, err).Code != registry.CodeInvalidArgument {
			t.Errorf("events with a token %s: %v", name, err)
		}
	}
	r.m.Read(func(v View) {
		for name, token := range map[string]string{"of another list": ofEvents, "that is no base64": "!", "of another format": encode([]byte{2, listProcesses, 'p'})} {
			if _, err := v.ListProcesses(anyState, registry.PageRequest{Token: token}); asRefusal(t, err).Code != registry.CodeInvalidArgument {
				t.Errorf("processes with a token %s: %v", name, err)
			}
			if _, err := v.ListNonTerminal(registry.PageRequest{Token: token}); asRefusal(t, err).Code != registry.CodeInvalidArgument {
				t.Errorf("running processes with a token %s: %v", name, err)
			}
		}
	})
	// Lives are numbered over all processes, so this is how another life of
	// the same id will look once processes can be pruned.
	if _, err := r.events("p000001", 0, registry.PageRequest{Token: ofEvents}); asRefusal(t, err).Code != registry.CodeLifeEnded {
		t.Errorf("a token of another life: %v", err)
	}
}
