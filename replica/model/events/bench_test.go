package events_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/hearsaynet/hearsay/replica/model/events"
	"github.com/hearsaynet/hearsay/replica/model/internal/livetest"
)

// benchChange is an event of 200 bytes.
func benchChange(until uint64) []byte {
	return events.ChangeUntil("sensors.hall", until, string(make([]byte, 200)))
}

// filled returns a log of n events, the stream that made them, and the bytes of memory
// that each takes.
func filled(b *testing.B, n int, until uint64) (*events.Log, events.Model, *livetest.Stream, float64) {
	before := livetest.LiveHeap()
	l, model := events.Detached()
	b.Cleanup(l.Close)
	s := livetest.NewStream(benchChange(until))
	s.Fill(model, n)
	if l.Len() != n {
		b.Fatal(l.Len())
	}
	return l, model, s, float64(livetest.LiveHeap()-before) / float64(n)
}

func BenchmarkApply(b *testing.B) {
	for _, tt := range []struct {
		name      string
		until     uint64
		followers int
	}{
		{"alone", 0, 0},
		{"followers=1", 0, 1},
		{"until", uint64(time.Now().Add(time.Hour).UnixNano()), 0},
	} {
		b.Run(tt.name, func(b *testing.B) {
			b.ReportAllocs()
			_, _, _, memory := filled(b, 100_000, tt.until)
			l, model := events.Detached()
			var followers sync.WaitGroup
			for range tt.followers {
				followers.Go(func() {
					for range followed(b.Context(), l, "") {
					}
				})
			}
			s := livetest.NewStream(benchChange(tt.until))
			for b.Loop() {
				model.ApplyUpdate(s.Next())
			}
			b.ReportMetric(float64(len(benchChange(tt.until))), "wire-B/op")
			b.ReportMetric(memory, "mem-B/op")
			l.Close()
			followers.Wait()
		})
	}
}

func BenchmarkReplay(b *testing.B) {
	l, _, _, _ := filled(b, 100_000, 0)
	for _, tt := range []struct {
		pattern string
		last    int
	}{{"", 0}, {"", 100}, {"sensors.*", 100}, {"other.*", 100}} {
		b.Run(fmt.Sprintf("pattern=%s/last=%d", tt.pattern, tt.last), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				for range replayFrom(l, tt.pattern, events.From{Last: tt.last}) {
				}
			}
		})
	}
}

// BenchmarkReadWhileWriting reads the length and the newest 100 of 1,000,000 events,
// alone and while events arrive.
func BenchmarkReadWhileWriting(b *testing.B) {
	n := livetest.Million()
	l, model, s, _ := filled(b, n, 0)
	livetest.AloneAndWriting(b, func() {
		got := 0
		for range replayFrom(l, "", events.From{Last: 100}) {
			got++
		}
		if got != 100 || l.Len() < n {
			b.Fatal(got, l.Len())
		}
	}, func() { model.ApplyUpdate(s.Next()) })
}
