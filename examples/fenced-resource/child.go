package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
)

// child is the process of worker a.
type child struct {
	command *exec.Cmd
	stdin   io.WriteCloser
	stdout  *bufio.Scanner
}

// startLateWorker starts this program again as worker a.
func startLateWorker(ctx context.Context, args ...string) (*child, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	a := &child{command: exec.CommandContext(ctx, program, args...)}
	a.command.Stderr = os.Stderr
	if a.stdin, err = a.command.StdinPipe(); err != nil {
		return nil, err
	}
	stdout, err := a.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	a.stdout = bufio.NewScanner(stdout)
	return a, a.command.Start()
}

// awaitLine prints what worker a says up to a line that holds a text.
func (a *child) awaitLine(text string) error {
	for a.stdout.Scan() {
		fmt.Println(a.stdout.Text())
		if strings.Contains(a.stdout.Text(), text) {
			return nil
		}
	}
	return fmt.Errorf("worker a ended before it said %q", text)
}

// writeOnce lets worker a write, and waits until it was refused.
func (a *child) writeOnce() error {
	if _, err := io.WriteString(a.stdin, "write\n"); err != nil {
		return err
	}
	return a.awaitLine("was refused")
}

// suspend stops worker a in front of its write, as a loaded machine might.
func (a *child) suspend() error {
	if err := a.awaitLine("about to write"); err != nil {
		return err
	}
	say("story", "worker a is suspended")
	return a.command.Process.Signal(syscall.SIGSTOP)
}

func (a *child) resume() error {
	say("story", "worker a goes on")
	return a.command.Process.Signal(syscall.SIGCONT)
}

// end lets worker a end by itself.
func (a *child) end() error {
	a.stdin.Close()
	return a.command.Wait()
}

// kill ends worker a if it is there still, suspended or not.
func (a *child) kill() {
	a.command.Process.Kill()
	a.command.Wait()
}
