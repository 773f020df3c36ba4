package transport

import (
	"context"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/status"
)

// The servers of a node, as they stand in the label "server".
const (
	publicServer = "public"
	nodeServer   = "node"
)

// Metrics counts the calls of a node's servers by method and code. It is a
// prometheus.Collector; all methods are safe for concurrent use.
type Metrics struct {
	calls    *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	inFlight *prometheus.GaugeVec

	watchStreams *prometheus.GaugeVec
	watches      prometheus.Gauge
	watchCutoffs prometheus.Counter
}

var _ prometheus.Collector = (*Metrics)(nil)

// NewMetrics makes the metrics that the servers of one node share.
func NewMetrics() *Metrics {
	m := &Metrics{
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "holdfast_grpc_calls_total", Help: "gRPC calls that ended, by server, method and status code.",
		}, []string{"server", "method", "code"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "holdfast_grpc_call_seconds", Help: "Time of unary gRPC calls, by server and method.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 15),
		}, []string{"server", "method"}),
		inFlight: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "holdfast_grpc_calls_in_flight", Help: "gRPC calls under way, by server and method.",
		}, []string{"server", "method"}),
		watchStreams: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "holdfast_watch_streams", Help: "Streams of events and of changes that are open, by what they are of.",
		}, []string{"of"}),
		watches: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "holdfast_watches", Help: "Processes that are watched, once for every watch.",
		}),
		watchCutoffs: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "holdfast_watch_cutoffs_total", Help: "Streams that were cut off because their client did not read.",
		}),
	}
	for _, of := range []string{"events", "changes"} {
		m.watchStreams.WithLabelValues(of)
	}
	return m
}

func (m *Metrics) all() []prometheus.Collector {
	return []prometheus.Collector{m.calls, m.seconds, m.inFlight, m.watchStreams, m.watches, m.watchCutoffs}
}

// Describe implements prometheus.Collector.
func (m *Metrics) Describe(descs chan<- *prometheus.Desc) {
	for _, c := range m.all() {
		c.Describe(descs)
	}
}

// Collect implements prometheus.Collector.
func (m *Metrics) Collect(out chan<- prometheus.Metric) {
	for _, c := range m.all() {
		c.Collect(out)
	}
}

// begin counts a call in and returns what counts it out. Methods that the
// server does not have never get here, so that callers cannot make up labels.
func (m *Metrics) begin(server, fullMethod string) (method string, end func(error)) {
	method = strings.TrimPrefix(fullMethod, "/")
	inFlight := m.inFlight.WithLabelValues(server, method)
	inFlight.Inc()
	return method, func(err error) {
		inFlight.Dec()
		m.calls.WithLabelValues(server, method, status.Code(err).String()).Inc()
	}
}

// unary must be the outermost interceptor, so that it sees what callers get.
func (m *Metrics) unary(server string) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, request any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
		method, end := m.begin(server, info.FullMethod)
		began := time.Now()
		answer, err := handle(ctx, request)
		m.seconds.WithLabelValues(server, method).Observe(time.Since(began).Seconds())
		end(err)
		return answer, err
	}
}

// stream measures no time: a stream lasts as long as its caller likes.
func (m *Metrics) stream(server string) grpc.StreamServerInterceptor {
	return func(service any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
		_, end := m.begin(server, info.FullMethod)
		err := handle(service, stream)
		end(err)
		return err
	}
}
