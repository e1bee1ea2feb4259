package policy

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// attacks are what this project set out to survive. SECURITY.md has a row for each.
var attacks = []string{
	"forged-high", "keystore-down", "unknown-key", "wrong-key", "key-confusion", "key-aliases", "key-small-order",
	"cross-topic", "replay", "omission", "tail-withheld", "fork-order", "fork-late", "fork-self", "fork-mid-run",
	"fork-storm", "fork-parent", "guard-lies", "sent-before-durable", "lying-clock", "future", "clock-corrected",
	"slow-relay", "tie", "number", "hostile-frame", "flood", "slowloris", "honest-forwarder", "race", "bad-copy",
	"config-split", "handle-remap", "head-frozen", "sybil", "link-resume", "crash", "stolen-key", "rotate-takeover",
	"erase-by-relay", "stolen-link", "own-id", "rollback", "freeze", "bundle-replay", "planted-key",
}

// pending are the attacks that nothing answers yet.
var pending = []string{"stolen-key", "rotate-takeover"}

// attackRow is a row of SECURITY.md's table.
type attackRow struct{ name, what, tests string }

func attackTable(t *testing.T) (rows []attackRow) {
	t.Helper()
	text, err := os.ReadFile(path.Join(root(t), "SECURITY.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## Attacks and their tests\n")
	section, _, _ = strings.Cut(section, "\n## ")
	for line := range strings.Lines(section) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if name := strings.Trim(strings.TrimSpace(cells[0]), "`"); len(cells) == 3 && strings.Contains(cells[0], "`") {
			rows = append(rows, attackRow{name, strings.TrimSpace(cells[1]), strings.TrimSpace(cells[2])})
		}
	}
	return rows
}

// TestAttacksHaveRows: every attack stands in the table once, with what happens.
func TestAttacksHaveRows(t *testing.T) {
	var names []string
	for _, r := range attackTable(t) {
		if slices.Contains(names, r.name) {
			t.Errorf("SECURITY.md has two rows for %s", r.name)
		}
		names = append(names, r.name)
		if !slices.Contains(attacks, r.name) {
			t.Errorf("SECURITY.md has a row for %s, which is not in the list", r.name)
		}
		if r.what == "" {
			t.Errorf("SECURITY.md does not say what happens in %s", r.name)
		}
	}
	for _, name := range attacks {
		if !slices.Contains(names, name) {
			t.Errorf("SECURITY.md has no row for %s", name)
		}
	}
}

var quoted = regexp.MustCompile("`([^`]+)`")

// TestAttacksAreTested: the tests that the table names exist.
func TestAttacksAreTested(t *testing.T) {
	sources := make(map[string]*testSource)
	for _, r := range attackTable(t) {
		if why, waits := strings.CutPrefix(r.tests, "pending: "); waits != slices.Contains(pending, r.name) {
			t.Errorf("%s: %q, though the list says pending: %v", r.name, r.tests, !waits)
		} else if waits {
			if why == "" {
				t.Errorf("%s waits for nothing", r.name)
			}
			continue
		}
		named := quoted.FindAllStringSubmatch(r.tests, -1)
		if len(named) == 0 {
			t.Errorf("%s has no test", r.name)
		}
		for _, m := range named {
			if why := missing(t, sources, r.name, m[1]); why != "" {
				t.Errorf("%s: %s: %s", r.name, m[1], why)
			}
		}
	}
}

// missing says what there is not of a test as a row names it: a package, whose TestAttack
// has the row's name for a subtest; package.TestName, package.TestName/subtest; or a script.
func missing(t *testing.T, sources map[string]*testSource, row, test string) string {
	t.Helper()
	if strings.HasSuffix(test, ".txtar") {
		if _, err := os.Stat(path.Join(root(t), "cmd/hearsay/testdata/script", test)); err != nil {
			return "there is no such script"
		}
		return ""
	}
	pkg, name, explicit := strings.Cut(test, ".")
	if !explicit {
		name = "TestAttack/" + row
	}
	if sources[pkg] == nil {
		sources[pkg] = readTests(t, path.Join(root(t), pkg))
	}
	name, sub, _ := strings.Cut(name, "/")
	switch s := sources[pkg]; {
	case !s.tests[name]:
		return "the package has no " + name
	case sub != "" && !s.literals[sub]:
		return "no test of the package has the name " + sub
	}
	return ""
}

// testSource is what the test files of a directory hold.
type testSource struct{ tests, literals map[string]bool }

func readTests(t *testing.T, dir string) *testSource {
	t.Helper()
	s := &testSource{make(map[string]bool), make(map[string]bool)}
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				s.tests[n.Name.Name] = n.Recv == nil && strings.HasPrefix(n.Name.Name, "Test")
			case *ast.BasicLit:
				if text, err := strconv.Unquote(n.Value); err == nil && n.Kind == token.STRING {
					s.literals[text] = true
				}
			}
			return true
		})
	}
	return s
}
