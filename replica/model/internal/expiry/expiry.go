// Package expiry is for models of which parts have an end: it finds what is due, and
// calls the model when something is. One timer serves a model, however much of it expires.
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

// Timer calls a function when the earliest time that it was told has come. There is no
// goroutine while it waits.
type Timer struct {
	now   func() time.Time
	sweep func(now uint64) (next uint64)
	next  atomic.Uint64 // the earliest time; written with mu held

	mu      sync.Mutex // guards the fields below
	timer   *time.Timer
	stopped bool
	sweeps  sync.WaitGroup // under way
}

// NewTimer returns a Timer by the clock now. sweep, which it calls from a goroutine of its
// own, does what is due, or some of it, and returns the earliest time of what is left.
func NewTimer(now func() time.Time, sweep func(now uint64) (next uint64)) *Timer {
	t := &Timer{now: now, sweep: sweep}
	t.next.Store(Never)
	return t
}

// Plan tells that something is due at a time. It does not wait for a sweep.
func (t *Timer) Plan(at uint64) {
	if at >= t.next.Load() {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if at < t.next.Load() {
		t.next.Store(at)
		t.setLocked(Nanos(t.now()))
	}
}

// setLocked has look called when it may be time.
func (t *Timer) setLocked(now uint64) {
	if t.stopped {
		return
	}
	var wait time.Duration
	if next := t.next.Load(); next > now {
		wait = time.Duration(min(next-now, uint64(lookAgain)))
	}
	if t.timer == nil {
		t.timer = time.AfterFunc(wait, t.look)
		return
	}
	t.timer.Reset(wait)
}

// look sweeps if something is due.
func (t *Timer) look() {
	now, due := t.due()
	if !due {
		return
	}
	defer t.sweeps.Done()
	t.Plan(t.sweep(now))
}

// due reports whether it is time to sweep, and begins one.
func (t *Timer) due() (now uint64, due bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now = Nanos(t.now())
	switch next := t.next.Load(); {
	case t.stopped || next == Never:
		return now, false
	case next > now:
		t.setLocked(now)
		return now, false
	}
	t.next.Store(Never) // so that whoever plans meanwhile sets the timer
	t.sweeps.Add(1)
	return now, true
}

// Stop ends the Timer and waits for a sweep under way.
func (t *Timer) Stop() {
	t.mu.Lock()
	t.stopped = true
	if t.timer != nil {
		t.timer.Stop()
	}
	t.mu.Unlock()
	t.sweeps.Wait()
}
