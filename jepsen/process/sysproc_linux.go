package process

import "syscall"

// childAttributes let a node end with the program that started it, and keep it
// out of its terminal's process group: Ctrl-C is for the program alone, which
// then ends its nodes in order.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
