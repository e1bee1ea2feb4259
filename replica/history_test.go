package replica_test

import (
	"fmt"
	"iter"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/internal/wiretest"
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
