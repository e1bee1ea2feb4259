package watch

import (
	"crypto/sha256"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"
)

func put(t *testing.T, path, text string, age time.Duration) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	stamp := time.Now().Add(-age).Truncate(time.Second)
	if err := os.Chtimes(path, stamp, stamp); err != nil {
		t.Fatal(err)
	}
}

func wantMoving(t *testing.T, f *File) {
	t.Helper()
	if _, _, err := f.Look(); !errors.Is(err, ErrMoving) {
		t.Fatalf("Look: %v, want ErrMoving", err)
	}
}

func wantLook(t *testing.T, f *File, text string, changed bool) {
	t.Helper()
	got, c, err := f.Look()
	if err != nil || c != changed || string(got) != text {
		t.Fatalf("Look = %q, %t, %v; want %q, %t", got, c, err, text, changed)
	}
}

func TestChangeIsTakenWhenItRests(t *testing.T) {
	f := &File{Path: filepath.Join(t.TempDir(), "f"), Max: 10}
	put(t, f.Path, "one", 0)
	wantLook(t, f, "one", true)
	wantLook(t, f, "", false)
	put(t, f.Path, "one two", 0) // somebody is writing
	wantMoving(t, f)
	put(t, f.Path, "three", 0)
	wantMoving(t, f)
	wantLook(t, f, "three", true)
	wantLook(t, f, "", false)
}

func TestSameSizeAndTimeIsSeenWhileYoung(t *testing.T) {
	f := &File{Path: filepath.Join(t.TempDir(), "f"), Max: 10}
	put(t, f.Path, "one", -time.Hour) // dated in the future: not settled yet
	wantLook(t, f, "one", true)
	put(t, f.Path, "two", -time.Hour)
	f.Look() // the stamp may have moved by a second
	wantFinally(t, f, "two")
}

// TestFutureFileSettles: a file that is dated in the future is not read for ever.
func TestFutureFileSettles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // whose clock stands before all files'
		f := &File{Path: filepath.Join(t.TempDir(), "f"), Max: 10}
		if err := os.WriteFile(f.Path, []byte("one"), 0o600); err != nil {
			t.Fatal(err)
		}
		wantLook(t, f, "one", true)
		for i, reads := range []bool{true, true, true, false, false} {
			time.Sleep(time.Second)
			before := f.was.Read
			wantLook(t, f, "", false)
			if got := !f.was.Read.Equal(before); got != reads {
				t.Errorf("after %d s: read %t, want %t", i+1, got, reads)
			}
		}
	})
}

// wantFinally takes one of two looks.
func wantFinally(t *testing.T, f *File, text string) {
	t.Helper()
	for range 2 {
		if got, changed, err := f.Look(); err != nil && !errors.Is(err, ErrMoving) {
			t.Fatal(err)
		} else if changed && string(got) == text {
			return
		}
	}
	if f.sum != sha256.Sum256([]byte(text)) {
		t.Errorf("%q was never seen", text)
	}
}

// TestOldFileInPlace puts a file with an old date in the place of a newer one.
func TestOldFileInPlace(t *testing.T) {
	dir := t.TempDir()
	f := &File{Path: filepath.Join(dir, "f"), Max: 10}
	put(t, f.Path, "one", 0)
	wantLook(t, f, "one", true)
	put(t, filepath.Join(dir, "old"), "old", time.Hour)
	if err := os.Rename(filepath.Join(dir, "old"), f.Path); err != nil {
		t.Fatal(err)
	}
	wantMoving(t, f)
	wantLook(t, f, "old", true)
	wantLook(t, f, "", false)
}

func TestRefused(t *testing.T) {
	dir := t.TempDir()
	f := &File{Path: filepath.Join(dir, "f"), Max: 3}
	if _, _, err := f.Look(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	put(t, f.Path, "four", 0)
	if _, _, err := f.Look(); !errors.Is(err, ErrLarge) {
		t.Errorf("a large file: %v", err)
	}
	f.Path = dir
	if _, _, err := f.Look(); err == nil {
		t.Error("a directory is read")
	}
	f.Path = filepath.Join(dir, "f")
	put(t, f.Path, "3rd", 0)
	wantFinally(t, f, "3rd")
}
