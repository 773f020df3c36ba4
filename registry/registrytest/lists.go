package registrytest

import (
	"context"
	"fmt"
	"strings"

	"github.com/holdfast-registry/holdfast/registry"
)

// own are the ids of this check among records, in their order.
func (s *scene) own(records []registry.ProcessRecord) []string {
	ids := []string{}
	for _, record := range records {
		if strings.HasPrefix(record.ID, s.prefix) {
			ids = append(ids, record.ID)
		}
	}
	return ids
}

// mine is a filter that only processes of this check match which were
// registered by s.marked.
func (s *scene) mine(status registry.StatusFilter) registry.ProcessListFilter {
	return registry.ProcessListFilter{Definition: registry.JSON(s.form(s.prefix)), Status: status}
}

// marked registers a plain process that s.mine matches.
func (s *scene) marked(name string) string {
	s.Helper()
	registration := plain(s.id(name))
	registration.Identity.Definition = registry.JSON(s.form(s.prefix))
	return s.register(registration).ID
}

var listChecks = []Check{
	{
		Name: "a list is by id ascending, bytewise",
		Why:  "spec 5.23, 5.25, A15",
		check: func(s *scene) {
			want := s.bytewiseIDs(func(id string) { s.marked(id[len(s.prefix):]) })
			s.same("processes", idsOf(s.list(s.mine(registry.StatusAny))), want)
			s.same("running processes", idsOf(s.list(s.mine(""))), want)
			s.same("non-terminal processes", s.own(s.nonTerminal()), want)
		},
	},
	{
		Name: "the default filter hides ended processes",
		Why:  "spec 3.20: status running, the default",
		check: func(s *scene) {
			running, ended := s.marked("running"), s.marked("ended")
			s.complete(ended, success(`1`))
			s.same("default", idsOf(s.list(s.mine(""))), []string{running})
			s.same("running", idsOf(s.list(s.mine(registry.StatusRunning))), []string{running})
			s.same("any", idsOf(s.list(s.mine(registry.StatusAny))), []string{ended, running})
			s.same("the empty filter", s.own(s.list(registry.ProcessListFilter{})), []string{running})
		},
	},
	{
		Name: "each state can be listed",
		Why:  "spec 3.20: running | completed | failed | cancelled | abandoned | any",
		check: func(s *scene) {
			s.marked("running")
			for _, c := range outputs {
				s.complete(s.marked(string(c.state)), c.output)
			}
			for _, state := range []string{"running", "completed", "failed", "cancelled", "abandoned"} {
				s.same(state, idsOf(s.list(s.mine(registry.StatusFilter(state)))), []string{s.id(state)})
			}
			equal(s, "any", len(s.list(s.mine(registry.StatusAny))), 5)
		},
	},
	{
		Name: "a status that is none is invalid",
		Why:  "spec 3.20: one of six words",
		check: func(s *scene) {
			for _, status := range []registry.StatusFilter{"live", "Running", "terminal", " "} {
				s.refused(registry.CodeInvalidArgument, failure(s.ListProcesses(s.ctx, registry.ProcessListFilter{Status: status}, registry.PageRequest{})))
			}
		},
	},
	{
		Name: "a definition matches as a JSON value",
		Why:  "spec 3.20, 2.2: 1 is not 1.0, 0.0 is -0.0, the order of keys never matters",
		check: func(s *scene) {
			define := func(name, value string) string {
				registration := plain(s.id(name))
				registration.Identity.Definition = registry.JSON(`{"of":` + s.form(s.prefix) + `,"is":` + value + `}`)
				return s.register(registration).ID
			}
			find := func(value string) []string {
				return idsOf(s.list(registry.ProcessListFilter{Definition: registry.JSON(`{ "is":` + value + `, "of":` + s.form(s.prefix) + ` }`)}))
			}
			one, float, zero, text := define("one", `1`), define("float", `1.0`), define("zero", `0.0`), define("text", `"é"`)
			s.same("1", find(`1`), []string{one})
			s.same("1.0", find(`10e-1`), []string{float})
			s.same("-0.0", find(`-0.0`), []string{zero})
			s.same("0", find(`0`), []string{})
			s.same("a string", find(`"\u00e9"`), []string{text})
			s.same("part of it", find(`{}`), []string{})
		},
	},
	{
		Name: "a record without a definition never matches one",
		Why:  "spec 3.20: not even null",
		check: func(s *scene) {
			id := s.process("p")
			null := plain(s.id("null"))
			null.Identity.Definition = registry.JSON(`null`)
			s.register(null)
			for _, definition := range []string{`null`, `{}`, `""`} {
				got := s.own(s.list(registry.ProcessListFilter{Definition: registry.JSON(definition)}))
				s.same(definition, got, []string{})
			}
			s.same("no definition asked for", s.own(s.list(registry.ProcessListFilter{})), []string{s.id("null"), id})
		},
	},
	{
		Name: "waiting tells those that wait from those that do not",
		Why:  "spec 3.20: (the record has a wait) == waiting",
		check: func(s *scene) {
			waiting, idle := s.marked("waiting"), s.marked("idle")
			s.wait(waiting, signal("go", 1))
			filter := s.mine("")
			s.same("either", idsOf(s.list(filter)), []string{idle, waiting})
			filter.Waiting = ref(true)
			s.same("waiting", idsOf(s.list(filter)), []string{waiting})
			filter.Waiting = ref(false)
			s.same("not waiting", idsOf(s.list(filter)), []string{idle})
			s.complete(waiting, success(`1`))
			filter.Waiting, filter.Status = ref(true), registry.StatusAny
			s.same("waiting after the end", idsOf(s.list(filter)), []string{})
		},
	},
	{
		Name: "every part of a filter must match",
		Why:  "spec 3.20: AND",
		check: func(s *scene) {
			one, other := s.marked("one"), s.process("other")
			s.wait(one, signal("go", 1))
			s.wait(other, signal("go", 1))
			filter := s.mine(registry.StatusRunning)
			filter.Waiting = ref(true)
			s.same("all match", idsOf(s.list(filter)), []string{one})
			filter.Status = registry.StatusFilter(registry.StateFailed)
			s.same("the status does not", idsOf(s.list(filter)), []string{})
		},
	},
	{
		Name: "a list shows the current records",
		Why:  "spec 5.23, 5.25",
		check: func(s *scene) {
			id := s.marked("p")
			s.note(id, `1`)
			s.firstStarted(id, started("w", 1))
			s.same("processes", s.list(s.mine("")), []registry.ProcessRecord{s.get(id)})
			for _, record := range s.nonTerminal() {
				if record.ID == id {
					s.same("non-terminal", record, s.get(id))
				}
			}
		},
	},
	{
		Name: "all running processes are non-terminal, and no others",
		Why:  "spec 5.25: waiting rows are running",
		check: func(s *scene) {
			running, waiting := s.process("running"), s.process("waiting")
			s.wait(waiting, signal("go", 1))
			for _, c := range outputs {
				s.complete(s.process(string(c.state)), c.output)
			}
			s.same("non-terminal", s.own(s.nonTerminal()), []string{running, waiting})
		},
	},
	{
		Name: "pages of any size make up the same list",
		Why:  "spec A15: each row exactly once, only a missing token ends the list",
		check: func(s *scene) {
			registration := waking(s.id("e"), nil)
			id := s.register(registration).ID
			for i := range 5 {
				p := s.marked(fmt.Sprint(i))
				s.grant(s.session("s"), p)
				s.grant(s.session(fmt.Sprint(i)), id)
				s.append(id, event("wake", `1`, ""))
			}
			for size := 1; size <= 6; size++ {
				pagesAgree(s, size, "processes", func(ctx context.Context, page registry.PageRequest) (registry.Page[registry.ProcessRecord], error) {
					return s.ListProcesses(ctx, s.mine(""), page)
				})
				pagesAgree(s, size, "ended processes", func(ctx context.Context, page registry.PageRequest) (registry.Page[registry.ProcessRecord], error) {
					return s.ListProcesses(ctx, s.mine(registry.StatusAny), page)
				})
				pagesAgree(s, size, "events", func(ctx context.Context, page registry.PageRequest) (registry.Page[registry.ProcessEvent], error) {
					return s.EventsAfter(ctx, id, 0, page)
				})
				pagesAgree(s, size, "recent events", func(ctx context.Context, page registry.PageRequest) (registry.Page[registry.ProcessEvent], error) {
					return s.RecentEvents(ctx, id, maxUint64, page)
				})
				pagesAgree(s, size, "wakes", func(ctx context.Context, page registry.PageRequest) (registry.Page[registry.ProcessEvent], error) {
					return s.WakeEventsAfter(ctx, id, 0, page)
				})
				pagesAgree(s, size, "grants of a scope", func(ctx context.Context, page registry.PageRequest) (registry.Page[registry.ProcessHandleGrantEntry], error) {
					return s.ListHandleGrants(ctx, s.session("s"), page)
				})
				pagesAgree(s, size, "live grants of a scope", func(ctx context.Context, page registry.PageRequest) (registry.Page[registry.ProcessHandleGrantEntry], error) {
					return s.ListLiveHandleGrants(ctx, s.session("s"), page)
				})
				pagesAgree(s, size, "grants of a process", func(ctx context.Context, page registry.PageRequest) (registry.Page[registry.ProcessHandleGrant], error) {
					return s.HandleGrantsForProcess(ctx, id, page)
				})
			}
		},
	},
	{
		Name: "the last events of a long log come in pages too",
		Why:  "spec 5.15, A15",
		check: func(s *scene) {
			id := s.process("p")
			for range 7 {
				s.note(id, `1`)
			}
			got := paged(s, 2, func(ctx context.Context, page registry.PageRequest) (registry.Page[registry.ProcessEvent], error) {
				return s.RecentEvents(ctx, id, 5, page)
			})
			s.same("sequences", sequencesOf(got), []uint64{3, 4, 5, 6, 7})
		},
	},
	{
		Name: "rows that match throughout come once while others come and go",
		Why:  "spec A15: a row that matched throughout appears exactly once",
		check: func(s *scene) {
			var stay []string
			for i := range 6 {
				stay = append(stay, s.marked(fmt.Sprintf("%d stays", i)))
				s.marked(fmt.Sprintf("%d ends", i))
			}
			request, seen := registry.PageRequest{Size: 2}, map[string]int{}
			for i := 0; ; i++ {
				page, err := s.ListProcesses(s.ctx, s.mine(""), request)
				s.done(err)
				for _, record := range page.Items {
					seen[record.ID]++
				}
				if page.NextToken == "" {
					break
				}
				request.Token = page.NextToken
				if i < 6 {
					s.complete(s.id(fmt.Sprintf("%d ends", 5-i)), success(`1`))
					s.marked(fmt.Sprintf("%d comes", 5-i))
				}
			}
			for _, id := range stay {
				equal(s, id, seen[id], 1)
			}
			for id, times := range seen {
				s.holds(times == 1, "%s comes %d times", id, times)
			}
		},
	},
	{
		Name: "a page has 500 rows unless more are asked for",
		Why:  "spec A15: default 500, at most 5,000",
		check: func(s *scene) {
			const n = 501
			id := s.process("p")
			s.fill(id, n)
			page, err := s.EventsAfter(s.ctx, id, 0, registry.PageRequest{})
			s.done(err)
			equal(s, "rows of the default page", len(page.Items), 500)
			s.holds(page.NextToken != "", "the default page is the last one")
			page, err = s.EventsAfter(s.ctx, id, 0, registry.PageRequest{Size: 5000})
			s.done(err)
			equal(s, "rows of a large page", len(page.Items), n)
			equal(s, "token of the last page", page.NextToken, "")
		},
	},
	{
		Name: "a page ends at a mebibyte",
		Why:  "spec A15",
		check: func(s *scene) {
			id := s.process("p")
			large := `"` + strings.Repeat("x", 600_000) + `"`
			for range 4 {
				s.note(id, large)
			}
			page, err := s.EventsAfter(s.ctx, id, 0, registry.PageRequest{})
			s.done(err)
			s.holds(len(page.Items) > 0 && len(page.Items) <= 2 && page.NextToken != "", "the page has %d rows of 600,000 bytes", len(page.Items))
			s.same("all of them", sequencesOf(s.eventsAfter(id, 0)), []uint64{1, 2, 3, 4})
		},
	},
	{
		Name: "a page size out of range is invalid",
		Why:  "spec A15: at most 5,000",
		check: func(s *scene) {
			id := s.process("p")
			for _, size := range []int{-1, 5001} {
				for name, err := range s.lists(id, registry.PageRequest{Size: size}) {
					s.Logf("list: %s, size %d", name, size)
					s.refused(registry.CodeInvalidArgument, err)
				}
			}
			for name, err := range s.lists(id, registry.PageRequest{Size: 5000}) {
				s.holds(err == nil, "%s with 5,000 rows: %v", name, err)
			}
		},
	},
	{
		Name: "a token that is none is invalid",
		Why:  "spec A15: a token belongs to its list",
		check: func(s *scene) {
			id := s.process("p")
			for _, token := range []string{"nonsense", "!", "AAAA", strings.Repeat("A", 300)} {
				for name, err := range s.lists(id, registry.PageRequest{Token: token}) {
					s.Logf("list: %s, token %.10q", name, token)
					s.refused(registry.CodeInvalidArgument, err)
				}
			}
		},
	},
	{
		Name: "a token of another list is invalid",
		Why:  "spec A15: a token belongs to its list",
		check: func(s *scene) {
			id := s.process("p")
			s.marked("q")
			s.note(id, `1`)
			s.note(id, `1`)
			processes, err := s.ListProcesses(s.ctx, registry.ProcessListFilter{}, registry.PageRequest{Size: 1})
			s.done(err)
			events, err := s.EventsAfter(s.ctx, id, 0, registry.PageRequest{Size: 1})
			s.done(err)
			s.refused(registry.CodeInvalidArgument, failure(s.ListProcesses(s.ctx, registry.ProcessListFilter{}, registry.PageRequest{Token: events.NextToken})))
			s.refused(registry.CodeInvalidArgument, failure(s.EventsAfter(s.ctx, id, 0, registry.PageRequest{Token: processes.NextToken})))
		},
	},
}

// lists calls all lists with a page request.
func (s *scene) lists(processID string, page registry.PageRequest) map[string]error {
	return map[string]error{
		"ListProcesses":          failure(s.ListProcesses(s.ctx, registry.ProcessListFilter{}, page)),
		"ListNonTerminal":        failure(s.ListNonTerminal(s.ctx, page)),
		"EventsAfter":            failure(s.EventsAfter(s.ctx, processID, 0, page)),
		"RecentEvents":           failure(s.RecentEvents(s.ctx, processID, 5, page)),
		"WakeEventsAfter":        failure(s.WakeEventsAfter(s.ctx, processID, 0, page)),
		"ListHandleGrants":       failure(s.ListHandleGrants(s.ctx, s.session("s"), page)),
		"ListLiveHandleGrants":   failure(s.ListLiveHandleGrants(s.ctx, s.session("s"), page)),
		"HandleGrantsForProcess": failure(s.HandleGrantsForProcess(s.ctx, processID, page)),
	}
}

// pagesAgree wants a list in small pages to be the list in large ones, and to
// have five rows.
func pagesAgree[T any](s *scene, size int, name string, list func(context.Context, registry.PageRequest) (registry.Page[T], error)) {
	s.Helper()
	whole := all(s, list)
	equal(s, "rows of "+name, len(whole), 5)
	s.same(fmt.Sprintf("%s in pages of %d", name, size), paged(s, size, list), whole)
}

// fill appends plain events, many at a time.
func (s *scene) fill(processID string, n int) {
	s.Helper()
	s.many(n, func(int) error {
		return failure(s.AppendEvent(s.ctx, processID, event("note", `1`, ""), nil))
	})
}

// many makes n calls, a few dozen at a time, and wants all to succeed.
func (s *scene) many(n int, call func(i int) error) {
	s.Helper()
	const callers = 32
	var errs [callers]error
	atOnce(callers, func(caller int) {
		for i := caller; i < n && errs[caller] == nil; i += callers {
			errs[caller] = call(i)
		}
	})
	for _, err := range errs {
		s.done(err)
	}
}
