package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// seedTable matches the tables of docs/from-scuttlebutt.md that say where what another
// system does is here.
var seedTable = regexp.MustCompile(`(?m)^\| (?:scuttlebutt|simple-scuttle|gossipmonger|telepathine|module of npm) \| here \|\n\|[-|]+\|\n((?:\|.*\n)+)`)

// TestSeedsHavePlaces: each row names what there is here, or says why it is not, and each
// name exists.
func TestSeedsHavePlaces(t *testing.T) {
	page, err := os.ReadFile("../../docs/from-scuttlebutt.md")
	if err != nil {
		t.Fatal(err)
	}
	names := exportedNames(t, "../..")
	rows := 0
	for _, table := range seedTable.FindAllStringSubmatch(string(page), -1) {
		for line := range strings.Lines(table[1]) {
			cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), " | ")
			if len(cells) != 2 {
				t.Errorf("not two columns: %s", line)
				continue
			}
			rows++
			there, here := strings.TrimSpace(cells[0]), strings.TrimSpace(cells[1])
			found := inCode.FindAllStringSubmatch(here, -1)
			if len(found) == 0 && !strings.HasPrefix(here, "not here, because ") {
				t.Errorf("%s: %q neither names what does it here nor says why nothing does", there, here)
			}
			for _, name := range found {
				if why := missing(name[1], names); why != "" {
					t.Errorf("%s: `%s`: %s", there, name[1], why)
				}
			}
		}
	}
	if rows < 100 {
		t.Errorf("the page has %d rows about other systems", rows)
	}
}

var inCode = regexp.MustCompile("`([^`]+)`")

// missing says why there is no such name: of an identifier, as in kv.Map.Set, or of a
// command with its flags.
func missing(name string, names map[string]bool) string {
	words := strings.Fields(name)
	if words[0] != "hearsay" {
		if !names[name] {
			return "no package exports it"
		}
		return ""
	}
	cmd, rest, err := newRootCmd(new(app)).Find(words[1:])
	if err != nil || !cmd.HasParent() {
		return "no such command"
	}
	for _, word := range rest {
		flag, ok := strings.CutPrefix(word, "--")
		if ok && cmd.Flags().Lookup(flag) == nil && cmd.InheritedFlags().Lookup(flag) == nil {
			return "no such flag"
		}
	}
	return ""
}

// exportedNames returns what the module's packages export, as package.Name,
// package.Type.Method and package.Type.Field.
func exportedNames(t *testing.T, root string) map[string]bool {
	t.Helper()
	names := make(map[string]bool)
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && path != root || d.Name() == "testdata" || d.Name() == "internal") {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, d := range file.Decls {
			declared(d, func(name string) {
				for part := range strings.SplitSeq(name, ".") {
					if !ast.IsExported(part) {
						return
					}
				}
				names[file.Name.Name+"."+name] = true
			})
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// declared calls add with what a declaration gives names to.
func declared(d ast.Decl, add func(string)) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Recv == nil {
			add(d.Name.Name)
			return
		}
		recv := d.Recv.List[0].Type
		for {
			switch r := recv.(type) {
			case *ast.StarExpr:
				recv = r.X
				continue
			case *ast.IndexExpr:
				recv = r.X
				continue
			case *ast.Ident:
				add(r.Name + "." + d.Name.Name)
			}
			return
		}
	case *ast.GenDecl:
		for _, s := range d.Specs {
			switch s := s.(type) {
			case *ast.ValueSpec:
				for _, n := range s.Names {
					add(n.Name)
				}
			case *ast.TypeSpec:
				add(s.Name.Name)
				for _, member := range members(s.Type) {
					for _, n := range member.Names {
						add(s.Name.Name + "." + n.Name)
					}
				}
			}
		}
	}
}

// members returns a type's fields, or an interface's methods.
func members(t ast.Expr) []*ast.Field {
	switch t := t.(type) {
	case *ast.StructType:
		return t.Fields.List
	case *ast.InterfaceType:
		return t.Methods.List
	}
	return nil
}
