package doc_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/doc"
	"github.com/hearsaynet/hearsay/replica/model/internal/livetest"
)

func rowName(i int) string { return fmt.Sprintf("row/%07d", i) }

// change sets three fields of a row, one of which takes ten values.
func change(i int) []byte {
	c := fmt.Appendf(nil, "\x01\x0brow/%07d\x01n\x00\x00\x00\x07%d", i, 1_000_000+i%9_000_000)
	c = append(c, "\x04name\x00\x00\x00\x11\"a name of a row\""...)
	return fmt.Appendf(c, "\x04type\x00\x00\x00\x08\"type %d\"", i%10)
}

// filled returns a Doc of n rows that a Set or a Sequence may follow.
func filled(b *testing.B, n int) (*doc.Doc, doc.Model) {
	d, model := doc.Detached(keys.NodeID{}, 1)
	u := livetest.Update("a", 0, 0, nil)
	for i := range n {
		u.Seq++
		u.Time++
		u.Change = change(i)
		livetest.Apply(b, model, u)
	}
	return d, model
}

// BenchmarkApply applies sets of three fields to a Doc of 100,000 rows.
func BenchmarkApply(b *testing.B) {
	n := 100_000
	if livetest.Once() {
		n = 10_000
	}
	apply := func(b *testing.B, model doc.Model, change func(i int) []byte) {
		u := livetest.Update("b", 0, uint64(n), nil)
		i := 0
		for b.Loop() {
			u.Seq++
			u.Time++
			u.Change = change(i)
			if _, err := model.ApplyUpdate(u); err != nil {
				b.Fatal(err)
			}
			i++
		}
		b.ReportMetric(float64(len(u.Change)), "wire-B/op")
	}
	again := func(i int) []byte { return change(i * 7919 % n) }
	b.Run("new", func(b *testing.B) {
		b.ReportAllocs()
		_, model := filled(b, n)
		apply(b, model, func(i int) []byte { return change(n + i) })
	})
	b.Run("overwrite", func(b *testing.B) {
		b.ReportAllocs()
		_, model := filled(b, n)
		apply(b, model, again)
	})
	b.Run("delete", func(b *testing.B) {
		b.ReportAllocs()
		_, model := filled(b, n)
		apply(b, model, func(i int) []byte { return doc.MustDelete(rowName(i * 7919 % n)) })
	})
	b.Run("ten sets", func(b *testing.B) {
		b.ReportAllocs()
		d, model := filled(b, n)
		for i := range 10 {
			if _, err := d.Select(doc.Where("type", fmt.Sprintf("type %d", i))); err != nil {
				b.Fatal(err)
			}
		}
		apply(b, model, again)
	})
	b.Run("sequence", func(b *testing.B) {
		b.ReportAllocs()
		d, model := filled(b, n)
		if _, err := d.Sequence(doc.Query{}, ""); err != nil {
			b.Fatal(err)
		}
		apply(b, model, func(i int) []byte {
			return doc.MustSet(rowName(i*7919%n), fields{doc.DefaultSort: fmt.Sprintf("%08x01", rand.Uint32())})
		})
	})
	b.Run("memory", func(b *testing.B) {
		var perRow float64
		for b.Loop() {
			perRow = memory(b, n)
		}
		b.ReportMetric(perRow, "mem-B/op")
	})
}

// memory is what a row of three fields takes, in bytes of live heap.
func memory(b *testing.B, n int) float64 {
	before := livetest.LiveHeap()
	d, _ := filled(b, n)
	after := livetest.LiveHeap()
	runtime.KeepAlive(d)
	return float64(after-before) / float64(n)
}

// BenchmarkReadWhileWriting reads a Doc of 1,000,000 rows while nobody writes, and while
// another goroutine writes as fast as it can; a Set of a tenth of the rows follows.
func BenchmarkReadWhileWriting(b *testing.B) {
	n := livetest.Million()
	d, model := filled(b, n)
	s, err := d.Select(doc.Where("type", "type 0"))
	if err != nil {
		b.Fatal(err)
	}
	names := make([]string, n)
	for i := range names {
		names[i] = rowName(i)
	}
	write := writer(model, n)
	livetest.EachAloneAndWriting(b, n, map[string]func(i int) bool{
		"get":    func(i int) bool { _, ok := d.Get(names[i]); return ok },
		"set at": func(i int) bool { _, ok := s.At(i / 10); return ok },
	}, write)
}

// writer returns what sets the fields of one row after the other, among those of a few
// changes.
func writer(model replica.Model, n int) (write func()) {
	u := livetest.Update("b", 0, uint64(n)+rand.Uint64N(1<<40), nil)
	var changes [1000][]byte
	for i := range changes {
		changes[i] = change(i * 104729 % n)
	}
	return func() {
		u.Change = changes[u.Seq%uint64(len(changes))]
		u.Seq++
		u.Time++
		model.ApplyUpdate(u)
	}
}

func BenchmarkSelect(b *testing.B) {
	const n = 20_000
	d, _ := filled(b, n)
	for b.Loop() {
		s, err := d.Select(doc.Where("type", "type 0"))
		if err != nil || s.Len() != n/10 {
			b.Fatal(err, s.Len())
		}
		s.Close()
	}
}
