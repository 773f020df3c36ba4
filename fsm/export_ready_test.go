package fsm

// checkReadiness looks at every process, and holds the index against what it
// finds.
func (s *state) checkReadiness(fail func(string, ...any)) {
	x := &s.readiness
	ready, delayed, ofKinds := 0, 0, 0
	s.processes.Scan(func(id string, p *process) bool {
		indexed := x.has(p)
		if s.ready(p) {
			ready++
			ofKind := x.byKind[p.record.Identity.Kind]
			if ofKind == nil {
				fail("%q is ready, and nothing of its kind is indexed", id)
			} else if same, _ := ofKind.Get(p.record.Life); same != id || !indexed {
				fail("%q is ready, and not indexed", id)
			}
		} else if indexed {
			fail("%q is indexed, and not ready", id)
		}
		if s.delayed(p) {
			delayed++
			if _, ok := x.delays.Get(delay{p.notBeforeMs, id}); !ok {
				fail("%q is delayed until %d, and not among the delays", id, p.notBeforeMs)
			}
		}
		return true
	})
	for kind, ofKind := range x.byKind {
		if ofKind.Len() == 0 {
			fail("the kind %q is indexed, and nothing of it is ready", kind)
		}
		ofKinds += ofKind.Len()
	}
	if x.all.Len() != ready || ofKinds != ready || x.delays.Len() != delayed {
		fail("%d ready and %d delayed, indexed are %d, %d by kind and %d delays", ready, delayed, x.all.Len(), ofKinds, x.delays.Len())
	}
}
