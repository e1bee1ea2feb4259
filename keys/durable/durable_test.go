package durable_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/hearsaynet/hearsay/keys/durable"
)

func TestCreateAndReplace(t *testing.T) {
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if err := durable.Create(root, "f", []byte("one"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := durable.Create(root, "f", []byte("two"), 0o600); !errors.Is(err, fs.ErrExist) {
		t.Errorf("Create over a file: %v, want fs.ErrExist", err)
	}
	if got, _ := os.ReadFile(filepath.Join(dir, "f")); string(got) != "one" {
		t.Errorf("the file holds %q after a refused Create, want %q", got, "one")
	}
	if err := durable.Replace(root, "f", []byte("three"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(filepath.Join(dir, "f")); string(got) != "three" {
		t.Errorf("the file holds %q after Replace, want %q", got, "three")
	}
	if err := durable.SyncDir(root); err != nil {
		t.Error(err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("%d files in the directory, want one", len(left))
	}
	if err := durable.Create(root, "../f", nil, 0o600); err == nil {
		t.Error("Create outside the directory succeeded")
	}
}
