package node_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hearsaynet/hearsay/replica/node"
)

func TestAttachToNothing(t *testing.T) {
	for name, dir := range map[string]string{"no directory": newDir(t), "an empty one": func() string { d := newDir(t); mkdir(t, d); return d }()} {
		if _, err := node.Attach(t.Context(), node.Options{Dir: dir}); !errors.Is(err, node.ErrNoNode) {
			t.Errorf("%s: %v, want ErrNoNode", name, err)
		}
		if _, err := os.Stat(filepath.Join(dir, "store.db")); err == nil {
			t.Errorf("%s: a store was made", name)
		}
	}
}

// A node that starts or stops is waited for, and so is another command.
func TestAttachWhileNodesComeAndGo(t *testing.T) {
	n := up(t, "a", node.Options{})
	stop(t, n)
	o := node.Options{Dir: n.Dir(), Listen: []string{"127.0.0.1:0"}}
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(done)
		for range 5 {
			n, err := node.Open(t.Context(), o)
			if errors.Is(err, node.ErrRunning) {
				continue // a command has the store
			}
			if err != nil {
				t.Error(err)
				return
			}
			if err := n.Close(); err != nil {
				t.Error(err)
			}
		}
	})
	for i := range 3 {
		wg.Go(func() {
			for j := 0; ; j++ {
				select {
				case <-done:
					return
				default:
				}
				api, err := node.Attach(t.Context(), node.Options{Dir: n.Dir()})
				if err != nil {
					t.Error(err)
					return
				}
				api.Get(t.Context(), fmt.Sprint(i, j)) // the node may stop meanwhile
				api.Close()
			}
		})
	}
	wg.Wait()
}

func TestAttachToALockThatIsHeld(t *testing.T) {
	n := up(t, "a", node.Options{})
	stop(t, n)
	holder := up(t, "holder", node.Options{Dir: n.Dir(), Offline: true}) // it does not listen
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := node.Attach(ctx, node.Options{Dir: n.Dir()}); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "locked") {
		t.Errorf("attached to a directory that is locked: %v", err)
	}
	stop(t, holder)
	attach(t, node.Options{Dir: n.Dir()})
}

// A node that was killed leaves its socket.
func TestStaleSocket(t *testing.T) {
	n := up(t, "a", node.Options{})
	stop(t, n)
	socket := filepath.Join(n.Dir(), "hearsay.sock")
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	ln.SetUnlinkOnClose(false)
	ln.Close()
	api := attach(t, node.Options{Dir: n.Dir()})
	if status(t, api).Running {
		t.Error("attached to a node that does not run")
	}
	api.Close()
	n = up(t, "again", node.Options{Dir: n.Dir()})
	if !status(t, attach(t, node.Options{Dir: n.Dir()})).Running {
		t.Error("the socket of the new node does not answer")
	}
}

func TestRuntimeDir(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no modes on windows")
	}
	run := t.TempDir()
	t.Setenv("XDG_RUNTIME_DIR", run)
	mkdir(t, filepath.Join(run, "hearsay"))
	if err := os.Chmod(filepath.Join(run, "hearsay"), 0o777); err != nil {
		t.Fatal(err)
	}
	if _, err := open(t, "a", node.Options{}); err == nil || !strings.Contains(err.Error(), run) {
		t.Errorf("started with locks where all may write: %v", err)
	}
}

func TestDefaultDir(t *testing.T) {
	t.Setenv("HOME", "/home/ada")
	for data, want := range map[string]string{
		"/data":    "/data/hearsay",
		"":         "/home/ada/.local/share/hearsay",
		"relative": "/home/ada/.local/share/hearsay",
	} {
		t.Setenv("XDG_DATA_HOME", data)
		if got, err := node.DefaultDir(); err != nil || filepath.ToSlash(got) != want {
			t.Errorf("XDG_DATA_HOME=%q: %q, %v, want %q", data, got, err, want)
		}
	}
}

// A client that goes away ends what it asked for.
func TestClientGoesAway(t *testing.T) {
	key, _ := keyFile(t)
	silent := up(t, "silent", node.Options{Topics: []string{"something else"}})
	n := up(t, "a", node.Options{KeyFile: key, Peers: []string{at(silent)}})
	api := attach(t, node.Options{Dir: n.Dir()})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := api.Set(ctx, "k", nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("set with a deadline: %v", err)
	}
	began := time.Now()
	stop(t, n)
	if took := time.Since(began); took > 2*time.Second { // it would wait 3 s for the request
		t.Errorf("the stop took %v", took)
	}
}

func TestManyWriters(t *testing.T) {
	n := up(t, "a", node.Options{})
	api := attach(t, node.Options{Dir: n.Dir()})
	const writers, each = 64, 10
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			for j := range each {
				if _, err := api.Set(t.Context(), fmt.Sprint(i, " ", j), []byte("v")); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	if got := strings.Count(dump(t, api), "\n"); got != writers*each {
		t.Errorf("%d keys, want %d", got, writers*each)
	}
}

func TestBadRequests(t *testing.T) {
	n := up(t, "a", node.Options{})
	c := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(n.Dir(), "hearsay.sock"))
	}}}
	defer c.CloseIdleConnections()
	large, err := json.Marshal(map[string]any{"key": "k", "value": make([]byte, 16<<20)})
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		op     string
		body   []byte
		status int
	}{
		"too large":  {"set", large, http.StatusBadRequest},
		"not JSON":   {"set", []byte("key=value"), http.StatusBadRequest},
		"wrong type": {"set", []byte(`{"key": 7}`), http.StatusBadRequest},
		"after it":   {"set", []byte(`{} {}`), http.StatusBadRequest},
		"unknown":    {"format", []byte(`{}`), http.StatusNotFound},
	}
	for name, tt := range tests {
		resp, err := c.Post("http://hearsay/v1/"+tt.op, "application/json", bytes.NewReader(tt.body))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if resp.StatusCode != tt.status {
			t.Errorf("%s: %s, want %d", name, resp.Status, tt.status)
		}
	}
	if s := status(t, n); s.Counts.Applied != 0 {
		t.Error("something was written")
	}
}
