package cluster

import (
	"github.com/hashicorp/raft"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/holdfast-registry/holdfast/fsm"
)

// metrics are what a node measures about itself. They exist whether or not
// anybody collects them.
type metrics struct {
	batchCommands  prometheus.Histogram
	batchBytes     prometheus.Histogram
	commitSeconds  prometheus.Histogram
	applySeconds   prometheus.Histogram
	appendSeconds  prometheus.Histogram
	barrierSeconds prometheus.Histogram
	snapshots      *prometheus.HistogramVec
	overloaded     prometheus.Counter
	refusedEntries prometheus.Counter
	takeovers      prometheus.Counter
	installs       *prometheus.CounterVec
	alarms         *prometheus.CounterVec
	lag            *prometheus.GaugeVec

	corruptSnapshots prometheus.Gauge
}

// secondsBuckets reach from a fast memory to a disk that is about to die.
var secondsBuckets = prometheus.ExponentialBuckets(0.00005, 2, 20)

func newMetrics() *metrics {
	histogram := func(name, help string, buckets []float64) prometheus.Histogram {
		return prometheus.NewHistogram(prometheus.HistogramOpts{Name: "holdfast_" + name, Help: help, Buckets: buckets})
	}
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: "holdfast_" + name, Help: help})
	}
	m := &metrics{
		batchCommands:  histogram("proposer_batch_commands", "Commands in one proposed log entry.", prometheus.ExponentialBuckets(1, 2, 11)),
		batchBytes:     histogram("proposer_batch_bytes", "Bytes of one proposed log entry.", prometheus.ExponentialBuckets(64, 4, 10)),
		commitSeconds:  histogram("proposer_commit_seconds", "Time from proposing a log entry to having applied it.", secondsBuckets),
		applySeconds:   histogram("fsm_apply_seconds", "Time to apply one log entry to the state machine.", secondsBuckets),
		appendSeconds:  histogram("log_append_seconds", "Time of one append to the log store, its sync included.", secondsBuckets),
		barrierSeconds: histogram("read_barrier_seconds", "Time that linearizable reads waited for their barrier.", secondsBuckets),
		snapshots: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "holdfast_snapshot_seconds", Help: "Time to write or restore a snapshot, by operation.", Buckets: prometheus.ExponentialBuckets(0.001, 4, 10),
		}, []string{"operation"}),
		overloaded:     counter("proposer_overloaded_total", "Writes refused because the proposal queue was full."),
		refusedEntries: counter("fsm_refused_entries_total", "Log entries refused because they were decided in another term."),
		takeovers:      counter("takeovers_total", "Terms in which this node came to serve as leader."),
		installs: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "holdfast_snapshot_installs_total", Help: "Snapshots that this node began to send, by peer.",
		}, []string{"peer"}),
		alarms: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "holdfast_watchdog_alarms_total", Help: "Alarms of the watchdogs, by watchdog; see the operating manual for what to do.",
		}, []string{"watchdog"}),
		lag: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "holdfast_follower_lag_entries", Help: "Log entries that a peer has yet to apply, as the leader sees it.",
		}, []string{"peer"}),
		corruptSnapshots: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "holdfast_snapshot_corrupt", Help: "Kept snapshots that could not be read when they were last verified.",
		}),
	}
	for _, watchdog := range watchdogNames {
		m.alarms.WithLabelValues(watchdog)
	}
	for _, operation := range []string{"write", "restore"} {
		m.snapshots.WithLabelValues(operation)
	}
	return m
}

func (m *metrics) all() []prometheus.Collector {
	return []prometheus.Collector{
		m.batchCommands, m.batchBytes, m.commitSeconds, m.applySeconds, m.appendSeconds, m.barrierSeconds,
		m.snapshots, m.overloaded, m.refusedEntries, m.takeovers, m.installs, m.alarms, m.lag, m.corruptSnapshots,
	}
}

// gauge is one figure that is read when it is collected.
type gauge struct {
	desc *prometheus.Desc
	read func(*reading) float64
}

// reading is one look at a node, shared by all gauges.
type reading struct {
	node     *Node
	position fsm.Position
	counts   fsm.Counts
	voters   int
}

func newGauge(name, help string, read func(*reading) float64) gauge {
	return gauge{desc: prometheus.NewDesc("holdfast_"+name, help, nil, nil), read: read}
}

func boolGauge(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

var gauges = []gauge{
	newGauge("raft_term", "Raft's current term.", func(r *reading) float64 { return float64(r.node.raft.CurrentTerm()) }),
	newGauge("raft_leader", "Whether raft takes this node for the leader.", func(r *reading) float64 { return boolGauge(r.node.raft.State() == raft.Leader) }),
	newGauge("serving", "Whether this node serves as leader: its takeover is applied.", func(r *reading) float64 { return boolGauge(r.node.reign.Load() != nil) }),
	newGauge("raft_commit_index", "Last log index known to be committed.", func(r *reading) float64 { return float64(r.node.raft.CommitIndex()) }),
	newGauge("raft_last_log_index", "Last log index in the log store.", func(r *reading) float64 { return float64(r.node.raft.LastIndex()) }),
	newGauge("raft_last_contact_seconds", "Time since this node heard from the leader, 0 on the leader.", func(r *reading) float64 { return float64(r.node.lastContactMs()) / 1000 }),
	newGauge("raft_voters", "Voters in the latest configuration.", func(r *reading) float64 { return float64(r.voters) }),
	newGauge("fsm_applied_index", "Last log index that the state machine has seen.", func(r *reading) float64 { return float64(r.node.replica.applied.Load()) }),
	newGauge("log_bytes_since_snapshot", "Bytes appended to the log since the last snapshot began, or since the start.", func(r *reading) float64 { return float64(r.node.log.bytes.Load()) }),
	newGauge("proposer_queue_length", "Writes that wait to be proposed.", func(r *reading) float64 {
		if reign := r.node.reign.Load(); reign != nil {
			return float64(len(reign.queue))
		}
		return 0
	}),
	newGauge("state_revision", "The state's revision.", func(r *reading) float64 { return float64(r.position.Revision) }),
	newGauge("state_clock_seconds", "The state's clock, in seconds since the epoch.", func(r *reading) float64 { return float64(r.position.ClockMs) / 1000 }),
	newGauge("state_lease_time_seconds", "The time that leases run on.", func(r *reading) float64 { return float64(r.position.LeaseTimeMs) / 1000 }),
	newGauge("state_fencing_token", "The last fencing token that was granted.", func(r *reading) float64 { return float64(r.position.Fencing) }),
	newGauge("processes", "Processes in the state.", func(r *reading) float64 { return float64(r.counts.Processes) }),
	newGauge("processes_running", "Processes that have not ended.", func(r *reading) float64 { return float64(r.counts.Running) }),
	newGauge("leases_live", "Leases with a holder whose time is not over.", func(r *reading) float64 { return float64(r.counts.LiveLeases) }),
	newGauge("leases_expired", "Leases with a holder whose time is over.", func(r *reading) float64 { return float64(r.counts.HeldLeases - r.counts.LiveLeases) }),
}

// Describe implements prometheus.Collector.
func (n *Node) Describe(descs chan<- *prometheus.Desc) {
	for _, c := range n.metrics.all() {
		c.Describe(descs)
	}
	for _, g := range gauges {
		descs <- g.desc
	}
}

// Collect implements prometheus.Collector.
func (n *Node) Collect(out chan<- prometheus.Metric) {
	for _, c := range n.metrics.all() {
		c.Collect(out)
	}
	r := &reading{node: n}
	n.replica.machine.Read(func(v fsm.View) { r.position, r.counts = v.Position(), v.Counts() })
	for _, server := range n.servers() {
		if server.Suffrage == raft.Voter {
			r.voters++
		}
	}
	for _, g := range gauges {
		out <- prometheus.MustNewConstMetric(g.desc, prometheus.GaugeValue, g.read(r))
	}
}
