package policy

import (
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

// TestModels: each data model has an example, goes through the suite for all models, is
// measured, and has its place in docs/models.md.
func TestModels(t *testing.T) {
	module := root(t)
	page, err := os.ReadFile(path.Join(module, "docs/models.md"))
	if err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(path.Join(module, "replica/model"))
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, e := range entries {
		name := e.Name()
		if name == "internal" || name == "modeltest" {
			continue
		}
		found++
		tests := source(t, path.Join(module, "replica/model", name, "*_test.go"))
		for what, want := range map[string]string{
			"an example":              "\nfunc Example",
			"a call of modeltest.Run": "modeltest.Run(",
			"a benchmark of changes":  "\nfunc BenchmarkApply(",
			"the bytes of a change":   `"wire-B/`,
			"the memory of one":       `"mem-B/`,
			"a fuzz target":           "\nfunc Fuzz",
		} {
			if !strings.Contains(tests, want) {
				t.Errorf("the tests of replica/model/%s lack %s", name, what)
			}
		}
		_, chapter, ok := strings.Cut(string(page), "\n## "+name+"\n")
		if !ok {
			t.Errorf("docs/models.md has no chapter about %s", name)
		}
		chapter, _, _ = strings.Cut(chapter, "\n## ")
		for _, row := range []string{"\n| guarantees |", "\n| costs |", "\n| not for |"} {
			if !strings.Contains(chapter, row) {
				t.Errorf("the chapter about %s in docs/models.md lacks the row %q", name, row)
			}
		}
	}
	if found < 10 {
		t.Errorf("%d models were found", found)
	}
}

// source returns the files that match a pattern, one behind the other.
func source(t *testing.T, pattern string) string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	return all.String()
}
