package report

import (
	"bytes"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/holdfast-registry/holdfast/jepsen/check"
)

// TestAReportIsDrawn looks at pages in a real browser where there is one, and
// elsewhere at what is said then.
func TestAReportIsDrawn(t *testing.T) {
	browser, err := FindBrowser()
	if err != nil {
		t.Log(err)
		if !strings.Contains(err.Error(), "install Chromium") {
			t.Errorf("a missing browser is told of as %v", err)
		}
		return
	}
	var sound bytes.Buffer
	if err := Write(&sound, nil, sample(), check.Verdicts{{Checker: "model"}}); err != nil {
		t.Fatal(err)
	}
	look := func(text string) (string, error) {
		dir := t.TempDir()
		page, picture := filepath.Join(dir, "report.html"), filepath.Join(dir, "report.png")
		if err := os.WriteFile(page, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return picture, Look(t.Context(), browser, page, picture)
	}
	picture, err := look(sound.String())
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(picture)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if config, err := png.DecodeConfig(file); err != nil || config.Width < 1000 {
		t.Errorf("the picture is %+v, %v", config, err)
	}
	for what, change := range map[string][2]string{
		"script failed: Uncaught ReferenceError": {"const charts = ", "nothing(); const charts = "},
		"6 drawings instead of 5":                {"document.body.dataset.drawn", `chart("one more", 10); document.body.dataset.drawn`},
		"is drawn nowhere":                       {"picture.end, 1", "picture.begin, 1"},
		"reaches out of its drawing":             {"plot = width - left - right", "plot = width"},
	} {
		broken := strings.Replace(sound.String(), change[0], change[1], 1)
		if broken == sound.String() {
			t.Errorf("the page has no %q any more", change[0])
		}
		if _, err := look(broken); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("a page that should be judged with %q: %v", what, err)
		}
	}
	if err := Look(t.Context(), browser, filepath.Join(t.TempDir(), "report.html"), "x.png"); !os.IsNotExist(err) {
		t.Errorf("a page that is missing: %v", err)
	}
}
