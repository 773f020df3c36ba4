//go:build !failpoints

package cluster

// failpoints tells whether this program can be made to crash at named points.
const failpoints = false

// failpoint does nothing in a program that is not built for tests.
func failpoint(string) {}

// testConfig changes nothing in a program that is not built for tests.
func testConfig(*Config) {}

// testStore changes nothing in a program that is not built for tests.
func testStore(s store) store { return s }
