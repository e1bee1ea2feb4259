package events_test

import (
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/events"
)

// stream makes events of 200 bytes by 16 authors, nearly in order. Its change is
// reused, as bytes are that have just been verified.
type stream struct {
	of [16]replica.Update
	n  uint64
}

func newStream(until uint64) *stream {
	s := &stream{}
	for i := range s.of {
		s.of[i] = update(string(rune('a'+i)), 1, 1, events.ChangeUntil("sensors.hall", until, string(make([]byte, 200))))
	}
	return s
}

func (s *stream) next() replica.Update {
	u := &s.of[s.n*7%16]
	s.n++
	u.Seq, u.Time = s.n, s.n+s.n*5%16
	return *u
}

// live returns the bytes of the heap that are in use.
func live() uint64 {
	var s runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&s)
	return s.HeapAlloc
}

// filled returns a log of n events, the stream that made them, and the bytes of memory
// that each takes.
func filled(b *testing.B, n int, until uint64) (*events.Log, events.Model, *stream, float64) {
	before := live()
	l, model := events.Detached()
	b.Cleanup(l.Close)
	s := newStream(until)
	for range n {
		model.ApplyUpdate(s.next())
	}
	if l.Len() != n {
		b.Fatal(l.Len())
	}
	return l, model, s, float64(live()-before) / float64(n)
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
			s := newStream(tt.until)
			for b.Loop() {
				model.ApplyUpdate(s.next())
			}
			b.ReportMetric(float64(len(s.of[0].Change)), "wire-B/op")
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
	}{{"", 0}, {"", 100}, {"sensors.*", 100}} {
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
	n := 1_000_000
	if testing.Short() {
		n = 100_000
	}
	l, model, s, _ := filled(b, n, 0)
	read := func(b *testing.B) {
		for b.Loop() {
			if l.Len() < n {
				b.Fatal(l.Len())
			}
			got := 0
			for range replayFrom(l, "", events.From{Last: 100}) {
				got++
			}
			if got != 100 {
				b.Fatal(got)
			}
		}
	}
	b.Run("alone", read)
	b.Run("writing", func(b *testing.B) {
		stop := make(chan struct{})
		var writer sync.WaitGroup
		writer.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					model.ApplyUpdate(s.next())
				}
			}
		})
		read(b)
		close(stop)
		writer.Wait()
	})
}
