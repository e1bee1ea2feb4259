package watch_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/hearsaynet/hearsay/replica/model/internal/livetest"
	"github.com/hearsaynet/hearsay/replica/model/internal/watch"
)

// load is an event that holds so many bytes.
type load int

func (l load) Held() int { return int(l) }

// TestHeld: what a slow watcher keeps in memory is bounded however large the changes are,
// and it is told where it missed some; one that holds more than that alone is told.
func TestHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := watch.New(func(l load) int { return int(l) }, func(n uint64) int { return -int(n) })
		defer hub.Close()
		changes := hub.Watch(t.Context(), 100, func(load) bool { return true })
		const half, small, huge = watch.MaxHeld / 2, 1, 2 * watch.MaxHeld
		tell := func(loads ...load) {
			for _, l := range loads {
				hub.Tell(l)
				synctest.Wait() // the first goes to the reader's hand
			}
		}
		tell(small, half, half-1, small, small, half, small)
		if got, want := livetest.Drain(changes), []int{small, half, half - 1, small, -3}; !slices.Equal(got, want) {
			t.Errorf("told %d, want %d", got, want)
		}
		tell(small, huge, small, half)
		if got, want := livetest.Drain(changes), []int{small, huge, -2}; !slices.Equal(got, want) {
			t.Errorf("told %d, want %d", got, want)
		}
		tell(half, half, half)
		if got, want := livetest.Drain(changes), []int{half, half, half}; !slices.Equal(got, want) {
			t.Errorf("told %d, want %d", got, want)
		}
	})
}

// TestWatched: nobody makes events when the last watcher has gone.
func TestWatched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := watch.New(func(l load) int { return int(l) }, func(n uint64) int { return -int(n) })
		ctx, cancel := context.WithCancel(t.Context())
		changes := hub.Watch(ctx, 1, func(load) bool { return true })
		before := hub.Watched()
		cancel()
		synctest.Wait()
		if _, open := <-changes; !before || hub.Watched() || open {
			t.Errorf("watched before %v, after %v, open %v", before, hub.Watched(), open)
		}
		hub.Close()
		if hub.Watch(t.Context(), 1, nil) != nil {
			t.Error("a hub that is closed has a watcher")
		}
	})
}
