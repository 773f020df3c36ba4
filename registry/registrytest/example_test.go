package registrytest_test

import (
	"fmt"
	"testing"

	"github.com/holdfast-registry/holdfast/registry"
	"github.com/holdfast-registry/holdfast/registry/memory"
	"github.com/holdfast-registry/holdfast/registry/registrytest"
)

// A backend's own test is a few lines; here the backend is the registry in
// memory.
func ExampleRun() {
	testConformance := func(t *testing.T) {
		registrytest.Run(t, func(*testing.T) registrytest.Harness {
			return registrytest.Harness{Registry: memory.New(), Tier: registry.TierInline}
		})
	}
	_ = testConformance // go test calls it when it is called TestConformance
}

// The checks can be read as the contract's table of contents.
func ExampleChecks() {
	for _, check := range registrytest.Checks() {
		if check.Topic == "Abandon" {
			fmt.Println(check.Name)
		}
	}
	// Output:
	// a request is stored as it is sent, for any disposition
	// the first request stays
	// an ended process takes no request, even with one there
	// an unknown process takes no request
}
