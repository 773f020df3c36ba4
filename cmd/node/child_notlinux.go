//go:build unix && !linux

package main

import "syscall"

// childAttributes know of no way to make a child die with this program.
func childAttributes(group bool) *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: group} }
