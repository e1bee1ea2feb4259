package cache_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/keys/cache"
)

var errDown = errors.New("down")

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
