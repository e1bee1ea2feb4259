package manifest_test

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/model/internal/livetest"
	"github.com/hearsaynet/hearsay/replica/model/manifest"
)

// filled returns a list of n channels of 16 authors.
func filled(n int) (*manifest.Manifest, manifest.Model) {
	m, model := manifest.Detached(keys.NodeID{}, manifest.Config{})
	for i := range uint64(n) {
		model.ApplyUpdate(livetest.Update(string(rune('a'+i%16)), i+1, i+1, manifest.MustAdd(fmt.Sprintf("channel %07d", i), "kind")))
	}
	return m, model
}

func BenchmarkApply(b *testing.B) {
	const n = 100_000
	b.ReportAllocs()
	before := livetest.LiveHeap()
	m, model := filled(n)
	memory := float64(livetest.LiveHeap()-before) / n
	runtime.KeepAlive(m)
	u := livetest.Update("a", n, n, manifest.MustAdd("channel 0000007", "kind"))
	for b.Loop() {
		u.Seq++
		u.Time++
		model.ApplyUpdate(u)
	}
	b.ReportMetric(float64(len(u.Change)), "wire-B/op")
	b.ReportMetric(memory, "mem-B/op")
}

func BenchmarkReadWhileWriting(b *testing.B) {
	n := livetest.Million()
	m, model := filled(n)
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("channel %07d", i)
	}
	u := livetest.Update("a", uint64(n), uint64(n), manifest.MustAdd("channel 0000007", "kind"))
	i := 0
	livetest.AloneAndWriting(b, func() {
		if _, ok := m.Get(names[i*7919%n]); !ok {
			b.Fatal("gone")
		}
		i++
	}, func() {
		u.Seq++
		u.Time++
		model.ApplyUpdate(u)
	})
}
