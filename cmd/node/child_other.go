//go:build !unix

package main

import (
	"os"
	"syscall"
)

// There are no process groups here, and no signals but an end by force.

var forwardedSignals = []os.Signal{os.Interrupt}

func fromTerminal(os.Signal) bool { return true }

func childAttributes(bool) *syscall.SysProcAttr { return nil }

func signalGroup(leader *os.Process, s os.Signal) { _ = leader.Signal(s) }

func killedBy(*os.ProcessState) (signal int, ok bool) { return 0, false }
