package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
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
	// Nodes is how many there are at first; 0 means three.
	Nodes int
	// Stderr gets the log lines of all nodes, if it is set.
	Stderr io.Writer
	// Env, when set, returns what a node finds in its environment beside what
	// this program has there, as "key=value".
	Env func(id string) []string
	// Args are further flags of all nodes.
	Args []string
	// Front, when set, returns the address that other nodes and clients reach a
	// node at, which listens on bind.
	Front func(id, bind string) (addr string, err error)
	// Place, when set, returns the IP address that a node binds, which is
	// otherwise that of loopback, and the words in front of its command that
	// bring it to where it has this address.
	Place func(id string) (ip string, enter []string, err error)
	// Volume, when set, prepares the data folder of a node, which is empty.
	Volume func(id, dir string) error
}

// Cluster is a set of nodes that know each other. Nodes are counted from 0.
type Cluster struct {
	options Options
	dir     string

	mu    sync.Mutex
	nodes []*Node
	made  int
	// asked is the client that Leader asks with; it knows every node.
	asked *client.Client
}

// NewCluster chooses the ports and makes the folders. No process is started.
func NewCluster(options Options) (*Cluster, error) {
	if options.Nodes == 0 {
		options.Nodes = 3
	}
	dir, err := filepath.Abs(options.Dir)
	if err != nil {
		return nil, err
	}
	c := &Cluster{options: options, dir: dir}
	addrs, err := freeAddrs(2 * options.Nodes)
	if err != nil {
		return nil, err
	}
	var peers []string
	for i := range options.Nodes {
		n, err := c.newNode(addrs[2*i], addrs[2*i+1])
		if err != nil {
			return nil, err
		}
		peers = append(peers, n.ID+"="+n.Addr)
		c.nodes = append(c.nodes, n)
	}
	for _, n := range c.nodes {
		n.args = append(n.args, "--peers", strings.Join(peers, ","))
	}
	return c, c.dial()
}

// newNode makes the next node, on ports that are free on loopback.
func (c *Cluster) newNode(addr, httpAddr string) (n *Node, err error) {
	c.made++
	o, id := &c.options, fmt.Sprintf("n%d", c.made)
	n = &Node{
		ID: id, Bind: addr, HTTPAddr: httpAddr, DataDir: filepath.Join(c.dir, id),
		binary: o.Binary, logPath: filepath.Join(c.dir, id+".log"), stderr: o.Stderr,
	}
	if o.Volume != nil {
		if err := o.Volume(id, n.DataDir); err != nil {
			return nil, err
		}
	}
	if o.Env != nil {
		n.env = o.Env(id)
	}
	if o.Place != nil {
		var ip string
		if ip, n.enter, err = o.Place(id); err != nil {
			return nil, err
		}
		n.Bind, n.HTTPAddr = moved(n.Bind, ip), moved(n.HTTPAddr, ip)
		n.args = append(n.args, "--insecure")
	}
	n.Addr = n.Bind
	if o.Front != nil {
		if n.Addr, err = o.Front(id, n.Bind); err != nil {
			return nil, err
		}
	}
	n.args = append(n.args, o.Args...)
	return n, os.MkdirAll(n.DataDir, 0o750)
}

// moved is an address with another host.
func moved(addr, ip string) string {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		panic(err) // it comes from freeAddrs
	}
	return net.JoinHostPort(ip, port)
}

// dial makes the client that asks the nodes of now.
func (c *Cluster) dial() error {
	var addrs []string
	for _, n := range c.nodes {
		addrs = append(addrs, n.Bind)
	}
	asked, err := client.Dial(addrs)
	if err != nil {
		return err
	}
	if c.asked != nil {
		err = c.asked.Close()
	}
	c.asked = asked
	return err
}

// Join makes a node that waits to be let into the cluster, and starts it. It
// counts as one of the nodes from now on.
func (c *Cluster) Join() (*Node, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	addrs, err := freeAddrs(2)
	if err != nil {
		return nil, err
	}
	n, err := c.newNode(addrs[0], addrs[1])
	if err != nil {
		return nil, err
	}
	n.args = append(n.args, "--join", "--advertise-addr", n.Addr)
	if err := n.Start(); err != nil {
		return nil, err
	}
	c.nodes = append(c.nodes, n)
	return n, c.dial()
}

// Leave ends a node that is no member any more; it does not count afterwards.
func (c *Cluster) Leave(n *Node) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.nodes = slices.DeleteFunc(c.nodes, func(other *Node) bool { return other == n })
	err := c.dial()
	if n.Running() {
		err = errors.Join(err, n.Kill())
	}
	return err
}

// Nodes are the nodes of now.
func (c *Cluster) Nodes() []*Node {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.nodes)
}

// Node returns a node.
func (c *Cluster) Node(i int) *Node { return c.Nodes()[i] }

// Len is the number of nodes.
func (c *Cluster) Len() int { return len(c.Nodes()) }

// Addrs are the addresses of all nodes.
func (c *Cluster) Addrs() []string {
	var addrs []string
	for _, n := range c.Nodes() {
		addrs = append(addrs, n.Addr)
	}
	return addrs
}

// Start starts every node that is not running.
func (c *Cluster) Start() error {
	for _, n := range c.Nodes() {
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
	for _, n := range c.Nodes() {
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
			for i, n := range c.Nodes() {
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
	c.mu.Lock()
	asked := c.asked
	c.mu.Unlock()
	return asked.ClusterStatus(ctx)
}

// Close kills every node that runs.
func (c *Cluster) Close() error {
	err := c.asked.Close()
	for _, n := range c.Nodes() {
		if n.Running() {
			err = errors.Join(err, n.Kill())
		}
	}
	return err
}
