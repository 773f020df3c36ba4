package architecture

import (
	"fmt"
	"go/ast"
	"go/build"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// source is one package with its types, as far as the rules need them.
type source struct {
	fset  *token.FileSet
	files []*ast.File
	info  types.Info
}

// check parses and types the files of a package. exports finds the compiled
// form of what it imports.
func check(files map[string]any, exports func(path string) (io.ReadCloser, error)) (*source, error) {
	s := &source{fset: token.NewFileSet(), info: types.Info{Types: make(map[ast.Expr]types.TypeAndValue)}}
	for name, content := range files {
		f, err := parser.ParseFile(s.fset, name, content, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		s.files = append(s.files, f)
	}
	config := types.Config{Importer: importer.ForCompiler(s.fset, "gc", exports)}
	_, err := config.Check("fsm", s.fset, s.files, &s.info)
	return s, err
}

// nondeterminism returns what could make two replicas differ, or wait for each
// other.
func (s *source) nondeterminism() []string {
	var found []string
	report := func(n ast.Node, format string, args ...any) {
		p := s.fset.Position(n.Pos())
		found = append(found, fmt.Sprintf("%s:%d: %s", filepath.Base(p.Filename), p.Line, fmt.Sprintf(format, args...)))
	}
	for _, file := range s.files {
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt:
				report(n, "a goroutine: apply must be over when it returns, and the same on every replica")
			case *ast.SelectStmt:
				report(n, "a select picks by chance")
			case *ast.SendStmt, *ast.ChanType:
				report(n, "a channel: the state machine waits for nobody")
			case *ast.BasicLit:
				if n.Kind == token.FLOAT || n.Kind == token.IMAG {
					report(n, "the float %s: floats round differently on different machines", n.Value)
				}
			case *ast.RangeStmt:
				if _, ok := s.typeOf(n.X).(*types.Map); ok {
					report(n, "a range over a map comes in another order every time: keep an ordered map")
				}
			}
			if e, ok := n.(ast.Expr); ok {
				if basic, ok := s.typeOf(e).(*types.Basic); ok && basic.Info()&(types.IsFloat|types.IsComplex) != 0 {
					report(n, "an expression of type %s: floats round differently on different machines", basic)
				}
			}
			return true
		})
	}
	return found
}

func (s *source) typeOf(e ast.Expr) types.Type {
	t := s.info.Types[e].Type
	if t == nil {
		return nil
	}
	return t.Underlying()
}

func TestTheStateMachineIsDeterministic(t *testing.T) {
	packages := listPackages(t, "-export", "-deps", "./fsm")
	exports := func(path string) (io.ReadCloser, error) {
		p, ok := packages[path]
		if !ok || p.Export == "" {
			return nil, fmt.Errorf("no compiled form of %s", path)
		}
		return os.Open(p.Export)
	}
	names, err := filepath.Glob(filepath.Join(root, "fsm", "*.go"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no files of package fsm: %v", err)
	}
	files := make(map[string]any)
	for _, name := range names {
		// The mutants are in no build without their tags, and only one at a time.
		built, err := build.Default.MatchFile(filepath.Split(name))
		if err != nil {
			t.Fatal(err)
		}
		if built && !strings.HasSuffix(name, "_test.go") {
			files[name] = nil
		}
	}
	s, err := check(files, exports)
	if err != nil {
		t.Fatal(err)
	}
	for _, breach := range s.nondeterminism() {
		t.Error(breach)
	}
}

func TestEveryRuleOfTheStateMachineCanFail(t *testing.T) {
	for _, c := range []struct{ name, code, want string }{
		{"a goroutine", "func f() { go f() }", "goroutine"},
		{"a select", "func f() { select {} }", "select"},
		{"a channel", "var c chan int", "channel"},
		{"a float literal", "var x = int(1.0)", "float"},
		{"a float type", "var x float64", "float64"},
		{"a hidden float", "type weight float32\nvar x, y weight\nvar less = x < y", "float32"},
		{"a map range", "func f(m map[string]int) { for range m {} }", "range over a map"},
		{"a hidden map range", "type table map[string]int\nfunc f(t table) { for k := range t { _ = k } }", "range over a map"},
	} {
		t.Run(c.name+" is found", func(t *testing.T) {
			s, err := check(map[string]any{"code.go": "package fsm\n" + c.code}, nil)
			if err != nil {
				t.Fatal(err)
			}
			if got := s.nondeterminism(); len(got) == 0 || !strings.Contains(strings.Join(got, "\n"), c.want) {
				t.Errorf("found %q", got)
			}
		})
	}
	s, err := check(map[string]any{"code.go": "package fsm\nfunc f(m map[string]int, l []int) int { for i := range l { _ = i }; return m[\"a\"] }"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := s.nondeterminism(); len(got) != 0 {
		t.Errorf("sound code was judged as %q", got)
	}
}
