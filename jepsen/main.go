// Command jepsen injects failures into clusters of real processes and judges
// what their clients saw.
//
//	go run ./jepsen run --time 30s --workload mixed --nemesis kill,pause,partition --seed 7
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	ctx, restore := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, restore)
	os.Exit(execute(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// execute is the program without its process. It returns the exit code: 1 when a
// promise did not hold, 2 when that could not be found out.
func execute(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := &cobra.Command{
		Use: "jepsen", Short: "Inject failures into real clusters and judge what clients saw",
		SilenceErrors: true, SilenceUsage: true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	root.AddCommand(runCommand(), checkCommand(), soakCommand(), mutantsCommand(), lookCommand())
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	if err := root.ExecuteContext(ctx); err != nil {
		fmt.Fprintln(stderr, "jepsen:", err)
		if errors.Is(err, errViolated) {
			return 1
		}
		return 2
	}
	return 0
}
