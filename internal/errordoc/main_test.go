package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-registry/holdfast/registry"
)

const root = "../.."

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestTheDocumentIsUpToDate(t *testing.T) {
	if read(t, "docs/errors.md") != document() {
		t.Error("docs/errors.md is not what the catalogue says: run go generate ./registry")
	}
}

// TestTheContractHasTheSameCatalogue compares number, name and definiteness with
// spec A8.
func TestTheContractHasTheSameCatalogue(t *testing.T) {
	spec := read(t, "docs/spec.md")
	for _, info := range registry.Codes() {
		if row := fmt.Sprintf("\n| %d | `%s` | %s | ", info.Code, info.Name, definite(info)); strings.Count(spec, row) != 1 {
			t.Errorf("docs/spec.md has no row %q", row)
		}
	}
	if after := fmt.Sprintf("\n| %d | `", len(registry.Codes())+1); strings.Contains(spec, after) {
		t.Errorf("docs/spec.md has a row %q", after)
	}
}

// made is one place in the code that makes an error of a code with fields.
type made struct{ where, code, field string }

// errorsMade finds the calls of Errorf with a code and a literal of fields.
func errorsMade(name, source string) ([]made, error) {
	files := token.NewFileSet()
	f, err := parser.ParseFile(files, name, source, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	var found []made
	ast.Inspect(f, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || lastName(call.Fun) != "Errorf" || len(call.Args) < 2 {
			return true
		}
		literal, ok := call.Args[1].(*ast.CompositeLit)
		if code, named := strings.CutPrefix(lastName(call.Args[0]), "Code"); ok && named && lastName(literal.Type) == "Fields" {
			for _, element := range literal.Elts {
				if pair, ok := element.(*ast.KeyValueExpr); ok {
					found = append(found, made{files.Position(pair.Pos()).String(), code, lastName(pair.Key)})
				}
			}
		}
		return true
	})
	return found, nil
}

func lastName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	default:
		return ""
	}
}

// undocumented tells which of the fields the catalogue does not give to the
// code.
func undocumented(all []made) []string {
	var missing []string
	for _, m := range all {
		field, _ := reflect.TypeFor[registry.Fields]().FieldByName(m.field)
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		info := registry.CodeByName(m.code).Info()
		if !slices.Contains(strings.Split(info.Fields, ", "), name) {
			missing = append(missing, fmt.Sprintf("%s: %s carries %s, which the catalogue does not say", m.where, m.code, name))
		}
	}
	return missing
}

func TestTheFieldsOfErrorsAreInTheCatalogue(t *testing.T) {
	var all []made
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		found, err := errorsMade(path, string(source))
		all = append(all, found...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 20 {
		t.Fatalf("only %d fields were found", len(all))
	}
	for _, missing := range undocumented(all) {
		t.Error(missing)
	}
	found, err := errorsMade("x.go", "package x\nvar e = registry.Errorf(registry.CodeNotLeader, registry.Fields{LeaderID: a, Field: b}, \"x\")")
	if err != nil || len(found) != 2 {
		t.Fatalf("found %+v, %v", found, err)
	}
	if got := undocumented(found); len(got) != 1 || !strings.Contains(got[0], "carries field") {
		t.Errorf("one field that is not in the catalogue was judged as %q", got)
	}
}
