package feed_test

import (
	"testing"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/model/feed"
	"github.com/hearsaynet/hearsay/replica/model/internal/livetest"
)

// filled returns a feed of n items of 200 bytes, the stream that made them, and the bytes
// of memory that each takes.
func filled(b *testing.B, n int) (*feed.Feed, feed.Model, *livetest.Stream, float64) {
	before := livetest.LiveHeap()
	f, model := feed.Detached(keys.NodeID{}, 1)
	b.Cleanup(f.Close)
	s := livetest.NewStream(feed.PushChange(string(make([]byte, 200))))
	s.Fill(model, n)
	if f.Len() != n {
		b.Fatal(f.Len())
	}
	return f, model, s, float64(livetest.LiveHeap()-before) / float64(n)
}

func BenchmarkApply(b *testing.B) {
	const n = 100_000
	b.Run("push", func(b *testing.B) {
		b.ReportAllocs()
		_, _, _, memory := filled(b, n)
		_, model := feed.Detached(keys.NodeID{}, 1)
		s := livetest.NewStream(feed.PushChange(string(make([]byte, 200))))
		for b.Loop() {
			model.ApplyUpdate(s.Next())
		}
		b.ReportMetric(float64(len(s.Next().Change)), "wire-B/op")
		b.ReportMetric(memory, "mem-B/op")
	})
	b.Run("remove", func(b *testing.B) {
		b.ReportAllocs()
		u := livetest.Update("a", 0, 0, nil)
		push := feed.PushChange("")
		_, model := feed.Detached(u.Author, 1)
		before := livetest.LiveHeap()
		_, removed := feed.Detached(u.Author, 1)
		for item := range uint64(n) {
			u.Seq, u.Change = n+item, feed.RemoveChange(item+1)
			removed.ApplyUpdate(u)
		}
		memory := float64(livetest.LiveHeap()-before) / n
		removed.Reset()
		for item := uint64(1); b.Loop(); item++ { // a push and its removal
			u.Seq, u.Time, u.Change = 2*item-1, item, push
			model.ApplyUpdate(u)
			u.Seq, u.Change = 2*item, feed.RemoveChange(2*item-1)
			model.ApplyUpdate(u)
		}
		b.ReportMetric(float64(len(u.Change)), "wire-B/op")
		b.ReportMetric(memory, "mem-B/op")
	})
}

// BenchmarkReadWhileWriting reads the length and the newest 100 of 1,000,000 items,
// alone and while items arrive.
func BenchmarkReadWhileWriting(b *testing.B) {
	n := livetest.Million()
	f, model, s, _ := filled(b, n)
	livetest.AloneAndWriting(b, func() {
		got := 0
		for range f.Newest(100) {
			got++
		}
		if got != 100 || f.Len() < n {
			b.Fatal(got, f.Len())
		}
	}, func() { model.ApplyUpdate(s.Next()) })
}
