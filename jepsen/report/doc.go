// Package report shows a run on one page of HTML that needs nothing else: what
// was found, and, over time, faults, leaders, latency, throughput, the holders
// of leases and errors.
package report
