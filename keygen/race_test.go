package keygen

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// TestPublicFileAppearsMeanwhile has somebody else make the .pub file after
// WriteFiles looked.
func TestPublicFileAppearsMeanwhile(t *testing.T) {
	k, err := Generate(Ed25519, 0)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "id")
	testOnlyBetweenFiles = func() {
		if err := os.WriteFile(path+".pub", []byte("theirs"), 0o600); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(func() { testOnlyBetweenFiles = func() {} })
	if err := WriteFiles(path, k, "", nil); !errors.Is(err, fs.ErrExist) {
		t.Errorf("WriteFiles: %v, want ErrExist", err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the private file was left behind: %v", err)
	}
	if b, err := os.ReadFile(path + ".pub"); err != nil || string(b) != "theirs" {
		t.Errorf(".pub = %q, %v", b, err)
	}
}

// TestPublicFileIsSeenFirst wants no private file, not for a moment, when the
// .pub file is there already.
func TestPublicFileIsSeenFirst(t *testing.T) {
	k, err := Generate(Ed25519, 0)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "id")
	if err := os.WriteFile(path+".pub", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	testOnlyBetweenFiles = func() { t.Error("the private file was written") }
	t.Cleanup(func() { testOnlyBetweenFiles = func() {} })
	if err := WriteFiles(path, k, "", nil); !errors.Is(err, fs.ErrExist) {
		t.Errorf("WriteFiles: %v, want ErrExist", err)
	}
}
