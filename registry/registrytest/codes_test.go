package registrytest

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/holdfast-registry/holdfast/registry"
)

// complaints is a TB that keeps what is said.
type complaints struct {
	TB
	said []string
}

func (c *complaints) Helper()                  {}
func (c *complaints) Context() context.Context { return context.Background() }
func (c *complaints) Errorf(format string, args ...any) {
	c.said = append(c.said, fmt.Sprintf(format, args...))
}

// TestCodesAreAccountedFor: a code that no call was refused with is missed, and
// so is one that the list says cannot come.
func TestCodesAreAccountedFor(t *testing.T) {
	log := newCodeLog()
	for _, info := range registry.Codes() {
		if notProvoked[info.Code] == "" && info.Code != registry.CodeTerminal {
			log.add(info.Code)
		}
	}
	log.add(registry.CodeCorrupt)
	var c complaints
	log.judge(&c, Harness{})
	if len(c.said) != 2 || !strings.Contains(c.said[0], "Terminal") || !strings.Contains(c.said[1], "Corrupt") {
		t.Errorf("without Terminal and with Corrupt it says %q", c.said)
	}
}
