package report

import (
	_ "embed"
	"encoding/json"
	"html/template"
	"io"

	"github.com/holdfast-registry/holdfast/jepsen/check"
	"github.com/holdfast-registry/holdfast/jepsen/history"
)

//go:embed page.html
var pageText string

//go:embed page.js
var script string

//go:embed page.css
var style string

var page = template.Must(template.New("page").Funcs(template.FuncMap{
	"seconds": func(ms float64) float64 { return ms / 1000 },
}).Parse(pageText))

// Write writes the page of a run. config is shown as it is.
func Write(w io.Writer, config json.RawMessage, h *history.History, verdicts check.Verdicts) error {
	data, err := json.Marshal(newPicture(h))
	if err != nil {
		return err
	}
	return page.Execute(w, struct {
		Style      template.CSS
		Script     template.JS
		Data       template.JS
		Config     string
		Verdicts   check.Verdicts
		Violations []violation
		Undecided  []string
		Errors     []errorCount
		Faults     []span
		Notes      []history.Note
		Ops        int
	}{
		// The JSON encoder writes no "<", so the data cannot end its element.
		Style: template.CSS(style), Script: template.JS(script), Data: template.JS(data), Config: string(config),
		Verdicts: verdicts, Violations: violations(h, verdicts), Undecided: verdicts.Undecided(),
		Errors: countErrors(h), Faults: faultSpans(h), Notes: h.Notes, Ops: len(h.Ops),
	})
}

// violation is one violation with the operations that it is about.
type violation struct {
	check.Violation
	Operations []string
}

func violations(h *history.History, verdicts check.Verdicts) (all []violation) {
	for _, v := range verdicts.Violations() {
		shown := violation{Violation: v}
		for _, i := range v.Ops {
			if i >= 0 && i < len(h.Ops) {
				shown.Operations = append(shown.Operations, history.Describe(h.Ops[i]))
			}
		}
		all = append(all, shown)
	}
	return all
}
