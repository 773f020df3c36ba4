//go:build unix && !linux

package process

import "syscall"

// childAttributes keep a node out of its starter's process group: Ctrl-C is for
// the program alone, which then ends its nodes in order.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
