package cache_test

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/keys/cache"
	"github.com/hearsaynet/hearsay/keys/internal/keytest"
)

var (
	_ keys.Keystore = (*cache.Cache)(nil)
	_ keys.Windowed = (*cache.Cache)(nil)
	_ keys.Notifier = (*cache.Cache)(nil)
	_ keys.Lister   = (*cache.Cache)(nil)
	_ io.Closer     = (*cache.Cache)(nil)
)

func TestFreshIsNotAskedAgain(t *testing.T) {
	k, b := keytest.Key(t, 1), newBehind(keytest.Key(t, 1))
	b.delay = 100 * time.Millisecond
	inBubble(t, b, cache.Config{}, func(t *testing.T, c *cache.Cache) {
		lookup(t, c, k, 100*time.Millisecond, nil)
		for range 10 {
			lookup(t, c, k, 0, nil)
		}
		time.Sleep(59 * time.Second)
		lookup(t, c, k, 0, nil)
		if n := b.count(); n != 1 {
			t.Errorf("asked %d times within a minute, want once", n)
		}
	})
}

func TestStaleIsAskedBehind(t *testing.T) {
	k, b := keytest.Key(t, 1), newBehind(keytest.Key(t, 1))
	inBubble(t, b, cache.Config{}, func(t *testing.T, c *cache.Cache) {
		lookup(t, c, k, 0, nil)
		b.set(func() { b.delay = 10 * time.Second })
		time.Sleep(2 * time.Minute)
		for range 10 {
			lookup(t, c, k, 0, nil)
		}
		time.Sleep(10 * time.Second)
		if n := b.count(); n != 2 {
			t.Errorf("asked %d times, want twice", n)
		}
		lookup(t, c, k, 0, nil)
		if n := b.count(); n != 2 {
			t.Errorf("asked %d times after it was confirmed, want twice", n)
		}
	})
}

func TestWithdrawnIsNoticedBehind(t *testing.T) {
	k := keytest.Key(t, 1)
	b := newBehind(k)
	inBubble(t, struct{ keys.Keystore }{b}, cache.Config{}, func(t *testing.T, c *cache.Cache) { // no Notifier
		lookup(t, c, k, 0, nil)
		b.Remove(k.ID())
		changed := c.Changed()
		time.Sleep(2 * time.Minute)
		lookup(t, c, k, 0, nil) // the last answer; and the question
		if !keytest.Closed(changed) {
			t.Error("Changed is not closed by an answer that has become another")
		}
		lookup(t, c, k, 0, keys.ErrUnknown)
		b.Add(k)
		changed = c.Changed()
		time.Sleep(6 * time.Second)
		lookup(t, c, k, 0, nil)
		if !keytest.Closed(changed) {
			t.Error("Changed is not closed by an id that is admitted again")
		}
	})
}

// TestOutage takes the keystore away: what was answered is answered for the stated
// time, and other ids are unavailable, which is not unknown.
func TestOutage(t *testing.T) {
	k, other := keytest.Key(t, 1), keytest.Key(t, 2)
	b := newBehind(k, other)
	inBubble(t, b, cache.Config{Outage: time.Hour}, func(t *testing.T, c *cache.Cache) {
		lookup(t, c, k, 0, nil)
		b.set(func() { b.err = errDown })
		for range 58 {
			time.Sleep(time.Minute)
			lookup(t, c, k, 0, nil)
		}
		lookup(t, c, other, 0, errDown)
		asked := b.count()
		for range 100 {
			lookup(t, c, k, 0, nil)
		}
		if n := b.count() - asked; n > 1 {
			t.Errorf("asked %d times in a moment while it is down", n)
		}
		time.Sleep(3 * time.Minute)
		lookup(t, c, k, 0, errDown)
		b.set(func() { b.err = nil })
		lookup(t, c, k, 0, nil)
		lookup(t, c, other, 0, nil)
	})
}

// TestExpired: an answer that has expired is no answer, whatever Outage says.
func TestExpired(t *testing.T) {
	k, b := keytest.Key(t, 1), newBehind(keytest.Key(t, 1))
	inBubble(t, b, cache.Config{}, func(t *testing.T, c *cache.Cache) {
		lookup(t, c, k, 0, nil)
		b.set(func() { b.err = fmt.Errorf("the list: %w", keys.ErrExpired) })
		time.Sleep(2 * time.Minute)
		lookup(t, c, k, 0, nil) // and the question
		lookup(t, c, k, 0, keys.ErrExpired)
	})
}

func TestNegative(t *testing.T) {
	k, b := keytest.Key(t, 1), newBehind()
	inBubble(t, b, cache.Config{}, func(t *testing.T, c *cache.Cache) {
		for range 10 {
			lookup(t, c, k, 0, keys.ErrUnknown)
		}
		time.Sleep(4 * time.Second)
		lookup(t, c, k, 0, keys.ErrUnknown)
		if n := b.count(); n != 1 {
			t.Errorf("asked %d times, want once", n)
		}
		changed := c.Changed()
		b.Add(k)
		synctest.Wait()
		if !keytest.Closed(changed) {
			t.Error("Changed is not passed on")
		}
		lookup(t, c, k, 0, nil) // at once: it was dropped
	})
}

// TestChangedComesWithTheAnswers: who is told of a change must not read the old answer.
func TestChangedComesWithTheAnswers(t *testing.T) {
	k, other := keytest.Key(t, 1), keytest.Key(t, 2)
	b := newBehind(k, other)
	inBubble(t, b, cache.Config{}, func(t *testing.T, c *cache.Cache) {
		lookup(t, c, k, 0, nil)
		lookup(t, c, other, 0, nil)
		b.set(func() { b.delay = time.Second })
		changed := c.Changed()
		b.Remove(k.ID())
		lookup(t, c, k, 0, nil) // at once, and as it was
		<-changed
		lookup(t, c, k, 0, keys.ErrUnknown)
		lookup(t, c, other, 0, nil)
	})
}

func TestChangedInAnOutageIsTold(t *testing.T) {
	b := newBehind(keytest.Key(t, 0))
	for i := range 1000 {
		b.Add(keytest.Key(t, i))
	}
	inBubble(t, b, cache.Config{}, func(t *testing.T, c *cache.Cache) {
		for i := range 1000 {
			lookup(t, c, keytest.Key(t, i), 0, nil)
		}
		b.set(func() { b.err, b.delay = errDown, time.Millisecond })
		changed := c.Changed()
		start := time.Now()
		b.Add(keytest.Key(t, 1000))
		<-changed
		if d := time.Since(start); d > 30*time.Second {
			t.Errorf("told after %v", d)
		}
		lookup(t, c, keytest.Key(t, 5), 0, nil)
	})
}

// TestOutdatedRefusal has a refusal on its way while the id is admitted: nobody is told
// it.
func TestOutdatedRefusal(t *testing.T) {
	k, b := keytest.Key(t, 1), newBehind()
	b.delay = time.Second
	inBubble(t, b, cache.Config{}, func(t *testing.T, c *cache.Cache) {
		time.AfterFunc(500*time.Millisecond, func() { b.Add(k) })
		lookup(t, c, k, 2*time.Second, nil)
	})
}

func TestWindowsAreKept(t *testing.T) {
	k, b := keytest.Key(t, 1), newBehind(keytest.Key(t, 1))
	b.windows = keys.Windows{{Before: time.Unix(9, 0)}}
	inBubble(t, struct {
		keys.Keystore
		keys.Windowed
	}{b, b}, cache.Config{}, func(t *testing.T, c *cache.Cache) {
		changed := c.Changed()
		if a, err := c.LookupAdmission(t.Context(), k.ID()); err != nil || !a.Windows.Equal(b.windows) {
			t.Errorf("LookupAdmission = %v, %v", a, err)
		}
		b.set(func() { b.windows = nil })
		time.Sleep(2 * time.Minute)
		lookup(t, c, k, 0, nil)
		if a, _ := c.LookupAdmission(t.Context(), k.ID()); a.Windows != nil || !keytest.Closed(changed) {
			t.Errorf("LookupAdmission = %v after the window was taken away", a)
		}
	})
}

func TestMaxBoundsWhatIsKept(t *testing.T) {
	b := newBehind()
	inBubble(t, b, cache.Config{Max: 10}, func(t *testing.T, c *cache.Cache) {
		for i := range 30 {
			b.Add(keytest.Key(t, i))
			synctest.Wait()
			lookup(t, c, keytest.Key(t, i), 0, nil)
		}
		if n := c.TestOnlyKept(); n > 10 {
			t.Errorf("%d answers are kept, want at most 10", n)
		}
	})
}

func TestListAsBehind(t *testing.T) {
	inBubble(t, newBehind(keytest.Key(t, 1)), cache.Config{}, func(t *testing.T, c *cache.Cache) {
		if ids, err := c.List(t.Context()); err != nil || len(ids) != 1 {
			t.Errorf("List = %v, %v", ids, err)
		}
	})
	inBubble(t, struct{ keys.Keystore }{newBehind()}, cache.Config{}, func(t *testing.T, c *cache.Cache) {
		if ids, err := c.List(t.Context()); err == nil {
			t.Errorf("List = %v, though the keystore behind cannot", ids)
		}
	})
}

func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBehind()
		b.delay = time.Hour
		c := cache.New(b, cache.Config{})
		var wg sync.WaitGroup
		for i := range 40 {
			wg.Go(func() {
				if _, err := c.Lookup(t.Context(), keytest.Key(t, i).ID()); err == nil || errors.Is(err, keys.ErrUnknown) {
					t.Errorf("Lookup over Close: %v", err)
				}
			})
		}
		synctest.Wait()
		c.Close()
		wg.Wait()
		if _, err := c.Lookup(t.Context(), keytest.Key(t, 1).ID()); err == nil || errors.Is(err, keys.ErrUnknown) {
			t.Errorf("Lookup after Close: %v", err)
		}
		c.Close()
	})
}

func BenchmarkLookup(b *testing.B) {
	admitted := make([]keys.PublicKey, 1000)
	for i := range admitted {
		admitted[i] = keytest.Key(b, i)
	}
	ids := make([]keys.NodeID, len(admitted))
	for i, k := range admitted {
		ids[i] = k.ID()
	}
	perSecond := func(b *testing.B) { b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "lookups/s") }
	b.Run("warm", func(b *testing.B) {
		c := cache.New(keys.NewMemory(admitted...), cache.Config{Fresh: time.Hour})
		defer c.Close()
		i := 0
		for b.Loop() {
			if _, err := c.Lookup(b.Context(), ids[i%len(ids)]); err != nil {
				b.Fatal(err)
			}
			i++
		}
		perSecond(b)
	})
	for _, latency := range []time.Duration{0, 5 * time.Millisecond} {
		b.Run(fmt.Sprintf("cold/behind=%v", latency), func(b *testing.B) {
			ks := &batcher{behind: newBehind(admitted...)}
			ks.delay = latency
			for n := 0; n < b.N; n += len(ids) {
				c := cache.New(ks, cache.Config{})
				var wg sync.WaitGroup
				for _, id := range ids[:min(len(ids), b.N-n)] {
					wg.Go(func() {
						if _, err := c.Lookup(b.Context(), id); err != nil {
							b.Error(err)
						}
					})
				}
				wg.Wait()
				c.Close()
			}
			perSecond(b)
		})
	}
}
