package kv_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/internal/livetest"
	"github.com/hearsaynet/hearsay/replica/model/kv"
)

const benchKeys = 100_000

func benchKey(i int) string { return fmt.Sprintf("key/%07d", i) }

// stream makes sets of one key after the other to 200 bytes. A change is in the CPU's
// cache when it gets here, as one that has just been verified is, and its bytes are
// reused.
type stream struct {
	replica.Update
	keys, n int
}

func newStream() *stream {
	return &stream{keys: benchKeys, Update: update("a", 0, 0, kv.MustSet(benchKey(0), string(make([]byte, 200))))}
}

func (s *stream) next() *replica.Update {
	digits := s.Change[len("\x01\x00\x0bkey/"):][:7]
	for i, n := len(digits)-1, s.n%s.keys; i >= 0; i, n = i-1, n/10 {
		digits[i] = byte('0' + n%10)
	}
	s.n++
	s.Seq++
	s.Time++
	return &s.Update
}

// filled returns a map of n keys, or as many as it takes, and the stream that made it.
func filled(b *testing.B, cfg kv.Config, n int) (*kv.Map, kv.Model, *stream) {
	m, model := kv.DetachedWith(keys.NodeID{}, cfg, time.Now)
	s := newStream()
	s.keys = n
	for range n {
		apply(b, model, *s.next())
	}
	if m.Len() != n && cfg.MaxKeys == 0 {
		b.Fatal(m.Len())
	}
	return m, model, s
}

func BenchmarkApply(b *testing.B) {
	b.Run("new", func(b *testing.B) {
		b.ReportAllocs()
		_, model := kv.Detached(keys.NodeID{}, 1)
		s := newStream()
		for b.Loop() {
			if s.n == benchKeys {
				_, model = kv.Detached(keys.NodeID{}, 1)
				s.n = 0
			}
			model.ApplyUpdate(*s.next())
		}
		b.ReportMetric(float64(len(s.Change)), "wire-B/op")
		b.ReportMetric(memory(b, kv.Config{}, s.Change), "mem-B/op")
	})
	b.Run("overwrite", func(b *testing.B) {
		b.ReportAllocs()
		_, model, s := filled(b, kv.Config{}, benchKeys)
		for b.Loop() {
			model.ApplyUpdate(*s.next())
		}
	})
	b.Run("superseded", func(b *testing.B) {
		b.ReportAllocs()
		_, model, s := filled(b, kv.Config{}, benchKeys)
		for b.Loop() {
			u := *s.next()
			u.Time = 0
			model.ApplyUpdate(u)
		}
	})
	b.Run("watched", func(b *testing.B) {
		b.ReportAllocs()
		m, model, s := filled(b, kv.Config{WatchBuffer: kv.DefaultWatchBuffer}, benchKeys)
		for i := range 4 {
			watch(b, m, fmt.Sprintf("key/%d*", i))
		}
		for b.Loop() {
			model.ApplyUpdate(*s.next())
		}
		m.Close()
	})
	b.Run("expiring", func(b *testing.B) {
		b.ReportAllocs()
		m, model, s := filled(b, kv.Config{}, benchKeys)
		s.Change = kv.MustSetUntil(benchKey(0), string(make([]byte, 200)), 1<<62)
		for b.Loop() {
			model.ApplyUpdate(*s.next())
		}
		b.ReportMetric(float64(len(s.Change)), "wire-B/op")
		b.ReportMetric(memory(b, kv.Config{}, s.Change), "mem-B/op")
		m.Close()
	})
	b.Run("capped", func(b *testing.B) { // each evicts another
		b.ReportAllocs()
		_, model, s := filled(b, kv.Config{MaxKeys: benchKeys / 2}, benchKeys)
		for b.Loop() {
			model.ApplyUpdate(*s.next())
		}
		b.ReportMetric(memory(b, kv.Config{MaxKeys: benchKeys}, s.Change), "mem-B/op")
	})
	b.Run("resolve", func(b *testing.B) {
		b.ReportAllocs()
		_, model, s := filled(b, kv.Config{Resolve: kv.StrictOrder}, benchKeys)
		for b.Loop() {
			model.ApplyUpdate(*s.next())
		}
	})
}

// memory is what a key takes, in bytes of live heap, when change sets it.
func memory(b *testing.B, cfg kv.Config, change []byte) float64 {
	m, model := kv.DetachedWith(keys.NodeID{}, cfg, time.Now)
	defer m.Close()
	s := newStream()
	s.Change = bytes.Clone(change)
	return float64(heapOf(b, func() {
		for range benchKeys {
			model.ApplyUpdate(*s.next())
		}
	})) / benchKeys
}

// BenchmarkReadWhileWriting gets keys of a large map, alone and while one writer
// overwrites them as fast as it can.
func BenchmarkReadWhileWriting(b *testing.B) {
	n := livetest.Million()
	m, model, s := filled(b, kv.Config{}, n)
	names := make([]string, n)
	for i := range names {
		names[i] = benchKey(i)
	}
	rand.Shuffle(n, func(i, j int) { names[i], names[j] = names[j], names[i] })
	read := func(b *testing.B) {
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			if _, ok := m.Get(names[i%n]); !ok {
				b.Fatal("gone")
			}
			i++
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
				}
				model.ApplyUpdate(*s.next())
			}
		})
		read(b)
		close(stop)
		writer.Wait()
	})
}

func BenchmarkAll(b *testing.B) {
	m, _, _ := filled(b, kv.Config{}, benchKeys)
	for b.Loop() {
		n := 0
		for range m.All() {
			n++
		}
		if n != benchKeys {
			b.Fatal(n)
		}
	}
}
