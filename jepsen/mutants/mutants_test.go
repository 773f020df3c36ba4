package mutants

import (
	"go/build"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-registry/holdfast/jepsen/nemesis"
	"github.com/holdfast-registry/holdfast/jepsen/workload"
)

const (
	root = "../.."
	off  = "mutant_off.go"
)

func TestEveryMutantIsFoundByARunOrATestOrSaysWhyNot(t *testing.T) {
	for _, m := range All() {
		t.Run(m.Name, func(t *testing.T) {
			if m.Breaks == "" {
				t.Error("nothing says what it breaks")
			}
			if (m.Run == nil) != (m.Hole != "") {
				t.Error("a mutant has either a run or a reason why there is none")
			}
			if m.Run == nil {
				return
			}
			if _, err := workload.ByName(m.Run.Workload); err != nil {
				t.Error(err)
			}
			if _, err := nemesis.ByNames(m.Run.Nemeses); err != nil {
				t.Error(err)
			}
			if m.Run.Each <= 0 || len(m.Run.Broken) == 0 {
				t.Error("a run needs a time, and promises that it breaks")
			}
		})
	}
}

func TestNoMutantIsInABuildWithoutItsTag(t *testing.T) {
	found := make(map[string]bool)
	paths, err := filepath.Glob(filepath.Join(root, "*", "mutant_*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		dir, name := filepath.Split(path)
		in, err := build.Default.MatchFile(dir, name)
		if err != nil {
			t.Fatal(err)
		}
		if in != (name == off) {
			t.Errorf("%s is in a build without tags: %v", path, in)
		}
		if name != off {
			found[strings.TrimSuffix(name, ".go")] = true
		}
	}
	for _, m := range All() {
		if !found[m.Tag()] {
			t.Errorf("no file makes the mutant %s", m.Name)
		}
		delete(found, m.Tag())
	}
	for tag := range found {
		t.Errorf("%s is not in the table", tag)
	}
}

func TestTheTagOfAMutantTurnsItOn(t *testing.T) {
	for _, m := range All() {
		t.Run(m.Name, func(t *testing.T) {
			context := build.Default
			context.BuildTags = []string{m.Tag()}
			dir := filepath.Join(root, m.Folder)
			for name, want := range map[string]bool{off: false, m.Tag() + ".go": true} {
				if in, err := context.MatchFile(dir, name); err != nil || in != want {
					t.Errorf("%s is in the build: %v, %v", name, in, err)
				}
			}
			if output, err := exec.Command("go", "build", "-tags", m.Tag(), packageOf(m.Folder)).CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, output)
			}
			if m.Test == "" {
				return
			}
			list, err := exec.Command("go", "test", "-list", "^"+m.Test+"$", packageOf(m.Folder)).CombinedOutput()
			if err != nil || !slices.Contains(strings.Split(string(list), "\n"), m.Test) {
				t.Errorf("there is no test %s: %v\n%s", m.Test, err, list)
			}
		})
	}
}

func TestEveryMutantIsInTheTableOfTheDocs(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "docs", "testing.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range All() {
		if !strings.Contains(string(text), "\n| `"+m.Name+"` |") {
			t.Errorf("docs/testing.md does not tell how %s is noticed", m.Name)
		}
	}
}

func TestChoosing(t *testing.T) {
	names := func(chosen []Mutant) (names []string) {
		for _, m := range chosen {
			names = append(names, m.Name)
		}
		return names
	}
	if quick, err := Choose("", true); err != nil || len(quick) != 3 {
		t.Errorf("quick are %v, %v", names(quick), err)
	}
	if all, err := Choose("", false); err != nil || len(all) != len(All()) {
		t.Errorf("all are %v, %v", names(all), err)
	}
	if some, err := Choose("fsync,fence_append", false); err != nil || !slices.Equal(names(some), []string{"fsync", "fence_append"}) {
		t.Errorf("chosen are %v, %v", names(some), err)
	}
	if _, err := Choose("fsync,none", false); err == nil || !strings.Contains(err.Error(), "fence_append") {
		t.Errorf("an unknown mutant: %v", err)
	}
}
