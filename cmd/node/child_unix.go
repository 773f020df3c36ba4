//go:build unix

package main

import (
	"os"
	"syscall"
)

// forwardedSignals are those that lease hold hands on to its command.
var forwardedSignals = []os.Signal{
	syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2,
}

// fromTerminal tells of the signals that a terminal sends to the whole of its
// foreground process group: handed on, they would come twice.
func fromTerminal(s os.Signal) bool { return s == syscall.SIGINT || s == syscall.SIGQUIT }

// signalGroup sends a signal to the process group that a process leads.
func signalGroup(leader *os.Process, s os.Signal) {
	if number, ok := s.(syscall.Signal); ok {
		_ = syscall.Kill(-leader.Pid, number)
	}
}

func killedBy(state *os.ProcessState) (signal int, ok bool) {
	status, ok := state.Sys().(syscall.WaitStatus)
	if !ok || !status.Signaled() {
		return 0, false
	}
	return int(status.Signal()), true
}
