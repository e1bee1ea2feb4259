package verify_test

import (
	"bytes"
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/wire"
	"github.com/hearsaynet/hearsay/verify"
)

// kinds returns one statement of each kind of a, in the order of their seqs.
func kinds(a *author) []wire.Unverified {
	return []wire.Unverified{a.run(1, 10), a.says(5), a.forks(3)}
}

// body returns the bytes of a statement as they came.
func body(u wire.Unverified) []byte {
	switch u := u.(type) {
	case *wire.UnverifiedRun:
		return u.UnverifiedBody()
	case *wire.UnverifiedHead:
		return u.UnverifiedBody()
	}
	return u.(*wire.UnverifiedProof).UnverifiedBody()
}

// TestStatements checks that each kind of statement gets the verdict of the policy and
// of its own signature, and comes out as what went in.
func TestStatements(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, stranger := newAuthor(t, 1), newAuthor(t, 2)
		p := verify.New(verify.Admitted(newFlaky(a)), verify.Config{})
		defer p.Close()
		for i, u := range kinds(a) {
			submit(t, p, u, i)
			res := <-p.Results()
			want(t, res, verify.Accept, seqOf(u), nil)
			if res.Tag != i || res.Unverified != u || !bytes.Equal(res.Verified.Body(), body(u)) || res.Verified.Key() != a.key {
				t.Errorf("%T comes out as %+v", u, res)
			}
			switch v := res.Verified.(type) {
			case *wire.Run, *wire.Head, *wire.Proof:
				if v.Author() != a.key.ID() || v.Topic() != topic {
					t.Errorf("%T is of %v in %q", v, v.Author(), v.Topic())
				}
			default:
				t.Errorf("%T comes out as %T", u, v)
			}
		}
		for _, u := range kinds(stranger) {
			submit(t, p, u, nil)
			want(t, <-p.Results(), verify.Reject, seqOf(u), verify.ErrNotAdmitted)
		}
	})
}

// TestStatementsBadOrByOthers flips a bit of each signature, and offers a wrong key.
func TestStatementsBadOrByOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, mallory := newAuthor(t, 1), newAuthor(t, 2)
		p := verify.New(verify.AnyKey(), verify.Config{})
		defer p.Close()
		for _, u := range kinds(a) {
			for _, tt := range []struct {
				u       wire.Unverified
				offered keys.PublicKey
				err     error
			}{
				{bad(t, u), a.key, wire.ErrBadSignature},
				{u, mallory.key, wire.ErrWrongKey},
				{u, keys.PublicKey{}, verify.ErrNoKey},
			} {
				if err := p.Submit(t.Context(), verify.NewRequest(tt.u, tt.offered), nil); err != nil {
					t.Fatal(err)
				}
				want(t, <-p.Results(), verify.Reject, seqOf(u), tt.err)
			}
		}
	})
}

// bad returns u with the last bit of its encoding, a signature's, flipped.
func bad(t *testing.T, u wire.Unverified) wire.Unverified {
	t.Helper()
	b := bytes.Clone(body(u))
	b[len(b)-1] ^= 1
	var v wire.Unverified
	var err error
	switch u.(type) {
	case *wire.UnverifiedRun:
		v, err = wire.ParseRun(topic, b)
	case *wire.UnverifiedHead:
		v, err = wire.ParseHead(topic, b)
	default:
		v, err = wire.ParseProof(topic, b)
	}
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestOrderOverKinds checks that an author's statements of all kinds keep one order, also
// when the keystore fails in between, and that they share one account.
func TestOrderOverKinds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAuthor(t, 1)
		ks := newFlaky(a)
		ks.fail(a, errDown)
		p := verify.New(verify.Admitted(ks), verify.Config{})
		defer p.Close()
		var all []wire.Unverified
		for range 5 {
			all = append(all, kinds(a)...)
		}
		for i, u := range all {
			submit(t, p, u, i)
		}
		synctest.Wait()
		none(t, p)
		if w, _ := p.WaitingFor(a.key.ID()); w.Runs != len(all) {
			t.Errorf("waiting: %+v, want %d", w, len(all))
		}
		ks.fail(a, nil)
		for i, u := range all {
			res := <-p.Results()
			want(t, res, verify.Accept, seqOf(u), nil)
			if res.Tag != i {
				t.Fatalf("got statement %v as number %d", res.Tag, i)
			}
		}
	})
}

// TestCost checks what statements are counted as, in bytes: their own, and more for what
// is parsed into updates.
func TestCost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAuthor(t, 1)
		p := verify.New(func(context.Context, *verify.Request, func(verify.Verdict, error)) {}, verify.Config{})
		defer p.Close()
		sum := int64(0)
		for _, tt := range []struct {
			u       wire.Unverified
			updates int
		}{{a.run(7, 10), 7}, {a.says(5), 0}, {a.forks(200), 201}} {
			submit(t, p, tt.u, nil)
			time.Sleep(2 * time.Second)
			got := p.Waiting().Bytes - sum
			if least := int64(tt.u.Size() + 100*tt.updates); got < least || got > least+1000+50*int64(tt.updates) {
				t.Errorf("%T of %d bytes with %d updates costs %d", tt.u, tt.u.Size(), tt.updates, got)
			}
			sum += got
		}
	})
}

// later is an implementation of wire.Unverified that the package wire does not know.
type later struct{ wire.Unverified }

// TestUnknownKindIsRefused checks that a foreign implementation of wire.Unverified is not
// believed.
func TestUnknownKindIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAuthor(t, 1)
		p := verify.New(verify.Admitted(newFlaky(a)), verify.Config{})
		defer p.Close()
		submit(t, p, later{a.run(1, 10)}, nil)
		res := <-p.Results()
		if res.Verdict != verify.Reject || res.Err == nil || res.Verified != nil {
			t.Errorf("got %+v", res)
		}
	})
}
