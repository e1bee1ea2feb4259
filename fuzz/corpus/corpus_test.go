package main

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
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

// TestFigures: the table in docs/fuzzing.md is of targets that there are.
func TestFigures(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "fuzzing.md"))
	if err != nil {
		t.Fatal(err)
	}
	rows := regexp.MustCompile("(?m)^\\| `([a-z/]+)` \\| `(Fuzz\\w+)` \\|").FindAllStringSubmatch(string(text), -1)
	if len(rows) < 30 {
		t.Fatalf("%d rows", len(rows))
	}
	for _, row := range rows {
		tests, err := filepath.Glob(filepath.Join("..", "..", filepath.FromSlash(row[1]), "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		found := slices.ContainsFunc(tests, func(name string) bool {
			b, err := os.ReadFile(name)
			return err == nil && strings.Contains(string(b), "func "+row[2]+"(")
		})
		if !found {
			t.Errorf("there is no %s in %s", row[2], row[1])
		}
	}
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
