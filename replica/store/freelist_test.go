package store_test

import (
	"path/filepath"
	"testing"

	"github.com/hearsaynet/hearsay/replica/internal/wiretest"
	"github.com/hearsaynet/hearsay/replica/store"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// TestReopenWithManyFreePages: a list of free pages that fills more than half of its own
// page is no damage.
func TestReopenWithManyFreePages(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	a := wiretest.NewAuthor("a")
	at := a.Start()
	for range 4 {
		b, err := store.OpenBolt(path, store.BoltOptions{})
		if err != nil {
			t.Fatal(err)
		}
		// A tree of many pages, all of which become free when the author is cut.
		var runs []*wire.Run
		for range 100 {
			r := a.Chain(topic, at, 200)[0]
			at = r.End()
			runs = append(runs, r)
		}
		if err := b.Append(t.Context(), runs...); err != nil {
			t.Fatal(err)
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
	}
	b, err := store.OpenBolt(path, store.BoltOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for keep := uint64(11_000); ; keep -= 1000 {
		if err := b.Truncate(t.Context(), topic, at.Author, keep); err != nil {
			t.Fatal(err)
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		if b, err = store.OpenBolt(path, store.BoltOptions{}); err != nil {
			t.Fatalf("cut at %d: %v", keep, err)
		}
		if keep == 0 {
			break
		}
	}
	b.Close()
}
