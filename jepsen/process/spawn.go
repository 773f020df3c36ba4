package process

import (
	"os/exec"
	"runtime"
	"sync"
)

// Spawn starts a command that is to end with this program: see the package
// comment. It starts it on one thread that lives as long as the program, since
// the kernel sends the parent-death signal when the thread that started a child
// ends, and the runtime ends threads as it likes. It sets SysProcAttr.
func Spawn(command *exec.Cmd) error {
	command.SysProcAttr = childAttributes()
	spawner.start.Do(func() {
		spawner.requests = make(chan spawnRequest)
		go func() {
			runtime.LockOSThread()
			for request := range spawner.requests {
				request.done <- request.command.Start()
			}
		}()
	})
	done := make(chan error, 1)
	spawner.requests <- spawnRequest{command, done}
	return <-done
}

type spawnRequest struct {
	command *exec.Cmd
	done    chan error
}

var spawner struct {
	start    sync.Once
	requests chan spawnRequest
}
