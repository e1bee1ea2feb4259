package verify_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/wire"
	"github.com/hearsaynet/hearsay/verify"
)

func TestAttack(t *testing.T) {
	for name, f := range map[string]func(*testing.T){
		"keystore-down": keystoreDown,
		"unknown-key":   unknownKey,
		"wrong-key":     wrongKey,
		"bad-copy":      badCopy,
		"race":          race,
	} {
		t.Run(name, func(t *testing.T) { synctest.Test(t, f) })
	}
}

var errDown = errors.New("connection refused")

func keystoreDown(t *testing.T) {
	a, b := newAuthor(t, 1), newAuthor(t, 2)
	ks := newFlaky(a, b)
	p := verify.New(verify.Admitted(ks), verify.Config{})
	defer p.Close()

	submit(t, p, a.run(1, 10), "a1")
	want(t, <-p.Results(), verify.Accept, 1, nil)

	ks.fail(a, errDown)
	start := time.Now()
	for range 20 {
		submit(t, p, a.run(2, 10), nil)
	}
	for i := range uint64(100) { // others flow, and no time passes
		submit(t, p, b.run(1, 10), nil)
		want(t, <-p.Results(), verify.Accept, i+1, nil)
	}
	if d := time.Since(start); d != 0 {
		t.Errorf("the other author was held up for %v", d)
	}
	time.Sleep(10 * time.Minute)
	none(t, p)
	if got := p.Waiting(); got.Authors != 1 || got.Runs != 20 || got.Bytes == 0 {
		t.Errorf("waiting: %+v, want 1 author, 20 runs", got)
	}
	w, ok := p.WaitingFor(a.key.ID())
	if !ok || !errors.Is(w.Err, errDown) || !w.Since.Equal(start) || w.Runs != 20 {
		t.Errorf("waiting for a: %+v, %v", w, ok)
	}
	// 10 minutes of pauses that grow to 30 s, give or take half: it neither hammers nor gives up.
	if n := ks.asked(a) - 1; n < 15 || n > 60 || n != w.Attempts {
		t.Errorf("asked %d times, %d attempts", n, w.Attempts)
	}

	ks.fail(a, nil)
	recovered := time.Now()
	for i := range uint64(20) {
		want(t, <-p.Results(), verify.Accept, 2+2*i, nil)
		if w, ok := p.WaitingFor(a.key.ID()); ok {
			t.Errorf("still waiting after run %d: %+v", i, w)
		}
	}
	if d := time.Since(recovered); d > 45*time.Second {
		t.Errorf("recovery was noticed after %v", d)
	}
	time.Sleep(time.Hour)
	none(t, p)
	if got := p.Waiting(); got != (verify.Counts{}) {
		t.Errorf("waiting after recovery: %+v", got)
	}
}

func unknownKey(t *testing.T) {
	a := newAuthor(t, 1)
	ks := newFlaky()
	p := verify.New(verify.Admitted(ks), verify.Config{})
	defer p.Close()
	u := a.run(1, 10)
	submit(t, p, u, nil)
	res := <-p.Results()
	want(t, res, verify.Reject, 1, verify.ErrNotAdmitted)
	want(t, res, verify.Reject, 1, keys.ErrUnknown)
	ks.Add(a.key)
	submit(t, p, u, nil)
	want(t, <-p.Results(), verify.Accept, 1, nil)
}

func wrongKey(t *testing.T) {
	wrongKeyFromKeystore(t)
	wrongKeyFromPeer(t)
}

func wrongKeyFromKeystore(t *testing.T) {
	a, mallory := newAuthor(t, 1), newAuthor(t, 2)
	answer := mallory.key
	p := verify.New(verify.Admitted(lookup(func(context.Context, keys.NodeID) (keys.PublicKey, error) {
		return answer, nil
	})), verify.Config{})
	defer p.Close()
	submit(t, p, a.run(1, 10), nil)
	synctest.Wait()
	none(t, p)
	if w, _ := p.WaitingFor(a.key.ID()); !errors.Is(w.Err, verify.ErrKeystore) {
		t.Errorf("waits for %v", w.Err)
	}
	answer = a.key
	p.Retry()
	want(t, <-p.Results(), verify.Accept, 1, nil)
}

func wrongKeyFromPeer(t *testing.T) {
	a, mallory := newAuthor(t, 1), newAuthor(t, 2)
	u := a.run(1, 10)
	p := verify.New(verify.AnyKey(), verify.Config{})
	defer p.Close()
	for _, tt := range []struct {
		offered keys.PublicKey
		verdict verify.Verdict
		err     error
	}{
		{mallory.key, verify.Reject, wire.ErrWrongKey},
		{keys.PublicKey{}, verify.Reject, verify.ErrNoKey},
		{a.key, verify.Accept, nil},
	} {
		if err := p.Submit(t.Context(), verify.NewRequest(u, tt.offered), nil); err != nil {
			t.Fatal(err)
		}
		want(t, <-p.Results(), tt.verdict, 1, tt.err)
	}
}

type lookup func(context.Context, keys.NodeID) (keys.PublicKey, error)

func (f lookup) Lookup(ctx context.Context, id keys.NodeID) (keys.PublicKey, error) {
	return f(ctx, id)
}

func badCopy(t *testing.T) {
	a := newAuthor(t, 1)
	p := verify.New(verify.Admitted(newFlaky(a)), verify.Config{})
	defer p.Close()
	u := a.run(3, 10)
	submit(t, p, flipped(t, a, u), "copy")
	submit(t, p, u, "genuine")
	submit(t, p, flipped(t, a, u), "copy")
	for _, tag := range []string{"copy", "genuine", "copy"} {
		res := <-p.Results()
		if res.Tag != tag {
			t.Fatalf("got tag %v, want %v", res.Tag, tag)
		}
		if tag == "copy" {
			want(t, res, verify.Reject, 1, wire.ErrBadSignature)
		} else {
			want(t, res, verify.Accept, 1, nil)
		}
	}
}

// race answers twice, late, from other goroutines, and after Close.
func race(t *testing.T) {
	a := newAuthor(t, 1)
	var last func(verify.Verdict, error)
	var lastReq *verify.Request
	p := verify.New(func(_ context.Context, r *verify.Request, done func(verify.Verdict, error)) {
		previous := last
		last, lastReq = done, r
		err := r.Check(a.key)
		for range 8 {
			go func() {
				if previous != nil {
					previous(verify.Accept, nil) // of a request that has its verdict
				}
				done(verify.Accept, err)
				done(verify.Reject, errDown)
			}()
		}
	}, verify.Config{})
	for i := range uint64(50) {
		submit(t, p, a.run(1, 10), nil)
		synctest.Wait()
		res := <-p.Results()
		if res.Verdict == verify.Reject {
			want(t, res, verify.Reject, i+1, errDown)
		} else {
			want(t, res, verify.Accept, i+1, nil)
		}
		none(t, p)
	}
	p.Close()
	last(verify.Accept, nil)
	if err := lastReq.Check(a.key); err != nil && !errors.Is(err, verify.ErrClosed) {
		t.Errorf("Check after Close: %v", err)
	}
	if res, ok := <-p.Results(); ok {
		t.Errorf("result after Close: %+v", res)
	}
}
