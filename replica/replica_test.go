package replica_test

import (
	"context"
	"slices"
	"testing"

	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/store"
)

func TestTwoReplicas(t *testing.T) {
	a, b := open(t, "a", nil), open(t, "b", nil)
	a.write(t, "1", "2", "3")
	b.write(t, "x", "y")
	link(t, a.Replica, b.Replica)
	a.reach(t, b.author.ID(), 2)
	b.reach(t, a.author.ID(), 3)
	a.write(t, "4") // live
	b.reach(t, a.author.ID(), 4)
	if got := b.journal.of(a.author.ID()); !slices.Equal(got, count(4)) {
		t.Errorf("b folded %v of a, want 1 to 4", got)
	}
}

func TestThroughRelay(t *testing.T) {
	a, b, relay := open(t, "a", nil), open(t, "b", nil), open(t, "", nil)
	a.write(t, "1", "2")
	cut := link(t, a.Replica, relay.Replica)
	relay.reach(t, a.author.ID(), 2)
	cut() // store and forward
	link(t, relay.Replica, b.Replica)
	b.reach(t, a.author.ID(), 2)
}

func TestManyUpdates(t *testing.T) {
	a, b := open(t, "a", nil), open(t, "b", nil)
	const n = 5000
	changes := make([][]byte, 250)
	for i := range changes {
		changes[i] = []byte("change")
	}
	for range n / len(changes) {
		if _, err := a.LocalUpdates(t.Context(), "test", changes...); err != nil {
			t.Fatal(err)
		}
	}
	link(t, a.Replica, b.Replica)
	b.reach(t, a.author.ID(), n)
	if got := b.journal.of(a.author.ID()); !slices.Equal(got, count(n)) {
		t.Errorf("b folded %d updates of a, want 1 to %d in order", len(got), n)
	}
}

func TestStopWhenDrained(t *testing.T) {
	a, b := open(t, "a", nil), open(t, "b", nil)
	a.write(t, "1", "2", "3")
	b.write(t, "x")
	ca, cb := pipe()
	done := make(chan error, 1)
	go func() { done <- a.Sync(t.Context(), ca, replica.SyncConfig{StopWhenDrained: true}) }()
	if err := b.Sync(t.Context(), cb, replica.SyncConfig{}); err != nil {
		t.Errorf("following side: %v", err)
	}
	if err := <-done; err != nil {
		t.Errorf("stopping side: %v", err)
	}
	if got := a.journal.of(b.author.ID()); len(got) != 1 {
		t.Errorf("a has %v of b, want its one update", got)
	}
	b.reach(t, a.author.ID(), 3)
}

func TestReopen(t *testing.T) {
	s := store.NewMemory()
	keep := func(c *replica.Config) { c.Store = s }
	a := open(t, "a", keep)
	a.write(t, "1", "2")
	a.Close()
	again := open(t, "a", keep)
	again.write(t, "3")
	if got := again.journal.of(a.author.ID()); !slices.Equal(got, count(3)) {
		t.Errorf("after reopening: %v, want 1 to 3", got)
	}
}

func TestLocalUpdateAfterClose(t *testing.T) {
	a := open(t, "a", nil)
	a.Close()
	_, err := a.LocalUpdate(context.Background(), "test", []byte("late"))
	mustErr(t, err, replica.ErrClosed)
}
