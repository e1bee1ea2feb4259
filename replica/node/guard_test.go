package node_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/node"
)

func TestKeyOfUnknownHistory(t *testing.T) {
	key, _ := keyFile(t)
	dir := newDir(t)
	n := up(t, "a", node.Options{Dir: dir, KeyFile: key})
	for name, api := range map[string]node.API{"node": n, "socket": attach(t, node.Options{Dir: dir})} {
		if _, err := api.Set(t.Context(), "k", nil); !errors.Is(err, replica.ErrUnconfirmed) {
			t.Errorf("%s: set with a key that may have written elsewhere: %v", name, err)
		}
	}
	if s := status(t, n); s.Write == "" {
		t.Error("status says that the node can write")
	}
	stop(t, n)
	if _, err := attach(t, node.Options{Dir: dir}).Set(t.Context(), "k", nil); !errors.Is(err, replica.ErrUnconfirmed) {
		t.Errorf("offline: %v", err)
	}
}

func TestForceIsRemembered(t *testing.T) {
	key, _ := keyFile(t)
	dir := newDir(t)
	n := up(t, "a", node.Options{Dir: dir, KeyFile: key, Force: true})
	set(t, n, "k", "v")
	stop(t, n)
	n = up(t, "again", node.Options{Dir: dir})
	set(t, n, "k", "w")
	stop(t, n)
	set(t, attach(t, node.Options{Dir: dir}), "k", "x")
}

// A key comes back with an empty store, and a peer that has what it wrote.
func TestOwnUpdatesComeFirst(t *testing.T) {
	key, id := keyFile(t)
	p := up(t, "peer", node.Options{AnyKey: true})
	n := up(t, "a", node.Options{KeyFile: key, Peers: []string{at(p)}})
	for _, v := range []string{"1", "2", "3"} {
		set(t, n, "k", v) // the peer has answered that it knows of nothing
	}
	waitValue(t, p, "k", "3")
	stop(t, n)

	n = up(t, "restored", node.Options{KeyFile: key, Peers: []string{at(p)}})
	ref, err := n.Set(t.Context(), "k", []byte("4"))
	if err != nil || ref.Seq != 4 {
		t.Fatalf("the first write of a restored author: %+v, %v; want seq 4", ref, err)
	}
	waitValue(t, p, "k", "4")
	for _, a := range status(t, p).Authors {
		if a.ID == id && (a.State != replica.StateOK || a.Seq != 4) {
			t.Errorf("at the peer the author is %+v", a)
		}
	}
}

func TestPeerIsAwaited(t *testing.T) {
	key, _ := keyFile(t)
	silent := up(t, "silent", node.Options{Topics: []string{"something else"}})
	n := up(t, "a", node.Options{KeyFile: key, Peers: []string{at(silent)}})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := n.Set(ctx, "k", nil); !errors.Is(err, replica.ErrUnconfirmed) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("set before the peer has answered: %v", err)
	}
}

// The key was made in the directory; what happens to the store decides.
func TestStoreOfOwnKey(t *testing.T) {
	tests := map[string]struct {
		change func(t *testing.T, dir string)
		writes bool
	}{
		"nothing": {func(*testing.T, string) {}, true},
		"lost":    {func(t *testing.T, dir string) { remove(t, filepath.Join(dir, "store.db")) }, false},
		"config lost": {func(t *testing.T, dir string) {
			remove(t, filepath.Join(dir, "config.json"))
			remove(t, filepath.Join(dir, "store.db"))
		}, false},
		"copied": {func(t *testing.T, dir string) {
			path := filepath.Join(dir, "store.db")
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			// The old file stays, so that the new one gets another inode.
			if err := os.Rename(path, path+".old"); err != nil {
				t.Fatal(err)
			}
			write(t, path, string(text))
		}, false},
		"put back into the same file": {func(t *testing.T, dir string) {
			path := filepath.Join(dir, "store.db")
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			n := up(t, "later", node.Options{Dir: dir})
			set(t, n, "k", "later")
			stop(t, n)
			write(t, path, string(text)) // keeps the inode
		}, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			dir := newDir(t)
			n := up(t, "a", node.Options{Dir: dir})
			set(t, n, "k", "v")
			stop(t, n)
			tt.change(t, dir)
			for range 2 { // that it has been looked at changes nothing
				n = up(t, "again", node.Options{Dir: dir})
				_, err := n.Set(t.Context(), "k", []byte("w"))
				if tt.writes && err != nil || !tt.writes && !errors.Is(err, replica.ErrUnconfirmed) {
					t.Errorf("set: %v; writes: %v", err, tt.writes)
				}
				stop(t, n)
			}
			n = up(t, "forced", node.Options{Dir: dir, Force: true})
			set(t, n, "k", "x")
			stop(t, n)
			n = up(t, "after force", node.Options{Dir: dir})
			set(t, n, "k", "y")
		})
	}
}

// A key that was made here may write in a new topic at once.
func TestNewTopicOfOwnKey(t *testing.T) {
	dir := newDir(t)
	n := up(t, "a", node.Options{Dir: dir})
	set(t, n, "k", "v")
	stop(t, n)
	n = up(t, "again", node.Options{Dir: dir, Topics: []string{"new"}})
	set(t, n, "k", "v")
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}
