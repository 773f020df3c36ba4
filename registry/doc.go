// Package registry is the vocabulary of Holdfast: the types of a process
// registry, the Registry interface with its 31 methods, the error catalogue,
// and the pure rules that every implementation shares (validation, canonical
// text and hashes, event semantics).
//
// A process is a durable background activity: an agent run, a job, a tool
// call. The registry holds its registration, its event log, the wakes that its
// events cause, the grants that let session scopes address it, and the
// single-owner lease that says who may execute it now.
//
// The package imports nothing else of this module. docs/spec.md states the
// contract in full; the comments here cite its sections.
package registry
