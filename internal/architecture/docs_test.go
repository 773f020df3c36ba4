package architecture

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// root is the module's folder, as seen from this package.
const root = "../.."

// readTree returns the files of a suffix, by their path from the root.
func readTree(t *testing.T, suffix string) map[string]string {
	t.Helper()
	files := make(map[string]string)
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		// Hidden folders, test data and the folders of .gitignore are not ours
		// to judge.
		if entry.IsDir() && path != root && (strings.HasPrefix(entry.Name(), ".") || slices.Contains([]string{"testdata", "bin", "data", "reports"}, entry.Name())) {
			return filepath.SkipDir
		}
		if entry.IsDir() || !strings.HasSuffix(path, suffix) {
			return nil
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		files[filepath.ToSlash(name)] = string(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

var (
	fencedBlock = regexp.MustCompile("(?ms)^```.*?^```$")
	codeSpan    = regexp.MustCompile("``[^\n]*?``|`[^`\n]*`")
	link        = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading     = regexp.MustCompile(`(?m)^#+ +(.+?) *$`)
	notInAnchor = regexp.MustCompile(`[^\p{L}\p{N}\s_-]`)
)

// anchors returns the anchors that the headings of a document get.
func anchors(content string) map[string]bool {
	found := make(map[string]bool)
	for _, match := range heading.FindAllStringSubmatch(fencedBlock.ReplaceAllString(content, ""), -1) {
		anchor := notInAnchor.ReplaceAllString(strings.ToLower(match[1]), "")
		found[strings.ReplaceAll(anchor, " ", "-")] = true
	}
	return found
}

// brokenLinks returns the relative links that lead nowhere. exists tells
// whether there is a file or folder.
func brokenLinks(documents map[string]string, exists func(path string) bool) []string {
	var broken []string
	for name, content := range documents {
		text := codeSpan.ReplaceAllString(fencedBlock.ReplaceAllString(content, ""), "")
		for _, match := range link.FindAllStringSubmatch(text, -1) {
			if strings.Contains(match[1], "://") || strings.HasPrefix(match[1], "mailto:") {
				continue
			}
			target, anchor, _ := strings.Cut(match[1], "#")
			path := name
			if target != "" {
				path = filepath.ToSlash(filepath.Join(filepath.Dir(name), target))
			}
			if !exists(path) {
				broken = append(broken, fmt.Sprintf("%s: there is no %s", name, match[1]))
			} else if anchor != "" && !anchors(documents[path])[anchor] {
				broken = append(broken, fmt.Sprintf("%s: %s has no heading for #%s", name, path, anchor))
			}
		}
	}
	return broken
}

func TestLinks(t *testing.T) {
	documents := readTree(t, ".md")
	exists := func(path string) bool {
		_, err := os.Stat(filepath.Join(root, path))
		return err == nil
	}
	for _, broken := range brokenLinks(documents, exists) {
		t.Error(broken)
	}
	made := map[string]string{"docs/a.md": "# One [x](b.md) [y](#one-x) [z](a.md#two)\n`[not](one.md)`\n```\n[nor](this.md)\n```\n[w](https://example.com/x)"}
	if got := brokenLinks(made, func(path string) bool { return path == "docs/a.md" }); len(got) != 3 {
		t.Errorf("three broken links were judged as %q", got)
	}
}

// testName is the way in which documents name a test: folder.Test.
var testName = regexp.MustCompile("`([a-z/]+)\\.((?:Test|Fuzz|Example)\\w*)`")
var anyTestName = regexp.MustCompile(`\b(?:Test|Fuzz)[A-Z]\w*`)
var testFunc = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Example)\w*)\(`)

// testsOf returns the names of all tests, as folder.Test.
func testsOf(sources map[string]string) map[string]bool {
	found := make(map[string]bool)
	for name, content := range sources {
		for _, match := range testFunc.FindAllStringSubmatch(content, -1) {
			found[filepath.ToSlash(filepath.Dir(name))+"."+match[1]] = true
		}
	}
	return found
}

func missingTests(document string, tests map[string]bool) []string {
	var missing []string
	named := 0
	for _, match := range testName.FindAllStringSubmatch(document, -1) {
		named++
		if full := match[1] + "." + match[2]; !tests[full] {
			missing = append(missing, "there is no test "+full)
		}
	}
	if all := len(anyTestName.FindAllString(document, -1)); all != named {
		missing = append(missing, fmt.Sprintf("%d tests are named, %d of them in the form `folder.Test`", all, named))
	}
	return missing
}

func TestDocumentsNameTestsThatExist(t *testing.T) {
	tests := testsOf(readTree(t, "_test.go"))
	for _, name := range []string{"docs/guarantees.md", "docs/testing.md"} {
		document, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		for _, missing := range missingTests(string(document), tests) {
			t.Errorf("%s: %s", name, missing)
		}
	}
	if got := missingTests("`fsm.TestNothing` and TestBare", tests); len(got) != 2 {
		t.Errorf("a missing test and a bare name were judged as %q", got)
	}
}

var (
	promise       = regexp.MustCompile(`(?m)^(?:### |\| |\* \*\*)([A-Z])(\d+)[ *]`)
	shownBy       = regexp.MustCompile(`(?ms)^\*Shown by:\*(.*?)\n\n`)
	promiseNumber = regexp.MustCompile(`\b[A-Z]\d+\b`)
)

// misnumbered returns what is wrong with the numbers of promises: they grow in
// each of their groups, and those that are referred to exist.
func misnumbered(document string) []string {
	var wrong []string
	last, known := make(map[string]int), make(map[string]bool)
	for _, match := range promise.FindAllStringSubmatch(document, -1) {
		n, _ := strconv.Atoi(match[2])
		if n <= last[match[1]] {
			wrong = append(wrong, fmt.Sprintf("%s%d comes behind %s%d", match[1], n, match[1], last[match[1]]))
		}
		last[match[1]] = n
		known[match[1]+match[2]] = true
	}
	for _, match := range shownBy.FindAllStringSubmatch(document, -1) {
		for _, number := range promiseNumber.FindAllString(codeSpan.ReplaceAllString(match[1], ""), -1) {
			if !known[number] {
				wrong = append(wrong, "there is no "+number)
			}
		}
	}
	return wrong
}

func TestGuaranteesAreNumbered(t *testing.T) {
	document, err := os.ReadFile(filepath.Join(root, "docs/guarantees.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, wrong := range misnumbered(string(document)) {
		t.Error(wrong)
	}
	if n := len(promise.FindAllString(string(document), -1)); n < 100 {
		t.Errorf("only %d promises have a number", n)
	}
	if got := misnumbered("### G1 x\n*Shown by:* O1, O2.\n\n| O1 | x |\n| O1 | y |\n"); len(got) != 2 {
		t.Errorf("a number given twice and one that is missing were judged as %q", got)
	}
}

var (
	citation     = regexp.MustCompile(`\b[Ss]pec\.?,? (?:sections? )?(A?\d+(?:\.\d+)?(?:(?:, | and | to | with | or |-)A?\d+(?:\.\d+)?)*)`)
	section      = regexp.MustCompile(`A?\d+(?:\.\d+)?`)
	specHeading  = regexp.MustCompile(`(?m)^#+ +(A?\d+(?:\.\d+)?) `)
	commentBreak = regexp.MustCompile(`\s+`)
)

// citations returns the sections that the comments of a Go file cite.
func citations(name, content string) ([]string, error) {
	f, err := parser.ParseFile(token.NewFileSet(), name, content, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	var cited []string
	for _, group := range f.Comments {
		text := commentBreak.ReplaceAllString(group.Text(), " ")
		for _, match := range citation.FindAllStringSubmatch(text, -1) {
			cited = append(cited, section.FindAllString(match[1], -1)...)
		}
	}
	return cited, nil
}

func TestCitationsOfTheContract(t *testing.T) {
	spec, err := os.ReadFile(filepath.Join(root, "docs/spec.md"))
	if err != nil {
		t.Fatal(err)
	}
	sections := make(map[string]bool)
	for _, match := range specHeading.FindAllStringSubmatch(string(spec), -1) {
		if sections[match[1]] {
			t.Errorf("docs/spec.md has section %s twice", match[1])
		}
		sections[match[1]] = true
	}
	count := 0
	for name, content := range readTree(t, ".go") {
		cited, err := citations(name, content)
		if err != nil {
			t.Fatal(err)
		}
		for _, cited := range cited {
			count++
			if !sections[cited] {
				t.Errorf("%s cites spec %s, which docs/spec.md does not have", name, cited)
			}
		}
	}
	if count < 50 {
		t.Errorf("only %d citations were found: are they still written as \"spec 5.12\"?", count)
	}
	got, err := citations("x.go", "package x\n\n// Spec 4.3 to\n// 4.5, A17. As in spec 5.26 with A6, and spec 9.\nvar x = \"spec 1.1\"\n")
	if want := []string{"4.3", "4.5", "A17", "5.26", "A6", "9"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("the citations %q were read as %q, %v", want, got, err)
	}
}

var goBlock = regexp.MustCompile("(?ms)^```go\n(.*?)^```$")

// TestReadmeShowsWhatIsCompiled keeps what the README shows and the examples the
// same, but for indentation.
func TestReadmeShowsWhatIsCompiled(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	examples := make(map[string]string)
	for name, content := range readTree(t, ".go") {
		if strings.HasPrefix(name, "examples/") || strings.HasSuffix(name, "/example_test.go") {
			examples[name] = content
		}
	}
	blocks := goBlock.FindAllStringSubmatch(string(readme), -1)
	if len(blocks) == 0 {
		t.Fatal("README.md shows no Go: is it still in blocks of ```go?")
	}
	for _, block := range blocks {
		if !compiled(examples, block[1]) {
			t.Errorf("README.md shows code that is in none of the examples:\n%s", block[1])
		}
	}
	if made := map[string]string{"examples/x/main.go": "func main() {\n\tx()\n}\n"}; compiled(made, "y()\n") || !compiled(made, "x()\n") {
		t.Error("code that is in no example was judged as shown")
	}
}

// compiled tells that one of the examples has this code.
func compiled(examples map[string]string, code string) bool {
	flat := func(code string) string { return strings.ReplaceAll(code, "\t", "") }
	for _, content := range examples {
		if strings.Contains(flat(content), flat(code)) {
			return true
		}
	}
	return false
}
