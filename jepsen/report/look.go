package report

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// browsers are the names under which Chromium and its kin are installed.
var browsers = []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"}

// FindBrowser returns the path of a browser that can look at a page.
func FindBrowser() (string, error) {
	for _, name := range browsers {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("no browser was found under the names %s: install Chromium, or name one with --browser", strings.Join(browsers, ", "))
}

// Look opens a page in a browser without a window, takes its picture and checks
// that it was drawn: whole, without an error, and with nothing out of place.
func Look(ctx context.Context, browser, page, picture string) error {
	page, err := filepath.Abs(page)
	if err != nil {
		return err
	}
	if _, err := os.Stat(page); err != nil {
		return err
	}
	profile, err := os.MkdirTemp("", "holdfast-browser-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(profile)
	see := func(what ...string) (string, error) {
		args := []string{"--headless", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update",
			"--disable-sync", "--hide-scrollbars", "--window-size=1280,2400", "--user-data-dir=" + profile}
		if os.Geteuid() == 0 {
			args = append(args, "--no-sandbox") // a browser of root's has none
		}
		cmd := exec.CommandContext(ctx, browser, append(append(args, what...), "file://"+page)...)
		var stderr strings.Builder
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			return "", fmt.Errorf("%s failed: %w\n%s", browser, err, strings.TrimSpace(stderr.String()))
		}
		return string(out), nil
	}
	if _, err := see("--screenshot=" + picture); err != nil {
		return err
	}
	if _, err := os.Stat(picture); err != nil {
		return fmt.Errorf("the browser took no picture: %w", err)
	}
	drawn, err := see("--dump-dom")
	if err != nil {
		return err
	}
	return judge(drawn)
}

// drawings is how many a page has: faults, leaders, throughput, latency, leases.
const drawings = 5

var (
	failed  = regexp.MustCompile(`data-failed="([^"]*)"`)
	shape   = regexp.MustCompile(`<rect x="([^"]*)" y="([^"]*)" width="([^"]*)" height="([^"]*)"`)
	nowhere = regexp.MustCompile(`="[^"]*(?:NaN|Infinity|undefined)[^"]*"`)
)

// widest is the width of the drawings, which page.js names too.
const widest = 1160

// judge finds what is wrong with a page that a browser has drawn.
func judge(drawn string) error {
	if m := failed.FindStringSubmatch(drawn); m != nil {
		return fmt.Errorf("the page's script failed: %s", m[1])
	}
	if !strings.Contains(drawn, `data-drawn="yes"`) {
		return errors.New("the page's script did not come to its end")
	}
	if n := strings.Count(drawn, "<svg "); n != drawings {
		return fmt.Errorf("the page has %d drawings instead of %d", n, drawings)
	}
	if m := nowhere.FindString(drawn); m != "" {
		return fmt.Errorf("something is drawn nowhere: %s", m)
	}
	for _, m := range shape.FindAllStringSubmatch(drawn, -1) {
		var at [4]float64
		for i := range at {
			n, err := strconv.ParseFloat(m[i+1], 64)
			if err != nil || n < 0 {
				return fmt.Errorf("a shape has no place: %s", m[0])
			}
			at[i] = n
		}
		if at[0]+at[2] > widest {
			return fmt.Errorf("a shape reaches out of its drawing: %s", m[0])
		}
	}
	return nil
}
