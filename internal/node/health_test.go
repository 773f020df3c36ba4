package node_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

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
	stays := c.Nodes[0]
	var watches []healthpb.Health_WatchClient
	for _, service := range []string{"", pb.Registry_ServiceDesc.ServiceName} {
		watch, err := healthpb.NewHealthClient(connect(t, stays.Addr())).Watch(t.Context(), &healthpb.HealthCheckRequest{Service: service})
		if err != nil {
			t.Fatal(err)
		}
		watches = append(watches, watch)
	}
	check := func(want healthpb.HealthCheckResponse_ServingStatus, httpStatus int, metric string) {
		t.Helper()
		for _, watch := range watches {
			awaitStatus(t, watch, want)
		}
		if status, body := get(t, "http://"+stays.HTTPAddr()+"/readyz"); status != httpStatus {
			t.Errorf("/readyz: %d %s", status, body)
		}
		if _, body := get(t, "http://"+stays.HTTPAddr()+"/metrics"); !strings.Contains(body, "\nholdfast_ready "+metric+"\n") {
			t.Errorf("/metrics lacks holdfast_ready %s", metric)
		}
		if status, _ := get(t, "http://"+stays.HTTPAddr()+"/healthz"); status != http.StatusOK {
			t.Errorf("/healthz: %d", status)
		}
	}
	check(healthpb.HealthCheckResponse_SERVING, http.StatusOK, "1")
	c.Stop(1)
	c.Stop(2)
	check(healthpb.HealthCheckResponse_NOT_SERVING, http.StatusServiceUnavailable, "0")
	c.StartNode(1, dirs["n2"])
	check(healthpb.HealthCheckResponse_SERVING, http.StatusOK, "1")
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
