package policy

import (
	"fmt"
	"go/ast"
	"go/build"
	"go/constant"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestProtocolLimits compares the limits in docs/protocol.md with the code's constants,
// exported or not.
func TestProtocolLimits(t *testing.T) {
	dir := root(t)
	page, err := os.ReadFile(filepath.Join(dir, "docs", "protocol.md"))
	if err != nil {
		t.Fatal(err)
	}
	src := &sources{dir: dir, fset: token.NewFileSet(), std: importer.Default(), done: map[string]*types.Package{}}
	where := map[string]string{"wire": "replica/wire", "keys": "keys", "link": "replica/link", "replica": "replica", "node": "replica/node"}
	rows := regexp.MustCompile("(?m)^\\|[^|]*\\| ([0-9,]+)( [a-z]+)? \\| `([a-z]+)\\.([A-Za-z]+)` \\|$").FindAllStringSubmatch(string(page), -1)
	if all := regexp.MustCompile("(?m)^\\|.*\\| `[a-z]+\\.[A-Za-z]+` \\|").FindAll(page, -1); len(rows) < 35 || len(rows) != len(all) {
		t.Fatalf("%d rows of limits were read, of %d", len(rows), len(all))
	}
	named, values := map[string]bool{}, map[string]bool{}
	for _, row := range rows {
		values[strings.ReplaceAll(row[1], ",", "")] = true
		pkg, err := src.Import(module + where[row[3]])
		if err != nil {
			t.Fatal(err)
		}
		name := row[3] + "." + row[4]
		named[name] = true
		c, ok := pkg.Scope().Lookup(row[4]).(*types.Const)
		if !ok {
			t.Errorf("there is no constant %s", name)
			continue
		}
		want := constant.MakeFromLiteral(strings.ReplaceAll(row[1], ",", ""), token.INT, 0)
		if unit := units[strings.TrimSpace(row[2])]; unit > 0 {
			want = constant.BinaryOp(want, token.MUL, constant.MakeInt64(int64(unit)))
		} else if row[2] != "" {
			t.Errorf("%s: %q is no unit", name, row[2])
		}
		if !constant.Compare(c.Val(), token.EQL, want) {
			t.Errorf("%s is %v, the page says %s%s", name, c.Val(), row[1], row[2])
		}
	}
	for line := range strings.Lines(string(page)) {
		for _, n := range regexp.MustCompile(`\b[1-9][0-9]{0,2}(,[0-9]{3})+\b|\b[1-9][0-9]{4,7}\b`).FindAllString(line, -1) {
			if n = strings.ReplaceAll(n, ",", ""); !values[n] && !strings.Contains(line, "OID") {
				t.Errorf("the page says %s, which is no limit in its tables", n)
			}
		}
	}
	wire, err := src.Import(module + "replica/wire")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range wire.Scope().Names() {
		if strings.HasPrefix(name, "Max") && !named["wire."+name] {
			t.Errorf("the page does not name wire.%s", name)
		}
	}
}

var units = map[string]time.Duration{"s": time.Second, "min": time.Minute, "days": 24 * time.Hour}

// sources type-checks this module's packages as far as their constants need it.
type sources struct {
	dir  string
	fset *token.FileSet
	std  types.Importer
	done map[string]*types.Package
}

// Import implements types.Importer.
func (s *sources) Import(name string) (*types.Package, error) {
	rel, ours := strings.CutPrefix(name, module)
	switch {
	case name == "time" || name == "crypto/sha256": // which limits are made of
		return s.std.Import(name)
	case !ours:
		return nil, fmt.Errorf("%s is left out", name)
	}
	if p := s.done[name]; p != nil {
		return p, nil
	}
	found, err := build.ImportDir(filepath.Join(s.dir, rel), 0)
	if err != nil {
		return nil, err
	}
	var files []*ast.File
	for _, f := range found.GoFiles {
		parsed, err := parser.ParseFile(s.fset, filepath.Join(found.Dir, f), nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		files = append(files, parsed)
	}
	cfg := types.Config{Importer: s, IgnoreFuncBodies: true, Error: func(error) {}}
	p, _ := cfg.Check(name, s.fset, files, nil)
	s.done[name] = p
	return p, nil
}
