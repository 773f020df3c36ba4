package fsm

import (
	"testing"

	"github.com/holdfast-registry/holdfast/registry"
)

// TestCheckFence is A24. In every row, a write under the asked fence applies
// exactly if the token is current.
func TestCheckFence(t *testing.T) {
	expire := func(r *rig) { r.pass(1500); r.do(&Tick{}) }
	release := func(r *rig) { r.do(&CompleteProcessLease{ProcessID: "p", LeaseToken: "mine"}) }
	supersede := func(r *rig) { r.must(r.do(claim("p", 9000, "other"))) }
	for _, c := range []struct {
		name   string
		asked  uint64
		before []func(*rig)
		want   registry.FenceStatus
	}{
		{"the token of the live lease is current and live", 1, nil,
			registry.FenceStatus{Current: true, Live: true, FencingToken: 1, LeaseTimeLeftMs: 1000}},
		{"time that passed is not left", 1, []func(*rig){func(r *rig) { r.pass(999); r.do(&Tick{}) }},
			registry.FenceStatus{Current: true, Live: true, FencingToken: 1, LeaseTimeLeftMs: 1}},
		{"a lease that ends now is not live", 1, []func(*rig){func(r *rig) { r.pass(1000); r.do(&Tick{}) }},
			registry.FenceStatus{Current: true, FencingToken: 1}},
		{"an expired lease that nobody superseded is current", 1, []func(*rig){expire},
			registry.FenceStatus{Current: true, FencingToken: 1}},
		{"a takeover takes no time", 1, []func(*rig){func(r *rig) { r.pass(60_000); r.takeover(2) }},
			registry.FenceStatus{Current: true, Live: true, FencingToken: 1, LeaseTimeLeftMs: 1000}},
		{"a superseded token is not current, although a lease is live", 1, []func(*rig){expire, supersede},
			registry.FenceStatus{FencingToken: 2}},
		{"a released token is not current", 1, []func(*rig){release}, registry.FenceStatus{FencingToken: 1}},
		{"a token that was never granted is not current", 2, nil, registry.FenceStatus{FencingToken: 1}},
		{"token 0 is never current", 0, []func(*rig){release}, registry.FenceStatus{FencingToken: 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			r.register("p", "")
			r.must(r.do(claim("p", 1000, "mine")))
			for _, do := range c.before {
				do(r)
			}
			r.m.Read(func(v View) {
				if got, err := v.CheckFence("p", c.asked); err != nil || got != c.want {
					t.Errorf("%+v, %v, want %+v", got, err, c.want)
				}
			})
			refusal := r.command(Command{Body: note("p", "1", "k"), Fence: &registry.Fence{LeaseToken: "mine", FencingToken: c.asked}}).Refusal
			if applied := refusal == nil; applied != c.want.Current {
				t.Errorf("a write under the fence: %v", refusal)
			}
		})
	}
	t.Run("a process that was never leased has no current token", func(t *testing.T) {
		r := newRig(t)
		r.register("p", "")
		r.m.Read(func(v View) {
			if got, err := v.CheckFence("p", 0); err != nil || got != (registry.FenceStatus{}) {
				t.Errorf("%+v, %v", got, err)
			}
		})
	})
	t.Run("an unknown process is not found", func(t *testing.T) {
		newRig(t).m.Read(func(v View) {
			if _, err := v.CheckFence("p", 1); registry.CodeOf(err) != registry.CodeNotFound {
				t.Error(err)
			}
		})
	})
}
