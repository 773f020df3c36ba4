package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"
)

// The bounds of waiting.
const (
	// readyTimeout bounds the wait of a restarted node for a serving leader.
	readyTimeout = 30 * time.Second
	// stopTimeout bounds a graceful end.
	stopTimeout = 20 * time.Second
	// pollInterval is the time between two looks at something that gives no
	// event: an HTTP endpoint of another process.
	pollInterval = 25 * time.Millisecond
)

// Node is one node of a cluster. Its methods are safe for concurrent use; those
// that signal fail when the process is not running.
type Node struct {
	ID, DataDir string
	// Addr is where others reach the node, Bind where it listens: the two differ
	// when something stands in front of it.
	Addr, Bind, HTTPAddr string

	binary  string
	logPath string
	stderr  io.Writer
	env     []string
	// enter are the words before the command, args further flags.
	enter, args []string

	mu      sync.Mutex
	current *running
}

// running is one life of a node's process.
type running struct {
	command *exec.Cmd
	log     *os.File
	// ended is closed when the process was waited for; err is how it ended.
	ended chan struct{}
	err   error
}

// Start starts the process, which must not be running. It returns at once;
// AwaitReady waits until the node is of use.
func (n *Node) Start() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.current != nil {
		return fmt.Errorf("node %s is already running", n.ID)
	}
	r := &running{ended: make(chan struct{})}
	words := append(slices.Clone(n.enter), n.binary, "serve", "--id", n.ID, "--data-dir", n.DataDir,
		"--addr", n.Bind, "--http-addr", n.HTTPAddr)
	words = append(words, n.args...)
	r.command = exec.Command(words[0], words[1:]...)
	r.command.Env = append(cleanEnv(), n.env...)
	// Not in the folder of whoever calls: a node must not depend on it.
	r.command.Dir = filepath.Dir(n.logPath)
	if n.stderr != nil {
		r.command.Stderr = n.stderr
	} else {
		log, err := os.OpenFile(n.logPath, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		r.log, r.command.Stderr = log, log
	}
	if err := Spawn(r.command); err != nil {
		return errors.Join(fmt.Errorf("start node %s: %w", n.ID, err), r.closeLog())
	}
	n.current = r
	go func() {
		r.err = r.command.Wait()
		r.err = errors.Join(r.err, r.closeLog())
		close(r.ended)
	}()
	return nil
}

func (r *running) closeLog() error {
	if r.log == nil {
		return nil
	}
	return r.log.Close()
}

// cleanEnv is the environment without what would configure a node.
func cleanEnv() []string {
	var env []string
	for _, entry := range os.Environ() {
		if len(entry) < 9 || entry[:9] != "HOLDFAST_" {
			env = append(env, entry)
		}
	}
	return env
}

// Running tells whether the process was started and not yet ended by a method
// of this type. A process that ended by itself still counts: see Exited.
func (n *Node) Running() bool { return n.life() != nil }

// Exited tells whether the process has ended without being asked to, and how.
func (n *Node) Exited() (bool, error) {
	r := n.life()
	if r == nil {
		return false, nil
	}
	select {
	case <-r.ended:
		return true, r.err
	default:
		return false, nil
	}
}

// AwaitCrash waits until the process has ended by itself. It can be started
// again afterwards.
func (n *Node) AwaitCrash(ctx context.Context) error {
	r := n.life()
	if r == nil {
		return fmt.Errorf("node %s is not running", n.ID)
	}
	select {
	case <-r.ended:
		n.forget(r)
		return nil
	case <-ctx.Done():
		return fmt.Errorf("node %s did not end: %w", n.ID, ctx.Err())
	}
}

// LogPath is the file that holds the node's log lines, without Options.Stderr.
func (n *Node) LogPath() string { return n.logPath }

func (n *Node) life() *running {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.current
}

// signal sends a signal to the process while it runs.
func (n *Node) signal(s os.Signal) (*running, error) {
	r := n.life()
	if r == nil {
		return nil, fmt.Errorf("node %s is not running", n.ID)
	}
	if err := r.command.Process.Signal(s); err != nil {
		return r, fmt.Errorf("signal node %s: %w", n.ID, err)
	}
	return r, nil
}

// Pause stops the process where it is: nothing in it goes on, but its
// connections stay open.
func (n *Node) Pause() error {
	_, err := n.signal(syscall.SIGSTOP)
	return err
}

// Resume lets a paused process go on.
func (n *Node) Resume() error {
	_, err := n.signal(syscall.SIGCONT)
	return err
}

// Kill ends the process as a crash does, paused or not, and waits for its end.
func (n *Node) Kill() error {
	r, err := n.signal(os.Kill)
	if err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	<-r.ended
	n.forget(r)
	return nil
}

// Stop asks the process to end gracefully and waits for that. It fails when the
// exit code is not 0, or the process has to be killed in the end.
func (n *Node) Stop() error {
	r, err := n.signal(syscall.SIGTERM)
	if err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	limit := time.NewTimer(stopTimeout)
	defer limit.Stop()
	select {
	case <-r.ended:
		n.forget(r)
		if r.err != nil {
			return fmt.Errorf("node %s ended with: %w", n.ID, r.err)
		}
		return nil
	case <-limit.C:
		return errors.Join(fmt.Errorf("node %s did not stop within %v", n.ID, stopTimeout), n.Kill())
	}
}

func (n *Node) forget(r *running) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.current == r {
		n.current = nil
	}
}

// AwaitReady waits until the node says that a leader serves through it. It
// fails at once when the process ends instead.
func (n *Node) AwaitReady(ctx context.Context) error {
	r := n.life()
	if r == nil {
		return fmt.Errorf("node %s is not running", n.ID)
	}
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	again := time.NewTicker(pollInterval)
	defer again.Stop()
	for {
		err := n.checkReady(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-again.C:
		case <-r.ended:
			return fmt.Errorf("node %s ended with: %v; its log: %s", n.ID, r.err, n.logPath)
		case <-ctx.Done():
			return fmt.Errorf("node %s is not ready: %w", n.ID, err)
		}
	}
}

var readyClient = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 3 * time.Second}

func (n *Node) checkReady(ctx context.Context) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+n.HTTPAddr+"/readyz", nil)
	if err != nil {
		return err
	}
	response, err := readyClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, 1<<10))
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", response.Status, text)
	}
	return nil
}
