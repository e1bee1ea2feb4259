package policy

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// TestModelsAreExamined: every model goes through the suite that users run on theirs.
func TestModelsAreExamined(t *testing.T) {
	models, err := filepath.Glob(filepath.Join(root(t), "replica", "model", "*"))
	if err != nil || len(models) < 3 {
		t.Fatalf("%d models, %v: the rule would hold of nothing", len(models), err)
	}
	for _, dir := range models {
		if name := filepath.Base(dir); name == "internal" || name == "modeltest" {
			continue
		}
		tests, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(tests, func(file string) bool {
			b, err := os.ReadFile(file)
			return err == nil && bytes.Contains(b, []byte("modeltest.Run(t, "))
		}) {
			t.Errorf("%s: no test calls modeltest.Run", dir)
		}
	}
}
