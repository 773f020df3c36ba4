package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/holdfast-registry/holdfast/client"
	"github.com/holdfast-registry/holdfast/registry"
)

// Options say what a cluster is made of.
type Options struct {
	// Binary is the path that Build returned.
	Binary string
	// Dir holds the data folders and, without Stderr, a log file of each node.
	Dir string
	// Nodes is how many there are; 0 means three.
	Nodes int
	// Stderr gets the log lines of all nodes, if it is set.
	Stderr io.Writer
	// Env, when set, returns what a node finds in its environment beside what
	// this program has there, as "key=value".
	Env func(id string) []string
}

// Cluster is a set of nodes that know each other. Nodes are counted from 0.
type Cluster struct {
	nodes []*Node
	// asked is the client that Leader asks with.
	asked *client.Client
}

// NewCluster chooses the ports and makes the folders. No process is started.
func NewCluster(options Options) (*Cluster, error) {
	count := options.Nodes
	if count == 0 {
		count = 3
	}
	dir, err := filepath.Abs(options.Dir)
	if err != nil {
		return nil, err
	}
	addrs, err := freeAddrs(2 * count)
	if err != nil {
		return nil, err
	}
	var peers []string
	for i := range count {
		peers = append(peers, fmt.Sprintf("n%d=%s", i+1, addrs[i]))
	}
	c := &Cluster{}
	for i := range count {
		id := fmt.Sprintf("n%d", i+1)
		n := &Node{
			ID: id, Addr: addrs[i], HTTPAddr: addrs[count+i], DataDir: filepath.Join(dir, id),
			binary: options.Binary, peers: strings.Join(peers, ","),
			logPath: filepath.Join(dir, id+".log"), stderr: options.Stderr,
		}
		if options.Env != nil {
			n.env = options.Env(id)
		}
		if err := os.MkdirAll(n.DataDir, 0o750); err != nil {
			return nil, err
		}
		c.nodes = append(c.nodes, n)
	}
	if c.asked, err = client.Dial(c.Addrs()); err != nil {
		return nil, err
	}
	return c, nil
}

// Node returns a node.
func (c *Cluster) Node(i int) *Node { return c.nodes[i] }

// Len is the number of nodes.
func (c *Cluster) Len() int { return len(c.nodes) }

// Addrs are the addresses of all nodes.
func (c *Cluster) Addrs() []string {
	var addrs []string
	for _, n := range c.nodes {
		addrs = append(addrs, n.Addr)
	}
	return addrs
}

// Start starts every node that is not running.
func (c *Cluster) Start() error {
	for _, n := range c.nodes {
		if n.Running() {
			continue
		}
		if err := n.Start(); err != nil {
			return err
		}
	}
	return nil
}

// AwaitReady waits until every node says that a leader serves through it.
func (c *Cluster) AwaitReady(ctx context.Context) error {
	for _, n := range c.nodes {
		if err := n.AwaitReady(ctx); err != nil {
			return err
		}
	}
	return nil
}

// leaderTimeout bounds the wait for a leader.
const leaderTimeout = 30 * time.Second

// Leader returns the node that leads. It waits for one, as there is none during
// an election. A paused leader counts until the others have chosen another.
func (c *Cluster) Leader(ctx context.Context) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, leaderTimeout)
	defer cancel()
	again := time.NewTicker(pollInterval)
	defer again.Stop()
	for {
		status, err := c.askStatus(ctx)
		if err == nil {
			for i, n := range c.nodes {
				if n.ID == status.Leader {
					return i, nil
				}
			}
			err = errors.New("no leader is known")
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return 0, fmt.Errorf("find the leader: %w", err)
		}
	}
}

// statusTimeout bounds one question: a paused node may be the one that is asked.
const statusTimeout = 3 * time.Second

func (c *Cluster) askStatus(ctx context.Context) (registry.ClusterStatus, error) {
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	return c.asked.ClusterStatus(ctx)
}

// Close kills every node that runs.
func (c *Cluster) Close() error {
	err := c.asked.Close()
	for _, n := range c.nodes {
		if n.Running() {
			err = errors.Join(err, n.Kill())
		}
	}
	return err
}
