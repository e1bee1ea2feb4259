package list_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/internal/fraction"
	"github.com/hearsaynet/hearsay/replica/model/internal/livetest"
	"github.com/hearsaynet/hearsay/replica/model/list"
)

const size = 20 // bytes of a value

// appends makes the updates of an author who appends n values.
func appends(n int) []replica.Update {
	us := make([]replica.Update, n)
	value := string(make([]byte, size))
	for i, p := range fraction.Between(nil, nil, n, fraction.Anywhere) {
		us[i] = update("a", uint64(i+1), uint64(i+1), list.Insert(string(p), value))
	}
	return us
}

// filled returns a list of n elements that nobody has read yet.
func filled(b *testing.B, n int) (*list.List, list.Model) {
	l, model := list.Detached(keys.NodeID{}, 1)
	livetest.Apply(b, model, appends(n)...)
	return l, model
}

// BenchmarkApply applies one operation an update to a list of 100,000 elements, which
// somebody reads after each one or nobody does.
func BenchmarkApply(b *testing.B) {
	const n = 100_000
	value := string(make([]byte, size))
	for name, op := range map[string]func(i int) list.Op{
		"insert": func(int) list.Op { return list.Insert(string(randomPosition()), value) },
		"set":    func(i int) list.Op { return list.Set(el("a", uint64(1+i*7919%n), 0), value) },
		"move":   func(i int) list.Op { return list.Move(el("a", uint64(1+i*7919%n), 0), string(randomPosition())) },
		"remove": func(i int) list.Op { return list.Remove(el("a", uint64(1+i*7919%n), 0)) },
	} {
		for _, read := range []bool{false, true} {
			b.Run(fmt.Sprintf("%s/read=%v", name, read), func(b *testing.B) {
				b.ReportAllocs()
				l, model := filled(b, n)
				u := update("b", 0, n)
				i := 0
				for b.Loop() {
					u.Change = list.Encode(op(i))
					u.Seq++
					u.Time++
					if _, err := model.ApplyUpdate(u); err != nil {
						b.Fatal(err)
					}
					if read {
						l.Len()
					}
					i++
				}
				b.ReportMetric(float64(len(u.Change)), "wire-B/op")
			})
		}
	}
	b.Run("memory", func(b *testing.B) {
		var perElement float64
		for b.Loop() {
			perElement = memory(b, n)
		}
		b.ReportMetric(perElement, "mem-B/op")
	})
}

func randomPosition() []byte { return fmt.Appendf(nil, "%08x", rand.Uint32()) }

// memory is what an element takes, in bytes of live heap.
func memory(b *testing.B, n int) float64 {
	us := appends(n)
	before := livetest.LiveHeap()
	l, model := list.Detached(keys.NodeID{}, 1)
	livetest.Apply(b, model, us...)
	after := livetest.LiveHeap()
	runtime.KeepAlive(us)
	runtime.KeepAlive(l)
	return float64(after-before) / float64(n)
}

// BenchmarkReadWhileWriting reads a list of 1,000,000 elements while nobody writes, and
// while another goroutine writes as fast as it can.
func BenchmarkReadWhileWriting(b *testing.B) {
	n := livetest.Million()
	l, model := filled(b, n)
	write := writer(model, n)
	livetest.EachAloneAndWriting(b, n, map[string]func(i int) bool{
		"get":   func(i int) bool { _, ok := l.Get(i); return ok },
		"find":  func(i int) bool { _, ok := l.Find(el("a", uint64(i+1), 0)); return ok },
		"index": func(i int) bool { _, ok := l.Index(el("a", uint64(i+1), 0)); return ok },
	}, write)
}

// writer returns what sets one element after the other.
func writer(model list.Model, n int) (write func()) {
	value := string(make([]byte, size))
	u := update("b", 0, uint64(n)+rand.Uint64N(1<<40))
	return func() {
		u.Change = list.Encode(list.Set(el("a", 1+u.Seq*104729%uint64(n), 0), value))
		u.Seq++
		u.Time++
		model.ApplyUpdate(u)
	}
}

func BenchmarkAll(b *testing.B) {
	const n = 100_000
	l, _ := filled(b, n)
	for b.Loop() {
		count := 0
		for range l.All() {
			count++
		}
		if count != n {
			b.Fatal(count)
		}
	}
}
