package store_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/hearsaynet/hearsay/replica/internal/wiretest"
	"github.com/hearsaynet/hearsay/replica/store"
	"github.com/hearsaynet/hearsay/replica/wire"
)

const changeSize = 200 // bytes, in all benchmarks

// benchChain makes n runs of one author.
func benchChain(a *wiretest.Author, n, perRun int) []*wire.Run {
	runs, at := make([]*wire.Run, n), a.Start()
	entries := make([]wire.Entry, perRun)
	for i := range entries {
		entries[i] = wiretest.Change(1, "bench", strings.Repeat("x", changeSize))
	}
	for i := range runs {
		runs[i] = a.Run(topic, at, entries...)
		at = runs[i].End()
	}
	return runs
}

func stores(b *testing.B, f func(b *testing.B, open func() store.Store)) {
	b.Run("memory", func(b *testing.B) { f(b, func() store.Store { return store.NewMemory() }) })
	b.Run("bolt", func(b *testing.B) {
		f(b, func() store.Store { return openBolt(b, filepath.Join(b.TempDir(), "store.db")) })
	})
}

func perSecond(b *testing.B, updates int) {
	b.ReportMetric(float64(updates)/b.Elapsed().Seconds(), "updates/s")
}

// BenchmarkAppend stores the runs of one author, in calls of 1,024 updates or of one
// run, whichever is more.
func BenchmarkAppend(b *testing.B) {
	const total = 1 << 15
	for _, perRun := range []int{1, 16, 256} {
		runs := benchChain(wiretest.NewAuthor("a"), min(total/perRun, 4096), perRun)
		b.Run(fmt.Sprintf("run=%d", perRun), func(b *testing.B) {
			stores(b, func(b *testing.B, open func() store.Store) {
				for b.Loop() {
					b.StopTimer()
					s := open()
					b.StartTimer()
					for rest := runs; len(rest) > 0; {
						n := min(len(rest), 1024/perRun)
						must(b, s.Append(b.Context(), rest[:n]...))
						rest = rest[n:]
					}
					must(b, s.Close())
				}
				perSecond(b, b.N*len(runs)*perRun)
			})
		})
	}
}

// BenchmarkAppendMany stores single updates of 1,000 authors, 64 in a call.
func BenchmarkAppendMany(b *testing.B) {
	benchMany(b, 1000, func(b *testing.B, s store.Store, runs []*wire.Run) {
		for ; len(runs) > 0; runs = runs[min(64, len(runs)):] {
			must(b, s.Append(b.Context(), runs[:min(64, len(runs))]...))
		}
	})
}

// BenchmarkAppendConcurrent stores single updates, one in a call, from 64 callers.
func BenchmarkAppendConcurrent(b *testing.B) {
	const callers = 64
	benchMany(b, callers, func(b *testing.B, s store.Store, runs []*wire.Run) {
		var next atomic.Int64
		done := make(chan error, callers)
		for i := range callers {
			go func() {
				for j := i; j < len(runs); j += callers {
					if err := s.Append(b.Context(), runs[j]); err != nil {
						done <- err
						return
					}
					next.Add(1)
				}
				done <- nil
			}()
		}
		for range callers {
			must(b, <-done)
		}
	})
}

// benchMany gives f single updates of n authors, in turn.
func benchMany(b *testing.B, n int, f func(*testing.B, store.Store, []*wire.Run)) {
	rounds := max(4, 4000/n)
	runs := make([]*wire.Run, n*rounds)
	for i, a := range wiretest.NewAuthors("author", n) {
		for j, r := range benchChain(a, rounds, 1) {
			runs[j*n+i] = r
		}
	}
	stores(b, func(b *testing.B, open func() store.Store) {
		for b.Loop() {
			b.StopTimer()
			s := open()
			b.StartTimer()
			f(b, s, runs)
			must(b, s.Close())
		}
		perSecond(b, b.N*len(runs))
	})
}

// BenchmarkScan reads the runs of one author.
func BenchmarkScan(b *testing.B) {
	for _, perRun := range []int{1, 256} {
		runs := benchChain(wiretest.NewAuthor("a"), 2048/min(perRun, 16), perRun)
		b.Run(fmt.Sprintf("run=%d", perRun), func(b *testing.B) {
			stores(b, func(b *testing.B, open func() store.Store) {
				s := open()
				must(b, s.Append(b.Context(), runs...))
				n := 0
				for b.Loop() {
					for r, err := range s.Runs(topic, wire.Ref{Author: runs[0].Author()}) {
						must(b, err)
						n += r.Len()
					}
				}
				perSecond(b, n)
			})
		})
	}
}

// BenchmarkOpen opens a store of 16,384 single updates, and of 262,144 in runs.
func BenchmarkOpen(b *testing.B) {
	for _, perRun := range []int{1, 256} {
		b.Run(fmt.Sprintf("run=%d", perRun), func(b *testing.B) {
			path := filepath.Join(b.TempDir(), "store.db")
			s := openBolt(b, path)
			for i := range 256 / min(perRun, 16) {
				a := wiretest.NewAuthor(fmt.Sprint(i))
				must(b, s.Append(b.Context(), benchChain(a, 64, perRun)...))
			}
			must(b, s.Close())
			for b.Loop() {
				s := openBolt(b, path)
				must(b, s.Close())
			}
		})
	}
}
