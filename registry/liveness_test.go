package registry_test

import (
	"testing"

	"github.com/holdfast-registry/holdfast/registry"
)

func TestSameHost(t *testing.T) {
	here := registry.LeaseOwnerLiveness{Kind: registry.LivenessLocalProcess, HostID: "h", BootID: "b", PID: 7, ProcessStart: "1"}
	with := func(change func(l *registry.LeaseOwnerLiveness)) registry.LeaseOwnerLiveness {
		l := here
		change(&l)
		return l
	}
	opaque := with(func(l *registry.LeaseOwnerLiveness) { l.Kind = registry.LivenessOpaque })
	for _, test := range []struct {
		name string
		a, b registry.LeaseOwnerLiveness
		want bool
	}{
		{"the same process", here, here, true},
		{"another process of the host", here, with(func(l *registry.LeaseOwnerLiveness) { l.PID, l.ProcessStart = 8, "2" }), true},
		{"another host", here, with(func(l *registry.LeaseOwnerLiveness) { l.HostID = "i" }), false},
		{"the host after a reboot", here, with(func(l *registry.LeaseOwnerLiveness) { l.BootID = "c" }), false},
		{"an opaque owner", here, opaque, false},
		{"two opaque owners with equal words", opaque, opaque, false},
		{"two owners that say nothing", registry.LeaseOwnerLiveness{}, registry.LeaseOwnerLiveness{}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := test.a.SameHost(test.b); got != test.want {
				t.Errorf("one way %v", got)
			}
			if got := test.b.SameHost(test.a); got != test.want {
				t.Errorf("the other way %v", got)
			}
		})
	}
}
