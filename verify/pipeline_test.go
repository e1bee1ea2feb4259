package verify_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/wire"
	"github.com/hearsaynet/hearsay/verify"
)

func TestVerdictString(t *testing.T) {
	for v, want := range map[verify.Verdict]string{verify.Accept: "accept", verify.Reject: "reject", verify.Unavailable: "unavailable", 0: "Verdict(0)", 9: "Verdict(9)"} {
		if got := v.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// TestCallback checks what a Func cannot do.
func TestCallback(t *testing.T) {
	type fn = func(ctx context.Context, a *author, r *verify.Request, done func(verify.Verdict, error))
	for _, tt := range []struct {
		name    string
		f       fn
		verdict verify.Verdict // 0: waits
		err     error
	}{
		{"accept without check", func(_ context.Context, _ *author, _ *verify.Request, done func(verify.Verdict, error)) {
			done(verify.Accept, nil)
		}, verify.Reject, verify.ErrUnchecked},
		{"accept after a failed check", func(_ context.Context, _ *author, r *verify.Request, done func(verify.Verdict, error)) {
			_ = r.Check(keys.PublicKey{})
			done(verify.Accept, nil)
		}, verify.Reject, verify.ErrUnchecked},
		{"accept with an error", func(_ context.Context, a *author, r *verify.Request, done func(verify.Verdict, error)) {
			_ = r.Check(a.key)
			done(verify.Accept, errDown)
		}, verify.Accept, nil},
		{"reject after check", func(_ context.Context, a *author, r *verify.Request, done func(verify.Verdict, error)) {
			_ = r.Check(a.key)
			done(verify.Reject, errDown)
		}, verify.Reject, errDown},
		{"reject without a reason", func(_ context.Context, _ *author, _ *verify.Request, done func(verify.Verdict, error)) {
			done(verify.Reject, nil)
		}, verify.Reject, nil},
		{"no verdict", func(_ context.Context, _ *author, _ *verify.Request, done func(verify.Verdict, error)) {
			done(0, nil)
		}, verify.Reject, nil},
		{"panic", func(context.Context, *author, *verify.Request, func(verify.Verdict, error)) {
			panic("out of cheese")
		}, 0, verify.ErrPanic},
		{"panic after the answer", func(_ context.Context, a *author, r *verify.Request, done func(verify.Verdict, error)) {
			_ = r.Check(a.key)
			done(verify.Accept, nil)
			panic("too late")
		}, verify.Accept, nil},
		{"silence", func(context.Context, *author, *verify.Request, func(verify.Verdict, error)) {}, 0, verify.ErrSilent},
		{"blocks by its context", func(ctx context.Context, a *author, r *verify.Request, done func(verify.Verdict, error)) {
			<-ctx.Done()
			_ = r.Check(a.key)
			done(verify.Accept, nil) // too late
		}, 0, verify.ErrSilent},
		{"unavailable without a reason", func(_ context.Context, _ *author, _ *verify.Request, done func(verify.Verdict, error)) {
			done(verify.Unavailable, nil)
		}, 0, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newAuthor(t, 1)
				p := verify.New(func(ctx context.Context, r *verify.Request, done func(verify.Verdict, error)) {
					tt.f(ctx, a, r, done)
				}, verify.Config{})
				defer p.Close()
				submit(t, p, a.run(1, 10), nil)
				if tt.verdict == 0 {
					time.Sleep(30*time.Second + time.Millisecond)
					synctest.Wait()
					none(t, p)
					w, ok := p.WaitingFor(a.key.ID())
					if !ok || w.Attempts == 0 || w.Err == nil || tt.err != nil && !errors.Is(w.Err, tt.err) {
						t.Fatalf("waiting: %+v, %v, want %v", w, ok, tt.err)
					}
					return
				}
				res := <-p.Results()
				if res.Verdict != tt.verdict || (res.Err == nil) != (tt.verdict == verify.Accept) || tt.err != nil && !errors.Is(res.Err, tt.err) {
					t.Fatalf("got %v, %v; want %v, %v", res.Verdict, res.Err, tt.verdict, tt.err)
				}
			})
		})
	}
}

func TestPanicValueIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAuthor(t, 1)
		p := verify.New(func(context.Context, *verify.Request, func(verify.Verdict, error)) { panic("out of cheese") }, verify.Config{})
		defer p.Close()
		submit(t, p, a.run(1, 1), nil)
		synctest.Wait()
		if w, _ := p.WaitingFor(a.key.ID()); w.Err == nil || !strings.Contains(w.Err.Error(), "out of cheese") {
			t.Errorf("got %v", w.Err)
		}
	})
}

// TestSilenceThenAnswer checks that silence is tried again, and the late answer of the
// first attempt does not decide the second.
func TestSilenceThenAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAuthor(t, 1)
		var calls int
		var first func(verify.Verdict, error)
		p := verify.New(func(_ context.Context, r *verify.Request, done func(verify.Verdict, error)) {
			if calls++; calls == 1 {
				first = done
				return
			}
			first(verify.Reject, errDown)
			if err := r.Check(a.key); err != nil {
				t.Error(err)
			}
			done(verify.Accept, nil)
		}, verify.Config{Silence: 5 * time.Second})
		defer p.Close()
		start := time.Now()
		submit(t, p, a.run(1, 10), nil)
		want(t, <-p.Results(), verify.Accept, 1, nil)
		if d := time.Since(start); d < 5*time.Second || d > 6*time.Second {
			t.Errorf("took %v", d)
		}
	})
}

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
			if r.Run.First() == 1 && healed.Load() {
				done(verify.Accept, r.Check(a.key))
				return
			}
			if r.Run.First() == 2 {
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

// TestSequentialPerAuthor checks that an author's runs are asked about one at a time
// and in order, and those of different authors at the same time.
func TestSequentialPerAuthor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const authors, runs = 10, 20
		var all []*author
		for i := range authors {
			all = append(all, newAuthor(t, uint64(i)))
		}
		admitted := verify.Admitted(newFlaky(all...))
		var mu sync.Mutex
		busy, next, most := map[keys.NodeID]bool{}, map[keys.NodeID]uint64{}, 0
		p := verify.New(func(ctx context.Context, r *verify.Request, done func(verify.Verdict, error)) {
			id := r.Run.Author()
			mu.Lock()
			if busy[id] || r.Run.First() != next[id]+1 {
				t.Errorf("seq %d of %v, busy %v, after %d", r.Run.First(), id.Short(), busy[id], next[id])
			}
			busy[id] = true
			most = max(most, len(busy))
			mu.Unlock()
			go func() {
				time.Sleep(time.Duration(rand.IntN(1000)) * time.Microsecond)
				mu.Lock()
				delete(busy, id)
				next[id] = r.Run.Last()
				mu.Unlock()
				admitted(ctx, r, done)
			}()
		}, verify.Config{})
		defer p.Close()
		for range runs {
			for _, a := range all {
				submit(t, p, a.run(1, 10), nil)
			}
			if p.Waiting().Authors > 0 {
				t.Fatal("an author waits")
			}
			drain(p)
		}
		synctest.Wait()
		for range 100 {
			time.Sleep(time.Second)
			drain(p)
		}
		if most != authors {
			t.Errorf("%d authors at the same time, want %d", most, authors)
		}
		for id, n := range next {
			if n != runs {
				t.Errorf("%v ends at %d", id.Short(), n)
			}
		}
	})
}

func drain(p *verify.Pipeline) (n int) {
	for {
		select {
		case <-p.Results():
			n++
		default:
			return n
		}
	}
}

// TestSlowLookup checks that one slow author holds nobody up, although it has filled
// its share, and that no lock is held meanwhile.
func TestSlowLookup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow, quick := newAuthor(t, 1), newAuthor(t, 2)
		ks := newFlaky(slow, quick)
		p := verify.New(verify.Admitted(lookup(func(ctx context.Context, id keys.NodeID) (keys.PublicKey, error) {
			if id == slow.key.ID() {
				time.Sleep(20 * time.Second)
			}
			return ks.Lookup(ctx, id)
		})), verify.Config{MaxRuns: 16, MaxWaitingRuns: 64})
		defer p.Close()
		submit(t, p, slow.run(1, 10), nil)
		submit(t, p, slow.run(1, 10), nil)
		blocked := make(chan error)
		u := slow.run(1, 10)
		go func() { blocked <- p.Submit(t.Context(), verify.NewRequest(u, keys.PublicKey{}), nil) }()
		start := time.Now()
		synctest.Wait()
		for i := range uint64(50) { // passes the blocked one
			submit(t, p, quick.run(1, 10), nil)
			want(t, <-p.Results(), verify.Accept, i+1, nil)
		}
		if d := time.Since(start); d != 0 {
			t.Errorf("the quick author was held up for %v", d)
		}
		if err := <-blocked; err != nil { // let in when the slow author counts as waiting
			t.Errorf("blocked Submit: %v", err)
		}
		if d := time.Since(start); d != time.Second {
			t.Errorf("the slow author's session was held up for %v", d)
		}
		if w, ok := p.WaitingFor(slow.key.ID()); !ok || w.Runs != 3 || !errors.Is(w.Err, verify.ErrSilent) {
			t.Errorf("waiting: %+v, %v", w, ok)
		}
		for i := range uint64(3) {
			want(t, <-p.Results(), verify.Accept, i+1, nil)
		}
		if d := time.Since(start); d != 60*time.Second {
			t.Errorf("took %v", d)
		}
	})
}

// TestBackPressure checks that Submit blocks while results are not taken, in order of
// arrival, and ends with its context.
func TestBackPressure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const maxRuns = 8
		var all []*author
		for i := range 200 {
			all = append(all, newAuthor(t, uint64(i)))
		}
		p := verify.New(verify.Admitted(newFlaky(all...)), verify.Config{MaxRuns: maxRuns})
		defer p.Close()
		var in atomic.Int64
		go func() {
			for i, a := range all {
				submit(t, p, a.run(1, 10), i)
				in.Add(1)
			}
		}()
		synctest.Wait()
		held := in.Load()
		if held < maxRuns || held > maxRuns+16 {
			t.Errorf("%d runs are in with nobody reading", held)
		}
		late := newAuthor(t, 999).run(1, 10)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		r := verify.NewRequest(late, keys.PublicKey{})
		if err := p.Submit(ctx, r, nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Submit: %v", err)
		}
		if err := p.Submit(ctx, r, nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Submit with an ended context: %v", err)
		}
		<-p.Results()
		synctest.Wait()
		if got := in.Load(); got != held+1 {
			t.Errorf("taking one result let %d in", got-held)
		}
		for range len(all) - 1 {
			<-p.Results()
		}
		synctest.Wait()
		if err := p.Submit(t.Context(), r, nil); err != nil { // the same request, as it was never in
			t.Errorf("Submit: %v", err)
		}
		want(t, <-p.Results(), verify.Reject, 1, verify.ErrNotAdmitted)
		if err := p.Submit(t.Context(), r, nil); !errors.Is(err, verify.ErrSubmitted) {
			t.Errorf("second Submit: %v", err)
		}
	})
}

// TestBytesBlock checks the bound in bytes, and that a run above it still gets in.
func TestBytesBlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, c := newAuthor(t, 1), newAuthor(t, 2), newAuthor(t, 3)
		ks := newFlaky(a, b, c)
		gate := make(chan struct{})
		p := verify.New(func(ctx context.Context, r *verify.Request, done func(verify.Verdict, error)) {
			go func() {
				<-gate
				verify.Admitted(ks)(ctx, r, done)
			}()
		}, verify.Config{MaxBytes: 4096})
		defer p.Close()
		submit(t, p, a.run(1, 100_000), nil)
		done := make(chan struct{})
		go func() { submit(t, p, b.run(1, 10), nil); close(done) }()
		synctest.Wait()
		select {
		case <-done:
			t.Error("got in above the bound")
		default:
		}
		close(gate)
		<-done
		<-p.Results()
		<-p.Results()
	})
}

// TestBlockedGivesUp checks that a large run that gives up waiting lets the small ones
// behind it in.
func TestBlockedGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, c := newAuthor(t, 1), newAuthor(t, 2), newAuthor(t, 3)
		p := verify.New(func(context.Context, *verify.Request, func(verify.Verdict, error)) {}, verify.Config{MaxBytes: 10_000})
		defer p.Close()
		submit(t, p, a.run(1, 5000), nil)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		large, small := make(chan error, 1), make(chan error, 1)
		go func() { large <- p.Submit(ctx, verify.NewRequest(b.run(1, 5000), keys.PublicKey{}), nil) }()
		synctest.Wait()
		go func() { small <- p.Submit(t.Context(), verify.NewRequest(c.run(1, 10), keys.PublicKey{}), nil) }()
		synctest.Wait()
		if len(large)+len(small) > 0 {
			t.Fatal("got in out of turn")
		}
		cancel()
		synctest.Wait()
		if err := <-large; !errors.Is(err, context.Canceled) {
			t.Errorf("large: %v", err)
		}
		select {
		case err := <-small:
			if err != nil {
				t.Errorf("small: %v", err)
			}
		default:
			t.Error("the small one is still blocked")
		}
	})
}

func TestDropped(t *testing.T) {
	down := func(t *testing.T, cfg verify.Config, all ...*author) (*verify.Pipeline, *flaky) {
		ks := newFlaky(all...)
		for _, a := range all {
			ks.fail(a, errDown)
		}
		p := verify.New(verify.Admitted(ks), cfg)
		t.Cleanup(func() { p.Close() })
		return p, ks
	}
	offer := func(p *verify.Pipeline, u *wire.UnverifiedRun) error {
		return p.Submit(context.Background(), verify.NewRequest(u, keys.PublicKey{}), nil)
	}

	t.Run("share of an author", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			a, b := newAuthor(t, 1), newAuthor(t, 2)
			p, ks := down(t, verify.Config{MaxWaitingPerAuthor: 40_000}, a, b)
			submit(t, p, a.run(1, 9_000), nil)
			synctest.Wait()
			in := 1
			for range 10 {
				if err := offer(p, a.run(1, 9_000)); err == nil {
					in++
				} else if !errors.Is(err, verify.ErrDropped) {
					t.Fatal(err)
				}
			}
			if in != 4 || p.Waiting().Bytes > 40_000 {
				t.Errorf("%d runs in, %d bytes", in, p.Waiting().Bytes)
			}
			if err := offer(p, b.run(1, 9_000)); err != nil {
				t.Errorf("the other author: %v", err)
			}
			ks.fail(a, nil)
			for i := range uint64(4) {
				want(t, <-p.Results(), verify.Accept, i+1, nil)
			}
			synctest.Wait()
			none(t, p)
		})
	})

	t.Run("queue that turns to waiting", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			a := newAuthor(t, 1)
			gate := make(chan struct{})
			p := verify.New(verify.Admitted(lookup(func(context.Context, keys.NodeID) (keys.PublicKey, error) {
				<-gate
				return keys.PublicKey{}, errDown
			})), verify.Config{MaxWaitingPerAuthor: 40_000})
			defer p.Close()
			for range 10 {
				submit(t, p, a.run(1, 9_000), nil)
			}
			close(gate)
			got := map[uint64]bool{}
			for range 6 {
				res := <-p.Results()
				want(t, res, verify.Unavailable, res.Unverified.First(), verify.ErrDropped)
				got[res.Unverified.First()] = true
			}
			for seq := uint64(5); seq <= 10; seq++ {
				if !got[seq] {
					t.Errorf("seq %d was kept", seq)
				}
			}
			synctest.Wait()
			none(t, p)
			if w := p.Waiting(); w.Runs != 4 || w.Bytes > 40_000 {
				t.Errorf("waiting: %+v", w)
			}
		})
	})

	t.Run("largest loses first", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			large, small := newAuthor(t, 1), newAuthor(t, 2)
			p, ks := down(t, verify.Config{MaxWaitingBytes: 40_000, MaxRuns: 1}, large, small)
			for range 4 {
				submit(t, p, large.run(1, 9_000), nil)
				synctest.Wait()
			}
			if err := offer(p, large.run(1, 9_000)); !errors.Is(err, verify.ErrDropped) {
				t.Errorf("above the total: %v", err)
			}
			submit(t, p, small.run(1, 9_000), nil)
			want(t, <-p.Results(), verify.Unavailable, 4, verify.ErrDropped)
			synctest.Wait()
			none(t, p)
			for a, runs := range map[*author]int{large: 3, small: 1} {
				if w, _ := p.WaitingFor(a.key.ID()); w.Runs != runs {
					t.Errorf("%d runs wait, want %d", w.Runs, runs)
				}
			}
			good := newAuthor(t, 3)
			ks.Add(good.key)
			submit(t, p, good.run(1, 10), nil) // the room of what was dropped is free again
			want(t, <-p.Results(), verify.Accept, 1, nil)
		})
	})

	t.Run("a million authors", func(t *testing.T) { // enough of them
		synctest.Test(t, func(t *testing.T) {
			var all []*author
			for i := range 100 {
				all = append(all, newAuthor(t, uint64(i)))
			}
			p, ks := down(t, verify.Config{MaxWaitingRuns: 10}, all...)
			dropped := 0
			for _, a := range all {
				submit(t, p, a.run(1, 10), nil)
				synctest.Wait()
				select {
				case res := <-p.Results():
					want(t, res, verify.Unavailable, 1, verify.ErrDropped)
					want(t, res, verify.Unavailable, 1, errDown)
					dropped++
				default:
				}
			}
			if w := p.Waiting(); w.Runs != 10 || w.Authors != 10 || dropped != 90 {
				t.Errorf("waiting %+v, dropped %d", w, dropped)
			}
			good := newAuthor(t, 1000)
			ks.Add(good.key)
			submit(t, p, good.run(1, 10), nil)
			want(t, <-p.Results(), verify.Accept, 1, nil)
		})
	})

	t.Run("hanging look-ups", func(t *testing.T) { // what has no room to wait blocks Submit
		synctest.Test(t, func(t *testing.T) {
			p := verify.New(func(context.Context, *verify.Request, func(verify.Verdict, error)) {},
				verify.Config{MaxWaitingRuns: 10, MaxRuns: 10})
			defer p.Close()
			var in atomic.Int64
			go func() {
				for i := range 100 {
					submit(t, p, newAuthor(t, uint64(i)).run(1, 10), nil)
					in.Add(1)
				}
			}()
			time.Sleep(29 * time.Second)
			if n := in.Load(); n != 20 || p.Waiting().Runs != 10 {
				t.Errorf("%d runs are in, %+v waiting", n, p.Waiting())
			}
			for dropped := 0; dropped < 90; dropped++ {
				want(t, <-p.Results(), verify.Unavailable, 1, verify.ErrDropped)
			}
		})
	})
}

// TestClose closes with runs in every state; synctest fails when a goroutine is left.
func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ok, down, hung, async := newAuthor(t, 1), newAuthor(t, 2), newAuthor(t, 3), newAuthor(t, 4)
		ks := newFlaky(ok, down)
		ks.fail(down, errDown)
		returned := false
		p := verify.New(func(ctx context.Context, r *verify.Request, done func(verify.Verdict, error)) {
			switch r.Run.Author() {
			case hung.key.ID():
				<-ctx.Done()
				time.Sleep(time.Second)
				returned = true
			case async.key.ID():
			default:
				verify.Admitted(ks)(ctx, r, done)
			}
		}, verify.Config{MaxRuns: 64})
		for range 5 {
			for _, a := range []*author{down, hung, async} {
				submit(t, p, a.run(1, 10), nil)
			}
		}
		var wg sync.WaitGroup
		var closed atomic.Int64
		for range 100 { // nobody reads: some are in, some stand in results, some block
			u := ok.run(1, 10)
			wg.Go(func() {
				if err := p.Submit(context.Background(), verify.NewRequest(u, keys.PublicKey{}), nil); errors.Is(err, verify.ErrClosed) {
					closed.Add(1)
				}
			})
		}
		time.Sleep(5 * time.Second)
		start := time.Now()
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		if d := time.Since(start); !returned || d != time.Second {
			t.Errorf("Close took %v, the Func has returned: %v", d, returned)
		}
		wg.Wait()
		if closed.Load() == 0 {
			t.Error("no Submit was blocked")
		}
		for res := range p.Results() {
			if res.Verdict != verify.Accept {
				t.Errorf("result %+v", res)
			}
		}
		if err := p.Submit(t.Context(), verify.NewRequest(ok.run(1, 1), keys.PublicKey{}), nil); !errors.Is(err, verify.ErrClosed) {
			t.Errorf("Submit after Close: %v", err)
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		p.Retry()
	})
}

// TestGone checks that an author whose queue is empty leaves nothing behind.
func TestGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := verify.New(verify.AnyKey(), verify.Config{})
		defer p.Close()
		before := runtime.NumGoroutine()
		for i := range 50 {
			a := newAuthor(t, uint64(i))
			if err := p.Submit(t.Context(), verify.NewRequest(a.run(1, 10), a.key), nil); err != nil {
				t.Fatal(err)
			}
			<-p.Results()
		}
		synctest.Wait()
		if n := runtime.NumGoroutine(); n > before {
			t.Errorf("%d goroutines more than before", n-before)
		}
	})
}

// TestExactlyOnce submits from many goroutines under a keystore that fails at random.
func TestExactlyOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const authors, runs = 20, 50
		var all []*author
		for i := range authors {
			all = append(all, newAuthor(t, uint64(i)))
		}
		ks := newFlaky(all...)
		p := verify.New(verify.Admitted(lookup(func(ctx context.Context, id keys.NodeID) (keys.PublicKey, error) {
			switch rand.IntN(10) {
			case 0:
				return keys.PublicKey{}, errDown
			case 1:
				time.Sleep(time.Duration(rand.IntN(3000)) * time.Millisecond)
			case 2:
				panic("now and then")
			}
			return ks.Lookup(ctx, id)
		})), verify.Config{MaxRuns: 40})
		defer p.Close()
		for _, a := range all {
			go func() {
				for range runs {
					submit(t, p, a.run(1, 10), nil)
				}
			}()
		}
		last := map[keys.NodeID]uint64{}
		for range authors * runs {
			res := <-p.Results()
			want(t, res, verify.Accept, last[res.Run.Author()]+1, nil)
			last[res.Run.Author()]++
		}
		synctest.Wait()
		none(t, p)
		if w := p.Waiting(); w != (verify.Counts{}) {
			t.Errorf("waiting: %+v", w)
		}
	})
}
