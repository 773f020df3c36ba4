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
	binary string
}

// Build compiles the binary into a folder and returns its path. It compiles
// once in the life of a program: later calls return the first path, whatever
// folder they name. The calling program must run inside of the module.
func Build(ctx context.Context, dir string) (binary string, err error) {
	build.Lock()
	defer build.Unlock()
	if build.binary != "" {
		return build.binary, nil
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return "", err
	}
	binary = filepath.Join(dir, "holdfast")
	var output bytes.Buffer
	command := exec.CommandContext(ctx, "go", "build", "-o", binary, nodePackage)
	command.Stdout, command.Stderr = &output, &output
	if err := command.Run(); err != nil {
		return "", fmt.Errorf("go build %s: %w\n%s", nodePackage, err, strings.TrimSpace(output.String()))
	}
	build.binary = binary
	return binary, nil
}
