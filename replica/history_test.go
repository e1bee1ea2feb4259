package replica_test

import (
	"fmt"
	"iter"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/internal/wiretest"
	"github.com/hearsaynet/hearsay/replica/store"
)

// changesOf returns the changes of updates, in order.
func changesOf(t *testing.T, seq iter.Seq2[replica.Update, error]) (changes []string) {
	t.Helper()
	for u, err := range seq {
		if err != nil {
			t.Fatal(err)
		}
		changes = append(changes, string(u.Change))
	}
	return changes
}

func TestSelect(t *testing.T) { synctest.Test(t, testSelect) }

func testSelect(t *testing.T) {
	authors := wiretest.NewAuthors("author", 2)
	slices.SortFunc(authors, func(a, b *wiretest.Author) int { return a.ID().Compare(b.ID()) })
	x, y := authors[0], authors[1]
	p := open(t, "", atModern)
	at := uint64(modern().Add(-time.Hour).UnixNano())
	first := x.Run(topic, x.Start(), wiretest.Change(at+1, "a", "x1"), wiretest.Change(at+4, "b", "x2"))
	tell(t, p, x, first, x.Run(topic, first.End(), wiretest.Change(at+5, "a", "x3")))
	tell(t, p, y, y.Run(topic, y.Start(), wiretest.Change(at+2, "b", "y1"), wiretest.Change(at+3, "a", "y2")))
	synctest.Wait()
	last := func(a, b replica.Update) int { return int(b.Change[1]) - int(a.Change[1]) }
	for _, tt := range []struct {
		name string
		s    replica.Selection
		want []string
	}{
		{"all", replica.Selection{}, []string{"x1", "x2", "x3", "y1", "y2"}},
		{"by time", replica.Selection{Order: replica.ByTime}, []string{"x1", "y1", "y2", "x2", "x3"}},
		{"sorted, ties by time", replica.Selection{Sort: last}, []string{"x3", "y2", "x2", "x1", "y1"}},
		{"one channel", replica.Selection{Channels: []string{"b"}, Order: replica.ByTime}, []string{"y1", "x2"}},
		{"no channel", replica.Selection{Channels: []string{}}, nil},
		{"one author", replica.Selection{Authors: []keys.NodeID{y.ID()}}, []string{"y1", "y2"}},
		{"no author", replica.Selection{Authors: []keys.NodeID{}}, nil},
		{"after a clock", replica.Selection{After: replica.Clock{x.ID(): {Seq: 2}, y.ID(): {Seq: 7}}}, []string{"x3"}},
		{"after, inside a run", replica.Selection{After: replica.Clock{x.ID(): {Seq: 1}}, Authors: []keys.NodeID{x.ID()}, Sort: last}, []string{"x3", "x2"}},
	} {
		got := changesOf(t, p.Select(tt.s))
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
	for _, o := range []replica.Order{0, 3} {
		for _, err := range p.History(nil, o) {
			if want := fmt.Sprintf("replica: Order(%d) is none of History's", o); err == nil || err.Error() != want {
				t.Errorf("got %v, want %s", err, want)
			}
		}
	}
	for range p.Select(replica.Selection{Sort: last}) { // a reader that stops
		break
	}
	p.Close()
}

// What is sorted holds the changes that are selected, and nothing else of their runs.
func TestSelectionIsSmall(t *testing.T) {
	s, err := store.OpenBolt(filepath.Join(t.TempDir(), "store"), store.BoltOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	x := wiretest.NewAuthor("x")
	const runs, large = 16, 900 << 10
	for prev := x.Start(); prev.Seq < 2*runs; {
		run := x.Run(topic, prev, wiretest.Change(prev.Seq+1, "large", strings.Repeat("l", large)), wiretest.Change(prev.Seq+2, "small", "s"))
		if err := s.Append(t.Context(), run); err != nil {
			t.Fatal(err)
		}
		prev = run.End()
	}
	p := open(t, "", func(c *replica.Config) { c.Store = s })
	defer p.Close()
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before, n := heap(), 0
	for _, err := range p.Select(replica.Selection{Channels: []string{"small"}, Order: replica.ByTime}) {
		if err != nil {
			t.Fatal(err)
		}
		if n++; n > 1 {
			continue
		}
		if now := heap(); now > before+runs/2*large {
			t.Errorf("%d bytes are held for %d updates of a byte", now-before, runs)
		}
	}
	if n != runs {
		t.Errorf("%d updates, want %d", n, runs)
	}
}
