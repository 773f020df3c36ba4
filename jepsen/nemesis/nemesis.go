package nemesis

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/holdfast-registry/holdfast/jepsen/network"
	"github.com/holdfast-registry/holdfast/jepsen/powerloss"
	"github.com/holdfast-registry/holdfast/jepsen/process"
	"github.com/holdfast-registry/holdfast/jepsen/volume"
	"github.com/holdfast-registry/holdfast/registry"
)

// World is what harm can be done to.
type World struct {
	Cluster *process.Cluster
	Network network.Network
	// Admin asks the cluster for what operators ask.
	Admin registry.Admin
	// Dial returns an Admin that asks one node.
	Dial func(addr string) (Admin, error)
	// Dir is the folder of the run: see ClockFile and FailpointFile.
	Dir string

	mu sync.Mutex
	// volumes are the file systems of nodes that have their own, by id.
	volumes map[string]fileSystem
	// mayEnd are the nodes that a fault may make end by itself.
	mayEnd map[string]bool
}

// Failpoints is the build tag of nodes whose clock and disk can be tampered
// with.
const Failpoints = "failpoints"

// ClockFile is the file that holds how wrong the wall clock of a node is, in
// nodes that were built with Failpoints.
func ClockFile(dir, id string) string { return filepath.Join(dir, id+".clock") }

// FailpointFile is the file that arms failpoints of a node.
func FailpointFile(dir, id string) string { return filepath.Join(dir, id+".failpoint") }

// Env is what nodes that were built with Failpoints find in their environment.
func Env(dir, id string) []string {
	return []string{"HOLDFAST_TEST_WALL_OFFSET_FILE=" + ClockFile(dir, id), "HOLDFAST_FAILPOINT_FILE=" + FailpointFile(dir, id)}
}

// expectEnd says that a node may end by itself until the next recovery.
func (w *World) expectEnd(id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.mayEnd == nil {
		w.mayEnd = make(map[string]bool)
	}
	w.mayEnd[id] = true
}

// Recovered says that the cluster serves again: no node may end from now on.
func (w *World) Recovered() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mayEnd = nil
}

func (w *World) endWasExpected(id string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.mayEnd[id]
}

// Admin is an Admin that is closed after use.
type Admin interface {
	registry.Admin
	Close() error
}

// Fault is one harm, as it was drawn.
type Fault struct {
	// Detail says what is done, and to whom.
	Detail string
	// Hold is for how long it lasts.
	Hold time.Duration
	// Stops says that no majority can write while it lasts.
	Stops bool
	// Begin does it. It may take as long as the fault is worth.
	Begin func(ctx context.Context) error
	// End takes back what World.Heal does not; it may be nil.
	End func(ctx context.Context) error
}

// Nemesis draws faults of one kind.
type Nemesis struct {
	// Name is how the command line calls it; Help is one line about it.
	Name, Help string
	// Flags are flags of the nodes that it needs.
	Flags []string
	// Volume says which file system of its own every node needs.
	Volume VolumeKind
	// Tags are build tags of the nodes that it needs.
	Tags []string
	// Alone says that its faults wait for nodes, and do not go with others.
	Alone bool
	// Cannot says why it cannot be used here, on a network; it may be nil.
	Cannot func(network.Network) string
	// Draw draws a fault. leader is the node that leads.
	Draw func(w *World, random *rand.Rand, leader *process.Node) Fault
}

// All are the nemeses.
func All() []Nemesis {
	return []Nemesis{
		{Name: "kill", Help: "kill -9 of the leader, one node, a majority or all; started again", Draw: drawKill},
		{Name: "pause", Help: "SIGSTOP of the leader, one node, a majority or all, for less or more than an election; continued", Draw: drawPause},
		{Name: "partition", Help: "the leader or another node cut off, halves, one direction only, a ring, one after the other", Draw: drawPartition},
		{Name: "slow", Help: "links that delay, lose and let little through", Draw: drawSlow, Cannot: needsDelays},
		{Name: "transfer", Help: "leadership handed to another node", Draw: drawTransfer},
		{Name: "restart", Help: "every node stopped gracefully and started again, one after the other", Draw: drawRestart, Alone: true},
		{
			Name: "snapshot", Help: "snapshots all the time, and little log behind them", Draw: drawSnapshots,
			Flags: []string{"--snapshot-entries", "64", "--snapshot-interval", "200ms", "--trailing-logs", "16"},
		},
		{Name: "clock", Help: "wall clocks that jump by up to a day or strobe, while leadership moves", Draw: drawClock, Tags: []string{Failpoints}},
		{Name: "stall", Help: "the disk of a node, or of all, hangs in an append to the log", Draw: drawStall, Tags: []string{Failpoints}},
		{Name: "blind", Help: "the leader's disk hangs while it is cut off from the other nodes, so that it cannot notice that another one leads; clients still reach it", Draw: drawBlind, Tags: []string{Failpoints}},
		{Name: "echo", Help: "the leader hears the others late while it hands its leadership over, so that what they said before it still comes in", Draw: drawEcho, Cannot: needsDelays},
		{Name: "linger", Help: "the leader stands still between deciding and proposing, loses its leadership meanwhile as the others are paused, and leads again", Draw: drawLinger, Tags: []string{Failpoints}, Alone: true},
		{Name: "detour", Help: "clients reach the leader only by other nodes, whose connections to it break all the time", Draw: drawDetour, Cannot: needsDelays},
		{Name: "disk", Help: "the file system of a node, a majority or all is full; emptied, and the nodes started again", Draw: drawDisk, Volume: SmallVolume, Cannot: func(network.Network) string { return volume.Cannot() }},
		{
			Name: "fsync-fail", Help: "syncing log, term and vote fails, once or always, on a node, a majority or all; what ends is started again, also while it fails",
			Draw: drawFsyncFail, Tags: []string{Failpoints}, Alone: true,
		},
		{
			Name: "fsync-hang", Help: "syncing log, term and vote hangs, for less or more than the " + appendLimit + " after which nodes then end themselves",
			Draw: drawFsyncHang, Tags: []string{Failpoints}, Alone: true, Flags: []string{"--append-limit", appendLimit},
		},
		{
			Name: "powerloss", Help: "power lost by a node, a majority or all at once, and with it what was not synced; started again",
			Draw: drawPowerLoss, Volume: UnsyncedVolume, Cannot: func(network.Network) string { return powerloss.Cannot() },
		},
		{Name: "corrupt", Help: "bytes flipped or cut off in the log or a snapshot of one node that is down", Draw: drawCorrupt, Alone: true},
		{Name: "membership", Help: "a node removed for good, and another one joined under a new id", Draw: drawMembership, Alone: true},
	}
}

// Default are the nemeses that a run has unless it is told otherwise.
const Default = "kill,pause,partition"

// ByNames returns the nemeses of a list with commas.
func ByNames(list string) (chosen []Nemesis, err error) {
	if list == "none" {
		return nil, nil
	}
	var names []string
	table := make(map[string]Nemesis)
	for _, n := range All() {
		names = append(names, n.Name)
		table[n.Name] = n
	}
	for _, name := range strings.Split(list, ",") {
		n, ok := table[name]
		if !ok {
			return nil, fmt.Errorf("there is no nemesis %q: choose some of %s, or none", name, strings.Join(names, ","))
		}
		chosen = append(chosen, n)
	}
	return chosen, nil
}

func needsDelays(n network.Network) string {
	if n.CanDelay() {
		return ""
	}
	return fmt.Sprintf("links are slowed down by the proxy, and the network is %s", n.Name())
}

// Heal makes the cluster well: links flow, paused nodes go on, dead ones run.
// It tells which nodes had ended without being told to.
func (w *World) Heal() (exits []string, err error) {
	if err := w.Network.Heal(); err != nil {
		return nil, fmt.Errorf("heal the network: %w", err)
	}
	for _, n := range w.Cluster.Nodes() {
		if ended, how := n.Exited(); ended {
			if !w.endWasExpected(n.ID) {
				exits = append(exits, fmt.Sprintf("%s ended by itself: %v; its log: %s", n.ID, how, n.LogPath()))
			}
			if err := n.AwaitCrash(context.Background()); err != nil {
				return exits, err
			}
		}
		heal := n.Start
		if n.Running() {
			heal = n.Resume
		}
		if err := heal(); err != nil {
			return exits, err
		}
	}
	return exits, nil
}

// between draws a time.
func between(random *rand.Rand, least, most time.Duration) time.Duration {
	return (least + time.Duration(random.Int64N(int64(most-least)))).Truncate(time.Millisecond)
}

// pass lets time go by: how long something lasts is part of the fault.
func pass(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// nameOf is a node's id, and that it leads.
func nameOf(n, leader *process.Node) string {
	if n == leader {
		return n.ID + " (leader)"
	}
	return n.ID
}

func namesOf(nodes []*process.Node, leader *process.Node) string {
	var names []string
	for _, n := range nodes {
		names = append(names, nameOf(n, leader))
	}
	return strings.Join(names, ", ")
}

// isMajority tells whether these nodes are so many that the others cannot go on.
func (w *World) isMajority(nodes []*process.Node) bool {
	all := w.Cluster.Len()
	return all-len(nodes) <= all/2
}

// victims draws whom to strike: the leader, one node, a majority or all.
func victims(w *World, random *rand.Rand, leader *process.Node) []*process.Node {
	nodes := w.Cluster.Nodes()
	random.Shuffle(len(nodes), func(i, j int) { nodes[i], nodes[j] = nodes[j], nodes[i] })
	switch random.IntN(8) {
	case 0, 1, 2:
		return []*process.Node{leader}
	case 3, 4:
		return nodes[:1]
	case 5, 6:
		return nodes[:len(nodes)/2+1]
	default:
		return nodes
	}
}
