package main

import (
	"fmt"
	"log/slog"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func (a *app) configCommand() *cobra.Command {
	return noun("config", "Look at the configuration of a node",
		"What a node is configured with comes from flags, variables and a file.",
		"  holdfast config show --config holdfast.yaml",
		a.configShow())
}

// setting is one setting as it is shown.
type setting struct {
	Name string `json:"name"`
	// Value is a boolean, a number, or a text.
	Value  any    `json:"value"`
	Source string `json:"source"`
	// From is the variable, or the file and line.
	From string `json:"from,omitempty"`
}

type settingList struct {
	Settings []setting `json:"settings"`
}

func (a *app) configShow() *cobra.Command {
	var f serveFlags
	cmd := &cobra.Command{
		Use:   "show",
		Short: "Show what serve would run with, and where each setting comes from",
		Long: `Takes the flags of serve, and shows every setting with its value and its source: a
flag, a variable, the file of --config, or the default. A flag wins over a variable,
and that over the file. What serve would refuse is refused here in the same way, so
that it serves to check a file too.`,
		Example: `  holdfast config show --config holdfast.yaml
  holdfast config show --config holdfast.yaml --heartbeat-timeout 500ms --output json`,
		Args: cobra.NoArgs,
	}
	f.bind(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if _, err := f.config(); err != nil {
			return a.blame(err)
		}
		a.begun = true
		list := settingList{}
		for _, name := range settingNames {
			list.Settings = append(list.Settings, a.setting(cmd.Flags().Lookup(name)))
		}
		return a.emit(list, func(t *table) {
			t.row("SETTING", "VALUE", "SOURCE")
			for _, s := range list.Settings {
				t.row(s.Name, fmt.Sprint(s.Value), strings.TrimSpace(s.Source+" "+s.From))
			}
		})
	}
	return cmd
}

// setting tells of one flag what it is and where it comes from.
func (a *app) setting(flag *pflag.Flag) setting {
	s := setting{Name: flag.Name, Value: flag.Value.String(), Source: sourceDefault}
	switch flag.Value.Type() {
	case kindBool:
		s.Value = flag.Value.String() == "true"
	case kindNumber:
		if n, err := strconv.ParseUint(flag.Value.String(), 10, 64); err == nil {
			s.Value = n
		}
	}
	from, ok := a.sources[flag.Name]
	switch {
	case ok:
		s.Source, s.From = from.kind, from.where
	case flag.Changed:
		s.Source = sourceFlag
	}
	if flag.Name == "log-level" && s.Value == "" {
		s.Value = strings.ToLower(slog.LevelInfo.String())
	}
	return s
}
