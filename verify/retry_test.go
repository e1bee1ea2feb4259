package verify_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/verify"
)

// TestRetry checks that the keystore's word ends the pause, also when it comes while a
// look-up that began before is still out.
func TestRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAuthor(t, 1)
		ks := newFlaky(a)
		p := verify.New(verify.Admitted(lookup(func(ctx context.Context, id keys.NodeID) (keys.PublicKey, error) {
			k, err := ks.Lookup(ctx, id)
			time.Sleep(100 * time.Millisecond)
			return k, err
		})), verify.Config{BackoffInitial: time.Hour, BackoffMax: time.Hour})
		defer p.Close()
		ks.fail(a, errDown)
		submit(t, p, a.run(1, 10), nil)
		time.Sleep(50 * time.Millisecond) // the look-up has read "down" and is on its way back
		ks.fail(a, nil)
		p.Retry()
		start := time.Now()
		want(t, <-p.Results(), verify.Accept, 1, nil)
		if d := time.Since(start); d != 150*time.Millisecond {
			t.Errorf("took %v, want 150ms", d)
		}

		ks.fail(a, errDown)
		submit(t, p, a.run(1, 10), nil)
		time.Sleep(time.Minute)
		ks.fail(a, nil)
		p.Retry()
		start = time.Now()
		want(t, <-p.Results(), verify.Accept, 2, nil)
		if d := time.Since(start); d != 100*time.Millisecond {
			t.Errorf("took %v, want 100ms", d)
		}
	})
}

// TestRetryIsUsedOnce checks that a Retry from before a look-up does not count after it.
func TestRetryIsUsedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAuthor(t, 1)
		ks := newFlaky(a)
		p := verify.New(verify.Admitted(lookup(func(ctx context.Context, id keys.NodeID) (keys.PublicKey, error) {
			time.Sleep(100 * time.Millisecond)
			return ks.Lookup(ctx, id)
		})), verify.Config{BackoffInitial: time.Hour, BackoffMax: time.Hour})
		defer p.Close()
		submit(t, p, a.run(1, 10), nil)
		submit(t, p, a.run(1, 10), nil)
		time.Sleep(50 * time.Millisecond)
		p.Retry()
		want(t, <-p.Results(), verify.Accept, 1, nil)
		ks.fail(a, errDown)
		time.Sleep(time.Minute)
		if w, ok := p.WaitingFor(a.key.ID()); !ok || w.Attempts != 1 {
			t.Errorf("waiting: %+v, %v, want 1 attempt", w, ok)
		}
	})
}

// TestBackoffStartsAnew checks that pauses grow within one outage, and are short again in
// the next one and after a Retry.
func TestBackoffStartsAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAuthor(t, 1)
		ks := newFlaky(a)
		p := verify.New(verify.Admitted(ks), verify.Config{})
		defer p.Close()
		attempts := func(d time.Duration) int {
			before := ks.asked(a)
			time.Sleep(d)
			return ks.asked(a) - before
		}
		ks.fail(a, errDown)
		submit(t, p, a.run(1, 10), nil)
		submit(t, p, a.run(1, 10), nil)
		if n := attempts(2 * time.Second); n < 2 {
			t.Errorf("%d attempts in the first 2 s", n)
		}
		time.Sleep(5 * time.Minute)
		if n := attempts(2 * time.Minute); n < 2 || n > 9 {
			t.Errorf("%d attempts in 2 min after long", n)
		}
		p.Retry()
		if n := attempts(2 * time.Second); n < 3 {
			t.Errorf("%d attempts in 2 s after Retry", n)
		}
		time.Sleep(5 * time.Minute)
		ks.fail(a, nil)
		want(t, <-p.Results(), verify.Accept, 1, nil)
		want(t, <-p.Results(), verify.Accept, 2, nil)
	})

	synctest.Test(t, func(t *testing.T) { // the next outage, while the queue is not empty
		a := newAuthor(t, 1)
		var seq2 atomic.Int64
		var healed atomic.Bool
		p := verify.New(func(_ context.Context, r *verify.Request, done func(verify.Verdict, error)) {
			if seqOf(r.Statement) == 1 && healed.Load() {
				done(verify.Accept, r.Check(a.key))
				return
			}
			if seqOf(r.Statement) == 2 {
				seq2.Add(1)
			}
			done(verify.Unavailable, errDown)
		}, verify.Config{})
		defer p.Close()
		submit(t, p, a.run(1, 10), nil)
		submit(t, p, a.run(1, 10), nil)
		time.Sleep(5 * time.Minute)
		healed.Store(true)
		want(t, <-p.Results(), verify.Accept, 1, nil)
		time.Sleep(2 * time.Second)
		if n := seq2.Load(); n < 3 {
			t.Errorf("%d attempts in the first 2 s of the second outage", n)
		}
	})
}

// TestWorkers checks that a Check waits for a worker, and that waiting for our own
// processors does not count as a slow keystore.
func TestWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAuthor(t, 1)
		p := verify.New(verify.Admitted(newFlaky(a)), verify.Config{Workers: 3})
		defer p.Close()
		release := p.TestOnlyOccupy()
		submit(t, p, a.run(1, 10), nil)
		time.Sleep(20 * time.Second)
		none(t, p)
		if w, ok := p.WaitingFor(a.key.ID()); ok {
			t.Errorf("waiting: %+v", w)
		}
		release()
		want(t, <-p.Results(), verify.Accept, 1, nil)
		p.TestOnlyOccupy()
		submit(t, p, a.run(1, 10), nil) // Close ends it
		synctest.Wait()
	})
}
