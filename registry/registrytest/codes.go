package registrytest

import (
	"sync"

	"github.com/holdfast-registry/holdfast/registry"
)

// notProvoked are the codes that no check can bring about, with the reason.
var notProvoked = map[registry.Code]string{
	registry.CodeCompacted:        "comes with feeds of changes, which are no part of the 31 methods",
	registry.CodeNotLeader:        "is about the node that was asked, which clients do not show",
	registry.CodeNoLeader:         "needs a cluster that lost its majority",
	registry.CodeOutcomeUnknown:   "needs an answer that is lost",
	registry.CodeUnauthenticated:  "needs a server that asks who calls",
	registry.CodePermissionDenied: "needs a server that asks who calls",
	registry.CodeUnsupported:      "is for other versions: every method of the contract is offered",
	registry.CodeCorrupt:          "needs stored bytes that were damaged",
	registry.CodeInternal:         "would be a mistake in the registry",
}

// onlyWith are the codes that take something which not every registry offers.
var onlyWith = map[registry.Code]Need{
	registry.CodeOverloaded:     NeedsSessions,
	registry.CodeSessionExpired: NeedsSessions,
	registry.CodeBatchRefused:   NeedsBatches,
}

// codeLog notes which codes the calls of a run were refused with.
type codeLog struct {
	mu   sync.Mutex
	seen map[registry.Code]bool
}

func newCodeLog() *codeLog { return &codeLog{seen: make(map[registry.Code]bool)} }

func (l *codeLog) add(code registry.Code) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seen[code] = true
}

// judge holds what was seen against the catalogue.
func (l *codeLog) judge(t TB, h Harness) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, info := range registry.Codes() {
		if !h.offers(onlyWith[info.Code]) {
			continue
		}
		reason := notProvoked[info.Code]
		switch {
		case !l.seen[info.Code] && reason == "":
			t.Errorf("no call was refused with %s, and no reason is given why none can be", info.Name)
		case l.seen[info.Code] && reason != "":
			t.Errorf("a call was refused with %s, which the list says cannot be: %s", info.Name, reason)
		}
	}
}
