// Package run puts a run together: a cluster of real processes behind a network
// that can be cut, clients that work on it, nemeses that harm it meanwhile, and
// the judging of what the clients saw.
package run
