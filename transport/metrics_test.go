package transport

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/holdfast-registry/holdfast/registry"
	"github.com/holdfast-registry/holdfast/transport/pb"
)

// measured returns the value of one metric by its labels: a counter's or a
// gauge's, and the number of observations of a histogram.
func measured(t *testing.T, m *Metrics, name string, labels map[string]string) float64 {
	t.Helper()
	metrics := prometheus.NewRegistry()
	metrics.MustRegister(m)
	families, err := metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, metric := range family.GetMetric() {
			if hasLabels(metric, labels) {
				return metric.GetCounter().GetValue() + metric.GetGauge().GetValue() + float64(metric.GetHistogram().GetSampleCount())
			}
		}
	}
	return 0
}

func hasLabels(metric *dto.Metric, labels map[string]string) bool {
	matched := 0
	for _, pair := range metric.GetLabel() {
		if labels[pair.GetName()] == pair.GetValue() {
			matched++
		}
	}
	return matched == len(labels) && matched == len(metric.GetLabel())
}

func TestCallsAreCountedByServerMethodAndCode(t *testing.T) {
	const method = "holdfast.v1.Registry/GetProcess"
	for _, test := range []struct {
		server string
		node   NodeBackend
	}{{"public", nil}, {"node", newFake("leader", true)}} {
		t.Run(test.server, func(t *testing.T) {
			m := NewMetrics()
			backend := newFake("leader", true)
			_, addr := serveConfig(t, ServerConfig{Backend: backend, Node: test.node, Metrics: m})
			ask := func() error {
				_, err := pb.NewRegistryClient(newCallTo(t, addr)).GetProcess(within(t), &pb.GetProcessRequest{ProcessId: "p"})
				return err
			}
			value := func(name string, labels ...string) float64 {
				t.Helper()
				pairs := map[string]string{"server": test.server, "method": method}
				for _, code := range labels {
					pairs["code"] = code
				}
				return measured(t, m, name, pairs)
			}
			if err := ask(); err != nil {
				t.Fatal(err)
			}
			// What is counted is what the caller got, and not the error inside.
			backend.fail(registry.Errorf(registry.CodeNotFound, registry.Fields{}, "no such process"))
			if err := ask(); status.Code(err) != codes.NotFound {
				t.Fatal(err)
			}
			if ok, missing := value("holdfast_grpc_calls_total", "OK"), value("holdfast_grpc_calls_total", "NotFound"); ok != 1 || missing != 1 {
				t.Errorf("%v calls with OK, %v with NotFound", ok, missing)
			}
			if n := value("holdfast_grpc_call_seconds"); n != 2 {
				t.Errorf("the time of %v calls was measured", n)
			}
			if n := value("holdfast_grpc_calls_in_flight"); n != 0 {
				t.Errorf("%v calls are in flight after all have ended", n)
			}
			// A method that there is not must make no series.
			conn := newCallTo(t, addr)
			if err := conn.ClientConn.Invoke(within(t), "/holdfast.v1.Registry/Made Up", &pb.GetProcessRequest{}, &pb.GetProcessRequest{}); status.Code(err) != codes.Unimplemented {
				t.Errorf("a method that does not exist: %v", err)
			}
			if n := measured(t, m, "holdfast_grpc_calls_total", map[string]string{"server": test.server, "method": "holdfast.v1.Registry/Made Up", "code": "Unimplemented"}); n != 0 {
				t.Error("a made up method has a series")
			}
		})
	}
}

// TestStreamsAreInFlightUntilTheServerStops follows the health service, which
// ends no stream by itself.
func TestStreamsAreInFlightUntilTheServerStops(t *testing.T) {
	m := NewMetrics()
	stopping := make(chan struct{})
	server, addr := serveConfig(t, ServerConfig{Backend: newFake("leader", true), Metrics: m, Stopping: stopping})
	watch, err := healthpb.NewHealthClient(newCallTo(t, addr)).Watch(within(t), &healthpb.HealthCheckRequest{})
	if err == nil {
		_, err = watch.Recv()
	}
	if err != nil {
		t.Fatal(err)
	}
	labels := map[string]string{"server": "public", "method": healthpb.Health_Watch_FullMethodName[1:]}
	if n := measured(t, m, "holdfast_grpc_calls_in_flight", labels); n != 1 {
		t.Errorf("%v streams are in flight", n)
	}
	close(stopping)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		server.GracefulStop()
	}()
	select {
	case <-ended:
	case <-within(t).Done():
		t.Fatal("the stream holds up the stop")
	}
	if n := measured(t, m, "holdfast_grpc_calls_in_flight", labels); n != 0 {
		t.Errorf("%v streams are in flight after the stop", n)
	}
	if n := measured(t, m, "holdfast_grpc_call_seconds", labels); n != 0 {
		t.Error("the time of a stream was measured")
	}
}
