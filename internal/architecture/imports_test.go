package architecture

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/holdfast-registry/holdfast"

// pkg is what `go list` says of one package; tests are not part of it.
type pkg struct {
	ImportPath string
	Name       string
	Imports    []string
	// Deps are all packages that it is linked with.
	Deps   []string
	Export string
}

// graph holds the packages of this module, by import path.
type graph map[string]pkg

// rule is one ban. A package of this module is called by its folder after a
// slash ("/registry"), every other one by its import path.
type rule struct {
	name   string
	reason string
	from   func(name string) bool
	banned func(name string) bool
	// linked bans what is linked in by way of others too.
	linked bool
	// example is an import that breaks the rule, to show that it can fail.
	exampleFrom, example string
}

var rules = []rule{
	{
		name:        "registry imports none of ours",
		reason:      "it is the vocabulary: whoever speaks it must not inherit a server",
		from:        exactly("/registry"),
		banned:      ours,
		linked:      true,
		exampleFrom: "/registry", example: "/fsm",
	},
	{
		name:        "fsm imports registry only of ours",
		reason:      "what the state machine depends on can change what replicas come to",
		from:        exactly("/fsm"),
		banned:      oursBut("/registry"),
		linked:      true,
		exampleFrom: "/fsm", example: "/decide",
	},
	{
		name:        "fsm has no clock, randomness, files, network or raft",
		reason:      "apply must come to the same result on every replica: clocks and randomness are decided on the leader and carried in the command",
		from:        exactly("/fsm"),
		banned:      within("time", "math/rand", "crypto/rand", "os", "io/fs", "net", "syscall", "log", "runtime", "context", "hash/maphash", "unsafe", "github.com/hashicorp/raft", "go.etcd.io/bbolt"),
		exampleFrom: "/fsm", example: "math/rand/v2",
	},
	{
		name:        "decide imports registry and fsm only of ours",
		reason:      "the same decisions serve the cluster and the registry in memory",
		from:        exactly("/decide"),
		banned:      oursBut("/registry", "/fsm"),
		linked:      true,
		exampleFrom: "/decide", example: "/cluster",
	},
	{
		name:        "decide knows neither raft nor grpc",
		reason:      "a decision must not depend on how it is replicated or asked for",
		from:        exactly("/decide"),
		banned:      within("github.com/hashicorp/raft", "google.golang.org/grpc"),
		linked:      true,
		exampleFrom: "/decide", example: "google.golang.org/grpc/status",
	},
	{
		name:        "registry/memory has decide, fsm and registry only",
		reason:      "users link it into their tests and must get no server with it",
		from:        exactly("/registry/memory"),
		banned:      either(oursBut("/registry", "/fsm", "/decide"), within("github.com/hashicorp/raft", "google.golang.org/grpc", "go.etcd.io/bbolt")),
		linked:      true,
		exampleFrom: "/registry/memory", example: "/cluster",
	},
	{
		name:        "registry/registrytest has registry only of ours",
		reason:      "whoever writes a registry of their own runs it, and what it expects must not come from the code that it tests",
		from:        exactly("/registry/registrytest"),
		banned:      oursBut("/registry"),
		linked:      true,
		exampleFrom: "/registry/registrytest", example: "/fsm",
	},
	{
		name:        "only tests import registry/registrytest",
		reason:      "it is linked with testing",
		from:        func(name string) bool { return !strings.HasSuffix(path.Base(name), "test") },
		banned:      exactly("/registry/registrytest"),
		exampleFrom: "/cluster", example: "/registry/registrytest",
	},
	{
		name:        "cluster knows neither transport nor grpc",
		reason:      "it asks other nodes through an interface of its own, so that raft's side is tested without a network and the wire can change",
		from:        exactly("/cluster"),
		banned:      within("/transport", "google.golang.org/grpc"),
		linked:      true,
		exampleFrom: "/cluster", example: "/transport/wire",
	},
	{
		name:        "transport knows neither cluster, decide nor fsm",
		reason:      "it moves calls and must not know what they mean; internal/node joins the two sides",
		from:        within("/transport"),
		banned:      within("/cluster", "/decide", "/fsm", "/internal/node"),
		linked:      true,
		exampleFrom: "/transport/wire", example: "/fsm",
	},
	{
		name:        "client is linked with no server, store, log codec or test code",
		reason:      "users link it into their programs",
		from:        within("/client"),
		banned:      either(oursBut("/registry", "/transport/pb", "/transport/wire", "/client/liveness", "/internal/bootclock"), within("github.com/hashicorp", "go.etcd.io/bbolt", "github.com/boltdb/bolt", "testing")),
		linked:      true,
		exampleFrom: "/client", example: "github.com/hashicorp/raft",
	},
	{
		name:        "the client needs grpc and protobuf only",
		reason:      "every module that it needs becomes one of its users'",
		from:        exactly("/client", "/client/liveness", "/registry", "/transport/pb", "/transport/wire", "/internal/bootclock"),
		banned:      foreignBut("google.golang.org/grpc", "google.golang.org/protobuf", "golang.org/x/sys"),
		exampleFrom: "/client", example: "github.com/spf13/cobra",
	},
	{
		name:        "the client is linked with grpc, protobuf and what these need",
		reason:      "every module that it is linked with becomes one of its users'",
		from:        exactly("/client"),
		banned:      foreignBut("google.golang.org/grpc", "google.golang.org/protobuf", "google.golang.org/genproto/googleapis/rpc", "golang.org/x/sys", "golang.org/x/net", "golang.org/x/text"),
		linked:      true,
		exampleFrom: "/client", example: "github.com/tidwall/btree",
	},
	{
		name:        "only test packages import testing",
		reason:      "it registers flags and drags the test machinery into programs",
		from:        func(name string) bool { return !strings.HasSuffix(path.Base(name), "test") },
		banned:      within("testing"),
		exampleFrom: "/cluster", example: "testing",
	},
	{
		name:        "only programs and tests start nodes by internal/node",
		reason:      "it joins everything, so whoever imports it has everything",
		from:        within("/registry", "/decide", "/fsm", "/cluster", "/transport", "/client"),
		banned:      within("/internal/node", "/internal/nodetest", "/cmd", "/jepsen"),
		exampleFrom: "/client", example: "/internal/node",
	},
	{
		name:        "only jepsen is linked with FUSE",
		reason:      "it serves file systems that lose power, which nobody needs who runs a node or calls one",
		from:        func(name string) bool { return ours(name) && !within("/jepsen")(name) },
		banned:      within("github.com/hanwen/go-fuse"),
		linked:      true,
		exampleFrom: "/cmd/node", example: "github.com/hanwen/go-fuse/v2/fs",
	},
}

// exactly matches one package; within matches packages and all below them.
func exactly(names ...string) func(string) bool {
	return func(name string) bool { return slices.Contains(names, name) }
}

func within(roots ...string) func(string) bool {
	return func(name string) bool {
		return slices.ContainsFunc(roots, func(root string) bool {
			return name == root || strings.HasPrefix(name, root+"/")
		})
	}
}

func either(a, b func(string) bool) func(string) bool {
	return func(name string) bool { return a(name) || b(name) }
}

func ours(name string) bool { return strings.HasPrefix(name, "/") }

func oursBut(allowed ...string) func(string) bool {
	return func(name string) bool { return ours(name) && !slices.Contains(allowed, name) }
}

// foreignBut matches what is neither ours nor in Go's own library, whose paths
// begin with no domain.
func foreignBut(allowed ...string) func(string) bool {
	known := within(allowed...)
	return func(name string) bool {
		domain, _, _ := strings.Cut(name, "/")
		return strings.Contains(domain, ".") && !known(name)
	}
}

// shortName is what the rules call a package.
func shortName(importPath string) string { return strings.TrimPrefix(importPath, module) }

// breaches returns what breaks a rule, as sentences.
func (r *rule) breaches(g graph) []string {
	var found []string
	for _, importPath := range slices.Sorted(maps.Keys(g)) {
		p := g[importPath]
		folder := shortName(importPath)
		if !r.from(folder) {
			continue
		}
		imports, how := p.Imports, "imports"
		if r.linked {
			imports, how = p.Deps, "is linked with"
		}
		for _, imported := range imports {
			if r.banned(shortName(imported)) {
				found = append(found, fmt.Sprintf("%s %s %s. Rule: %s, because %s", folder[1:], how, strings.TrimPrefix(shortName(imported), "/"), r.name, r.reason))
			}
		}
	}
	return found
}

// listPackages asks the go command about packages of this module.
func listPackages(t *testing.T, arguments ...string) graph {
	t.Helper()
	command := exec.Command("go", append([]string{"list", "-json=ImportPath,Name,Imports,Deps,Export"}, arguments...)...)
	command.Dir = root
	var stderr bytes.Buffer
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.String())
	}
	g := make(graph)
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		err := decoder.Decode(&p)
		if errors.Is(err, io.EOF) {
			return g
		}
		if err != nil {
			t.Fatal(err)
		}
		g[p.ImportPath] = p
	}
}

func TestImportRules(t *testing.T) {
	g := listPackages(t, "./...")
	for i := range rules {
		t.Run(rules[i].name, func(t *testing.T) {
			matched := 0
			for importPath := range g {
				if rules[i].from(shortName(importPath)) {
					matched++
				}
			}
			if matched == 0 {
				t.Error("the rule speaks of a package that does not exist")
			}
			for _, breach := range rules[i].breaches(g) {
				t.Error(breach)
			}
		})
	}
}

// A rule that cannot fail protects nothing.
func TestEveryImportRuleCanFail(t *testing.T) {
	for i := range rules {
		t.Run(rules[i].name, func(t *testing.T) {
			imported, from := rules[i].example, module+rules[i].exampleFrom
			if ours(imported) {
				imported = module + imported
			}
			broken := graph{from: {ImportPath: from, Imports: []string{"fmt", imported}, Deps: []string{"fmt", imported}}}
			if got := rules[i].breaches(broken); len(got) != 1 || !strings.Contains(got[0], rules[i].reason) {
				t.Errorf("an import of %s by %s was judged as %q", imported, from, got)
			}
			sound := graph{from: {ImportPath: from, Imports: []string{"fmt"}, Deps: []string{"fmt"}}}
			if got := rules[i].breaches(sound); len(got) != 0 {
				t.Errorf("an import of fmt was judged as %q", got)
			}
		})
	}
}

// bannedNames are packages that would collect what has no home.
var bannedNames = []string{"util", "utils", "common", "types", "errors", "helpers", "misc"}

func badNames(g graph) []string {
	var found []string
	for _, importPath := range slices.Sorted(maps.Keys(g)) {
		if p := g[importPath]; slices.Contains(bannedNames, p.Name) || slices.Contains(bannedNames, path.Base(importPath)) {
			found = append(found, fmt.Sprintf("%s: a package called %s collects what has no home; name it by what it holds", shortName(importPath), p.Name))
		}
	}
	return found
}

func TestPackageNames(t *testing.T) {
	for _, bad := range badNames(listPackages(t, "./...")) {
		t.Error(bad)
	}
	broken := graph{module + "/fsm/util": {ImportPath: module + "/fsm/util", Name: "util"}}
	if got := badNames(broken); len(got) != 1 {
		t.Errorf("a package called util was judged as %q", got)
	}
}
