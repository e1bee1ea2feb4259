// Package expiry is for models of which parts have an end: it finds what is due, and
// calls the model when something is. One goroutine serves a model, however much of it
// expires.
//
// Expiry is a matter of what is shown and never of the state: clocks differ, and what one
// replica has seen expire another has not yet.
package expiry

import (
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hearsaynet/hearsay/replica/model/internal/keyheap"
)

// Queue holds keys until their times. It is not safe for concurrent use.
type Queue[K comparable] struct{ *keyheap.Heap[K, uint64] }

// NewQueue returns an empty Queue, whose priorities are times in ns since the Unix epoch.
func NewQueue[K comparable]() Queue[K] {
	return Queue[K]{keyheap.New[K](func(a, b uint64) bool { return a < b })}
}

// Due takes out the first key whose time is now or was, false if there is none.
func (q Queue[K]) Due(now uint64) (key K, ok bool) {
	key, at, ok := q.First()
	if !ok || at > now {
		var none K
		return none, false
	}
	q.Remove(key)
	return key, true
}

// Next returns the earliest time, Never if there is none.
func (q Queue[K]) Next() uint64 {
	if _, at, ok := q.First(); ok {
		return at
	}
	return Never
}

// Never is a time that does not come.
const Never = math.MaxUint64

// Nanos returns a time as signed changes have it: ns since the Unix epoch, 0 before it.
func Nanos(t time.Time) uint64 { return uint64(max(0, t.UnixNano())) }

// lookAgain bounds how long a Timer sleeps: a wall clock may be set meanwhile.
const lookAgain = time.Minute

// Timer calls a function when the earliest time that it was told has come.
type Timer struct {
	now   func() time.Time
	sweep func(now uint64) (next uint64)
	next  atomic.Uint64 // the earliest time, or an earlier one
	wake  chan struct{}
	stop  chan struct{}

	mu      sync.Mutex // guards the fields below
	running bool
	stopped bool
	done    sync.WaitGroup
}

// NewTimer returns a Timer by the clock now. sweep, which it calls from a goroutine of its
// own, does what is due, or some of it, and returns the earliest time of what is left.
func NewTimer(now func() time.Time, sweep func(now uint64) (next uint64)) *Timer {
	t := &Timer{now: now, sweep: sweep, wake: make(chan struct{}, 1), stop: make(chan struct{})}
	t.next.Store(Never)
	return t
}

// Plan tells that something is due at a time. It does not wait for anything.
func (t *Timer) Plan(at uint64) {
	if !t.earlier(at) {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.running && !t.stopped {
		t.running = true
		t.done.Go(t.run)
	}
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// earlier notes a time, and says whether it is before all that are noted.
func (t *Timer) earlier(at uint64) bool {
	for {
		next := t.next.Load()
		if at >= next {
			return false
		}
		if t.next.CompareAndSwap(next, at) {
			return true
		}
	}
}

// Stop ends the Timer and waits for a sweep under way.
func (t *Timer) Stop() {
	t.mu.Lock()
	if !t.stopped {
		t.stopped = true
		close(t.stop)
	}
	t.mu.Unlock()
	t.done.Wait()
}

func (t *Timer) run() {
	for {
		timer := time.NewTimer(t.look())
		select {
		case <-t.stop:
			timer.Stop()
			return
		case <-t.wake:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// look sweeps if something is due, and returns how long to wait.
func (t *Timer) look() time.Duration {
	now := Nanos(t.now())
	if t.next.Load() <= now {
		t.next.Store(Never) // so that whoever plans meanwhile wakes us
		t.earlier(t.sweep(now))
	}
	next := t.next.Load()
	if next <= now {
		return 0
	}
	return time.Duration(min(next-now, uint64(lookAgain)))
}
