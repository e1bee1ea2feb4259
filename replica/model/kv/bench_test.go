package kv_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/kv"
)

const benchKeys = 100_000

func benchKey(i int) string { return fmt.Sprintf("key/%07d", i%benchKeys) }

// stream makes sets of one key after the other to 200 bytes. A change is in the CPU's
// cache when it gets here, as one that has just been verified is, and its bytes are
// reused.
type stream struct {
	replica.Update
	n int
}

func newStream() *stream {
	return &stream{Update: update("a", 0, 0, kv.MustSet(benchKey(0), string(make([]byte, 200))))}
}

func (s *stream) next() *replica.Update {
	digits := s.Change[len("\x01\x00\x0bkey/"):][:7]
	for i, n := len(digits)-1, s.n%benchKeys; i >= 0; i, n = i-1, n/10 {
		digits[i] = byte('0' + n%10)
	}
	s.n++
	s.Seq++
	s.Time++
	return &s.Update
}

// filled returns a map of benchKeys keys, and the stream that made it.
func filled(b *testing.B, buffer int) (*kv.Map, kv.Model, *stream) {
	m, model := kv.Detached(keys.NodeID{}, buffer)
	s := newStream()
	for range benchKeys {
		apply(b, model, *s.next())
	}
	if m.Len() != benchKeys {
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
	})
	b.Run("overwrite", func(b *testing.B) {
		b.ReportAllocs()
		_, model, s := filled(b, 1)
		for b.Loop() {
			model.ApplyUpdate(*s.next())
		}
	})
	b.Run("superseded", func(b *testing.B) {
		b.ReportAllocs()
		_, model, s := filled(b, 1)
		for b.Loop() {
			u := *s.next()
			u.Time = 0
			model.ApplyUpdate(u)
		}
	})
	b.Run("watched", func(b *testing.B) {
		b.ReportAllocs()
		m, model, s := filled(b, kv.DefaultWatchBuffer)
		for i := range 4 {
			watch(b, m, fmt.Sprintf("key/%d*", i))
		}
		for b.Loop() {
			model.ApplyUpdate(*s.next())
		}
		m.Close()
	})
}

func BenchmarkGet(b *testing.B) {
	names := make([]string, benchKeys)
	for i := range names {
		names[i] = benchKey(i)
	}
	for _, loaded := range []bool{false, true} {
		b.Run(fmt.Sprintf("writing=%v", loaded), func(b *testing.B) {
			b.ReportAllocs()
			m, model, s := filled(b, 1)
			stop := make(chan struct{})
			var writer sync.WaitGroup
			if loaded {
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
			}
			i := 0
			for b.Loop() {
				if _, ok := m.Get(names[i%len(names)]); !ok {
					b.Fatal("gone")
				}
				i++
			}
			close(stop)
			writer.Wait()
		})
	}
}

func BenchmarkAll(b *testing.B) {
	m, _, _ := filled(b, 1)
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
