package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/holdfast-registry/holdfast/transport"
)

// newMetrics makes the node's own registry of metrics. The global one would mix
// the nodes of one process, and whatever libraries put there.
func (n *Node) newMetrics() (*prometheus.Registry, *transport.Metrics) {
	calls := transport.NewMetrics()
	ready := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "holdfast_ready", Help: "Whether linearizable reads are answered through this node, as the health service says.",
	}, func() float64 {
		select {
		case <-n.stopping:
			return 0
		default:
		}
		if n.ready.Load() {
			return 1
		}
		return 0
	})
	info := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "holdfast_node_info", Help: "Always 1; the labels are the node's id and the version it runs.",
		ConstLabels: prometheus.Labels{"node": n.config.ID, "version": n.config.Version},
	}, func() float64 { return 1 })
	metrics := prometheus.NewRegistry()
	metrics.MustRegister(n.Node, calls, ready, info,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return metrics, calls
}

// Metrics is everything that the node measures, as /metrics shows it. It can be
// registered with a registry of the caller's, being a prometheus.Collector.
func (n *Node) Metrics() *prometheus.Registry { return n.metrics }

// serveHTTP serves health, metrics and profiles.
func (n *Node) serveHTTP(ctx context.Context) error {
	if n.config.HTTPAddr == "" {
		return nil
	}
	var listen net.ListenConfig
	socket, err := listen.Listen(ctx, "tcp", n.config.HTTPAddr)
	if err != nil {
		return fmt.Errorf("node %s: HTTP: %w", n.config.ID, err)
	}
	n.httpAddr = socket.Addr().String()
	n.http = &http.Server{Handler: n.handler(), ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute}
	n.serving.Go(func() {
		if err := n.http.Serve(socket); err != nil && !errors.Is(err, http.ErrServerClosed) {
			n.logger.Error("HTTP server ended", "error", err)
		}
	})
	return nil
}

func (n *Node) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
		defer cancel()
		if err := n.checkReady(ctx); err != nil {
			http.Error(w, "not ready: "+err.Error(), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ready")
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(n.metrics, promhttp.HandlerOpts{}))
	if n.config.Pprof {
		mux.HandleFunc("GET /debug/pprof/", pprof.Index)
		mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
		mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
		mux.HandleFunc("POST /debug/pprof/symbol", pprof.Symbol)
	}
	return mux
}
