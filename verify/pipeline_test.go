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
		{"goexit", func(context.Context, *author, *verify.Request, func(verify.Verdict, error)) {
			runtime.Goexit()
		}, 0, verify.ErrPanic},
		{"goexit after the answer", func(_ context.Context, a *author, r *verify.Request, done func(verify.Verdict, error)) {
			_ = r.Check(a.key)
			done(verify.Accept, nil)
			runtime.Goexit()
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

// TestGoexitStrandsNobody checks that an author whose Func has ended its goroutine goes
// on, in order, when the Func does better.
func TestGoexitStrandsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAuthor(t, 1)
		calls := 0
		p := verify.New(func(_ context.Context, r *verify.Request, done func(verify.Verdict, error)) {
			if calls++; calls%3 != 0 {
				runtime.Goexit()
			}
			done(verify.Accept, r.Check(a.key))
		}, verify.Config{})
		for range 5 {
			submit(t, p, a.run(1, 10), nil)
		}
		for i := range uint64(5) {
			want(t, <-p.Results(), verify.Accept, i+1, nil)
		}
		submit(t, p, a.run(1, 10), nil)
		synctest.Wait()
		p.Close() // waits for the goroutine that goes on; synctest fails when one is left
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
			id := r.Statement.Author()
			mu.Lock()
			if busy[id] || seqOf(r.Statement) != next[id]+1 {
				t.Errorf("seq %d of %v, busy %v, after %d", seqOf(r.Statement), id.Short(), busy[id], next[id])
			}
			busy[id] = true
			most = max(most, len(busy))
			mu.Unlock()
			go func() {
				time.Sleep(time.Duration(rand.IntN(1000)) * time.Microsecond)
				mu.Lock()
				delete(busy, id)
				next[id]++
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

// TestClose closes with runs in every state; synctest fails when a goroutine is left.
func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ok, down, hung, async := newAuthor(t, 1), newAuthor(t, 2), newAuthor(t, 3), newAuthor(t, 4)
		ks := newFlaky(ok, down)
		ks.fail(down, errDown)
		returned := false
		p := verify.New(func(ctx context.Context, r *verify.Request, done func(verify.Verdict, error)) {
			switch r.Statement.Author() {
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

// TestGone checks that an author whose queue is empty leaves nothing behind: no
// goroutine, no memory and no account.
func TestGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		p := verify.New(func(ctx context.Context, r *verify.Request, done func(verify.Verdict, error)) {
			<-gate
			verify.AnyKey()(ctx, r, done)
		}, verify.Config{})
		defer p.Close()
		const authors = 10 // whose results fit the channel
		for i := range authors {
			a := newAuthor(t, uint64(i))
			if err := p.Submit(t.Context(), verify.NewRequest(a.run(1, 10), a.key), nil); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if n, known := working(), p.TestOnlyAuthors(); n != authors || known != authors {
			t.Fatalf("%d goroutines and %d authors, while %d are at work", n, known, authors)
		}
		close(gate)
		for range authors {
			<-p.Results()
		}
		synctest.Wait()
		if n, known := working(), p.TestOnlyAuthors(); n != 0 || known != 0 {
			t.Errorf("%d goroutines and %d authors are left", n, known)
		}
	})
}

// working counts the goroutines of pipelines. The process has others, which come and
// go as they like.
func working() (n int) {
	buf := make([]byte, 1<<20)
	for stack := range strings.SplitSeq(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		if strings.Contains(stack, "verify.(*Pipeline).") {
			n++
		}
	}
	return n
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
			want(t, res, verify.Accept, last[res.Verified.Author()]+1, nil)
			last[res.Verified.Author()]++
		}
		synctest.Wait()
		none(t, p)
		if w := p.Waiting(); w != (verify.Counts{}) {
			t.Errorf("waiting: %+v", w)
		}
	})
}
