package node_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/hearsaynet/hearsay/keygen"
	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/node"
)

// patience bounds what a test waits for; nothing waits as long unless it fails.
const patience = 30 * time.Second

func TestMain(m *testing.M) {
	run, err := os.MkdirTemp("", "hearsay-test")
	if err != nil {
		panic(err)
	}
	os.Setenv("XDG_RUNTIME_DIR", run)
	code := m.Run()
	os.RemoveAll(run)
	os.Exit(code)
}

// logger writes a node's log to the test's.
func logger(t *testing.T, name string) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), nil)).With("node", name)
}

// newDir names a data directory that does not exist yet.
func newDir(t *testing.T) string { return filepath.Join(t.TempDir(), "data") }

// up starts a node on a free port of loopback, unless o says otherwise.
func up(t *testing.T, name string, o node.Options) *node.Node {
	t.Helper()
	n, err := open(t, name, o)
	if err != nil {
		t.Fatalf("node %s: %v", name, err)
	}
	return n
}

func open(t *testing.T, name string, o node.Options) (*node.Node, error) {
	if o.Dir == "" {
		o.Dir = newDir(t)
	}
	if o.Listen == nil && !o.Offline {
		o.Listen = []string{"127.0.0.1:0"}
	}
	o.Log = logger(t, name)
	n, err := node.Open(t.Context(), o)
	if err == nil {
		t.Cleanup(func() { stop(t, n) })
	}
	return n, err
}

func stop(t *testing.T, n *node.Node) {
	t.Helper()
	if err := n.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

// at is how a peer dials n.
func at(n *node.Node) string { return n.ID().String() + "@" + n.ListenAddrs()[0] }

func attach(t *testing.T, o node.Options) node.API {
	t.Helper()
	api, err := node.Attach(t.Context(), o)
	if err != nil {
		t.Fatalf("attach: %v", err)
	}
	t.Cleanup(func() { api.Close() })
	return api
}

func set(t *testing.T, api node.API, key, value string) {
	t.Helper()
	if _, err := api.Set(t.Context(), key, []byte(value)); err != nil {
		t.Fatalf("set %q: %v", key, err)
	}
}

// waitValue waits until key has a value; want "" waits until it has none.
func waitValue(t *testing.T, api node.API, key, want string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	changes := api.Watch(ctx, key)
	is := func() bool {
		v, err := api.Get(ctx, key)
		return err != nil && want == "" || err == nil && string(v.Value) == want
	}
	if is() {
		return
	}
	for _, err := range changes {
		if err != nil {
			t.Fatalf("watch %q: %v", key, err)
		}
		if is() {
			return
		}
	}
	t.Fatalf("%q has not become %q within %v", key, want, patience)
}

// eventually polls until ok.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

func status(t *testing.T, api node.API) *node.Status {
	t.Helper()
	s, err := api.Status(t.Context())
	if err != nil {
		t.Fatalf("status: %v", err)
	}
	return s
}

func dump(t *testing.T, api node.API) string {
	t.Helper()
	var b bytes.Buffer
	for v, err := range api.Dump(t.Context()) {
		if err != nil {
			t.Fatalf("dump: %v", err)
		}
		fmt.Fprintf(&b, "%s=%s %v %d %v %v\n", v.Key, v.Value, v.Author, v.Seq, v.Time, v.Hash)
	}
	return b.String()
}

// keyFile makes a key outside of any data directory, as ssh-keygen would.
func keyFile(t *testing.T) (path string, id keys.NodeID) {
	t.Helper()
	k, err := keygen.Generate(keygen.Ed25519, 0)
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(t.TempDir(), "key")
	if err := keygen.WriteFiles(path, k, "", nil); err != nil {
		t.Fatal(err)
	}
	return path, k.Public().ID()
}

func trust(t *testing.T, dir, keyFile string) {
	t.Helper()
	pub, err := os.ReadFile(keyFile + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := node.Trust(dir, pub); err != nil {
		t.Fatalf("trust: %v", err)
	}
}
