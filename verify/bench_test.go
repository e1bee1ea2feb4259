package verify_test

import (
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/wire"
	"github.com/hearsaynet/hearsay/verify"
)

// BenchmarkRaw is crypto/ed25519 on all cores: what the pipeline is measured against.
func BenchmarkRaw(b *testing.B) {
	priv := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	data := keys.SignedData(wire.NamespaceUpdate, sha256.Sum256(nil))
	sig, pub := ed25519.Sign(priv, data), priv.Public().(ed25519.PublicKey)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if !ed25519.Verify(pub, data, sig) {
				b.Fail()
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "updates/s")
}

func BenchmarkPipeline(b *testing.B) {
	for _, entries := range []int{1, 16, 256} {
		for _, authors := range []int{1, 100} {
			b.Run(fmt.Sprintf("entries=%d/authors=%d", entries, authors), func(b *testing.B) {
				var runs []*wire.UnverifiedRun
				ks := keys.NewMemory()
				for i := range authors {
					a := newAuthor(b, uint64(i))
					ks.Add(a.key)
					runs = append(runs, a.run(entries, 200))
				}
				p := verify.New(verify.Admitted(ks), verify.Config{})
				defer p.Close()
				b.ReportAllocs()
				b.ResetTimer()
				go func() {
					for i := range b.N {
						_ = p.Submit(b.Context(), verify.NewRequest(runs[i%authors], keys.PublicKey{}), nil)
					}
				}()
				for range b.N {
					if res := <-p.Results(); res.Verdict != verify.Accept {
						b.Fatal(res.Err)
					}
				}
				b.ReportMetric(float64(b.N*entries)/b.Elapsed().Seconds(), "updates/s")
			})
		}
	}
}

// BenchmarkShare alternates between raw checks on all cores and single updates of 100
// authors, in blocks, and reports the part of the raw rate that the pipeline reaches:
// a machine that is busy with other things slows both.
func BenchmarkShare(b *testing.B) {
	const block = 2000
	var runs []*wire.UnverifiedRun
	ks := keys.NewMemory()
	for i := range 100 {
		a := newAuthor(b, uint64(i))
		ks.Add(a.key)
		runs = append(runs, a.run(1, 200))
	}
	priv := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	data := keys.SignedData(wire.NamespaceUpdate, sha256.Sum256(nil))
	sig, pub := ed25519.Sign(priv, data), priv.Public().(ed25519.PublicKey)
	p := verify.New(verify.Admitted(ks), verify.Config{})
	defer p.Close()

	var raw, piped time.Duration
	for b.Loop() {
		start := time.Now()
		var wg sync.WaitGroup
		for range runtime.GOMAXPROCS(0) {
			wg.Go(func() {
				for range block / runtime.GOMAXPROCS(0) {
					ed25519.Verify(pub, data, sig)
				}
			})
		}
		wg.Wait()
		raw += time.Since(start)

		start = time.Now()
		wg.Go(func() {
			for i := range block {
				_ = p.Submit(b.Context(), verify.NewRequest(runs[i%len(runs)], keys.PublicKey{}), nil)
			}
		})
		for range block {
			<-p.Results()
		}
		wg.Wait()
		piped += time.Since(start)
	}
	b.ReportMetric(raw.Seconds()/piped.Seconds(), "×raw")
}

// BenchmarkUnavailable alternates between 99 authors alone and the same with a hundredth
// whose keystore does not answer, in blocks, and reports the part of the throughput that
// is left to the 99.
func BenchmarkUnavailable(b *testing.B) {
	const block, authors = 4000, 99
	last := newAuthor(b, authors)
	var runs []*wire.UnverifiedRun
	ks := newFlaky()
	for i := range authors {
		a := newAuthor(b, uint64(i))
		ks.Add(a.key)
		runs = append(runs, a.run(1, 200))
	}
	ks.fail(last, errDown)
	alone, beside := verify.New(verify.Admitted(ks), verify.Config{}), verify.New(verify.Admitted(ks), verify.Config{})
	defer alone.Close()
	defer beside.Close()
	for range 200 { // of the 256 that may wait
		submit(b, beside, last.run(1, 200), nil)
	}
	measure := func(p *verify.Pipeline) time.Duration {
		start := time.Now()
		var wg sync.WaitGroup
		wg.Go(func() {
			for i := range block {
				_ = p.Submit(b.Context(), verify.NewRequest(runs[i%authors], keys.PublicKey{}), nil)
			}
		})
		for range block {
			if res := <-p.Results(); res.Verdict != verify.Accept {
				b.Fatal(res.Err)
			}
		}
		wg.Wait()
		return time.Since(start)
	}
	var without, with time.Duration
	for b.Loop() {
		without += measure(alone)
		with += measure(beside)
	}
	b.ReportMetric(100*without.Seconds()/with.Seconds(), "%left")
	b.ReportMetric(float64(b.N*block)/with.Seconds(), "updates/s")
}
