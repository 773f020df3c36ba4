package run

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/holdfast-registry/holdfast/jepsen/check"
	"github.com/holdfast-registry/holdfast/jepsen/history"
	"github.com/holdfast-registry/holdfast/jepsen/report"
)

// VerdictsFile and ReportFile are the names of what judging leaves in the
// folder of a run.
const (
	VerdictsFile = "verdicts.json"
	ReportFile   = "report.html"
)

// Judge judges a history and writes what it came to.
func Judge(dir string, config *Config, h *history.History) (*Result, error) {
	options := check.Options{Nodes: config.Members, Complete: config.Complete, Dir: dir}
	result := &Result{Config: *config, History: h, Verdicts: check.Judge(h, options), Ops: len(h.Ops)}
	for _, f := range h.Faults {
		if f.Phase == history.Begin && f.Name != history.NodeExit {
			result.Faults++
		}
	}
	return result, result.write(dir)
}

// JudgeAgain judges the history that a run has left behind.
func JudgeAgain(dir string) (*Result, error) {
	config, err := ReadConfig(dir)
	if err != nil {
		return nil, err
	}
	h, err := history.Read(filepath.Join(dir, history.File))
	if err != nil {
		return nil, err
	}
	return Judge(dir, &config, h)
}

func (r *Result) write(dir string) error {
	verdicts, err := json.MarshalIndent(r.Verdicts, "", "  ")
	if err != nil {
		return err
	}
	settings, err := json.Marshal(r.Config)
	if err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(filepath.Join(dir, VerdictsFile), append(verdicts, '\n'), 0o640),
		writeFile(filepath.Join(dir, history.EDNFile), r.History.WriteEDN),
		writeFile(filepath.Join(dir, ReportFile), func(w io.Writer) error { return report.Write(w, settings, r.History, r.Verdicts) }),
	)
}

// writeFile writes what may be too long to be held in memory.
func writeFile(path string, write func(io.Writer) error) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o640)
	if err != nil {
		return err
	}
	return errors.Join(write(file), file.Close())
}
