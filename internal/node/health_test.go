package node_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/holdfast-registry/holdfast/internal/node"
	"github.com/holdfast-registry/holdfast/internal/nodetest"
	"github.com/holdfast-registry/holdfast/transport/pb"
)

// awaitStatus waits until the health service says so.
func awaitStatus(t *testing.T, watch healthpb.Health_WatchClient, want healthpb.HealthCheckResponse_ServingStatus) {
	t.Helper()
	for {
		got, err := watch.Recv()
		if err != nil {
			t.Fatalf("the health service never said %s: %v", want, err)
		}
		if got.GetStatus() == want {
			return
		}
	}
}

func get(t *testing.T, url string) (status int, body string) {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

// withHTTP gives every node an HTTP address.
func withHTTP(config *node.Config) { config.HTTPAddr = "127.0.0.1:0" }

// TestHealthFollowsWhetherReadsAreAnswered takes the majority away and gives it
// back, and follows the health service of the node that stays.
func TestHealthFollowsWhetherReadsAreAnswered(t *testing.T) {
	dirs := make(map[string]string)
	c := nodetest.Start(t, 3, func(config *node.Config) {
		withHTTP(config)
		dirs[config.ID] = config.DataDir
	})
	ctx, cancel := context.WithTimeout(t.Context(), nodetest.Patience)
	defer cancel()
	stays := c.Nodes[0]
	health := healthpb.NewHealthClient(connect(t, stays.Addr()))
	// say returns what the node says of itself, in the three ways that it does.
	say := func() (said [5]bool, text string) {
		for i, service := range []string{"", pb.Registry_ServiceDesc.ServiceName, pb.Admin_ServiceDesc.ServiceName} {
			answer, err := health.Check(ctx, &healthpb.HealthCheckRequest{Service: service})
			if err != nil {
				t.Fatal(err)
			}
			said[i] = answer.GetStatus() == healthpb.HealthCheckResponse_SERVING
			text += service + " " + answer.GetStatus().String() + ", "
		}
		status, body := get(t, "http://"+stays.HTTPAddr()+"/readyz")
		said[3] = status == http.StatusOK
		_, metrics := get(t, "http://"+stays.HTTPAddr()+"/metrics")
		said[4] = strings.Contains(metrics, "\nholdfast_ready 1\n")
		return said, text + body
	}
	await := func(ready bool) {
		t.Helper()
		for {
			said, text := say()
			if said == [5]bool{ready, ready, ready, ready, ready} {
				return
			}
			if ctx.Err() != nil {
				t.Fatalf("health, /readyz and the metric say %v: %s", said, text)
			}
		}
	}
	await(true)
	c.Stop(1)
	c.Stop(2)
	await(false)
	if status, _ := get(t, "http://"+stays.HTTPAddr()+"/healthz"); status != http.StatusOK {
		t.Errorf("/healthz: %d", status)
	}
	c.StartNode(1, dirs["n2"])
	await(true)
}

// TestAStartedNodeIsReadyOnceItHasCaughtUp starts a follower that missed a
// write, and whose disk takes no entries at first.
func TestAStartedNodeIsReadyOnceItHasCaughtUp(t *testing.T) {
	dirs := make(map[string]string)
	held := false
	c, gates := gatedCluster(t, 3, func(config *node.Config) {
		withHTTP(config)
		dirs[config.ID] = config.DataDir
		if !held {
			return
		}
		wrap := config.WrapLogStore
		config.WrapLogStore = func(inner raft.LogStore) raft.LogStore {
			store := wrap(inner)
			store.(*gate).hold()
			return store
		}
	})
	leader := c.AwaitLeader()
	follower := (leader + 1) % 3
	id := c.Peers[follower].ID
	c.Stop(follower)
	if _, err := c.Nodes[leader].RegisterProcess(t.Context(), registration("missed")); err != nil {
		t.Fatal(err)
	}
	held = true
	c.StartNode(follower, dirs[id])
	// It has been offered what it missed, and knows a leader.
	select {
	case <-gates[id].waiting:
	case <-time.After(nodetest.Patience):
		t.Fatal("the node was not offered what it missed")
	}
	url := "http://" + c.Nodes[follower].HTTPAddr() + "/readyz"
	if status, body := get(t, url); status != http.StatusServiceUnavailable || !strings.Contains(body, "catching up") {
		t.Errorf("while it catches up, /readyz answers %d: %s", status, body)
	}
	gates[id].release()
	ctx, cancel := context.WithTimeout(t.Context(), nodetest.Patience)
	defer cancel()
	if err := c.Nodes[follower].AwaitLeader(ctx); err != nil {
		t.Fatal(err)
	}
	if status, body := get(t, url); status != http.StatusOK {
		t.Errorf("after it has caught up, /readyz answers %d: %s", status, body)
	}
}

func TestProfilesAreServedOnRequestOnly(t *testing.T) {
	for _, on := range []bool{false, true} {
		t.Run(fmt.Sprint(on), func(t *testing.T) {
			c := nodetest.Start(t, 1, func(config *node.Config) {
				withHTTP(config)
				config.Pprof = on
			})
			for _, path := range []string{"/debug/pprof/", "/debug/pprof/goroutine?debug=1", "/debug/pprof/cmdline", "/debug/pprof/symbol"} {
				status, _ := get(t, "http://"+c.Nodes[0].HTTPAddr()+path)
				if served := status == http.StatusOK; served != on {
					t.Errorf("%s answers %d", path, status)
				}
			}
		})
	}
}
