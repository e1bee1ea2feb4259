package value_test

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/model/internal/livetest"
	"github.com/hearsaynet/hearsay/replica/model/value"
)

const size = 200 // bytes of a value

// BenchmarkApply sets a value of 200 bytes. What a history takes in memory is that of its
// values.
func BenchmarkApply(b *testing.B) {
	for _, history := range []int{1, 100} {
		b.Run(fmt.Sprintf("history=%d", history), func(b *testing.B) {
			b.ReportAllocs()
			_, model := value.Detached(keys.NodeID{}, history, 1)
			u := set("a", 0, 0, string(make([]byte, size)))
			for b.Loop() {
				u.Seq++
				u.Time++
				model.ApplyUpdate(u)
			}
			b.ReportMetric(float64(len(u.Change)), "wire-B/op")
			b.ReportMetric(memory(), "mem-B/op")
		})
	}
}

// memory is what a value takes, in bytes of live heap.
func memory() float64 {
	const n = 100 // histories that are full
	var all [n]value.Model
	before := livetest.LiveHeap()
	for i := range all {
		_, all[i] = value.Detached(keys.NodeID{}, value.MaxHistory, 1)
		for t := range uint64(value.MaxHistory) {
			u := set("a", t+1, t+1, "")
			u.Change = append(u.Change, make([]byte, size)...)
			all[i].ApplyUpdate(u)
		}
	}
	after := livetest.LiveHeap()
	runtime.KeepAlive(all)
	return float64(after-before) / (n * value.MaxHistory)
}

func BenchmarkGet(b *testing.B) {
	b.ReportAllocs()
	v, model := value.Detached(keys.NodeID{}, 1, 1)
	model.ApplyUpdate(set("a", 1, 1, string(make([]byte, size))))
	for b.Loop() {
		if _, ok := v.Get(); !ok {
			b.Fatal("gone")
		}
	}
}
