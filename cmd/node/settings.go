package main

import (
	"fmt"
	"math"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/holdfast-registry/holdfast/cluster"
	"github.com/holdfast-registry/holdfast/internal/node"
)

// serveFlags are the settings of a node, as serve and config show take them.
type serveFlags struct {
	configFile                         string
	id, dataDir, addr, httpAddr, peers string
	advertise                          string
	join, insecure, pprof              bool

	heartbeat, election, leaderLease time.Duration
	snapshotEntries, trailingLogs    uint64
	snapshotBytes, trailingBytes     byteSize
	snapshotInterval, appendLimit    time.Duration
}

// settingNames are the settings of a node, in the order in which they are
// shown. Each is a flag, a variable and a key of the configuration file.
var settingNames = []string{
	"id", "data-dir", "addr", "peers", "join", "advertise-addr", "http-addr", "insecure", "pprof", "log-level", "log-format",
	"heartbeat-timeout", "election-timeout", "leader-lease-timeout",
	"snapshot-entries", "snapshot-bytes", "snapshot-interval", "trailing-logs", "trailing-bytes", "append-limit",
}

// bind adds the flags to a command.
func (f *serveFlags) bind(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.configFile, "config", "", "the YAML `file` for what neither a flag nor a variable gives")
	flags.StringVar(&f.id, "id", "", "this node's `id`, one of --peers")
	flags.StringVar(&f.dataDir, "data-dir", "", "the `folder` that holds this node's log and snapshots")
	flags.StringVar(&f.addr, "addr", "", "the `address` to bind for clients and other nodes")
	flags.StringVar(&f.peers, "peers", "", "all `nodes` of the new cluster as id=host:port, with commas between them")
	flags.BoolVar(&f.join, "join", false, "instead of --peers: wait to be let into a running cluster by cluster add")
	flags.StringVar(&f.advertise, "advertise-addr", "", "with --join, the `address` that the others reach this node at (default --addr)")
	flags.StringVar(&f.httpAddr, "http-addr", "", "the `address` to bind for /healthz, /readyz and /metrics (default none)")
	flags.BoolVar(&f.insecure, "insecure", false, "bind other than loopback addresses although nothing is encrypted")
	flags.BoolVar(&f.pprof, "pprof", false, "serve Go's profiles on --http-addr under /debug/pprof/")

	defaults := cluster.Defaults()
	f.snapshotBytes, f.trailingBytes = byteSize(defaults.Limits.LogBytes), byteSize(defaults.Limits.TrailingBytes)
	flags.DurationVar(&f.heartbeat, "heartbeat-timeout", defaults.Timing.Heartbeat, "how long a follower waits for its leader before it stands for election")
	flags.DurationVar(&f.election, "election-timeout", defaults.Timing.Election, "how long an election may take")
	flags.DurationVar(&f.leaderLease, "leader-lease-timeout", defaults.Timing.LeaderLease, "how long a leader goes on without hearing from a majority")
	flags.Uint64Var(&f.snapshotEntries, "snapshot-entries", defaults.SnapshotEntries, "after how many log `entries` a snapshot is taken")
	flags.Var(&f.snapshotBytes, "snapshot-bytes", "after how many `bytes` of log a snapshot is taken, for example 256MiB")
	flags.DurationVar(&f.snapshotInterval, "snapshot-interval", defaults.SnapshotInterval, "how often the number of entries is looked at")
	flags.Uint64Var(&f.trailingLogs, "trailing-logs", defaults.TrailingLogs, "how many `entries` stay in the log behind a snapshot, for followers that are behind")
	flags.Var(&f.trailingBytes, "trailing-bytes", "how many `bytes` of log stay behind a snapshot at most, for example 1GiB")
	flags.DurationVar(&f.appendLimit, "append-limit", defaults.Limits.Append, "how long the disk may take for one append to the log before the node ends itself")

	own := []string{"id", "data-dir", "addr", "peers", "join", "advertise-addr", "http-addr", "insecure", "pprof", "heartbeat-timeout", "election-timeout",
		"leader-lease-timeout", "snapshot-entries", "snapshot-bytes", "snapshot-interval", "trailing-logs", "trailing-bytes", "append-limit"}
	fromEnv(flags, append([]string{"config"}, own...)...)
	fromFile(flags, own...)
	require(cmd, "id", "data-dir", "addr")
}

// config checks the settings.
func (f *serveFlags) config() (node.Config, error) {
	for _, bind := range []struct{ flag, addr string }{{"--addr", f.addr}, {"--http-addr", f.httpAddr}} {
		if bind.addr == "" && bind.flag == "--http-addr" {
			continue
		}
		if err := checkBind(bind.flag, bind.addr, f.insecure); err != nil {
			return node.Config{}, err
		}
	}
	peers, advertise, err := f.membership()
	if err != nil {
		return node.Config{}, err
	}
	if f.pprof && f.httpAddr == "" {
		return node.Config{}, wrongUsage("--pprof", "--pprof needs an address to serve on: give --http-addr too")
	}
	if err := f.checkTunables(); err != nil {
		return node.Config{}, err
	}
	return node.Config{
		ID: f.id, DataDir: f.dataDir, Addr: f.addr, HTTPAddr: f.httpAddr, Pprof: f.pprof, Peers: peers, Advertise: advertise,
		Timing:          cluster.Timing{Heartbeat: f.heartbeat, Election: f.election, LeaderLease: f.leaderLease},
		SnapshotEntries: f.snapshotEntries, SnapshotInterval: f.snapshotInterval, TrailingLogs: f.trailingLogs,
		Limits:  cluster.Limits{Append: f.appendLimit, LogBytes: uint64(f.snapshotBytes), TrailingBytes: uint64(f.trailingBytes)},
		Version: currentVersion().Version,
	}, nil
}

// membership checks how the node comes to be in a cluster: as one of its first
// nodes, or let in later under an address of its own.
func (f *serveFlags) membership() (peers []node.Peer, advertise string, err error) {
	switch {
	case f.join && f.peers != "":
		return nil, "", wrongUsage("--join", "--join and --peers exclude each other: --peers lists the first nodes of a new cluster, --join waits to be let into a running one")
	case !f.join && f.peers == "":
		return nil, "", wrongUsage("--peers", "--peers must list all nodes of the new cluster, or --join must say that this node waits to be let into a running one")
	case !f.join && f.advertise != "":
		return nil, "", wrongUsage("--advertise-addr", "--advertise-addr goes with --join: without it, this node's entry in --peers is how others reach it")
	case f.join:
		return nil, f.advertised(), checkReachable(f.advertised())
	}
	if peers, err = node.ParsePeers(f.peers); err != nil {
		return nil, "", badFlag("--peers", err)
	}
	for _, peer := range peers {
		if peer.ID == f.id {
			return peers, "", nil
		}
	}
	return nil, "", wrongUsage("--id", "--id %s is none of --peers %s", f.id, f.peers)
}

func (f *serveFlags) advertised() string {
	if f.advertise != "" {
		return f.advertise
	}
	return f.addr
}

// checkReachable refuses what can be bound and not dialed.
func checkReachable(addr string) error {
	host, port, err := net.SplitHostPort(addr)
	if ip := net.ParseIP(host); err == nil && host != "" && port != "" && port != "0" && (ip == nil || !ip.IsUnspecified()) {
		return nil
	}
	return wrongUsage("--advertise-addr", "the others cannot reach this node at %q: give them an address with --advertise-addr, for example 10.0.0.4:7400", addr)
}

// minTimeout is the shortest time that raft takes for any of its time-outs.
const minTimeout = 5 * time.Millisecond

// checkTunables refuses what raft would refuse, or what cannot be meant. A zero
// would silently mean the default further in.
func (f *serveFlags) checkTunables() error {
	for _, d := range []struct {
		flag  string
		value time.Duration
	}{
		{"--heartbeat-timeout", f.heartbeat}, {"--election-timeout", f.election}, {"--leader-lease-timeout", f.leaderLease},
		{"--snapshot-interval", f.snapshotInterval}, {"--append-limit", f.appendLimit},
	} {
		if d.value < minTimeout {
			return wrongUsage(d.flag, "%s %v is too short: at least %v, for example 1s", d.flag, d.value, minTimeout)
		}
	}
	for _, n := range []struct {
		flag  string
		value uint64
	}{{"--snapshot-entries", f.snapshotEntries}, {"--snapshot-bytes", uint64(f.snapshotBytes)}, {"--trailing-logs", f.trailingLogs}, {"--trailing-bytes", uint64(f.trailingBytes)}} {
		if n.value == 0 {
			return wrongUsage(n.flag, "%s must be at least 1", n.flag)
		}
	}
	switch {
	case f.election < f.heartbeat:
		return wrongUsage("--election-timeout", "--election-timeout %v is shorter than --heartbeat-timeout %v: "+
			"a candidate must wait for votes for at least as long as a follower waits for its leader", f.election, f.heartbeat)
	case f.leaderLease > f.heartbeat:
		return wrongUsage("--leader-lease-timeout", "--leader-lease-timeout %v is longer than --heartbeat-timeout %v: "+
			"a leader that was cut off would still lead when the others have elected another", f.leaderLease, f.heartbeat)
	case f.appendLimit < f.heartbeat:
		return wrongUsage("--append-limit", "--append-limit %v is shorter than --heartbeat-timeout %v: "+
			"a node would end itself for a hiccup of its disk that is shorter than what its followers bear", f.appendLimit, f.heartbeat)
	}
	return nil
}

// byteSize is a flag's number of bytes, written as 256MiB or as a number.
type byteSize uint64

var byteUnits = []struct {
	suffix string
	factor uint64
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}, {"", 1}}

// String implements pflag.Value, with the largest unit that fits evenly.
func (b *byteSize) String() string {
	for _, unit := range byteUnits[:3] {
		if n := uint64(*b); n > 0 && n%unit.factor == 0 {
			return number(n/unit.factor) + unit.suffix
		}
	}
	return number(uint64(*b))
}

// Set implements pflag.Value.
func (b *byteSize) Set(text string) error {
	for _, unit := range byteUnits {
		digits, ok := strings.CutSuffix(text, unit.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(strings.TrimSpace(digits), 10, 64)
		if err != nil || n > math.MaxUint64/unit.factor {
			break
		}
		*b = byteSize(n * unit.factor)
		return nil
	}
	return fmt.Errorf("%q is no number of bytes, for example 268435456 or 256MiB", text)
}

// Type implements pflag.Value.
func (b *byteSize) Type() string { return kindBytes }
