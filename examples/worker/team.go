package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
)

// team is the workers by their names.
type team struct {
	members map[string]*member
	// lines gets what the workers say, until enough was heard.
	lines  chan string
	enough chan struct{}
}

// member is one worker: this program again, in a process of its own.
type member struct {
	command *exec.Cmd
	// read is closed when all that it said was printed.
	read chan struct{}
}

// wait waits for the end of a worker, and tells how it ended.
func (m *member) wait() error {
	<-m.read
	return m.command.Wait()
}

func startTeam(ctx context.Context, size int, args ...string) (*team, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	t := &team{members: make(map[string]*member), lines: make(chan string), enough: make(chan struct{})}
	for i := range size {
		name := fmt.Sprintf("worker-%d", i+1)
		m := &member{exec.CommandContext(ctx, program, append(args, "--name", name)...), make(chan struct{})}
		m.command.Stderr = os.Stderr
		stdout, err := m.command.StdoutPipe()
		if err == nil {
			err = m.command.Start()
		}
		if err != nil {
			close(t.enough)
			t.kill()
			return nil, err
		}
		t.members[name] = m
		go func() {
			defer close(m.read)
			t.relay(bufio.NewScanner(stdout))
		}()
	}
	return t, nil
}

// relay prints what a worker says.
func (t *team) relay(stdout *bufio.Scanner) {
	for stdout.Scan() {
		fmt.Println(stdout.Text())
		select {
		case t.lines <- stdout.Text():
		case <-t.enough:
		}
	}
}

// killOneThatSends kills the first worker that says that it sends something,
// which takes it seconds, and waits until it is gone: as a zombie it would not
// count as dead to the others.
func (t *team) killOneThatSends(ctx context.Context) (victim, email string, err error) {
	if victim, email, err = t.awaitSending(ctx); err == nil {
		err = t.members[victim].command.Process.Kill()
	}
	close(t.enough)
	if err == nil {
		_ = t.members[victim].wait()
		delete(t.members, victim)
	}
	return victim, email, err
}

func (t *team) awaitSending(ctx context.Context) (name, email string, err error) {
	for {
		select {
		case line := <-t.lines:
			name, said, _ := strings.Cut(line, ": sends ")
			if email, _, found := strings.Cut(said, ","); found {
				return name, email, nil
			}
		case <-ctx.Done():
			return "", "", errors.New("no worker sent anything")
		}
	}
}

// end asks the workers to end, which they do once they have nothing to do.
func (t *team) end() error {
	for _, m := range t.members {
		if err := m.command.Process.Signal(syscall.SIGTERM); err != nil {
			return err
		}
	}
	for name, m := range t.members {
		delete(t.members, name)
		if err := m.wait(); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// kill ends whoever is left.
func (t *team) kill() {
	for _, m := range t.members {
		_ = m.command.Process.Kill()
		_ = m.wait()
	}
}
