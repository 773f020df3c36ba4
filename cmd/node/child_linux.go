package main

import "syscall"

// childAttributes make a child die with this program: when that is killed, it
// cannot end the child in order any more.
func childAttributes(group bool) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: group, Pdeathsig: syscall.SIGKILL}
}
