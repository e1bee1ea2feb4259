package replica

import (
	"context"
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/store"
	"github.com/hearsaynet/hearsay/verify"
)

// Ids cost nothing: what is remembered of those that were dropped must not grow with
// them, nor may it crowd out an author that is stored.
func TestDroppedIsBounded(t *testing.T) {
	known := keys.NodeID{1}
	r := &Replica{dropped: map[keys.NodeID]struct{}{}, authors: map[keys.NodeID]*author{known: {id: known}}}
	for i := range uint64(3 * maxDropped) {
		var id keys.NodeID
		binary.BigEndian.PutUint64(id[2:], i+1)
		r.droppedLocked(id)
	}
	r.droppedLocked(known)
	if n := len(r.dropped); n > maxDropped+2 {
		t.Errorf("%d authors are remembered, want at most %d", n, maxDropped+2)
	}
	if _, ok := r.dropped[known]; !ok {
		t.Error("a stored author was crowded out")
	}
}

// Refusals are remembered for each origin apart, and are bounded in all.
func TestRefusalsAreBounded(t *testing.T) {
	g := refusals{origins: map[string]*ring{}}
	id := keys.NodeID{1}
	g.add("modest", refusal{author: id, first: 5, last: 5, why: "once"})
	for i := range 10 * maxRefusals {
		g.add("hog", refusal{author: id, first: uint64(i), last: uint64(i), why: "again"})
	}
	found := g.of(id, 5)
	if len(found) != 1 || found[0].why != "once" {
		t.Errorf("found %v, want what the modest origin was told", found)
	}
	if n := len(g.of(id, 10*maxRefusals-1)); n != 1 {
		t.Errorf("%d refusals of the newest, want 1", n)
	}
	for i := range 3 * maxRefusalOrigins {
		g.add(fmt.Sprint(i), refusal{author: id})
	}
	if n := len(g.origins); n > maxRefusalOrigins {
		t.Errorf("%d origins are remembered, want at most %d", n, maxRefusalOrigins)
	}
}

// An author that dates each update a little earlier than the one before does not make
// the heap of parked updates grow by one entry an update.
func TestParkedHeapIsBounded(t *testing.T) {
	r, err := Open(context.Background(), Config{Topic: "t", Store: store.NewMemory(), Verify: verify.AnyKey()})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	m := &r.models
	m.mu.Lock()
	defer m.mu.Unlock()
	f := &folded{parked: map[uint64]uint64{}}
	at := uint64(time.Now().AddDate(100, 0, 0).UnixNano())
	for seq := range uint64(1_000_000) {
		m.holdLocked(f, keys.NodeID{1}, seq+1, at-seq)
	}
	if n := len(m.due); n > 10*maxParked {
		t.Errorf("%d entries in the heap, %d are held: 56 bytes each", n, len(f.parked))
	}
}
