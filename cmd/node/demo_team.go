//go:build unix

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"time"

	"github.com/holdfast-registry/holdfast/jepsen/process"
)

// What a worker says that it did.
const (
	demoBegan = "began"
	demoEnded = "ended"
)

// demoLine is what a worker says on one line. Token is that of the attempt that
// it began, AtMs when that was.
type demoLine struct {
	Worker, Did, ID string
	Token           uint64
	AtMs            int64
}

// age is how long ago it was. A line may have waited to be read.
func (l demoLine) age() time.Duration { return time.Since(time.UnixMilli(l.AtMs)) }

// demoTeam is the workers of the demo: this program again, each in a process of
// its own.
type demoTeam struct {
	program, addrs string
	members        map[string]*demoMember
	// lines gets what they say, until closed is.
	lines  chan demoLine
	closed chan struct{}
}

type demoMember struct {
	command *exec.Cmd
	// read is closed when all that it said was handed on.
	read chan struct{}
}

func newDemoTeam(program, addrs string) *demoTeam {
	return &demoTeam{program: program, addrs: addrs, members: make(map[string]*demoMember), lines: make(chan demoLine), closed: make(chan struct{})}
}

// start starts one worker.
func (t *demoTeam) start(name string) error {
	m := &demoMember{exec.Command(t.program, "demo", "--worker", name, "--addrs", t.addrs), make(chan struct{})}
	stdout, err := m.command.StdoutPipe()
	if err == nil {
		err = process.Spawn(m.command)
	}
	if err != nil {
		return fmt.Errorf("start %s: %w", name, err)
	}
	t.members[name] = m
	go func() {
		defer close(m.read)
		t.relay(stdout)
	}()
	return nil
}

func (t *demoTeam) relay(stdout io.Reader) {
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		var line demoLine
		if _, err := fmt.Sscan(lines.Text(), &line.Worker, &line.Did, &line.ID, &line.Token, &line.AtMs); err != nil {
			continue
		}
		select {
		case t.lines <- line:
		case <-t.closed:
		}
	}
}

// next waits for what a worker says next.
func (t *demoTeam) next(ctx context.Context) (demoLine, error) {
	select {
	case line := <-t.lines:
		return line, nil
	case <-ctx.Done():
		return demoLine{}, errors.New("the workers say nothing more")
	}
}

// kill ends a worker as a crash does, and waits until it is gone: as a zombie
// it would not count as dead to the others. What it had said is still read.
func (t *demoTeam) kill(name string) error {
	gone := t.members[name].command.Process
	if err := gone.Kill(); err != nil {
		return err
	}
	_, err := gone.Wait()
	return err
}

// close ends all workers that run and waits for them.
func (t *demoTeam) close() {
	close(t.closed)
	for _, m := range t.members {
		_ = m.command.Process.Kill()
	}
	for _, m := range t.members {
		<-m.read
		_ = m.command.Wait()
	}
}
