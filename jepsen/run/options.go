package run

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-registry/holdfast/jepsen/nemesis"
	"github.com/holdfast-registry/holdfast/jepsen/network"
	"github.com/holdfast-registry/holdfast/jepsen/workload"
)

// ConfigFile is the name of the configuration in the folder of a run.
const ConfigFile = "config.json"

// The networks.
const (
	NetProxy = "proxy"
	NetNS    = "netns"
)

// Options say what a run is.
type Options struct {
	// Binary is the path that process.Build returned.
	Binary string `json:"binary"`
	// Dir takes everything that the run leaves behind. It must be empty.
	Dir string `json:"dir"`
	// Nodes is how many nodes there are at first, Clients how many clients work.
	Nodes   int `json:"nodes"`
	Clients int `json:"clients"`
	// Time is for how long the clients work.
	Time     time.Duration `json:"time_ns"`
	Workload string        `json:"workload"`
	// Nemeses is a list with commas, or "none".
	Nemeses string `json:"nemeses"`
	// Seed decides the faults and what the clients do. How calls and faults fall
	// together is up to the machine, so a seed does not give the same run.
	Seed uint64 `json:"seed"`
	// Net is NetProxy or NetNS.
	Net string `json:"net"`
	// Progress gets a line for every fault.
	Progress io.Writer `json:"-"`
}

// setup is what options mean.
type setup struct {
	Options
	workload workload.Workload
	nemeses  []nemesis.Nemesis
	network  network.Network
	// skipped says which nemeses cannot be used here, and why.
	skipped []string
}

// Tags are the build tags that the nodes of a run need.
func (o Options) Tags() (tags []string) {
	chosen, _ := nemesis.ByNames(o.Nemeses) // Check tells about errors
	for _, n := range chosen {
		for _, tag := range n.Tags {
			if !slices.Contains(tags, tag) {
				tags = append(tags, tag)
			}
		}
	}
	return tags
}

// Check tells why a run with these options cannot be made here.
func (o Options) Check() error {
	s, err := prepare(o)
	if err != nil {
		return err
	}
	return s.network.Close()
}

// prepare finds out whether a run is possible.
func prepare(o Options) (s *setup, err error) {
	s = &setup{Options: o}
	if o.Progress == nil {
		s.Progress = io.Discard
	}
	switch {
	case o.Nodes < 1 || o.Clients < 1:
		return nil, errors.New("a run needs at least one node and one client")
	case o.Time <= 0:
		return nil, errors.New("a run needs some time, for example 30s")
	}
	if s.workload, err = workload.ByName(o.Workload); err != nil {
		return nil, err
	}
	chosen, err := nemesis.ByNames(o.Nemeses)
	if err != nil {
		return nil, err
	}
	switch o.Net {
	case NetProxy:
		s.network = network.NewProxy()
	case NetNS:
		if s.network, err = network.NewNamespaces(); err != nil {
			return nil, err
		}
	default:
		return nil, fmt.Errorf("there is no network %q: choose %s or %s", o.Net, NetProxy, NetNS)
	}
	if s.workload.LosesAnswers && o.Net != NetProxy {
		s.skipped = append(s.skipped, fmt.Sprintf("workload %s loses no answers: the network %s can only be cut", o.Workload, o.Net))
	}
	for _, n := range chosen {
		if n.Cannot != nil {
			if reason := n.Cannot(s.network); reason != "" {
				s.skipped = append(s.skipped, fmt.Sprintf("nemesis %s is not run: %s", n.Name, reason))
				continue
			}
		}
		s.nemeses = append(s.nemeses, n)
	}
	if len(chosen) > 0 && len(s.nemeses) == 0 {
		return nil, errors.Join(errors.New(strings.Join(s.skipped, "; ")), s.network.Close())
	}
	return s, nil
}

// Config is what is kept of the options beside the history.
type Config struct {
	Options
	Skipped []string  `json:"skipped,omitempty"`
	Began   time.Time `json:"began"`
	// Members is how many nodes there were in the end, Complete that the run came
	// to its end: judging needs both.
	Members  int  `json:"members"`
	Complete bool `json:"complete"`
}

func (c *Config) write(dir string) error {
	text, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, ConfigFile), append(text, '\n'), 0o640)
}

// ReadConfig reads the configuration of a run.
func ReadConfig(dir string) (c Config, err error) {
	text, err := os.ReadFile(filepath.Join(dir, ConfigFile))
	if err != nil {
		return c, err
	}
	return c, json.Unmarshal(text, &c)
}
