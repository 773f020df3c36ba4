// Package workload is what the clients of a run do: small programs that call
// the registry as its users would, compete with each other, and try what must
// be refused. A client records every call that it makes.
//
// What a client does is drawn from the seed of the run; how the calls of
// different clients fall together is up to the machine.
package workload
