package main

import (
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/holdfast-registry/holdfast/jepsen/report"
	"github.com/holdfast-registry/holdfast/jepsen/run"
)

func lookCommand() *cobra.Command {
	var browser string
	cmd := &cobra.Command{
		Use:   "look DIR",
		Short: "Look at the report of an earlier run in a real browser",
		Long: `Opens the report that a run has left in its folder in a browser without a window,
checks that it was drawn whole and without an error, and leaves a picture of it,
report.png, beside it. The browser is Chromium or one of its kin.`,
		Example: "  go run ./jepsen run --time 30s --dir /tmp/run --keep && go run ./jepsen look /tmp/run",
		Args:    cobra.ExactArgs(1),
	}
	cmd.Flags().StringVar(&browser, "browser", "", "path of the browser (default: the first that is found)")
	cmd.RunE = func(cmd *cobra.Command, args []string) (err error) {
		if browser == "" {
			if browser, err = report.FindBrowser(); err != nil {
				return err
			}
		}
		picture, err := filepath.Abs(filepath.Join(args[0], "report.png"))
		if err != nil {
			return err
		}
		if err := report.Look(cmd.Context(), browser, filepath.Join(args[0], run.ReportFile), picture); err != nil {
			return err
		}
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "the report is drawn as it should be; its picture is %s\n", picture)
		return err
	}
	return cmd
}
