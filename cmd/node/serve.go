package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/holdfast-registry/holdfast/internal/node"
)

// closeTimeout bounds a graceful end: handing the leadership over and closing
// the files takes moments, and a supervisor kills what hangs.
const closeTimeout = 15 * time.Second

func (a *app) serveCommand() *cobra.Command {
	var f serveFlags
	cmd := &cobra.Command{
		Use:   "serve --id ID --data-dir DIR --addr HOST:PORT {--peers ID=HOST:PORT,... | --join}",
		Short: "Run one node of a cluster",
		Long: `Runs one node until SIGTERM or SIGINT, which end it gracefully: it hands its
leadership over, answers the calls under way and refuses new ones. All nodes of a
new cluster are started with the same --peers; a node's own entry there is the
address that the others and the clients use, while --addr is what it binds. A node
with --join waits until "holdfast cluster add" lets it into a running cluster.

Every setting can be a flag, a variable, or a key of the same name in a YAML file
(--config); a flag wins over a variable, and that over the file. "holdfast config
show" takes the same flags and shows what comes of them.

A node whose disk fails or hangs ends with exit code 1. Its data folder belongs to
its id: never start an id again with an empty folder.

This version has no TLS. It therefore binds loopback addresses only, unless
--insecure says that the network itself is trusted.`,
		Example: `  holdfast serve --id n1 --data-dir /var/lib/holdfast/n1 --addr 127.0.0.1:7501 --http-addr 127.0.0.1:8501 \
    --peers n1=127.0.0.1:7501,n2=127.0.0.1:7502,n3=127.0.0.1:7503
  holdfast serve --id n4 --data-dir /var/lib/holdfast/n4 --addr 127.0.0.1:7504 --join
  holdfast serve --config /etc/holdfast/n1.yaml --log-format json`,
		Args: cobra.NoArgs,
	}
	f.bind(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		config, err := f.config()
		if err != nil {
			return a.blame(err)
		}
		a.begun = true
		return a.serve(cmd.Context(), config)
	}
	return cmd
}

// checkBind refuses an address that others could reach in the clear. Names
// other than localhost count as reachable: what they resolve to can change.
func checkBind(flag, addr string, insecure bool) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return wrongUsage(flag, "%s %q is not host:port, for example 127.0.0.1:7501", flag, addr)
	}
	ip := net.ParseIP(host)
	if insecure || host == "localhost" || ip != nil && ip.IsLoopback() {
		return nil
	}
	return wrongUsage(flag, "%s %s can be reached from other machines, and this version has no TLS: anybody who reaches it could read and change everything. "+
		"Bind a loopback address, or add --insecure if the network itself keeps others out", flag, addr)
}

// serve runs one node until the context ends or the node cannot go on.
func (a *app) serve(ctx context.Context, config node.Config) error {
	log, err := a.logger(slog.LevelInfo)
	if err != nil {
		return err
	}
	fatal := make(chan error, 1)
	config.Logger = log
	config.Fatal = func(err error) { fatal <- err }
	n, err := a.startNode(ctx, config)
	switch {
	case err != nil && ctx.Err() != nil:
		// Told to stop before it had begun.
		return nil
	case err != nil:
		return startError(config.Addr, config.HTTPAddr, err)
	}
	log.Info("the node is running", "node", config.ID, "addr", n.Addr(), "http_addr", n.HTTPAddr())

	var failure error
	select {
	case failure = <-fatal:
		log.Error("this node cannot go on", "node", config.ID, "error", failure,
			"next", "nothing that was acked is lost as long as a majority runs; mend what the error names, then start this node again with the same command and folder")
	case <-ctx.Done():
		log.Info("stopping", "node", config.ID)
	}
	closeCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	if err := n.Close(closeCtx); err != nil && failure == nil {
		return err
	}
	if failure != nil {
		return silentError{failure}
	}
	log.Info("stopped", "node", config.ID)
	return nil
}

// startNode starts a real node. A failed start must not look like a node, as a
// nil pointer in an interface does.
func startNode(ctx context.Context, config node.Config) (runningNode, error) {
	n, err := node.Start(ctx, config)
	if err != nil {
		return nil, err
	}
	return n, nil
}

// startError names the address that is taken, if that is why a node did not
// start.
func startError(addr, httpAddr string, err error) error {
	if !errors.Is(err, syscall.EADDRINUSE) {
		return err
	}
	taken := addr
	if httpAddr != "" {
		taken += " or " + httpAddr
	}
	return fmt.Errorf("%s is in use by another program; is this node running already? %w", taken, err)
}
