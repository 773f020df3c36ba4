package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/holdfast-registry/holdfast/internal/node"
)

// httpPortOffset is how far a development node's HTTP port is from its own.
const httpPortOffset = 1000

const maxDevNodes = 9

// readyTimeout bounds the wait for the first leader of a development cluster.
const readyTimeout = time.Minute

// devFlags are the flags of dev.
type devFlags struct {
	nodes, basePort int
	dataDir         string
}

func (a *app) devCommand() *cobra.Command {
	var f devFlags
	cmd := &cobra.Command{
		Use:   "dev",
		Short: "Run a whole cluster in one process, to try things on",
		Long: `Runs real nodes (raft, disk, gRPC) in this one process on loopback, until Ctrl-C.
When a leader serves it prints one line "ready: ADDRESSES" and some commands to
try. Node i listens on --base-port + i, and for HTTP (/healthz, /readyz, /metrics) on
1000 more. Without --data-dir everything is in a temporary folder that is removed at
the end.`,
		Example: "  holdfast dev\n  holdfast dev --nodes 1 --base-port 9400\n  holdfast dev --data-dir ./dev-data --log-level info",
		Args:    cobra.NoArgs,
	}
	cmd.Flags().IntVar(&f.nodes, "nodes", 3, "`number` of nodes")
	cmd.Flags().IntVar(&f.basePort, "base-port", 7400, "the first node's `port`")
	cmd.Flags().StringVar(&f.dataDir, "data-dir", "", "`folder` to keep the data in (default a temporary one)")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := f.check(); err != nil {
			return err
		}
		a.begun = true
		return a.dev(cmd.Context(), &f)
	}
	return cmd
}

func (f *devFlags) check() error {
	if f.nodes < 1 || f.nodes > maxDevNodes {
		return wrongUsage("--nodes", "--nodes %d is not between 1 and %d", f.nodes, maxDevNodes)
	}
	if last := 65535 - httpPortOffset - f.nodes + 1; f.basePort < 1 || f.basePort > last {
		return wrongUsage("--base-port", "--base-port %d is not between 1 and %d", f.basePort, last)
	}
	return nil
}

func (f *devFlags) addr(i int) string     { return loopback(f.basePort + i) }
func (f *devFlags) httpAddr(i int) string { return loopback(f.basePort + i + httpPortOffset) }

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// addrs are the addresses of all nodes.
func (f *devFlags) addrs() []string {
	var addrs []string
	for i := range f.nodes {
		addrs = append(addrs, f.addr(i))
	}
	return addrs
}

// checkPorts looks whether every port is free before any node starts, so that
// the refusal names the port and nothing has to be undone.
func (f *devFlags) checkPorts() error {
	for i := range f.nodes {
		for _, addr := range []string{f.addr(i), f.httpAddr(i)} {
			l, err := net.Listen("tcp", addr)
			switch {
			case errors.Is(err, syscall.EADDRINUSE):
				_, port, _ := net.SplitHostPort(addr)
				return fmt.Errorf("port %s is in use, perhaps by another development cluster: stop that, or choose other ports with --base-port (nodes take ports from it on, and from %d more)", port, httpPortOffset)
			case err != nil:
				return fmt.Errorf("listen on %s: %w; other ports can be chosen with --base-port", addr, err)
			}
			if err := l.Close(); err != nil {
				return err
			}
		}
	}
	return nil
}

// dev runs the cluster until the context ends.
func (a *app) dev(ctx context.Context, f *devFlags) (err error) {
	log, err := a.logger(slog.LevelWarn)
	if err != nil {
		return err
	}
	if err := f.checkPorts(); err != nil {
		return err
	}
	dataDir := f.dataDir
	if dataDir == "" {
		if dataDir, err = os.MkdirTemp("", "holdfast-dev-"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dataDir)) }()
	}
	c := devCluster{startNode: a.startNode, fatal: make(chan error, f.nodes)}
	defer func() { err = errors.Join(err, c.close(ctx)) }()
	err = c.start(ctx, f, dataDir, log)
	if err == nil {
		err = c.awaitLeader(ctx)
	}
	switch {
	case ctx.Err() != nil:
		// Told to stop before it was ready.
		return nil
	case err != nil:
		return err
	}
	if err := a.sayReady(f); err != nil {
		return err
	}
	select {
	case err := <-c.fatal:
		return err
	case <-ctx.Done():
		return nil
	}
}

// devCluster is the nodes of a development cluster.
type devCluster struct {
	startNode func(ctx context.Context, config node.Config) (runningNode, error)
	nodes     []runningNode
	fatal     chan error
}

func (c *devCluster) start(ctx context.Context, f *devFlags, dataDir string, log *slog.Logger) error {
	var peers []node.Peer
	for i := range f.nodes {
		peers = append(peers, node.Peer{ID: "n" + strconv.Itoa(i+1), Addr: f.addr(i)})
	}
	for i, peer := range peers {
		n, err := c.startNode(ctx, node.Config{
			ID: peer.ID, DataDir: filepath.Join(dataDir, peer.ID), Addr: peer.Addr, HTTPAddr: f.httpAddr(i),
			Peers: slices.Clone(peers), Logger: log, Version: currentVersion().Version, NoHandover: true,
			Fatal: func(err error) { c.fatal <- fmt.Errorf("node %s cannot go on: %w", peer.ID, err) },
		})
		if err != nil {
			return fmt.Errorf("start node %s on %s: %w", peer.ID, peer.Addr, err)
		}
		c.nodes = append(c.nodes, n)
	}
	return nil
}

// awaitLeader waits until every node knows a leader that serves.
func (c *devCluster) awaitLeader(ctx context.Context) error {
	waitCtx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	ready := make(chan error, len(c.nodes))
	for _, n := range c.nodes {
		go func() { ready <- n.AwaitLeader(waitCtx) }()
	}
	for range c.nodes {
		select {
		case err := <-ready:
			if err != nil {
				return fmt.Errorf("no leader came up: %w; --log-level info shows what the nodes do", err)
			}
		case err := <-c.fatal:
			return err
		}
	}
	return nil
}

// close ends all nodes at the same time: one after the other, the last ones
// would look for a majority that is gone. None hands its leadership over to
// another that ends too.
func (c *devCluster) close(ctx context.Context) error {
	closeCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	closed := make(chan error, len(c.nodes))
	for _, n := range c.nodes {
		go func() { closed <- n.Close(closeCtx) }()
	}
	var err error
	for range c.nodes {
		err = errors.Join(err, <-closed)
	}
	return err
}

// sayReady prints the line that programs wait for, and what a person can try.
func (a *app) sayReady(f *devFlags) error {
	addrs := f.addrs()
	program := a.program
	flag := ""
	if !slices.Equal(addrs, defaultAddrs) {
		flag = " --addrs " + strings.Join(addrs, ",")
	}
	var text strings.Builder
	fmt.Fprintf(&text, "ready: %s\n\nTry in another terminal:\n", strings.Join(addrs, ","))
	for _, command := range []string{
		`process register --id hello --disposition rerunnable --input '{"type":"external"}' --event-type progress`,
		`lease claim hello --owner me --ttl 60s`,
		`event append hello --type progress --payload '{"done":1}'`,
		`event list hello`,
		`process complete hello --result '{"type":"success","value":42}'`,
		`process get hello --output json`,
		`cluster status --verify`,
	} {
		fmt.Fprintf(&text, "  %s %s%s\n", program, command, flag)
	}
	text.WriteString("\nCtrl-C stops the cluster")
	if f.dataDir == "" {
		text.WriteString(" and removes its data")
	}
	text.WriteString(".\n")
	_, err := a.stdout.Write([]byte(text.String()))
	return err
}
