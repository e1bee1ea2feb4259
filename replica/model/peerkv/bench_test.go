package peerkv_test

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/internal/livetest"
	"github.com/hearsaynet/hearsay/replica/model/peerkv"
)

const (
	benchAuthors = 100
	valueSize    = 200
)

// stream makes sets of one key after the other, n in all, of a hundred authors in turn, to
// 200 bytes. A change is in the CPU's cache when it gets here, as one that has just been
// verified is, and its bytes are reused.
type stream struct {
	authors []keys.NodeID
	update  replica.Update
	n, i    int
}

func newStream(n int) *stream {
	s := &stream{n: n, update: livetest.Update("", 0, 0, peerkv.MustSet(benchKey(0), string(make([]byte, valueSize))))}
	for i := range benchAuthors {
		s.authors = append(s.authors, id(fmt.Sprint(i)))
	}
	return s
}

func benchKey(i int) string { return fmt.Sprintf("key/%07d", i) }

func (s *stream) next() replica.Update {
	digits := s.update.Change[len("\x01\x00\x0bkey/"):][:7]
	for i, n := len(digits)-1, s.i%s.n/benchAuthors; i >= 0; i, n = i-1, n/10 {
		digits[i] = byte('0' + n%10)
	}
	s.update.Author = s.authors[s.i%benchAuthors]
	s.i++
	s.update.Seq++
	s.update.Time++
	return s.update
}

// filled returns maps of n keys, and the stream that made them.
func filled(b *testing.B, n int) (*peerkv.Map, peerkv.Model, *stream) {
	m, model := detached()
	s := newStream(n)
	for range n {
		model.ApplyUpdate(s.next())
	}
	if m.Len() != n {
		b.Fatal(m.Len())
	}
	return m, model, s
}

func BenchmarkApply(b *testing.B) {
	const n = 100_000
	b.Run("new", func(b *testing.B) {
		b.ReportAllocs()
		_, model := detached()
		s := newStream(n)
		for b.Loop() {
			if s.i == n {
				_, model = detached()
				s.i = 0
			}
			model.ApplyUpdate(s.next())
		}
		b.ReportMetric(float64(len(s.update.Change)), "wire-B/op")
		b.ReportMetric(memory(b, n), "mem-B/op")
	})
	b.Run("overwrite", func(b *testing.B) {
		b.ReportAllocs()
		_, model, s := filled(b, n)
		for b.Loop() {
			model.ApplyUpdate(s.next())
		}
	})
}

// memory is what one of n keys takes, in bytes of live heap.
func memory(b *testing.B, n int) float64 {
	before := livetest.LiveHeap()
	m, _, _ := filled(b, n)
	after := livetest.LiveHeap()
	runtime.KeepAlive(m)
	return float64(after-before) / float64(n)
}

// BenchmarkReadWhileWriting reads one of 1,000,000 keys.
func BenchmarkReadWhileWriting(b *testing.B) {
	n := livetest.Million()
	m, model, s := filled(b, n)
	names := make([]string, n/benchAuthors)
	for i := range names {
		names[i] = benchKey(i)
	}
	i := 0
	livetest.AloneAndWriting(b, func() {
		if _, ok := m.Remote(s.authors[i%benchAuthors], names[i*7919%len(names)]); !ok {
			b.Fatal("gone")
		}
		i++
	}, func() { model.ApplyUpdate(s.next()) })
}

func BenchmarkAll(b *testing.B) {
	m, _, _ := filled(b, 100_000)
	for b.Loop() {
		n := 0
		for range m.All() {
			n++
		}
		if n != 100_000 {
			b.Fatal(n)
		}
	}
}
