package decide

import (
	"context"

	"github.com/holdfast-registry/holdfast/registry"
)

// unsupported answers the methods whose commands this version of the log
// format does not hold yet. A method that works overrides it.
type unsupported struct{}

func notOffered(method string) error {
	return registry.Errorf(registry.CodeUnsupported, registry.Fields{Field: method}, "%s is not offered by this version", method)
}

func (unsupported) PruneTerminalProcesses(context.Context, uint64) (registry.ProcessPruneReport, error) {
	return registry.ProcessPruneReport{}, notOffered("PruneTerminalProcesses")
}
