package livetest

import (
	"flag"
	"runtime"
	"sync"
	"testing"

	"github.com/hearsaynet/hearsay/replica"
)

// LiveHeap returns the bytes of the heap that are in use.
func LiveHeap() uint64 {
	var s runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&s)
	return s.HeapAlloc
}

// Once reports whether benchmarks are only to be seen to run.
func Once() bool { return flag.Lookup("test.benchtime").Value.String() == "1x" }

// Million returns how many entries benchmarks of large models have: fewer with -short,
// or if they run once.
func Million() int {
	if testing.Short() || Once() {
		return 100_000
	}
	return 1_000_000
}

// Stream makes the updates of 16 authors that all hold one change, nearly in the order of
// their times. The change's bytes are in the CPU's cache, as those are that have just been
// verified.
type Stream struct {
	of [16]replica.Update
	n  uint64
}

// NewStream returns a Stream of updates that hold change.
func NewStream(change []byte) *Stream {
	s := &Stream{}
	for i := range s.of {
		s.of[i] = Update(string(rune('a'+i)), 1, 1, change)
	}
	return s
}

// Next returns the next update.
func (s *Stream) Next() replica.Update {
	u := &s.of[s.n*7%16]
	s.n++
	u.Seq, u.Time = s.n, s.n+s.n*5%16
	return *u
}

// Fill gives the stream's next n updates to a model.
func (s *Stream) Fill(m replica.Model, n int) {
	for range n {
		m.ApplyUpdate(s.Next())
	}
}

// AloneAndWriting measures what reads a model, alone and while another goroutine writes
// to it.
func AloneAndWriting(b *testing.B, read, write func()) {
	b.Run("alone", func(b *testing.B) {
		for b.Loop() {
			read()
		}
	})
	b.Run("writing", func(b *testing.B) {
		stop := make(chan struct{})
		var writer sync.WaitGroup
		writer.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					write()
				}
			}
		})
		for b.Loop() {
			read()
		}
		close(stop)
		writer.Wait()
	})
}

// EachAloneAndWriting is AloneAndWriting for some ways to read entry i of n, which say
// whether it is there.
func EachAloneAndWriting(b *testing.B, n int, reads map[string]func(i int) bool, write func()) {
	for name, read := range reads {
		b.Run(name, func(b *testing.B) {
			i := 0
			AloneAndWriting(b, func() {
				if !read(i * 7919 % n) {
					b.Fatal("gone")
				}
				i++
			}, write)
		})
	}
}
