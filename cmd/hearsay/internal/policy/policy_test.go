package policy

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/hearsaynet/hearsay/"

// floors says how high a package stands. A package imports lower floors, its own
// parent, and internal packages under either.
var floors = []struct {
	pattern string // the package or, with /…, what is below it
	floor   int
}{
	{"keys", 1},
	{"keys/…", 2}, {"keys/durable", 1}, {"keys/roster", 1}, {"sign", 2}, {"sign/…", 2}, {"replica/wire", 2},
	{"keygen", 3}, {"verify", 3}, {"replica/store", 3}, {"replica/store/…", 3}, {"replica/archive", 3},
	{"replica", 4},
	{"replica/link", 5}, {"replica/model/…", 5},
	{"replica/relay", 6}, {"replica/gossip", 6}, {"replica/scuttlebutt", 6}, {"replica/scuttlebutt/bench", 7},
	{"replica/node", 7}, {"replica/node/bridge", 7}, {"replica/node/models", 6}, {"fuzz/…", 7}, {"fuzz/fuzztest", 1}, {"fuzz/session", 6},
	{"docs/…", 6},   // what a page builds
	{"fuzz/sim", 8}, // a command
	{"cmd/hearsay", 8}, {"cmd/hearsay/…", 8},
}

// forbidden: what must not be reachable from where, however indirectly.
var forbidden = []struct{ from, to, why string }{
	{"keys", "sign", "code that checks foreign input cannot reach a secret"},
	{"keys", "keygen", "code that checks foreign input cannot reach a secret"},
	{"verify", "sign", "code that checks foreign input cannot reach a secret"},
	{"verify", "keygen", "code that checks foreign input cannot reach a secret"},
	{"replica/wire", "sign", "code that checks foreign input cannot reach a secret"},
	{"replica/wire", "keygen", "code that checks foreign input cannot reach a secret"},
	{"replica/store", "sign", "code that checks foreign input cannot reach a secret"},
	{"replica/store", "keygen", "code that checks foreign input cannot reach a secret"},
	{"replica", "net/http", "the core speaks to connections that it is given"},
	{"replica/wire", "net", "a codec does no I/O"},
	{"replica/wire", "log/slog", "a codec logs nothing"},
	{"replica/link", "replica", "links know neither updates nor topics"},
}

type pkg struct {
	ImportPath string
	Dir        string
	Doc        string
	Imports    []string
	Deps       []string
	Standard   bool
	GoFiles    []string
}

// packages lists this module's packages.
func packages(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Dir,Doc,Imports,Deps,GoFiles", module+"...")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var all []pkg
	for dec := json.NewDecoder(out); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if len(all) < 10 {
		t.Fatalf("go list found %d packages; the rules would hold of nothing", len(all))
	}
	return all
}

func floorOf(name string) int {
	floor := 0
	for _, f := range floors {
		if prefix, ok := strings.CutSuffix(f.pattern, "…"); ok && strings.HasPrefix(name, prefix) || name == f.pattern {
			floor = f.floor
		}
	}
	return floor
}

func TestFloors(t *testing.T) {
	for _, p := range packages(t) {
		name := strings.TrimPrefix(p.ImportPath, module)
		if strings.Contains(name, "/internal/") && !strings.HasPrefix(name, "cmd/") {
			continue // Go itself says who may import it
		}
		floor := floorOf(name)
		if floor == 0 {
			t.Errorf("%s stands on no floor", name)
		}
		for _, imp := range p.Imports {
			if to, ours := strings.CutPrefix(imp, module); ours && !mayImport(name, to) {
				t.Errorf("%s (floor %d) imports %s (floor %d)", name, floor, to, floorOf(to))
			}
		}
	}
}

func mayImport(from, to string) bool {
	parent, _, internal := strings.Cut(to, "/internal/")
	if internal && (from == parent || strings.HasPrefix(from, parent+"/")) {
		return true
	}
	return floorOf(to) < floorOf(from) || to == path.Dir(from) || strings.HasPrefix(from, "cmd/") && floorOf(to) == floorOf(from)
}

func TestForbidden(t *testing.T) {
	all := packages(t)
	for _, f := range forbidden {
		i := slices.IndexFunc(all, func(p pkg) bool { return p.ImportPath == module+f.from })
		if i < 0 {
			t.Errorf("there is no package %s", f.from)
			continue
		}
		if slices.Contains(all[i].Deps, module+f.to) || slices.Contains(all[i].Deps, f.to) {
			t.Errorf("%s reaches %s: %s", f.from, f.to, f.why)
		}
	}
}

func TestPackageDocs(t *testing.T) {
	for _, p := range packages(t) {
		if len(p.GoFiles) > 0 && p.Doc == "" {
			t.Errorf("%s has no package documentation", p.ImportPath)
		}
	}
}

// root is the module's directory.
func root(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

func TestTopLevel(t *testing.T) {
	allowed := []string{"go.mod", "go.sum", "README.md", "SECURITY.md", "CHANGELOG.md", "keys", "sign", "verify", "replica",
		"cmd", "keygen", "fuzz", "docs", "testdata"}
	entries, err := os.ReadDir(root(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if name := e.Name(); !strings.HasPrefix(name, ".") && name != "hearsay" && !slices.Contains(allowed, name) {
			t.Errorf("%s has no place at the top level", name)
		}
	}
}

func TestNoReplace(t *testing.T) {
	mod, err := os.ReadFile(path.Join(root(t), "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	if regexp.MustCompile(`(?m)^\s*replace\b`).Match(mod) {
		t.Error("go.mod replaces a module")
	}
}
