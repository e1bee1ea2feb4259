package fuzztest

import (
	"fmt"
	"runtime"
	"runtime/metrics"
	"testing"
)

// Alloc bounds what a function may allocate, in all and not only at a time: PerByte
// times the bytes of its input, and Constant bytes.
type Alloc struct{ PerByte, Constant uint64 }

// DefaultAlloc is the bound of who names none. A decoder of small entries takes 16 times
// their bytes; the constant covers one buffer for reading, error texts included.
var DefaultAlloc = Alloc{PerByte: 32, Constant: 96 << 10}

// allocTries is how often a function runs again before it counts as too greedy: what
// other goroutines allocate meanwhile is counted too.
const allocTries = 5

// Check runs f, which reads n bytes, and fails when it allocates more than a allows. f
// may be run several times.
func (a Alloc) Check(t *testing.T, n int, f func()) {
	t.Helper()
	if err := a.Exceeded(n, f); err != nil {
		t.Fatal(err)
	}
}

// Exceeded is Check that returns what is wrong.
func (a Alloc) Exceeded(n int, f func()) error {
	if a == (Alloc{}) {
		a = DefaultAlloc
	}
	most := a.PerByte*uint64(n) + a.Constant
	before := roughly()
	f()
	if roughly()-before <= most {
		return nil
	}
	least := ^uint64(0)
	for range allocTries {
		if least = min(least, Allocated(f)); least <= most {
			return nil
		}
	}
	return fmt.Errorf("%d bytes of input made it allocate %d bytes, want at most %d times as much and %d", n, least, a.PerByte, a.Constant)
}

// roughly is what this process has ever allocated, less some of what its newest small
// objects take. It stops nothing.
func roughly() uint64 {
	sample := [1]metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample[:])
	return sample[0].Value.Uint64()
}

// Allocated is how many bytes f allocates, and whatever else does meanwhile.
func Allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}
