// Package livetest is for the tests of models: updates made by hand, replicas whose
// clocks are moved, sessions between them, and what watchers were told.
package livetest

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/internal/wiretest"
	"github.com/hearsaynet/hearsay/replica/store"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// Update makes an update that nobody has signed. Its hash depends on all arguments.
func Update(author string, seq, time uint64, change []byte) replica.Update {
	id := keys.NodeID{0x12, 0x20}
	copy(id[2:], author)
	h := sha256.New()
	h.Write(id[:])
	binary.Write(h, binary.BigEndian, []uint64{seq, time})
	h.Write(change)
	return replica.Update{Ref: wire.Ref{Author: id, Seq: seq, Hash: wire.Hash(h.Sum(nil))}, Time: time, Change: change}
}

// Apply applies updates that mean something.
func Apply(t testing.TB, m replica.Model, us ...replica.Update) {
	t.Helper()
	for _, u := range us {
		if _, err := m.ApplyUpdate(u); err != nil {
			t.Fatalf("update %d of %q: %v", u.Seq, u.Author[2:], err)
		}
	}
}

// Rebuild does what a replica does when others count than before.
func Rebuild(t testing.TB, m interface {
	replica.Model
	replica.Rebuilder
}, us ...replica.Update) {
	t.Helper()
	m.Reset()
	Apply(t, m, us...)
	m.Rebuilt()
}

// Drain returns what a watcher has been told, in a synctest bubble.
func Drain[Change any](changes <-chan Change) (all []Change) {
	for {
		synctest.Wait()
		select {
		case c, ok := <-changes:
			if !ok {
				return all
			}
			all = append(all, c)
		default:
			return all
		}
	}
}

// Node is a replica whose clock can be moved.
type Node struct {
	*replica.Replica
	Author   *wiretest.Author
	Admitted *keys.Memory
	Ahead    atomic.Int64 // ns
}

// NewNode opens a replica of topic "t", in a synctest bubble, that admits those named.
func NewNode(t testing.TB, name string, admitted ...string) *Node {
	t.Helper()
	n := &Node{Author: wiretest.NewAuthor(name), Admitted: keys.NewMemory()}
	for _, a := range admitted {
		n.Admitted.Add(wiretest.NewAuthor(a).Key())
	}
	// A bubble's time begins in the year 2000, before this program was made.
	n.Ahead.Store(int64(time.Since(time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC))) * 2)
	var err error
	n.Replica, err = replica.Open(t.Context(), replica.Config{
		Topic: "t", Store: store.NewMemory(), Signer: wiretest.Signer{Author: n.Author}, Keystore: n.Admitted,
		Now: func() time.Time { return time.Now().Add(time.Duration(n.Ahead.Load())) },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Replica.Close() })
	return n
}

// Join holds a session between two nodes until the test ends.
func Join(t testing.TB, a, b *Node) {
	left, right := net.Pipe()
	ctx, cancel := context.WithCancel(context.Background())
	var sessions sync.WaitGroup
	sessions.Go(func() { a.Sync(ctx, left, replica.SyncConfig{}) })
	sessions.Go(func() { b.Sync(ctx, right, replica.SyncConfig{}) })
	t.Cleanup(func() { cancel(); sessions.Wait() })
}

// MustMount returns a model that is closed when the test ends.
func MustMount[Model interface{ Close() }](t testing.TB) func(Model, error) Model {
	return func(m Model, err error) Model {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(m.Close)
		return m
	}
}
