package keygen_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hearsaynet/hearsay/keygen"
	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/sign"
)

// fleetFiles returns the names and contents in dir, but for the lock.
func fleetFiles(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, e := range entries {
		if e.Name() == ".lock" {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		files[e.Name()] = string(text)
	}
	return files
}

func makeFleet(t *testing.T, f keygen.Fleet, want int) {
	t.Helper()
	if made, err := keygen.MakeFleet(t.Context(), f); err != nil || made != want {
		t.Fatalf("MakeFleet = %d, %v; want %d", made, err, want)
	}
}

func TestFleet(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "fleet")
	done := 0
	makeFleet(t, keygen.Fleet{Dir: dir, Count: 25, Done: func() { done++ }}, 25)
	files := fleetFiles(t, dir)
	if len(files) != 51 || done != 25 {
		t.Errorf("%d files, %d told; want 51, 25", len(files), done)
	}
	manifest := strings.Split(strings.TrimSuffix(files[keygen.ManifestName], "\n"), "\n")
	if len(manifest) != 25 {
		t.Fatalf("the manifest has %d lines", len(manifest))
	}
	ids := map[keys.NodeID]bool{}
	for i, line := range manifest {
		name := fmt.Sprintf("node-%06d", i+1)
		k, err := sign.Parse([]byte(files[name]), nil)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		id := k.Public().ID()
		ids[id] = true
		if want := fmt.Sprintf("%s\t%v\t%s\ted25519", name, id, id.Fingerprint()); line != want {
			t.Errorf("line %d is %q, want %q", i, line, want)
		}
		if files[name+".pub"] != k.Public().AuthorizedKey(name)+"\n" || k.Comment() != name {
			t.Errorf("%s.pub is %q", name, files[name+".pub"])
		}
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", name, info.Mode())
		}
	}
	if len(ids) != 25 {
		t.Errorf("%d ids, want 25", len(ids))
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the directory has mode %v", info.Mode())
	}
}

// TestFleetGoesOn ends a call in the middle: the next one makes the rest, and changes
// nothing that is there.
func TestFleetGoesOn(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	n := 0
	made, err := keygen.MakeFleet(ctx, keygen.Fleet{Dir: dir, Count: 1000, Name: "edge", Done: func() {
		if n++; n == 5 {
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) || made < 5 || made > 20 {
		t.Fatalf("MakeFleet = %d, %v; want some and Canceled", made, err)
	}
	before := fleetFiles(t, dir)
	if lines := strings.Count(before[keygen.ManifestName], "\n"); lines != made {
		t.Errorf("the manifest has %d lines of %d keys", lines, made)
	}
	makeFleet(t, keygen.Fleet{Dir: dir, Count: 30, Name: "edge"}, 30-made)
	after := fleetFiles(t, dir)
	delete(before, keygen.ManifestName)
	for name, text := range before {
		if after[name] != text {
			t.Errorf("%s has changed", name)
		}
	}
	makeFleet(t, keygen.Fleet{Dir: dir, Count: 30, Name: "edge"}, 0)
	makeFleet(t, keygen.Fleet{Dir: dir, Count: 3, Name: "other", Kind: keygen.RSA, Bits: 2048, Passphrase: []byte("x")}, 3)
	if lines := strings.Count(fleetFiles(t, dir)[keygen.ManifestName], "\trsa\n"); lines != 3 {
		t.Errorf("the manifest of the second fleet has %d RSA keys", lines)
	}
}

// TestFleetAfterACrash finds what a crash leaves: files without a name, and a private key
// whose public file is not there yet.
func TestFleetAfterACrash(t *testing.T) {
	for _, passphrase := range []string{"", "correct horse"} {
		dir := t.TempDir()
		f := keygen.Fleet{Dir: dir, Count: 3, Passphrase: []byte(passphrase)}
		makeFleet(t, f, 3)
		before := fleetFiles(t, dir)
		if err := os.WriteFile(filepath.Join(dir, ".unfinished-X"), []byte("half a k"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(filepath.Join(dir, "node-000002.pub")); err != nil {
			t.Fatal(err)
		}
		makeFleet(t, f, 0)
		after := fleetFiles(t, dir)
		for name, text := range before {
			if after[name] != text {
				t.Errorf("%s is %q, was %q", name, after[name], text)
			}
		}
		if len(after) != len(before) {
			t.Errorf("%d files, want %d", len(after), len(before))
		}
	}
}

func TestFleetOverwritesNothing(t *testing.T) {
	for name, file := range map[string]string{
		"a public key without its private one": "node-000002.pub",
		"a private file that is none":          "node-000002",
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, file), []byte("mine"), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := keygen.MakeFleet(t.Context(), keygen.Fleet{Dir: dir, Count: 3})
		if err == nil || !strings.Contains(err.Error(), file) {
			t.Errorf("%s: %v; want an error that names it", name, err)
		}
		if got := fleetFiles(t, dir)[file]; got != "mine" {
			t.Errorf("%s: it is %q now", name, got)
		}
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "node-000001"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := keygen.MakeFleet(t.Context(), keygen.Fleet{Dir: dir, Count: 1}); err == nil {
		t.Error("a directory is taken for a key")
	}
}

// TestFleetTakesNoLink: one key under two names would let one node speak as another.
func TestFleetTakesNoLink(t *testing.T) {
	for _, name := range []string{"node-000001", "node-000001.pub"} {
		dir := t.TempDir()
		makeFleet(t, keygen.Fleet{Dir: dir, Count: 2}, 2)
		path := filepath.Join(dir, name)
		if err := errors.Join(os.Remove(path), os.Remove(filepath.Join(dir, "node-000001.pub"))); name == "node-000001" && err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(strings.Replace(name, "1", "2", 1), path); err != nil {
			t.Skip(err)
		}
		if _, err := keygen.MakeFleet(t.Context(), keygen.Fleet{Dir: dir, Count: 2}); err == nil || !strings.Contains(err.Error(), "plain file") {
			t.Errorf("%s is a link: %v", name, err)
		}
	}
}

func TestFleetRefuses(t *testing.T) {
	dir := t.TempDir()
	for name, f := range map[string]keygen.Fleet{
		"none":           {Dir: dir},
		"too many":       {Dir: dir, Count: keygen.MaxFleet + 1},
		"a path":         {Dir: dir, Count: 1, Name: "../x"},
		"a hidden name":  {Dir: dir, Count: 1, Name: ".x"},
		"an odd kind":    {Dir: dir, Count: 1, Kind: "dsa"},
		"a short RSA":    {Dir: dir, Count: 1, Kind: keygen.RSA, Bits: 1024},
		"no such parent": {Dir: filepath.Join(dir, "no", "such"), Count: 1},
	} {
		if made, err := keygen.MakeFleet(t.Context(), f); err == nil || made != 0 {
			t.Errorf("%s: made %d", name, made)
		}
	}
	if _, err := keygen.MakeFleet(t.Context(), keygen.Fleet{Dir: filepath.Join(dir, "no", "such"), Count: 1}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no such parent: %v", err)
	}
}

func TestFleetsExcludeEachOther(t *testing.T) {
	dir := t.TempDir()
	inner := errors.New("not called")
	_, err := keygen.MakeFleet(t.Context(), keygen.Fleet{Dir: dir, Count: 1, Done: func() {
		_, inner = keygen.MakeFleet(t.Context(), keygen.Fleet{Dir: dir, Count: 1})
	}})
	if err != nil || inner == nil || !strings.Contains(inner.Error(), "another process") {
		t.Errorf("outer %v, inner %v; want the inner one refused", err, inner)
	}
}

// BenchmarkFleet is "hearsay keygen --count", a key an iteration.
func BenchmarkFleet(b *testing.B) {
	if _, err := keygen.MakeFleet(b.Context(), keygen.Fleet{Dir: b.TempDir(), Count: min(b.N, keygen.MaxFleet)}); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "keys/s")
}

// TestFleetHasOnePassphrase goes on with another one.
func TestFleetHasOnePassphrase(t *testing.T) {
	for name, tt := range map[string]struct{ first, then, says string }{
		"another":          {"one", "two", "another passphrase"},
		"none":             {"one", "", "it is encrypted, and no passphrase was given"},
		"one where no was": {"", "two", "it is not encrypted"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			makeFleet(t, keygen.Fleet{Dir: dir, Count: 2, Passphrase: []byte(tt.first)}, 2)
			before := fleetFiles(t, dir)
			made, err := keygen.MakeFleet(t.Context(), keygen.Fleet{Dir: dir, Count: 3, Passphrase: []byte(tt.then)})
			if made != 0 || !errors.Is(err, keygen.ErrFleetPassphrase) || !strings.Contains(err.Error(), tt.says) || !strings.Contains(err.Error(), "node-000001") {
				t.Errorf("MakeFleet = %d, %v; want ErrFleetPassphrase about %q", made, err, tt.says)
			}
			if after := fleetFiles(t, dir); !maps.Equal(after, before) {
				t.Errorf("%d files, want %d as they were", len(after), len(before))
			}
			makeFleet(t, keygen.Fleet{Dir: dir, Count: 3, Passphrase: []byte(tt.first)}, 1)
			makeFleet(t, keygen.Fleet{Dir: dir, Count: 1, Name: "other", Passphrase: []byte(tt.then)}, 1)
		})
	}
}
