package cache_test

import (
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/keys/cache"
	"github.com/hearsaynet/hearsay/keys/internal/keytest"
)

func TestSingleFlight(t *testing.T) {
	k, b := keytest.Key(t, 1), newBehind(keytest.Key(t, 1))
	b.delay = time.Second
	inBubble(t, b, cache.Config{}, func(t *testing.T, c *cache.Cache) {
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				if got, err := c.Lookup(t.Context(), k.ID()); err != nil || got != k {
					t.Errorf("Lookup = %v, %v", got, err)
				}
			})
		}
		wg.Wait()
		if n := b.count(); n != 1 {
			t.Errorf("asked %d times, want once", n)
		}
	})
}

func TestCallerLeavesAndTheAnswerStays(t *testing.T) {
	k, b := keytest.Key(t, 1), newBehind(keytest.Key(t, 1))
	b.delay = time.Second
	inBubble(t, b, cache.Config{}, func(t *testing.T, c *cache.Cache) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		if _, err := c.Lookup(ctx, k.ID()); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Lookup: %v, want the context's error", err)
		}
		time.Sleep(time.Second)
		lookup(t, c, k, 0, nil)
		if n := b.count(); n != 1 {
			t.Errorf("asked %d times, want once", n)
		}
	})
}

func TestBatch(t *testing.T) {
	b := &batcher{behind: newBehind()}
	for i := range 200 {
		b.Add(keytest.Key(t, i))
	}
	b.delay = time.Second
	inBubble(t, b, cache.Config{}, func(t *testing.T, c *cache.Cache) {
		var wg sync.WaitGroup
		for i := range 201 {
			wg.Go(func() {
				want := error(nil)
				if i == 200 {
					want = keys.ErrUnknown
				}
				if _, err := c.Lookup(t.Context(), keytest.Key(t, i).ID()); !errors.Is(err, want) {
					t.Errorf("Lookup %d: %v, want %v", i, err, want)
				}
			})
		}
		wg.Wait()
		if len(b.requests) != 1 || len(b.requests[0]) != 201 {
			t.Errorf("%d requests, want one of 201 ids", len(b.requests))
		}
	})
}

// TestLookupAll: what is known is not asked for again, the rest in one request.
func TestLookupAll(t *testing.T) {
	b := &batcher{behind: newBehind(keytest.Key(t, 0), keytest.Key(t, 1))}
	b.delay = time.Second
	inBubble(t, b, cache.Config{}, func(t *testing.T, c *cache.Cache) {
		ids := []keys.NodeID{keytest.Key(t, 0).ID(), keytest.Key(t, 1).ID(), keytest.Key(t, 2).ID()}
		for _, ids := range [][]keys.NodeID{ids[:1], ids} {
			got := c.LookupAll(t.Context(), ids)
			for i, a := range got {
				if i < 2 && (a.Err != nil || a.Key != keytest.Key(t, i)) || i == 2 && !errors.Is(a.Err, keys.ErrUnknown) {
					t.Errorf("answer %d of %d is %v", i, len(got), a)
				}
			}
			if len(got) != len(ids) {
				t.Errorf("%d answers for %d ids", len(got), len(ids))
			}
		}
		if len(b.requests) != 2 || !slices.Equal(b.requests[1], ids[1:]) {
			t.Errorf("asked for %v, want %v at once", b.requests, ids[1:])
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for _, a := range c.LookupAll(ctx, ids) {
			if !errors.Is(a.Err, context.Canceled) {
				t.Errorf("the call has ended, and the answer is %v", a)
			}
		}
	})
}

// TestSlowBatchHoldsNothingUp: what is wanted while a request is slow goes in the next.
func TestSlowBatchHoldsNothingUp(t *testing.T) {
	b := &batcher{behind: newBehind(keytest.Key(t, 1), keytest.Key(t, 2))}
	b.delay = 25 * time.Second
	inBubble(t, b, cache.Config{}, func(t *testing.T, c *cache.Cache) {
		var wg sync.WaitGroup
		wg.Go(func() { c.Lookup(t.Context(), keytest.Key(t, 1).ID()) })
		time.Sleep(time.Second)
		b.set(func() { b.delay = 0 })
		lookup(t, c, keytest.Key(t, 2), 2*time.Millisecond, nil)
		wg.Wait()
	})
}

func TestBatchOfTooFewAnswers(t *testing.T) {
	b := &batcher{behind: newBehind(keytest.Key(t, 1)), short: true}
	inBubble(t, b, cache.Config{}, func(t *testing.T, c *cache.Cache) {
		if _, err := c.Lookup(t.Context(), keytest.Key(t, 1).ID()); err == nil || errors.Is(err, keys.ErrUnknown) {
			t.Errorf("Lookup: %v, want unavailable", err)
		}
	})
}

func TestAttack(t *testing.T) {
	t.Run("wrong-key", func(t *testing.T) {
		k, b := keytest.Key(t, 1), newBehind(keytest.Key(t, 1))
		b.wrong = keytest.Key(t, 2)
		inBubble(t, b, cache.Config{}, func(t *testing.T, c *cache.Cache) {
			if got, err := c.Lookup(t.Context(), k.ID()); err == nil || errors.Is(err, keys.ErrUnknown) {
				t.Errorf("Lookup = %v, %v; want unavailable", got, err)
			}
			b.set(func() { b.wrong = keys.PublicKey{} })
			lookup(t, c, k, 0, nil)
		})
	})
	// Ids cost nothing to make: those of a flood push nobody out.
	t.Run("flood", func(t *testing.T) {
		k, b := keytest.Key(t, 1), newBehind(keytest.Key(t, 1))
		inBubble(t, b, cache.Config{}, func(t *testing.T, c *cache.Cache) {
			lookup(t, c, k, 0, nil)
			var id keys.NodeID
			copy(id[:], []byte{0x12, 0x20})
			for i := range 40_000 {
				binary.BigEndian.PutUint32(id[2:], uint32(i))
				if _, err := c.Lookup(t.Context(), id); !errors.Is(err, keys.ErrUnknown) {
					t.Fatal(err)
				}
			}
			if n := c.TestOnlyKept(); n > 1<<14+1 {
				t.Errorf("%d answers are kept", n)
			}
			asked := b.count()
			lookup(t, c, k, 0, nil)
			if b.count() != asked {
				t.Error("an admitted id was pushed out")
			}
		})
	})
	// A keystore that hangs is asked for so many at a time, and so many wait.
	t.Run("keystore-down", func(t *testing.T) {
		b := newBehind()
		b.delay = time.Hour
		inBubble(t, b, cache.Config{}, func(t *testing.T, c *cache.Cache) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			busy := 0
			var wg sync.WaitGroup
			var mu sync.Mutex
			for i := range 20_000 {
				var id keys.NodeID
				binary.BigEndian.PutUint32(id[2:], uint32(i))
				wg.Go(func() {
					if _, err := c.Lookup(ctx, id); errors.Is(err, cache.ErrBusy) {
						mu.Lock()
						defer mu.Unlock()
						busy++
					}
				})
			}
			synctest.Wait()
			mu.Lock()
			if busy != 20_000-1<<14 || b.most != 16 {
				t.Errorf("%d look-ups found no room and %d were asked at a time, want %d and 16", busy, b.most, 20_000-1<<14)
			}
			mu.Unlock()
			cancel()
			wg.Wait()
		})
	})
}

func TestPanicBehind(t *testing.T) {
	k, b := keytest.Key(t, 1), newBehind(keytest.Key(t, 1))
	b.panics = true
	inBubble(t, b, cache.Config{}, func(t *testing.T, c *cache.Cache) {
		if _, err := c.Lookup(t.Context(), k.ID()); err == nil || errors.Is(err, keys.ErrUnknown) {
			t.Errorf("Lookup: %v, want unavailable", err)
		}
		b.set(func() { b.panics = false })
		lookup(t, c, k, 0, nil)
	})
}
