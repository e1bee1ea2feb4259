package fuzztest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// The folders of each decoder's corpus.
const (
	Accepted = "accepted"
	Refused  = "refused"
)

// Seed adds the files of a folder of fuzz/corpus to a target of one argument of bytes.
// It fails unless there are some in accepted, all of which decode takes, and some in
// refused, all of which it refuses.
func Seed(f *testing.F, name string, decode func(b []byte) error) {
	f.Helper()
	Each(f, name, decode, func(b []byte) { f.Add(b) })
}

// Each is Seed for targets of other arguments: add is called with each file.
func Each(f *testing.F, name string, decode func(b []byte) error, add func(b []byte)) {
	f.Helper()
	root, err := moduleRoot()
	if err != nil {
		f.Fatal(err)
	}
	dir := filepath.Join(root, "fuzz", "corpus", name)
	for _, verdict := range []string{Accepted, Refused} {
		files, err := ReadDir(filepath.Join(dir, verdict))
		if err != nil {
			f.Fatal(err)
		}
		for file, b := range files {
			if err := decode(b); (err == nil) != (verdict == Accepted) {
				f.Errorf("fuzz/corpus/%s/%s/%s: %v", name, verdict, file, err)
			}
			add(b)
		}
	}
}

// ReadDir reads the files of a folder that has some.
func ReadDir(dir string) (map[string][]byte, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("%w (go run ./fuzz/corpus writes the corpora)", err)
	}
	files := make(map[string][]byte, len(entries))
	for _, e := range entries {
		if files[e.Name()], err = os.ReadFile(filepath.Join(dir, e.Name())); err != nil {
			return nil, err
		}
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%s is empty (go run ./fuzz/corpus writes the corpora)", dir)
	}
	return files, nil
}

// moduleRoot finds go.mod from the package under test upward.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		_, err := os.Stat(filepath.Join(dir, "go.mod"))
		if err == nil {
			return dir, nil
		}
		up := filepath.Dir(dir)
		if !errors.Is(err, fs.ErrNotExist) || up == dir {
			return "", fmt.Errorf("fuzztest: no go.mod above the package under test: %w", err)
		}
		dir = up
	}
}

// KeySeed returns the ed25519 seed of a key of the corpus: first, first+1, … of 32 bytes.
func KeySeed(first byte) []byte {
	seed := make([]byte, 32)
	for i := range seed {
		seed[i] = first + byte(i)
	}
	return seed
}
