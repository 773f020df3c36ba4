package registrytest

import (
	"fmt"
	"strings"

	"github.com/holdfast-registry/holdfast/registry"
)

var limitChecks = []Check{
	{
		Name: "ids have 1 to 512 bytes",
		Why:  "spec A16: ids (process, session, frame, owner, incarnation)",
		check: func(s *scene) {
			for _, use := range s.idUses() {
				longest := s.prefix + strings.Repeat("é", (512-len(s.prefix))/2)
				longest += strings.Repeat("x", 512-len(longest))
				if err := use.call(longest); err != nil {
					s.Errorf("%s of 512 bytes: %v", use.name, err)
				}
				s.overLimit(use.call(longest+"x"), use.name, 512, 513)
				if !use.optional {
					s.refused(registry.CodeInvalidArgument, use.call(""))
				}
			}
		},
	},
	{
		Name: "ids are UTF-8 without control characters",
		Why:  "spec A16: valid UTF-8, no control characters",
		check: func(s *scene) {
			for _, use := range s.idUses() {
				for _, bad := range []string{"a\x00b", "a\nb", "\x7f", "\u0085", "a\xffb", "\xed\xa0\x80"} {
					s.Logf("%s %q", use.name, bad)
					s.refused(registry.CodeInvalidArgument, use.call(s.id(bad)))
				}
			}
		},
	},
	{
		Name: "replay keys have up to 1,024 bytes and no control characters",
		Why:  "spec A16",
		check: func(s *scene) {
			id := s.process("p")
			s.append(id, event("note", `1`, strings.Repeat("k", 1024)))
			s.overLimit(failure(s.AppendEvent(s.ctx, id, event("note", `1`, strings.Repeat("k", 1025)), nil)), "replay key", 1024, 1025)
			for _, key := range []string{"a\x00b", "a\nb", "\xff"} {
				s.refused(registry.CodeInvalidArgument, failure(s.AppendEvent(s.ctx, id, event("note", `1`, key), nil)))
			}
		},
	},
	{
		Name: "other strings have up to 4 KiB",
		Why:  "spec A16",
		check: func(s *scene) {
			for _, use := range s.stringUses() {
				if err := use.call(strings.Repeat("x", 4096)); err != nil {
					s.Errorf("%s of 4 KiB: %v", use.name, err)
				}
				s.overLimit(use.call(strings.Repeat("x", 4097)), use.name, 4096, 4097)
			}
		},
	},
	{
		Name: "a JSON value has up to 1 MiB",
		Why:  "spec A16: any JSON value 1 MiB",
		check: func(s *scene) {
			id := s.process("p")
			s.note(id, jsonOf(1<<20))
			for name, call := range map[string]func(value registry.JSON) error{
				"payload": func(v registry.JSON) error {
					return failure(s.AppendEvent(s.ctx, id, event("note", string(v), ""), nil))
				},
				"output": func(v registry.JSON) error { return failure(s.CompleteProcess(s.ctx, id, success(string(v)), nil)) },
				"metadata": func(v registry.JSON) error {
					return failure(s.SetExternalRef(s.ctx, id, registry.ProcessExternalRef{Backend: "b", ID: "i", Metadata: v}, nil))
				},
				"input": func(v registry.JSON) error {
					registration := plain(s.id("q"))
					registration.Input.Metadata = v
					return failure(s.RegisterProcess(s.ctx, registration))
				},
				"definition": func(v registry.JSON) error {
					registration := plain(s.id("q"))
					registration.Identity.Definition = v
					return failure(s.RegisterProcess(s.ctx, registration))
				},
				"schema": func(v registry.JSON) error {
					return failure(s.RegisterProcess(s.ctx, declaring(s.id("q"), schemaType("t", string(v)))))
				},
				"filter": func(v registry.JSON) error {
					return failure(s.ListProcesses(s.ctx, registry.ProcessListFilter{Definition: v}, registry.PageRequest{}))
				},
			} {
				refusal := s.refused(registry.CodeTooLarge, call(registry.JSON(jsonOf(1<<20+1))))
				s.holds(refusal.Fields.Field != "" && refusal.Fields.Limit != nil && *refusal.Fields.Limit == 1<<20 && refusal.Fields.Value != nil,
					"the refusal of a %s of a byte too much names %s", name, s.form(refusal.Fields))
			}
		},
	},
	{
		Name: "one request has up to 2 MiB",
		Why:  "spec A16",
		check: func(s *scene) {
			registration := plain(s.id("p"))
			half := registry.JSON(jsonOf(1_000_000))
			registration.Input = registry.ProcessInput{Kind: registry.InputSessionTurn, CreateRequest: half, TurnInput: half, OutputContract: registry.JSON(`{}`)}
			s.register(registration)
			registration.ID = s.id("q")
			registration.Input.OutputContract = half
			refusal := s.refused(registry.CodeTooLarge, failure(s.RegisterProcess(s.ctx, registration)))
			s.holds(refusal.Fields.Limit != nil && *refusal.Fields.Limit == 2<<20, "the refusal names %s", s.form(refusal.Fields))
		},
	},
	{
		Name: "the text of a wake has up to 1 MiB",
		Why:  "spec A16: materialised wake or template text 1 MiB",
		check: func(s *scene) {
			// Each field doubles the text, so a short template makes a long one.
			double := func(times int) registry.Selector {
				fields := []registry.TemplateField{}
				for i := range times {
					fields = append(fields, field(fmt.Sprintf("%02d", i), constant(fmt.Sprintf(`"{%02d}{%02d}"`, i+1, i+1))))
				}
				fields = append(fields, field(fmt.Sprintf("%02d", times), constant(`"0123456789abcdef"`)))
				return template("{00}", fields...)
			}
			id := s.register(declaring(s.id("p"), wakeType("fits", registry.WakeSpec{Input: double(16)}), wakeType("over", registry.WakeSpec{Input: double(17)}),
				wakeType("key", registry.WakeSpec{Input: constant(`1`), DedupeKey: registry.DedupeKey{Kind: registry.DedupeSelector, Selector: ref(double(17))}}))).ID
			equal(s, "length of the text", len(s.append(id, event("fits", `1`, "")).Event.Semantics.Wake.Input), 1<<20)
			for _, name := range []string{"over", "key"} {
				refusal := s.refused(registry.CodeTooLarge, failure(s.AppendEvent(s.ctx, id, event(name, `1`, ""), nil)))
				s.holds(refusal.Fields.Limit != nil && *refusal.Fields.Limit == 1<<20, "the refusal names %s", s.form(refusal.Fields))
			}
			equal(s, "events", len(s.eventsAfter(id, 0)), 1)
		},
	},
	{
		Name: "a process declares up to 256 event types",
		Why:  "spec A16: the core types included",
		check: func(s *scene) {
			var types []registry.ProcessEventType
			for i := range 249 {
				types = append(types, eventType(fmt.Sprint(i)))
			}
			equal(s, "types", len(s.register(declaring(s.id("p"), types...)).EventTypes), 256)
			s.overLimit(failure(s.RegisterProcess(s.ctx, declaring(s.id("q"), append(types, eventType("one more"))...))), "event types", 256, 257)
		},
	},
	{
		Name: "a ttl is at most 24 hours",
		Why:  "spec A16: else InvalidArgument",
		check: func(s *scene) {
			const day = 24 * 60 * 60 * 1000
			id := s.process("p")
			lease := s.claim(id, owner("w", "1"), day)
			equal(s, "expires_at", lease.ExpiresAtMs, lease.ClaimedAtMs+day)
			s.renew(lease, day)
			for _, ttl := range []uint64{day + 1, 1 << 63, maxUint64} {
				for name, err := range map[string]error{
					"claim":   failure(s.ClaimProcessLease(s.ctx, id, owner("w", "1"), ttl)),
					"renew":   failure(s.RenewProcessLease(s.ctx, lease, ttl)),
					"reclaim": failure(s.ReclaimProcessLease(s.ctx, id, owner("v", "1"), lease, registry.VerdictDead, ttl)),
				} {
					refusal := s.refused(registry.CodeInvalidArgument, err)
					s.holds(refusal.Fields.Limit != nil && *refusal.Fields.Limit == day && refusal.Fields.Value != nil && *refusal.Fields.Value == ttl,
						"the refusal of a %s names %s", name, s.form(refusal.Fields))
				}
			}
		},
	},
	{
		Name: "a transfer has up to 1,000 ids",
		Why:  "spec A16",
		check: func(s *scene) {
			var ids []string
			for i := range 1000 {
				ids = append(ids, s.id(fmt.Sprint(i)))
			}
			s.refused(registry.CodeNotGranted, s.TransferHandleGrants(s.ctx, s.session("a"), s.session("b"), ids))
			s.overLimit(s.TransferHandleGrants(s.ctx, s.session("a"), s.session("b"), append(ids, s.id("one more"))), "ids", 1000, 1001)
		},
	},
	{
		Name: "the largest requests pass",
		Why:  "spec A16: what is within the limits is accepted",
		check: func(s *scene) {
			id := s.process("p")
			large := jsonOf(1<<20 - 100)
			s.complete(id, success(large))
			s.same("the output", s.get(id).Status.AwaitOutput, success(large))
			equal(s, "length of the payload", len(s.eventsAfter(id, 0)[0].Payload) > 1<<20-100, true)
		},
	},
}

// countedLimitChecks need so many writes that they run only where a write costs
// little.
var countedLimitChecks = []Check{
	{
		Name:  "a session has up to 10,000 grants",
		Why:   "spec A16: grants per session, over all of its frames",
		Needs: NeedsCheapWrites,
		check: func(s *scene) {
			id := s.process("p")
			s.many(10_000, func(i int) error {
				return failure(s.GrantHandle(s.ctx, s.frame("s", fmt.Sprint(i)), id, registry.ProcessHandleDescriptor{}))
			})
			s.overLimit(failure(s.GrantHandle(s.ctx, s.session("s"), id, registry.ProcessHandleDescriptor{})), "grants", 10_000, 10_001)
			s.grantAs(s.frame("s", "7"), id, registry.ProcessHandleDescriptor{Label: ref("replaced")})
			s.grant(s.session("t"), id)
			s.overLimit(s.TransferHandleGrants(s.ctx, s.session("t"), s.session("s"), []string{id}), "grants", 10_000, 10_001)
			s.holds(s.has(s.session("t"), id), "a transfer that was refused moved the grant")
			s.transfer(s.frame("s", "1"), s.session("s"), id)
			equal(s, "revoked_handle_count", s.deleteSession(s.id("s")).RevokedHandleCount, 10_000)
			s.grant(s.session("s"), id)
		},
	},
	{
		Name:  "a session is the wake target of up to 10,000 processes",
		Why:   "spec A16",
		Needs: NeedsCheapWrites,
		check: func(s *scene) {
			s.many(10_000, func(i int) error {
				return failure(s.RegisterProcess(s.ctx, waking(s.id(fmt.Sprint(i)), ref(s.frame("s", fmt.Sprint(i%3))))))
			})
			s.overLimit(failure(s.RegisterProcess(s.ctx, waking(s.id("one more"), ref(s.session("s"))))), "targets", 10_000, 10_001)
			s.register(waking(s.id("7"), ref(s.frame("s", "1"))))
			s.deleteSession(s.id("s"))
			s.register(waking(s.id("one more"), ref(s.session("s"))))
		},
	},
	{
		Name:  "a page ends after 10,000 rows that were looked at, even if it is empty",
		Why:   "spec A15: only a missing page token ends the list",
		Needs: NeedsCheapWrites,
		check: func(s *scene) {
			s.many(10_000, func(i int) error {
				return failure(s.RegisterProcess(s.ctx, declaring(s.id(fmt.Sprintf("a %d", i)))))
			})
			last := s.marked("z")
			page, err := s.ListProcesses(s.ctx, s.mine(""), registry.PageRequest{Size: 1})
			s.done(err)
			s.holds(len(page.Items) == 0 && page.NextToken != "", "the first page has %d rows and the token %q", len(page.Items), page.NextToken)
			s.same("the whole list", idsOf(s.list(s.mine(""))), []string{last})
		},
	},
	{
		Name:  "a process has up to 100,000 events, and can still end",
		Why:   "spec A16: the four terminal types exempt",
		Needs: NeedsCheapWrites,
		check: func(s *scene) {
			id := s.register(declaring(s.id("p"), eventType("note"), terminalType("end", registry.StateCompleted, nil))).ID
			s.fill(id, 100_000)
			s.overLimit(failure(s.AppendEvent(s.ctx, id, event("note", `1`, ""), nil)), "events", 100_000, 100_001)
			s.overLimit(failure(s.AppendEvent(s.ctx, id, event("end", `1`, "k"), nil)), "events", 100_000, 100_001)
			equal(s, "count", s.count(id, "note", maxUint64), 100_000)
			s.same("recent events", sequencesOf(s.recent(id, 2)), []uint64{99_999, 100_000})
			s.complete(id, success(`1`))
			s.same("the last event", sequencesOf(s.recent(id, 1)), []uint64{100_001})
		},
	},
}

// jsonOf is a JSON value of so many bytes.
func jsonOf(bytes int) string { return `"` + strings.Repeat("x", bytes-2) + `"` }

// overLimit wants a refusal to name field, limit and value.
func (s *scene) overLimit(err error, what string, limit, value uint64) {
	s.Helper()
	s.Logf("over the limit: %s", what)
	f := s.refused(registry.CodeTooLarge, err).Fields
	s.holds(f.Field != "", "the refusal names no field: %v", err)
	s.holds(f.Limit != nil && *f.Limit == limit && f.Value != nil && *f.Value == value, "%s: the refusal names %s, want limit %d and value %d", what, s.form(f), limit, value)
}

// use is a call with one string in it.
type use struct {
	name string
	// optional strings may be empty.
	optional bool
	call     func(text string) error
}

// idUses are the calls with each kind of id in them.
func (s *scene) idUses() []use {
	s.Helper()
	p := s.id("the process")
	s.register(plain(p))
	frame := func(text string) registry.SessionScope {
		return registry.SessionScope{SessionID: "s", AgentFrameID: text}
	}
	return []use{
		{"process id", false, func(text string) error { return failure(s.RegisterProcess(s.ctx, plain(text))) }},
		{"session id", false, func(text string) error {
			return failure(s.GrantHandle(s.ctx, registry.SessionScope{SessionID: text}, p, registry.ProcessHandleDescriptor{}))
		}},
		{"frame id", true, func(text string) error { return failure(s.HasHandleGrant(s.ctx, frame(text), p)) }},
		{"session id to delete", false, func(text string) error { return failure(s.DeleteSessionProcessState(s.ctx, text)) }},
		{"session id of a wake target", false, func(text string) error {
			return failure(s.AppendEvent(s.ctx, p, aimed(event("note", `1`, ""), registry.SessionScope{SessionID: text}), nil))
		}},
		{"frame id of an originator", true, func(text string) error {
			registration := plain(s.id(sha(text)))
			registration.Provenance.Originator.Scope = ref(frame(text))
			return failure(s.RegisterProcess(s.ctx, registration))
		}},
		{"owner id", false, func(text string) error { return failure(s.ClaimProcessLease(s.ctx, p, owner(text, "1"), 0)) }},
		{"incarnation id", false, func(text string) error { return failure(s.ClaimProcessLease(s.ctx, p, owner("w", text), 0)) }},
		{"process id of a lease", false, func(text string) error { return failure(s.GetProcessLease(s.ctx, text)) }},
	}
}

// stringUses are calls with strings in them that are no ids.
func (s *scene) stringUses() []use {
	s.Helper()
	p := s.id("the process")
	s.register(plain(p))
	fresh := 0
	register := func(change func(*registry.ProcessRegistration)) error {
		fresh++
		registration := plain(s.id(fmt.Sprint("fresh ", fresh)))
		change(&registration)
		return failure(s.RegisterProcess(s.ctx, registration))
	}
	started := func(liveness registry.LeaseOwnerLiveness) error {
		who := owner("w", "1")
		who.Liveness = liveness
		return failure(s.RecordFirstStarted(s.ctx, p, registry.ProcessStarted{Owner: who}, nil))
	}
	const local = registry.LivenessLocalProcess
	return []use{
		{"identity kind", true, func(text string) error {
			return register(func(r *registry.ProcessRegistration) { r.Identity.Kind = text })
		}},
		{"identity label", true, func(text string) error {
			return register(func(r *registry.ProcessRegistration) { r.Identity.Label = &text })
		}},
		{"event type", true, func(text string) error {
			return register(func(r *registry.ProcessRegistration) { r.EventTypes[0].Name = text })
		}},
		{"env ref", true, func(text string) error {
			return register(func(r *registry.ProcessRegistration) {
				r.Input, r.EnvRef = registry.ProcessInput{Kind: registry.InputEngine, Engine: "e", Payload: registry.JSON(`1`)}, &text
			})
		}},
		{"engine", true, func(text string) error {
			return register(func(r *registry.ProcessRegistration) {
				r.Input, r.EnvRef = registry.ProcessInput{Kind: registry.InputEngine, Engine: text, Payload: registry.JSON(`1`)}, ref("e")
			})
		}},
		{"backend", true, func(text string) error {
			id := s.id("backend " + sha(text)[:8])
			s.register(plain(id))
			return failure(s.SetExternalRef(s.ctx, id, registry.ProcessExternalRef{Backend: text, ID: "i"}, nil))
		}},
		{"requester", true, func(text string) error {
			return failure(s.RequestProcessAbandon(s.ctx, p, registry.AbandonRequest{RequestedBy: text}, nil))
		}},
		{"reason", true, func(text string) error {
			return failure(s.RequestProcessAbandon(s.ctx, p, registry.AbandonRequest{RequestedBy: "a", Reason: &text}, nil))
		}},
		{"signal name", true, func(text string) error {
			return failure(s.SetProcessWait(s.ctx, p, registry.WaitState{Kind: registry.WaitSignal, Name: text}, nil))
		}},
		{"wait key", true, func(text string) error {
			return failure(s.SetProcessWait(s.ctx, p, registry.WaitState{Kind: registry.WaitSignal, Key: text}, nil))
		}},
		{"descriptor kind", true, func(text string) error {
			return failure(s.GrantHandle(s.ctx, s.session("s"), p, registry.ProcessHandleDescriptor{Kind: &text}))
		}},
		{"descriptor label", true, func(text string) error {
			return failure(s.GrantHandle(s.ctx, s.session("s"), p, registry.ProcessHandleDescriptor{Label: &text}))
		}},
		{"host id", true, func(text string) error {
			return started(registry.LeaseOwnerLiveness{Kind: local, HostID: text, BootID: "b"})
		}},
		{"process start", true, func(text string) error {
			return started(registry.LeaseOwnerLiveness{Kind: local, HostID: "h", BootID: "b", ProcessStart: text})
		}},
		{"lease token", true, func(text string) error {
			return s.CompleteProcessLease(s.ctx, registry.ProcessLeaseCompletion{ProcessID: p, LeaseToken: text})
		}},
		{"failure message", true, func(text string) error {
			id := s.id("failure " + sha(text)[:8])
			s.register(plain(id))
			return failure(s.CompleteProcess(s.ctx, id, failed(text), nil))
		}},
	}
}
