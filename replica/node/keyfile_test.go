package node_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/hearsaynet/hearsay/keygen"
	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/node"
	"github.com/hearsaynet/hearsay/replica/store"
	"github.com/hearsaynet/hearsay/sign"
)

func TestEncryptedKey(t *testing.T) {
	k, err := keygen.Generate(keygen.Ed25519, 0)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "key")
	if err := keygen.WriteFiles(path, k, "", []byte("secret")); err != nil {
		t.Fatal(err)
	}
	asked := 0
	secret := func(s string) func() ([]byte, error) {
		return func() ([]byte, error) { asked++; return []byte(s), nil }
	}
	dir := newDir(t)
	if _, err := open(t, "nobody to ask", node.Options{Dir: dir, KeyFile: path}); !errors.Is(err, sign.ErrPassphraseNeeded) {
		t.Fatalf("without a passphrase: %v", err)
	}
	if _, err := open(t, "wrong", node.Options{Dir: dir, KeyFile: path, Passphrase: secret("wrong")}); !errors.Is(err, sign.ErrWrongPassphrase) {
		t.Fatalf("with a wrong passphrase: %v", err)
	}
	n := up(t, "a", node.Options{Dir: dir, KeyFile: path, Passphrase: secret("secret"), Force: true})
	set(t, n, "k", "v")
	asked = 0
	set(t, attach(t, node.Options{Dir: dir, Passphrase: secret("wrong")}), "k", "w") // the node has the key
	stop(t, n)

	api := attach(t, node.Options{Dir: dir, Passphrase: secret("wrong")})
	if v, err := api.Get(t.Context(), "k"); err != nil || string(v.Value) != "w" {
		t.Errorf("get: %+v, %v", v, err)
	}
	if asked != 0 {
		t.Errorf("asked %d times for a passphrase that nothing needed", asked)
	}
	if _, err := api.Set(soon(t), "k", nil); !errors.Is(err, sign.ErrWrongPassphrase) {
		t.Errorf("set with a wrong passphrase: %v", err)
	}
	api.Close()
	api = attach(t, node.Options{Dir: dir, Passphrase: secret("secret")})
	set(t, api, "k", "x")
	set(t, api, "k", "y")
	if asked != 2 {
		t.Errorf("asked %d times, want one wrong answer and one right", asked)
	}
}

// soon is for calls that must not wait.
func soon(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// The key file is another one now.
func TestKeyFileReplaced(t *testing.T) {
	dir := newDir(t)
	stop(t, up(t, "a", node.Options{Dir: dir}))
	other, _ := keyFile(t)
	text, err := os.ReadFile(other)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "id_ed25519"), string(text))
	if _, err := open(t, "again", node.Options{Dir: dir}); err == nil {
		t.Error("started with another key")
	}
	api := attach(t, node.Options{Dir: dir})
	if _, err := api.Set(soon(t), "k", nil); err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("set with another key: %v", err)
	}
	api.Close()
	faults := fsck(t, dir)
	if len(faults) != 1 || faults[0].Where != "id_ed25519" {
		t.Errorf("fsck: %+v", faults)
	}
}

func fsck(t *testing.T, dir string) (faults []store.Fault) {
	t.Helper()
	if err := node.Fsck(t.Context(), dir, func(f store.Fault) { faults = append(faults, f) }); err != nil {
		t.Fatalf("fsck: %v", err)
	}
	return faults
}

func TestFsck(t *testing.T) {
	if err := node.Fsck(t.Context(), newDir(t), nil); !errors.Is(err, node.ErrNoNode) {
		t.Errorf("fsck of nothing: %v", err)
	}
	n := up(t, "a", node.Options{})
	dir := n.Dir()
	for range 20 {
		set(t, n, "k", "some value or other")
	}
	if err := node.Fsck(t.Context(), dir, nil); !errors.Is(err, node.ErrRunning) {
		t.Errorf("fsck under a running node: %v", err)
	}
	stop(t, n)
	if faults := fsck(t, dir); len(faults) != 0 {
		t.Errorf("fsck of a sound store: %v", faults)
	}
	write(t, filepath.Join(dir, "trusted", "x.pub"), "no key")
	if err := os.Chmod(filepath.Join(dir, "id_ed25519"), 0o644); err != nil {
		t.Fatal(err)
	}
	damage(t, filepath.Join(dir, "store.db"))
	var where []string
	for _, f := range fsck(t, dir) {
		where = append(where, f.Where)
	}
	if len(where) < 3 || where[0] != "id_ed25519" || where[1] != filepath.Join("trusted", "x.pub:1") {
		t.Errorf("faults in %q; want the key's mode, a trusted file, and the store", where)
	}
}

// damage flips a bit of a stored value.
func damage(t *testing.T, path string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := len(text) - len("other"); i > 0; i-- {
		if string(text[i:i+len("other")]) == "other" {
			text[i] ^= 1
		}
	}
	write(t, path, string(text))
}

func TestUntrustStranger(t *testing.T) {
	dir := newDir(t)
	_, id := keyFile(t)
	if err := node.Untrust(dir, id); !errors.Is(err, node.ErrNoNode) {
		t.Errorf("in no directory: %v", err)
	}
	key, _ := keyFile(t)
	trust(t, dir, key) // before the first start
	if err := node.Untrust(dir, id); !errors.Is(err, keys.ErrUnknown) {
		t.Errorf("a stranger: %v", err)
	}
	if _, _, err := node.Trust(dir, []byte("ssh-dss AAAA")); err == nil {
		t.Error("trusted what is no key")
	}
	up(t, "a", node.Options{Dir: dir})
}
