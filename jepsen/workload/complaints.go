package workload

import (
	"context"
	"log/slog"

	"github.com/holdfast-registry/holdfast/jepsen/history"
	"github.com/holdfast-registry/holdfast/registry"
)

// complaints is where a watcher's client logs. A client that gets what does not
// follow opens the stream again, and its user sees nothing of it: that a node sent
// such a thing shows here alone.
type complaints struct {
	client   string
	recorder *history.Recorder
	nodes    map[string]string
}

// Enabled implements slog.Handler: clients log at debug level.
func (c complaints) Enabled(context.Context, slog.Level) bool { return true }

// Handle implements slog.Handler. Internal is what a client ends a stream with
// whose node broke its promises, and what a node ends one with that failed.
func (c complaints) Handle(_ context.Context, r slog.Record) error {
	var why *registry.Error
	addr := ""
	r.Attrs(func(a slog.Attr) bool {
		if e, ok := a.Value.Any().(*registry.Error); ok {
			why = e
		}
		if a.Key == "addr" {
			addr = a.Value.String()
		}
		return true
	})
	if why != nil && why.Code == registry.CodeInternal {
		c.recorder.Complain(c.client, nodeAt(addr, c.nodes), why)
	}
	return nil
}

// WithAttrs and WithGroup implement slog.Handler; clients use neither.
func (c complaints) WithAttrs([]slog.Attr) slog.Handler { return c }

// WithGroup implements slog.Handler.
func (c complaints) WithGroup(string) slog.Handler { return c }

// nodeAt is the name of the node at an address, or the address.
func nodeAt(addr string, nodes map[string]string) string {
	if node, known := nodes[addr]; known {
		return node
	}
	return addr
}
