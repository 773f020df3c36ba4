package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/holdfast-registry/holdfast/client"
	"github.com/holdfast-registry/holdfast/registry"
)

// child is a command that runs under a lease.
type child struct {
	command *exec.Cmd
	// group tells that the command leads a process group of its own, which then
	// gets the signals. Otherwise it shares that of the terminal.
	group bool
	ended chan error
}

// startChild starts a command with its lease in the environment.
func (a *app) startChild(command []string, lease registry.ProcessLease) (*child, error) {
	c := &child{command: exec.Command(command[0], command[1:]...), group: !a.interactive(), ended: make(chan error, 1)}
	c.command.Stdin, c.command.Stdout, c.command.Stderr = a.stdin, a.stdout, a.stderr
	c.command.Env = append(os.Environ(),
		"HOLDFAST_ADDRS="+strings.Join(a.addrs, ","),
		"HOLDFAST_PROCESS_ID="+lease.ProcessID,
		"HOLDFAST_FENCING_TOKEN="+number(lease.FencingToken),
		"HOLDFAST_LEASE_TOKEN="+lease.LeaseToken)
	c.command.SysProcAttr = childAttributes(c.group)
	started := make(chan error)
	go func() {
		// The kernel kills the child when the thread that started it ends, so
		// this one is kept until the child has ended.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := c.command.Start()
		started <- err
		if err == nil {
			c.ended <- c.command.Wait()
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("run the command: %w", err)
	}
	return c, nil
}

// await waits for the end of the child, hands signals on to it, and ends it when
// the lease is lost. It returns the exit code, or why the lease was lost.
func (c *child) await(lease *client.Lease, signals <-chan os.Signal) (code int, lost error) {
	kill := time.NewTimer(0)
	kill.Stop()
	defer kill.Stop()
	losing := lease.Lost()
	for {
		select {
		case s := <-signals:
			if c.group || !fromTerminal(s) {
				c.signal(s)
			}
		case <-losing:
			losing, lost = nil, lease.Err()
			c.signal(syscall.SIGTERM)
			kill.Reset(lease.TrustLeft())
		case <-kill.C:
			c.signal(os.Kill)
		case err := <-c.ended:
			if lost != nil {
				// What the command left behind is no better than itself.
				c.signal(os.Kill)
				return 0, lost
			}
			return exitCode(c.command.ProcessState, err), nil
		}
	}
}

// signal sends a signal to the command, or to its group. That it has ended
// already is for await to find out.
func (c *child) signal(s os.Signal) {
	if c.group {
		signalGroup(c.command.Process, s)
		return
	}
	_ = c.command.Process.Signal(s)
}

// exitCode is what a shell would say of a command that ended.
func exitCode(state *os.ProcessState, err error) int {
	if signal, ok := killedBy(state); ok {
		return 128 + signal
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		// The command ended well, and its output could not be written.
		return exitError
	}
	return state.ExitCode()
}
