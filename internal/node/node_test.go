package node_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/holdfast-registry/holdfast/internal/node"
	"github.com/holdfast-registry/holdfast/internal/nodetest"
	"github.com/holdfast-registry/holdfast/registry"
	"github.com/holdfast-registry/holdfast/transport/pb"
	"github.com/holdfast-registry/holdfast/transport/wire"
)

func registration(id string) registry.ProcessRegistration {
	return registry.ProcessRegistration{
		ID: id, Disposition: registry.Rerunnable, Identity: registry.ProcessIdentity{Kind: "external"},
		Input:      registry.ProcessInput{Kind: registry.InputExternal, Metadata: registry.JSON("null")},
		EventTypes: []registry.ProcessEventType{{Name: "note", PayloadSchema: registry.JSON("{}")}},
	}
}

// logLines keeps what a node logged, for tests that wait for a line.
type logLines struct {
	mu    sync.Mutex
	lines []string
	more  chan struct{}
}

func newLogLines() *logLines { return &logLines{more: make(chan struct{}, 1)} }

func (l *logLines) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, string(line))
	select {
	case l.more <- struct{}{}:
	default:
	}
	return len(line), nil
}

// await waits for a line that holds all parts.
func (l *logLines) await(t *testing.T, parts ...string) {
	t.Helper()
	deadline := time.After(nodetest.Patience)
	for next := 0; ; {
		l.mu.Lock()
		lines := l.lines[next:]
		next = len(l.lines)
		l.mu.Unlock()
		for _, line := range lines {
			found := true
			for _, part := range parts {
				found = found && strings.Contains(line, part)
			}
			if found {
				return
			}
		}
		select {
		case <-l.more:
		case <-deadline:
			t.Fatalf("no log line with %q", parts)
		}
	}
}

func TestThreeNodesReplicateALifeCycle(t *testing.T) {
	c := nodetest.Start(t, 3, nil)
	ctx := t.Context()
	leader := c.Nodes[c.AwaitLeader()]
	if _, err := leader.RegisterProcess(ctx, registration("p1")); err != nil {
		t.Fatal(err)
	}
	claim, err := leader.ClaimProcessLease(ctx, "p1", registry.LeaseOwnerIdentity{OwnerID: "w1", IncarnationID: "1"}, 30_000)
	if err != nil || claim.Acquired == nil {
		t.Fatal(claim, err)
	}
	note := registry.ProcessEventAppendRequest{EventType: "note", Payload: registry.JSON(`{"a": 1}`)}
	if _, err := leader.AppendEvent(ctx, "p1", note, claim.Acquired.Fence()); err != nil {
		t.Fatal(err)
	}
	record, err := leader.CompleteProcess(ctx, "p1", registry.ProcessAwaitOutput{Kind: registry.OutputSuccess, Value: registry.JSON("1")}, claim.Acquired.Fence())
	if err != nil || record.Status.State != registry.StateCompleted {
		t.Fatal(record, err)
	}
	events, err := leader.EventsAfter(ctx, "p1", 0, registry.PageRequest{})
	if err != nil || len(events.Items) != 2 || string(events.Items[0].Payload) != `{"a": 1}` {
		t.Fatal(events, err)
	}
	report, err := leader.VerifyState(ctx)
	if err != nil || !report.Agree || len(report.Members) != 3 {
		t.Fatalf("%+v, %v", report, err)
	}
	status, err := leader.ClusterStatus(ctx)
	if err != nil || len(status.Members) != 3 || status.ClusterID == "" {
		t.Fatalf("%+v, %v", status, err)
	}
	for _, member := range status.Members {
		if member.Error != "" || member.Version != "test" || member.InstanceID == "" {
			t.Errorf("member %+v", member)
		}
	}
}

// TestAnyNodeTakesAnyCall goes through a follower with plain gRPC.
func TestAnyNodeTakesAnyCall(t *testing.T) {
	c := nodetest.Start(t, 3, nil)
	leader := c.AwaitLeader()
	for i, n := range c.Nodes {
		if err := n.AwaitLeader(t.Context()); err != nil {
			t.Fatal(err)
		}
		conn, err := grpc.NewClient(n.Addr(), grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		id := c.Peers[i].ID
		request := &pb.RegisterProcessRequest{Registration: wire.RegistrationToPB(registration(id))}
		if _, err := pb.NewRegistryClient(conn).RegisterProcess(t.Context(), request); err != nil {
			t.Fatalf("register through %s, leader %s: %v", id, c.Peers[leader].ID, err)
		}
		if _, err := c.Nodes[c.AwaitLeader()].GetProcess(t.Context(), id); err != nil {
			t.Fatalf("registered through %s: %v", id, err)
		}
		_, err = pb.NewRegistryClient(conn).GetProcess(t.Context(), &pb.GetProcessRequest{ProcessId: "unknown"})
		if refusal, ok := wire.ErrorFromStatus(err); !ok || refusal.Code != registry.CodeNotFound {
			t.Fatalf("unknown process through %s: %v", id, err)
		}
	}
}

func TestAWipedNodeUnderItsOldIDIsRefused(t *testing.T) {
	logs := newLogLines()
	dirs := make(map[string]string)
	c := nodetest.Start(t, 3, func(config *node.Config) {
		dirs[config.ID] = config.DataDir
		config.Logger = slog.New(slog.NewTextHandler(logs, nil))
	})
	leader := c.AwaitLeader()
	if _, err := c.Nodes[leader].RegisterProcess(t.Context(), registration("p")); err != nil {
		t.Fatal(err)
	}
	if report, err := c.Nodes[leader].VerifyState(t.Context()); err != nil || !report.Agree {
		t.Fatalf("%+v, %v", report, err)
	}
	wiped := (leader + 1) % 3
	id := c.Peers[wiped].ID
	c.Stop(wiped)
	if err := os.RemoveAll(dirs[id]); err != nil {
		t.Fatal(err)
	}
	c.StartNode(wiped, dirs[id])
	logs.await(t, "node "+id+" lost its data", "join it under a new id")
	status, err := c.Nodes[wiped].NodeStatus(t.Context())
	if err != nil || status.AppliedIndex > 1 || status.Revision != 0 {
		t.Fatalf("the wiped node got entries: %+v, %v", status, err)
	}
	// With the other follower gone the wiped node's vote and acks would make a
	// quorum: the leader must not get one.
	c.Stop((leader + 2) % 3)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	if _, err := c.Nodes[leader].RegisterProcess(ctx, registration("q")); err == nil {
		t.Fatal("a write was acked with the wiped node as the quorum")
	}
}

func TestANodeThatComesAfterTheFirstTakeoverIsRecordedBeforeItIsLetIn(t *testing.T) {
	nodetest.Exclusive(t)
	c := &nodetest.Cluster{T: t, Fatals: make(chan error, 16), Nodes: make([]*node.Node, 3)}
	for i, addr := range nodetest.FreeAddrs(t, 3) {
		c.Peers = append(c.Peers, node.Peer{ID: []string{"n1", "n2", "n3"}[i], Addr: addr})
	}
	t.Cleanup(c.Close)
	dir := t.TempDir()
	c.StartNode(0, filepath.Join(dir, "n1"))
	c.StartNode(1, filepath.Join(dir, "n2"))
	leader := c.Nodes[c.AwaitLeader()]
	if _, err := leader.RegisterProcess(t.Context(), registration("p")); err != nil {
		t.Fatal(err)
	}
	c.StartNode(2, filepath.Join(dir, "n3"))
	if err := c.Nodes[2].AwaitLeader(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), nodetest.Patience)
	defer cancel()
	// The leader may have been refused by its own connection to the node a
	// moment ago, and say so.
	for {
		report, err := c.Nodes[c.AwaitLeader()].VerifyState(ctx)
		if err == nil && report.Agree {
			break
		}
		if ctx.Err() != nil {
			t.Fatalf("%+v, %v", report, err)
		}
	}
}

func TestANodeDoesNotStart(t *testing.T) {
	peers := []node.Peer{{ID: "n1", Addr: "127.0.0.1:1"}}
	for name, test := range map[string]struct {
		config node.Config
		text   string
	}{
		"without being among its peers":       {node.Config{ID: "n2", Addr: "127.0.0.1:0", Peers: peers}, "not among the peers"},
		"without peers and an address":        {node.Config{ID: "n2", Addr: "127.0.0.1:0"}, "no peers and no address"},
		"on an address that is not its own":   {node.Config{ID: "n1", Addr: "192.0.2.1:1", Peers: peers}, "cannot assign"},
		"when its HTTP address is not usable": {node.Config{ID: "n1", Addr: "127.0.0.1:0", HTTPAddr: "192.0.2.1:1", Peers: peers}, "HTTP"},
	} {
		t.Run(name, func(t *testing.T) {
			test.config.DataDir = t.TempDir()
			n, err := node.Start(t.Context(), test.config)
			if err == nil {
				n.Close(context.Background())
			}
			if err == nil || !strings.Contains(err.Error(), test.text) {
				t.Fatalf("%v, want an error that says %q", err, test.text)
			}
		})
	}
}

func TestParsePeers(t *testing.T) {
	peers, err := node.ParsePeers("n1=127.0.0.1:7501, n2=host:7502,n3=[::1]:7503")
	if err != nil || len(peers) != 3 || peers[1] != (node.Peer{ID: "n2", Addr: "host:7502"}) {
		t.Fatal(peers, err)
	}
	for _, text := range []string{"", "n1", "n1=", "n1=host", "n1=host:0", "=host:1", "n1=a:1,n1=b:1", "n1=a:1,n2=a:1"} {
		if peers, err := node.ParsePeers(text); err == nil {
			t.Errorf("%q was read as %v", text, peers)
		}
	}
	if _, err := node.ParsePeers("a\x00b=host:1"); !errors.Is(err, registry.ErrInvalidArgument) {
		t.Errorf("control character: %v", err)
	}
}
