package text_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/internal/livetest"
	"github.com/hearsaynet/hearsay/replica/model/text"
)

const benchChars = 100_000

// typing returns updates that insert so many characters each, in words at random places.
func typing(t testing.TB, chars, each int) []replica.Update {
	p := newPen("author")
	rng := rand.New(rand.NewPCG(1, 2))
	block := strings.Repeat("all work and no play ", each/20+1)[:each]
	var us []replica.Update
	at := 0
	for n := 0; n < chars; n += each {
		if len(us)%50 == 0 {
			at = rng.IntN(p.Len() + 1)
		}
		us = append(us, p.replace(t, uint64(len(us)+1), at, 0, block))
		at += each
	}
	return us
}

func BenchmarkApply(b *testing.B) {
	for _, each := range []int{1, 100, 10_000} {
		b.Run(fmt.Sprintf("chars=%d", each), func(b *testing.B) {
			us := typing(b, benchChars, each)
			wireBytes := 0
			for _, u := range us {
				wireBytes += len(u.Change)
			}
			empty := livetest.LiveHeap()
			full := newPen("reader")
			livetest.Apply(b, full.model, us...)
			memory := livetest.LiveHeap() - empty
			if full.Len() != benchChars {
				b.Fatal(full.Len())
			}
			p := newPen("reader")
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				if i == len(us) {
					p, i = newPen("reader"), 0
				}
				p.model.ApplyUpdate(us[i])
				i++
			}
			b.ReportMetric(float64(wireBytes)/float64(len(us)), "wire-B/op")
			b.ReportMetric(float64(memory)/benchChars, "mem-B/char")
			runtime.KeepAlive(full)
		})
	}
}

func BenchmarkThreeAtOnce(b *testing.B) {
	us, _ := threeAtOnce(b, benchChars)
	b.ReportAllocs()
	var p *pen
	for b.Loop() {
		p = newPen("reader")
		livetest.Apply(b, p.model, us...)
	}
	b.ReportMetric(float64(b.N)*benchChars/b.Elapsed().Seconds(), "chars/s")
	runtime.KeepAlive(p)
}

func filled(b *testing.B, chars int) *pen {
	p := newPen("reader")
	livetest.Apply(b, p.model, typing(b, chars, 100)...)
	return p
}

func BenchmarkString(b *testing.B) {
	p := filled(b, benchChars)
	b.SetBytes(benchChars)
	for b.Loop() {
		if len(p.String()) != benchChars {
			b.Fatal("another text")
		}
	}
}

func BenchmarkReadWhileWriting(b *testing.B) {
	chars := livetest.Million()
	for _, mode := range []string{"alone", "writing"} {
		b.Run(mode, func(b *testing.B) {
			p := filled(b, chars)
			writer := newPen("writer")
			var us []replica.Update
			for i := range 100_000 {
				us = append(us, writer.replace(b, uint64(i+1), i, 0, "x"))
			}
			stop := make(chan struct{})
			var writing sync.WaitGroup
			if mode == "writing" {
				writing.Go(func() {
					for i := 0; ; i++ {
						select {
						case <-stop:
							return
						default:
						}
						u := us[i%len(us)]
						u.Author = livetest.Update(fmt.Sprint("writer ", i/len(us)), 1, 1, nil).Author
						p.model.ApplyUpdate(u)
					}
				})
			}
			rng := rand.New(rand.NewPCG(5, 6))
			for b.Loop() {
				at := rng.IntN(chars - 80)
				if s, err := p.Slice(at, at+80); err != nil || len(s) != 80 {
					b.Fatal(s, err)
				}
			}
			close(stop)
			writing.Wait()
		})
	}
}

// BenchmarkVersion is Draft.Apply without a replica: a word in the middle of a text of 100 kB
// is another, or 500 all over it.
func BenchmarkVersion(b *testing.B) {
	p := filled(b, benchChars)
	old := []byte(p.String())
	for _, words := range []int{1, 500} {
		now := slices.Clone(old)
		for i := range words {
			copy(now[benchChars/(words+1)*(i+1):], "changed")
		}
		b.Run(fmt.Sprintf("words=%d", words), func(b *testing.B) {
			b.ReportAllocs()
			size := 0
			for b.Loop() {
				size = 0
				for _, change := range (text.Writer{Text: p.Text}).Version(string(now)) {
					size += len(change)
				}
			}
			b.ReportMetric(float64(size), "wire-B/op")
		})
	}
}
