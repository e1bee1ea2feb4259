package verify_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/wire"
	"github.com/hearsaynet/hearsay/verify"
)

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
				want(t, res, verify.Unavailable, seqOf(res.Unverified), verify.ErrDropped)
				got[seqOf(res.Unverified)] = true
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
			for range 90 {
				want(t, <-p.Results(), verify.Unavailable, 1, verify.ErrDropped)
			}
		})
	})
}

// TestOrigins checks that when there is no room, who has most in flight waits longest.
func TestOrigins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var all []*author
		for i := range 60 {
			all = append(all, newAuthor(t, uint64(i)))
		}
		p := verify.New(verify.Admitted(newFlaky(all...)), verify.Config{MaxRuns: 4})
		defer p.Close()
		admit := func(a *author, origin string) {
			r := verify.NewRequest(a.run(1, 10), a.key)
			r.Origin = origin
			if err := p.Submit(t.Context(), r, origin); err != nil {
				t.Error(err)
			}
		}
		for i := range 50 {
			go admit(all[i], "hog")
		}
		synctest.Wait()
		const modest = 5
		go func() {
			for i := range modest {
				admit(all[50+i], "modest")
			}
		}()
		synctest.Wait()
		seen, last := 0, 0
		for n := range 50 + modest {
			if res := <-p.Results(); res.Tag == "modest" {
				seen, last = seen+1, n
			}
			synctest.Wait()
		}
		if seen != modest || last > 30 {
			t.Errorf("%d results of the modest origin, the last as number %d; want %d among the first 30", seen, last, modest)
		}
	})
}
