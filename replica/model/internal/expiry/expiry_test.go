package expiry_test

import (
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearsaynet/hearsay/replica/model/internal/expiry"
)

func TestQueue(t *testing.T) {
	q := expiry.NewQueue[string]()
	if q.Next() != expiry.Never {
		t.Errorf("an empty queue is due at %d", q.Next())
	}
	q.Set("b", 20)
	q.Set("a", 10)
	q.Set("c", 5)
	q.Set("c", 30) // later than thought
	q.Set("d", 1)
	q.Remove("d")
	if q.Next() != 10 {
		t.Errorf("due at %d, want 10", q.Next())
	}
	if key, ok := q.Due(9); ok {
		t.Errorf("%q is due at 9", key)
	}
	var got []string
	for {
		key, ok := q.Due(30)
		if !ok {
			break
		}
		got = append(got, key)
	}
	if want := []string{"a", "b", "c"}; !slices.Equal(got, want) || q.Len() != 0 {
		t.Errorf("got %q, want %q; %d are left", got, want, q.Len())
	}
}

// alarms is a queue with a Timer, whose clock can be moved.
type alarms struct {
	timer *expiry.Timer

	mu    sync.Mutex // guards the fields below
	queue expiry.Queue[string]
	ahead time.Duration
	rang  []string
	swept int
}

func newAlarms() *alarms {
	a := &alarms{queue: expiry.NewQueue[string]()}
	a.timer = expiry.NewTimer(a.now, a.sweep)
	return a
}

func (a *alarms) now() time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	return time.Now().Add(a.ahead)
}

func (a *alarms) set(key string, in time.Duration) {
	at := expiry.Nanos(a.now().Add(in))
	a.mu.Lock()
	a.queue.Set(key, at)
	a.mu.Unlock()
	a.timer.Plan(at)
}

func (a *alarms) sweep(now uint64) uint64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.swept++
	if key, ok := a.queue.Due(now); ok { // one at a time
		a.rang = append(a.rang, key)
	}
	return a.queue.Next()
}

func (a *alarms) take() (rang []string, swept int) {
	synctest.Wait()
	a.mu.Lock()
	defer a.mu.Unlock()
	rang, swept, a.rang, a.swept = a.rang, a.swept, nil, 0
	return rang, swept
}

func TestTimer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAlarms()
		defer a.timer.Stop()
		expect := func(when string, want ...string) {
			t.Helper()
			if got, _ := a.take(); !slices.Equal(got, want) {
				t.Errorf("%s: %q rang, want %q", when, got, want)
			}
		}
		a.set("an hour", time.Hour)
		a.set("a second", time.Second)
		a.set("two seconds", 2*time.Second)
		a.set("two seconds as well", 2*time.Second)
		expect("at once")
		time.Sleep(time.Second - 1)
		expect("a nanosecond before")
		time.Sleep(time.Nanosecond)
		expect("at its time", "a second")
		a.set("already", -time.Second)
		expect("set too late", "already")
		time.Sleep(time.Second)
		if got, _ := a.take(); len(got) != 2 {
			t.Errorf("after two seconds %q rang", got)
		}
		time.Sleep(time.Hour - 2*time.Second - 1)
		if rang, swept := a.take(); len(rang) > 0 || swept > 0 {
			t.Errorf("it was swept %d times with nothing due, and %q rang", swept, rang)
		}
		time.Sleep(time.Nanosecond)
		expect("after an hour", "an hour")
	})
}

// TestTimerClockSet: a wall clock that is set is noticed within a minute.
func TestTimerClockSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAlarms()
		defer a.timer.Stop()
		a.set("tomorrow", 24*time.Hour)
		synctest.Wait()
		a.mu.Lock()
		a.ahead = 25 * time.Hour
		a.mu.Unlock()
		time.Sleep(time.Minute)
		if got, _ := a.take(); !slices.Equal(got, []string{"tomorrow"}) {
			t.Errorf("after a minute %q rang", got)
		}
	})
}

func TestTimerStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAlarms()
		a.set("k", time.Second)
		a.timer.Stop()
		a.timer.Stop()
		a.set("l", -time.Second)
		time.Sleep(time.Minute)
		if got, _ := a.take(); len(got) > 0 {
			t.Errorf("%q rang after Stop", got)
		}
		newAlarms().timer.Stop() // that never ran
	})
}

// TestTimerMany plans from many goroutines: nothing is forgotten.
func TestTimerMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAlarms()
		defer a.timer.Stop()
		var planners sync.WaitGroup
		for p := range 8 {
			planners.Go(func() {
				for i := range 100 {
					a.set(string(rune('a'+p))+string(rune('0'+i)), time.Duration(i%7)*time.Millisecond)
				}
			})
		}
		planners.Wait()
		time.Sleep(10 * time.Millisecond)
		if got, _ := a.take(); len(got) != 800 {
			t.Errorf("%d rang, want 800", len(got))
		}
	})
}

// TestTimerStopWaits: who stops it may take away what sweep uses.
func TestTimerStopWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var over, stopped atomic.Bool
		timer := expiry.NewTimer(time.Now, func(uint64) uint64 {
			<-release
			over.Store(true)
			return expiry.Never
		})
		timer.Plan(1)
		synctest.Wait()
		go func() {
			timer.Stop()
			stopped.Store(over.Load())
		}()
		synctest.Wait()
		close(release)
		synctest.Wait()
		if !stopped.Load() {
			t.Error("Stop returned before the sweep was over")
		}
	})
}
