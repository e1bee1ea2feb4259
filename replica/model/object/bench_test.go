package object_test

import (
	"bytes"
	"fmt"
	"runtime"
	"slices"
	"testing"

	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/internal/livetest"
	"github.com/hearsaynet/hearsay/replica/model/object"
)

const (
	benchBranch = 100 // values in an object
	valueSize   = 200
)

// stream makes sets of one path after the other, n in all, to strings of 200 bytes. A
// change is in the CPU's cache when it gets here, as one that has just been verified is,
// and its bytes are reused.
type stream struct {
	update replica.Update
	n, i   int
}

func benchPath(i int) string { return fmt.Sprintf("/branch/%05d/%02d", i/benchBranch, i%benchBranch) }

func newStream(n int) *stream {
	value := slices.Concat([]byte(`"`), bytes.Repeat([]byte("x"), valueSize-2), []byte(`"`))
	return &stream{n: n, update: livetest.Update("a", 0, 0, object.Must(object.Op{Path: benchPath(0), Value: value}))}
}

func (s *stream) next() replica.Update {
	i := s.i % s.n
	number := func(digits []byte, n int) {
		for at := len(digits) - 1; at >= 0; at, n = at-1, n/10 {
			digits[at] = byte('0' + n%10)
		}
	}
	path := s.update.Change[3:]
	number(path[8:13], i/benchBranch)
	number(path[14:16], i%benchBranch)
	s.i++
	s.update.Seq++
	s.update.Time++
	return s.update
}

// filled returns an object of n values, and the stream that made it.
func filled(b *testing.B, n int) (*object.Object, object.Model, *stream) {
	o, model := detached()
	s := newStream(n)
	model.Reset()
	for range n {
		livetest.Apply(b, model, s.next())
	}
	model.Rebuilt()
	if got := o.Nodes(); got != n+n/benchBranch+2 {
		b.Fatal(got)
	}
	return o, model, s
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
	b.Run("branch of 100", func(b *testing.B) {
		b.ReportAllocs()
		_, model, _ := filled(b, n)
		value := []byte(`{`)
		for i := range benchBranch {
			if i > 0 {
				value = append(value, ',')
			}
			value = fmt.Appendf(value, `"%02d":%d`, i, i)
		}
		u := livetest.Update("b", 0, 1<<40, object.Must(object.Op{Path: "/branch/00007", Value: append(value, '}')}))
		for b.Loop() {
			u.Time++
			u.Seq++
			model.ApplyUpdate(u)
		}
	})
}

// memory is what one of n values takes, in bytes of live heap.
func memory(b *testing.B, n int) float64 {
	before := livetest.LiveHeap()
	o, _, _ := filled(b, n)
	after := livetest.LiveHeap()
	runtime.KeepAlive(o)
	return float64(after-before) / float64(n)
}

// BenchmarkReadWhileWriting reads one of 1,000,000 values.
func BenchmarkReadWhileWriting(b *testing.B) {
	n := livetest.Million()
	o, model, s := filled(b, n)
	paths := make([]string, n)
	for i := range paths {
		paths[i] = benchPath(i)
	}
	i := 0
	livetest.AloneAndWriting(b, func() {
		if _, ok := o.Get(paths[i*7919%n]); !ok {
			b.Fatal("gone")
		}
		i++
	}, func() { model.ApplyUpdate(s.next()) })
}

func BenchmarkSnapshot(b *testing.B) {
	o, _, _ := filled(b, 100_000)
	for b.Loop() {
		if n := len(o.Snapshot()); n < 100_000*valueSize {
			b.Fatal(n)
		}
	}
}
