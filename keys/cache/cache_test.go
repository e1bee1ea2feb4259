package cache_test

import (
	"context"
	"crypto/ed25519"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/keys/cache"
)

var (
	_ keys.Keystore = (*cache.Cache)(nil)
	_ keys.Windowed = (*cache.Cache)(nil)
	_ keys.Notifier = (*cache.Cache)(nil)
	_ keys.Lister   = (*cache.Cache)(nil)
	_ io.Closer     = (*cache.Cache)(nil)
)

var errDown = errors.New("down")

func testKey(t testing.TB, n int) keys.PublicKey {
	t.Helper()
	seed := make([]byte, ed25519.SeedSize)
	binary.BigEndian.PutUint64(seed, uint64(n)+1)
	priv := ed25519.NewKeyFromSeed(seed)
	k, err := keys.ParsePublicKey(keys.MarshalSignature(keys.TypeEd25519, priv.Public().(ed25519.PublicKey)))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// behind is the keystore behind, which is asked for one id at a time.
type behind struct {
	*keys.Memory

	mu      sync.Mutex // guards the rest
	err     error
	delay   time.Duration
	windows keys.Windows
	wrong   keys.PublicKey
	panics  bool
	asked   []keys.NodeID
	atOnce  int
	most    int
}

func newBehind(admitted ...keys.PublicKey) *behind {
	return &behind{Memory: keys.NewMemory(admitted...)}
}

func (b *behind) set(f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f()
}

func (b *behind) count() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.asked)
}

func (b *behind) Lookup(ctx context.Context, id keys.NodeID) (keys.PublicKey, error) {
	a, err := b.LookupAdmission(ctx, id)
	return a.Key, err
}

func (b *behind) LookupAdmission(ctx context.Context, id keys.NodeID) (keys.Admission, error) {
	k, unknown := b.Memory.Lookup(ctx, id) // as of when it was asked
	b.mu.Lock()
	b.asked = append(b.asked, id)
	b.atOnce++
	b.most = max(b.most, b.atOnce)
	delay := b.delay
	b.mu.Unlock()
	select {
	case <-time.After(delay):
	case <-ctx.Done():
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.atOnce--
	switch {
	case b.panics:
		panic("a bug")
	case ctx.Err() != nil:
		return keys.Admission{}, context.Cause(ctx)
	case b.err != nil:
		return keys.Admission{}, b.err
	case unknown != nil:
		return keys.Admission{}, unknown
	case !b.wrong.IsZero():
		return keys.Admission{Key: b.wrong}, nil
	}
	return keys.Admission{Key: k, Windows: b.windows}, nil
}

// batcher is asked for many ids in one request.
type batcher struct {
	*behind
	requests [][]keys.NodeID // guarded by mu
	short    bool            // it answers for fewer
}

func (b *batcher) LookupAll(ctx context.Context, ids []keys.NodeID) []keys.Answer {
	b.mu.Lock()
	b.requests = append(b.requests, slices.Clone(ids))
	delay, err := b.delay, b.err
	b.mu.Unlock()
	time.Sleep(delay)
	var out []keys.Answer
	for _, id := range ids {
		k, unknown := b.Memory.Lookup(ctx, id)
		out = append(out, keys.Answer{Admission: keys.Admission{Key: k}, Err: errors.Join(unknown, err)})
	}
	if b.short {
		return out[:len(out)-1]
	}
	return out
}

func inBubble(t *testing.T, ks keys.Keystore, cfg cache.Config, f func(t *testing.T, c *cache.Cache)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c := cache.New(ks, cfg)
		defer c.Close()
		f(t, c)
	})
}

// lookup wants an answer that takes exactly that long.
func lookup(t *testing.T, c *cache.Cache, k keys.PublicKey, takes time.Duration, want error) {
	t.Helper()
	start := time.Now()
	got, err := c.Lookup(t.Context(), k.ID())
	if !errors.Is(err, want) || (err == nil) != (got == k) {
		t.Errorf("Lookup = %v, %v; want %v", got, err, want)
	}
	if d := time.Since(start); d != takes {
		t.Errorf("it took %v, want %v", d, takes)
	}
	synctest.Wait()
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func TestFreshIsNotAskedAgain(t *testing.T) {
	k, b := testKey(t, 1), newBehind(testKey(t, 1))
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
	k, b := testKey(t, 1), newBehind(testKey(t, 1))
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
	k := testKey(t, 1)
	b := newBehind(k)
	inBubble(t, struct{ keys.Keystore }{b}, cache.Config{}, func(t *testing.T, c *cache.Cache) { // no Notifier
		lookup(t, c, k, 0, nil)
		b.Remove(k.ID())
		changed := c.Changed()
		time.Sleep(2 * time.Minute)
		lookup(t, c, k, 0, nil) // the last answer; and the question
		if !closed(changed) {
			t.Error("Changed is not closed by an answer that has become another")
		}
		lookup(t, c, k, 0, keys.ErrUnknown)
		b.Add(k)
		changed = c.Changed()
		time.Sleep(6 * time.Second)
		lookup(t, c, k, 0, nil)
		if !closed(changed) {
			t.Error("Changed is not closed by an id that is admitted again")
		}
	})
}

// TestOutage takes the keystore away: what was answered is answered for the stated
// time, and other ids are unavailable, which is not unknown.
func TestOutage(t *testing.T) {
	k, other := testKey(t, 1), testKey(t, 2)
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
	k, b := testKey(t, 1), newBehind(testKey(t, 1))
	inBubble(t, b, cache.Config{}, func(t *testing.T, c *cache.Cache) {
		lookup(t, c, k, 0, nil)
		b.set(func() { b.err = fmt.Errorf("the list: %w", keys.ErrExpired) })
		time.Sleep(2 * time.Minute)
		lookup(t, c, k, 0, nil) // and the question
		lookup(t, c, k, 0, keys.ErrExpired)
	})
}

func TestNegative(t *testing.T) {
	k, b := testKey(t, 1), newBehind()
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
		if !closed(changed) {
			t.Error("Changed is not passed on")
		}
		lookup(t, c, k, 0, nil) // at once: it was dropped
	})
}

// TestChangedComesWithTheAnswers: who is told of a change must not read the old answer.
func TestChangedComesWithTheAnswers(t *testing.T) {
	k, other := testKey(t, 1), testKey(t, 2)
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
	b := newBehind(testKey(t, 0))
	for i := range 1000 {
		b.Add(testKey(t, i))
	}
	inBubble(t, b, cache.Config{}, func(t *testing.T, c *cache.Cache) {
		for i := range 1000 {
			lookup(t, c, testKey(t, i), 0, nil)
		}
		b.set(func() { b.err, b.delay = errDown, time.Millisecond })
		changed := c.Changed()
		start := time.Now()
		b.Add(testKey(t, 1000))
		<-changed
		if d := time.Since(start); d > 30*time.Second {
			t.Errorf("told after %v", d)
		}
		lookup(t, c, testKey(t, 5), 0, nil)
	})
}

// TestOutdatedRefusal has a refusal on its way while the id is admitted: nobody is told
// it.
func TestOutdatedRefusal(t *testing.T) {
	k, b := testKey(t, 1), newBehind()
	b.delay = time.Second
	inBubble(t, b, cache.Config{}, func(t *testing.T, c *cache.Cache) {
		time.AfterFunc(500*time.Millisecond, func() { b.Add(k) })
		lookup(t, c, k, 2*time.Second, nil)
	})
}

func TestSingleFlight(t *testing.T) {
	k, b := testKey(t, 1), newBehind(testKey(t, 1))
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
	k, b := testKey(t, 1), newBehind(testKey(t, 1))
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
		b.Add(testKey(t, i))
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
				if _, err := c.Lookup(t.Context(), testKey(t, i).ID()); !errors.Is(err, want) {
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

// TestSlowBatchHoldsNothingUp: what is wanted while a request is slow goes in the next.
func TestSlowBatchHoldsNothingUp(t *testing.T) {
	b := &batcher{behind: newBehind(testKey(t, 1), testKey(t, 2))}
	b.delay = 25 * time.Second
	inBubble(t, b, cache.Config{}, func(t *testing.T, c *cache.Cache) {
		var wg sync.WaitGroup
		wg.Go(func() { c.Lookup(t.Context(), testKey(t, 1).ID()) })
		time.Sleep(time.Second)
		b.set(func() { b.delay = 0 })
		lookup(t, c, testKey(t, 2), 2*time.Millisecond, nil)
		wg.Wait()
	})
}

func TestBatchOfTooFewAnswers(t *testing.T) {
	b := &batcher{behind: newBehind(testKey(t, 1)), short: true}
	inBubble(t, b, cache.Config{}, func(t *testing.T, c *cache.Cache) {
		if _, err := c.Lookup(t.Context(), testKey(t, 1).ID()); err == nil || errors.Is(err, keys.ErrUnknown) {
			t.Errorf("Lookup: %v, want unavailable", err)
		}
	})
}

func TestAttack(t *testing.T) {
	t.Run("wrong-key", func(t *testing.T) {
		k, b := testKey(t, 1), newBehind(testKey(t, 1))
		b.wrong = testKey(t, 2)
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
		k, b := testKey(t, 1), newBehind(testKey(t, 1))
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
	k, b := testKey(t, 1), newBehind(testKey(t, 1))
	b.panics = true
	inBubble(t, b, cache.Config{}, func(t *testing.T, c *cache.Cache) {
		if _, err := c.Lookup(t.Context(), k.ID()); err == nil || errors.Is(err, keys.ErrUnknown) {
			t.Errorf("Lookup: %v, want unavailable", err)
		}
		b.set(func() { b.panics = false })
		lookup(t, c, k, 0, nil)
	})
}

func TestWindowsAreKept(t *testing.T) {
	k, b := testKey(t, 1), newBehind(testKey(t, 1))
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
		if a, _ := c.LookupAdmission(t.Context(), k.ID()); a.Windows != nil || !closed(changed) {
			t.Errorf("LookupAdmission = %v after the window was taken away", a)
		}
	})
}

func TestMaxBoundsWhatIsKept(t *testing.T) {
	b := newBehind()
	inBubble(t, b, cache.Config{Max: 10}, func(t *testing.T, c *cache.Cache) {
		for i := range 30 {
			b.Add(testKey(t, i))
			synctest.Wait()
			lookup(t, c, testKey(t, i), 0, nil)
		}
		if n := c.TestOnlyKept(); n > 10 {
			t.Errorf("%d answers are kept, want at most 10", n)
		}
	})
}

func TestListAsBehind(t *testing.T) {
	inBubble(t, newBehind(testKey(t, 1)), cache.Config{}, func(t *testing.T, c *cache.Cache) {
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
				if _, err := c.Lookup(t.Context(), testKey(t, i).ID()); err == nil || errors.Is(err, keys.ErrUnknown) {
					t.Errorf("Lookup over Close: %v", err)
				}
			})
		}
		synctest.Wait()
		c.Close()
		wg.Wait()
		if _, err := c.Lookup(t.Context(), testKey(t, 1).ID()); err == nil || errors.Is(err, keys.ErrUnknown) {
			t.Errorf("Lookup after Close: %v", err)
		}
		c.Close()
	})
}

func BenchmarkLookup(b *testing.B) {
	admitted := make([]keys.PublicKey, 1000)
	for i := range admitted {
		admitted[i] = testKey(b, i)
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
