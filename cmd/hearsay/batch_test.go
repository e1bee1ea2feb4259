package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearsaynet/hearsay/replica/wire"
)

// recorder is a node that takes its time.
type recorder struct {
	mu      sync.Mutex // guards the fields below
	sent    [][]string
	flying  int
	most    int
	clashes int
	inAir   map[string]bool
}

func (r *recorder) send(slow func(n int) time.Duration) func(context.Context, []string) ([]wire.Ref, error) {
	r.inAir = map[string]bool{}
	return func(_ context.Context, batch []string) ([]wire.Ref, error) {
		r.mu.Lock()
		r.sent = append(r.sent, batch)
		r.flying++
		r.most = max(r.most, r.flying)
		unique := slices.Compact(slices.Sorted(slices.Values(batch)))
		for _, s := range unique {
			if r.inAir[s] {
				r.clashes++
			}
			r.inAir[s] = true
		}
		takes := slow(len(r.sent))
		r.mu.Unlock()
		time.Sleep(takes)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.flying--
		for _, s := range unique {
			delete(r.inAir, s)
		}
		return make([]wire.Ref, len(batch)), nil
	}
}

// feed reads items, one each pause, then io.EOF.
func feed(items []string, pause time.Duration) func() (string, int, error) {
	i := 0
	return func() (string, int, error) {
		if i == len(items) {
			return "", 0, io.EOF
		}
		time.Sleep(pause)
		i++
		return items[i-1], len(items[i-1]), nil
	}
}

func numbers(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprint(i)
	}
	return out
}

func itself(s string) string { return s }

func TestBatcher(t *testing.T) {
	same := make([]string, 1500)
	large := make([]string, 40)
	for i := range large {
		large[i] = string(make([]byte, 60_000+i))
	}
	for name, tt := range map[string]struct {
		items        []string
		pause        time.Duration
		window       int
		most, atMost int // batches in the air, batches in all
	}{
		"nothing":             {nil, 0, 4, 0, 0},
		"one":                 {numbers(1), 0, 4, 1, 1},
		"a file":              {numbers(5000), 0, 4, 4, 24},
		"one at a time":       {numbers(5000), 0, 1, 1, 24},
		"a slow pipe":         {numbers(100), time.Second, 4, 1, 100},
		"a pipe":              {numbers(1000), time.Millisecond, 4, 2, 110}, // the last waits for none
		"always the same key": {same, 0, 4, 1, 8},
		"large items":         {large, 0, 4, 4, 6},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var r recorder
				var done []string
				b := batcher[string]{
					window: tt.window,
					read:   feed(tt.items, tt.pause),
					key:    itself,
					// Later batches are faster, so that they land out of order.
					send: r.send(func(n int) time.Duration { return 10*time.Millisecond - time.Duration(n)*time.Microsecond }),
					done: func(batch []string, refs []wire.Ref) error {
						if len(batch) > wire.MaxEntries || len(refs) != len(batch) {
							t.Errorf("a batch of %d items, %d refs", len(batch), len(refs))
						}
						done = append(done, batch...)
						return nil
					},
				}
				if err := b.run(t.Context()); err != nil {
					t.Fatal(err)
				}
				if !slices.Equal(done, tt.items) {
					t.Errorf("%d items are done, of %d, or not in order", len(done), len(tt.items))
				}
				if r.most != tt.most || len(r.sent) > tt.atMost || r.clashes > 0 {
					t.Errorf("%d batches, %d at a time, %d with a key that was in the air; want at most %d, %d", len(r.sent), r.most, r.clashes, tt.atMost, tt.most)
				}
			})
		})
	}
}

func TestBatcherFails(t *testing.T) {
	errSend, errRead := errors.New("send"), errors.New("read")
	synctest.Test(t, func(t *testing.T) {
		done := 0
		b := batcher[string]{
			window: 4,
			read:   feed(numbers(2000), 0),
			send: func(ctx context.Context, batch []string) ([]wire.Ref, error) {
				time.Sleep(time.Millisecond)
				if slices.Contains(batch, "700") {
					return nil, errSend
				}
				return nil, ctx.Err()
			},
			done:   func(batch []string, _ []wire.Ref) error { done += len(batch); return nil },
			failed: func(batch []string, err error) error { return fmt.Errorf("from %s: %w", batch[0], err) },
		}
		if err := b.run(t.Context()); !errors.Is(err, errSend) || done == 0 || done > 700 {
			t.Errorf("%v after %d items", err, done)
		}
	})
	t.Run("read", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var sent int
			items := feed(numbers(3), 0)
			b := batcher[string]{
				window: 1,
				read: func() (string, int, error) {
					s, n, err := items()
					if errors.Is(err, io.EOF) {
						err = errRead
					}
					return s, n, err
				},
				send: func(context.Context, []string) ([]wire.Ref, error) { return nil, nil },
				done: func(batch []string, _ []wire.Ref) error { sent += len(batch); return nil },
			}
			if err := b.run(t.Context()); !errors.Is(err, errRead) || sent != 3 {
				t.Errorf("%v after %d items; want what came before to be sent", err, sent)
			}
		})
	})
	t.Run("context", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errRead)
			defer cancel()
			stop := make(chan struct{})
			defer close(stop)
			b := batcher[string]{
				window: 1,
				read:   func() (string, int, error) { <-stop; return "", 0, io.EOF },
				send:   func(context.Context, []string) ([]wire.Ref, error) { return nil, nil },
				done:   func([]string, []wire.Ref) error { return nil },
			}
			if err := b.run(ctx); !errors.Is(err, errRead) {
				t.Error(err)
			}
		})
	})
}
