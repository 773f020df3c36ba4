package fsm

import "github.com/holdfast-registry/holdfast/registry"

// storedGrant is a grant, in the form that commands and snapshots share.
type storedGrant struct {
	Scope      storedScope
	ProcessID  string
	Descriptor storedDescriptor
}

// storedDescriptor has the fields of registry.ProcessHandleDescriptor, and is
// converted from and to it.
type storedDescriptor struct {
	Kind  *string
	Label *string
}

func storeGrant(g *grant) storedGrant {
	return storedGrant{Scope: storeScope(g.scope), ProcessID: g.processID, Descriptor: storedDescriptor(g.descriptor)}
}

func (s storedGrant) load() *grant {
	return &grant{scope: s.Scope.load(), processID: s.ProcessID, descriptor: registry.ProcessHandleDescriptor(s.Descriptor)}
}
