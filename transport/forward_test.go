package transport

import (
	"context"
	"errors"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/holdfast-registry/holdfast/registry"
	"github.com/holdfast-registry/holdfast/transport/pb"
)

func newMessage(t *testing.T, descriptor protoreflect.MessageDescriptor) proto.Message {
	t.Helper()
	typ, err := protoregistry.GlobalTypes.FindMessageByName(descriptor.FullName())
	if err != nil {
		t.Fatal(err)
	}
	return typ.New().Interface()
}

// twoNodes are a leader with its node-to-node server, and a follower's public
// server that hands calls on to it.
type twoNodes struct {
	leader, follower *fakeBackend
	leaderServer     *Server
	to               *callTo
}

func newTwoNodes(t *testing.T) *twoNodes {
	t.Helper()
	nodes := &twoNodes{leader: newFake("leader", true), follower: newFake("follower", false)}
	server, private := serveConfig(t, ServerConfig{Backend: nodes.leader, Node: nodes.leader})
	nodes.leaderServer = server
	_, public := serveConfig(t, ServerConfig{Backend: nodes.follower, Leader: atLeader{conn: newCallTo(t, private).ClientConn}})
	nodes.to = newCallTo(t, public)
	nodes.to.level, nodes.to.stamp = pb.ReadLevel_READ_LEVEL_LINEARIZABLE, aStamp
	return nodes
}

func TestFollowerHandsCallsOnToTheLeader(t *testing.T) {
	nodes := newTwoNodes(t)
	for _, row := range callRows {
		t.Run(row.method, func(t *testing.T) {
			answering, other := nodes.leader, nodes.follower
			switch row.method {
			case "DurabilityTier", "ClusterStatus", "TakeSnapshot":
				answering, other = other, answering
			}
			checkRow(t, row, nodes.to, answering)
			if calls := other.taken(); len(calls) != 0 {
				t.Errorf("%s got %v too", other.id, calls)
			}
		})
	}
}

func TestFollowerAnswersStaleReadsItself(t *testing.T) {
	nodes := newTwoNodes(t)
	nodes.to.level = pb.ReadLevel_READ_LEVEL_STALE
	for _, row := range callRows {
		if requestFields(t, row.method).ByName("read_level") != nil {
			t.Run(row.method, func(t *testing.T) { checkRow(t, row, nodes.to, nodes.follower) })
		}
	}
	if calls := nodes.leader.taken(); len(calls) != 0 {
		t.Errorf("the leader got %v", calls)
	}
}

func TestTheWholeCatalogueComesBackThroughAFollower(t *testing.T) {
	nodes := newTwoNodes(t)
	checkCatalogue(t, nodes.to, nodes.leader)
}

func TestLeaderAnswersItself(t *testing.T) {
	backend := newFake("leader", true)
	_, addr := serveConfig(t, ServerConfig{Backend: backend, Leader: atLeader{err: errors.New("must not be asked")}})
	checkRow(t, rowOf(t, "GetProcess"), newCallTo(t, addr), backend)
}

// TestCallsAreHandedOnOnce sends a call to a node-to-node server whose node
// does not lead: it is answered there, with the leader's name.
func TestCallsAreHandedOnOnce(t *testing.T) {
	nodes := newTwoNodes(t)
	nodes.leader.leads = false
	nodes.leader.fail(registry.Errorf(registry.CodeNotLeader, registry.Fields{LeaderID: "n9", LeaderAddr: "n9.example:1"}, "n9 leads"))
	_, err := rowOf(t, "AckWake").call(within(t), nodes.to)
	if e := refused(t, err); e.Code != registry.CodeNotLeader || e.Fields.LeaderID != "n9" || e.Fields.LeaderAddr != "n9.example:1" || !e.Definite() {
		t.Errorf("got %+v", e)
	}
	if seen := takenOne(t, nodes.leader); seen.method != "AckWake" {
		t.Errorf("it got %v", seen)
	}
	if calls := nodes.follower.taken(); len(calls) != 0 {
		t.Errorf("the follower got %v", calls)
	}
}

// checkNoLeader makes a write and a read that must both be definite.
func checkNoLeader(t *testing.T, to *callTo, leaderID string) {
	t.Helper()
	for _, method := range []string{"AckWake", "GetProcess", "OpenSession", "VerifyState"} {
		_, err := rowOf(t, method).call(within(t), to)
		if e := refused(t, err); e.Code != registry.CodeNoLeader || !e.Definite() || e.Fields.LeaderID != leaderID {
			t.Errorf("%s: %+v", method, e)
		}
		if info := to.answered(t); info.LeaderID != "leader" || info.LeaderAddr != "leader.example:1" {
			t.Errorf("%s: answer info %+v", method, info)
		}
	}
}

func TestNoLeaderIsDefinite(t *testing.T) {
	follower := newFake("follower", false)
	_, addr := serveConfig(t, ServerConfig{Backend: follower, Leader: atLeader{err: errors.New("an election is on")}})
	checkNoLeader(t, newCallTo(t, addr), "")
}

func TestUnreachableLeaderIsDefinite(t *testing.T) {
	gone := listenLoopback(t)
	gone.Close()
	follower := newFake("follower", false)
	_, addr := serveConfig(t, ServerConfig{Backend: follower, Leader: atLeader{conn: newCallTo(t, gone.Addr().String()).ClientConn}})
	checkNoLeader(t, newCallTo(t, addr), "leader")
}

func TestCutConnectionToTheLeaderLeavesWritesUnknown(t *testing.T) {
	for method, want := range map[string]registry.Code{
		"AckWake":            registry.CodeOutcomeUnknown,
		"OpenSession":        registry.CodeOutcomeUnknown,
		"TransferLeadership": registry.CodeOutcomeUnknown,
		"GetProcess":         registry.CodeNoLeader,
		"ListNonTerminal":    registry.CodeNoLeader,
	} {
		t.Run(method, func(t *testing.T) {
			nodes := newTwoNodes(t)
			stopped := make(chan struct{})
			nodes.leader.set(nil, func(ctx context.Context) {
				go func() { nodes.leaderServer.Stop(); close(stopped) }()
				// The call stays open until its connection is gone.
				<-ctx.Done()
			})
			_, err := rowOf(t, method).call(within(t), nodes.to)
			e := refused(t, err)
			if e.Code != want || e.Definite() != (want == registry.CodeNoLeader) || e.Fields.LeaderID != "leader" {
				t.Errorf("got %+v", e)
			}
			if info := nodes.to.answered(t); info.LeaderID != "leader" {
				t.Errorf("answer info %+v", info)
			}
			if seen := takenOne(t, nodes.leader); seen.method != method {
				t.Errorf("the leader got %v", seen)
			}
			<-stopped
		})
	}
}
