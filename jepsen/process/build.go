package process

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
)

// nodePackage is the package of the binary.
const nodePackage = "github.com/holdfast-registry/holdfast/cmd/node"

var build struct {
	sync.Mutex
	binaries map[string]string
}

// Build compiles the binary with build tags into a folder and returns its path.
// It compiles once in the life of a program for the same tags: later calls
// return the first path, whatever folder they name. The calling program must
// run inside of the module.
func Build(ctx context.Context, dir string, tags ...string) (binary string, err error) {
	build.Lock()
	defer build.Unlock()
	joined := strings.Join(tags, ",")
	if built := build.binaries[joined]; built != "" {
		return built, nil
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return "", err
	}
	binary = filepath.Join(dir, strings.Join(append([]string{"holdfast"}, tags...), "-"))
	var output bytes.Buffer
	command := exec.CommandContext(ctx, "go", "build", "-tags", joined, "-o", binary, nodePackage)
	command.Stdout, command.Stderr = &output, &output
	if err := command.Run(); err != nil {
		return "", fmt.Errorf("go build %s: %w\n%s", nodePackage, err, strings.TrimSpace(output.String()))
	}
	if build.binaries == nil {
		build.binaries = make(map[string]string)
	}
	build.binaries[joined] = binary
	return binary, nil
}
