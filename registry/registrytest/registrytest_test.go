package registrytest_test

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/holdfast-registry/holdfast/registry"
	"github.com/holdfast-registry/holdfast/registry/memory"
	"github.com/holdfast-registry/holdfast/registry/registrytest"
)

// sound is a harness over a registry that keeps the contract.
func sound() registrytest.Harness {
	var nowMs atomic.Uint64
	nowMs.Store(1_700_000_000_000)
	return registrytest.Harness{
		Registry: memory.New(memory.WithClock(nowMs.Load)),
		Tier:     registry.TierInline,
		Advance:  func(ms uint64) { nowMs.Add(ms) },
	}
}

// report is a registrytest.TB that keeps what a check says.
type report struct {
	ctx      context.Context
	mu       sync.Mutex
	failures []string
}

func (r *report) Helper()                  {}
func (r *report) Logf(string, ...any)      {}
func (r *report) Context() context.Context { return r.ctx }

func (r *report) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failures = append(r.failures, fmt.Sprintf(format, args...))
}

func (r *report) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	runtime.Goexit()
}

// judge runs one check and returns its failures.
func judge(t *testing.T, check registrytest.Check, h registrytest.Harness) []string {
	r := &report{ctx: t.Context()}
	done := make(chan struct{})
	go func() {
		defer close(done)
		check.Judge(r, h)
	}()
	<-done
	return r.failures
}

// TestABrokenRegistryFailsTheCheckThatSpeaksOfIt breaks a sound registry in one
// way after the other. The sound one passes the same check.
func TestABrokenRegistryFailsTheCheckThatSpeaksOfIt(t *testing.T) {
	checks := make(map[string]registrytest.Check)
	for _, check := range registrytest.Checks() {
		checks[check.Name] = check
	}
	for _, b := range breakages {
		t.Run(b.name, func(t *testing.T) {
			check, ok := checks[b.found]
			if !ok {
				t.Fatalf("there is no check %q", b.found)
			}
			if failures := judge(t, check, sound()); len(failures) > 0 {
				t.Errorf("the sound registry fails it: %s", failures[0])
			}
			h := sound()
			h.Registry = b.with(h.Registry)
			failures := judge(t, check, h)
			if len(failures) == 0 {
				t.Fatalf("the check %q did not notice", b.found)
			}
			if !strings.Contains(failures[0], check.Why) {
				t.Errorf("the failure does not say what the contract says: %s", failures[0])
			}
		})
	}
}

var (
	cited   = regexp.MustCompile(`\b(A\d+|\d\.\d+)\b`)
	heading = regexp.MustCompile(`(?m)^### +(A\d+|[2-5]\.\d+) `)
	chapter = regexp.MustCompile(`^spec \d\b`)
)

// TestEveryCheckSaysWhatForAndEverySectionIsChecked compares the checks with
// the contract's headings.
func TestEveryCheckSaysWhatForAndEverySectionIsChecked(t *testing.T) {
	spec, err := os.ReadFile("../../docs/spec.md")
	if err != nil {
		t.Fatal(err)
	}
	sections := make(map[string]bool)
	for _, match := range heading.FindAllStringSubmatch(string(spec), -1) {
		sections[match[1]] = false
	}
	names := make(map[string]bool)
	for _, check := range registrytest.Checks() {
		if names[check.Name] {
			t.Errorf("two checks are called %q", check.Name)
		}
		names[check.Name] = true
		found := chapter.MatchString(check.Why)
		for _, match := range cited.FindAllStringSubmatch(check.Why, -1) {
			if _, ok := sections[match[1]]; ok {
				sections[match[1]], found = true, true
			}
		}
		if !strings.HasPrefix(check.Why, "spec ") || !found {
			t.Errorf("%q cites no section of the contract: %q", check.Name, check.Why)
		}
	}
	for section, checked := range sections {
		// Sections from A24 on are about calls that are none of the 31.
		if number, err := strconv.Atoi(strings.TrimPrefix(section, "A")); err == nil && number >= 24 {
			continue
		}
		if reason := notOfMethods[section]; !checked && reason == "" {
			t.Errorf("no check cites section %s", section)
		} else if checked && reason != "" {
			t.Errorf("section %s is cited, and was said to be %s", section, reason)
		}
	}
}

// notOfMethods are the sections that say nothing a caller of the 31 methods
// could see.
var notOfMethods = map[string]string{
	"A21": "about workers",
	"A22": "about workers",
}
