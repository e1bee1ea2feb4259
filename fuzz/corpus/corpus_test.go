package main

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/hearsaynet/hearsay/fuzz/fuzztest"
)

// TestCorpus: the files are those that the command makes, and every decoder has some that
// are accepted and some that are refused; its target checks that they are.
func TestCorpus(t *testing.T) {
	c, err := build(filepath.Join("..", "..", "testdata", "keys"))
	if err != nil {
		t.Fatal(err)
	}
	if n := len(c.decoders()); n < 30 {
		t.Fatalf("%d decoders", n)
	}
	for _, decoder := range c.decoders() {
		for _, verdict := range []string{fuzztest.Accepted, fuzztest.Refused} {
			if _, err := fuzztest.ReadDir(filepath.Join(decoder, verdict)); err != nil {
				t.Error(err)
			}
		}
	}
	for p, want := range c.files {
		if got, err := os.ReadFile(filepath.FromSlash(p)); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not what \"go run ./fuzz/corpus\" writes: %v", p, err)
		}
	}
	for _, p := range filesHere(t) {
		if c.files[p] == nil && filepath.Ext(p) != ".go" && p != ".gitattributes" {
			t.Errorf("%s is not made by \"go run ./fuzz/corpus\"", p)
		}
	}
}

// TestTargets: each folder of the corpus seeds a target.
func TestTargets(t *testing.T) {
	var tests strings.Builder
	err := filepath.WalkDir(filepath.Join("..", ".."), func(p string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(p, "_test.go") {
			var b []byte
			b, err = os.ReadFile(p)
			tests.Write(b)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	c, err := build(filepath.Join("..", "..", "testdata", "keys"))
	if err != nil {
		t.Fatal(err)
	}
	for _, decoder := range c.decoders() {
		if !strings.Contains(tests.String(), `"`+decoder+`"`) {
			t.Errorf("no target reads fuzz/corpus/%s", decoder)
		}
	}
}

// TestFigures: the table in docs/fuzzing.md has a row for each target, and for nothing else.
func TestFigures(t *testing.T) {
	root := filepath.Join("..", "..")
	text, err := os.ReadFile(filepath.Join(root, "docs", "fuzzing.md"))
	if err != nil {
		t.Fatal(err)
	}
	rows := make(map[string]bool)
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z/]+)` \\| `(Fuzz\\w+)` \\|").FindAllStringSubmatch(string(text), -1) {
		rows[row[1]+" "+row[2]] = true
	}
	targets := targets(t, root)
	if len(targets) < 50 {
		t.Fatalf("only %d targets were found", len(targets))
	}
	for target := range targets {
		if !rows[target] {
			t.Errorf("docs/fuzzing.md has no row for %s: measure it with the command there", target)
		}
	}
	for row := range rows {
		if !targets[row] {
			t.Errorf("docs/fuzzing.md has a row for %s, which is not there", row)
		}
	}
}

// targets finds all fuzz targets below a directory, as package and name.
func targets(t *testing.T, root string) map[string]bool {
	t.Helper()
	found := make(map[string]bool)
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(name, "_test.go") {
			return err
		}
		b, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		pkg, err := filepath.Rel(root, filepath.Dir(name))
		for _, f := range regexp.MustCompile(`(?m)^func (Fuzz\w+)\(`).FindAllSubmatch(b, -1) {
			found[filepath.ToSlash(pkg)+" "+string(f[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func filesHere(t *testing.T) (paths []string) {
	t.Helper()
	err := filepath.WalkDir(".", func(p string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			paths = append(paths, filepath.ToSlash(p))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

// TestWrite: what was there before is gone, the folder of another stays.
func TestWrite(t *testing.T) {
	dir := t.TempDir()
	old, other := filepath.Join(dir, "done", "accepted", "old"), filepath.Join(dir, "other")
	for _, name := range []string{old, other} {
		if err := os.MkdirAll(name, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	c := &corpus{files: map[string][]byte{}}
	c.good("done", "x", []byte("1"))
	if err := c.write(dir); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "done", "accepted", "x")); err != nil || string(b) != "1" {
		t.Errorf("%q, %v", b, err)
	}
	if _, err := os.Stat(old); err == nil {
		t.Error("an old file has stayed")
	}
	if _, err := os.Stat(other); err != nil {
		t.Error(err)
	}
}
