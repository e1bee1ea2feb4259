package verify_test

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/wire"
	"github.com/hearsaynet/hearsay/verify"
)

const topic = "t"

// author signs runs, one after another.
type author struct {
	t    testing.TB
	priv ed25519.PrivateKey
	key  keys.PublicKey
	head wire.Ref
}

func newAuthor(t testing.TB, seed uint64) *author {
	t.Helper()
	s := sha256.Sum256([]byte{byte(seed >> 16), byte(seed >> 8), byte(seed)})
	priv := ed25519.NewKeyFromSeed(s[:])
	key, err := keys.ParsePublicKey(keys.MarshalSignature("ssh-ed25519", priv.Public().(ed25519.PublicKey)))
	if err != nil {
		t.Fatal(err)
	}
	return &author{t, priv, key, wire.Ref{Author: key.ID()}}
}

// run returns the next n updates of a, each with a change of size bytes.
func (a *author) run(n, size int) *wire.UnverifiedRun {
	a.t.Helper()
	r := a.runAfter(a.head, n, size)
	a.head = r.End()
	return parse(a.t, r.Body())
}

func (a *author) runAfter(prev wire.Ref, n, size int) *wire.Run {
	a.t.Helper()
	entries := make([]wire.Entry, n)
	for i := range entries {
		entries[i] = wire.Entry{Time: prev.Seq + uint64(i), Kind: wire.KindChange, Channel: "kv", Change: make([]byte, size)}
	}
	d, err := wire.NewDraft(topic, prev, entries...)
	if err != nil {
		a.t.Fatal(err)
	}
	r, err := d.Seal(a.key, a.sign(wire.NamespaceUpdate, d.Message()))
	if err != nil {
		a.t.Fatal(err)
	}
	return r
}

func (a *author) sign(namespace string, message []byte) []byte {
	data := keys.SignedData(namespace, sha256.Sum256(message))
	return keys.MarshalSignature("ssh-ed25519", ed25519.Sign(a.priv, data))
}

// says returns a head of a's newest update.
func (a *author) says(issued uint64) *wire.UnverifiedHead {
	a.t.Helper()
	h, err := wire.SealHead(topic, a.head, issued, a.key, a.sign(wire.NamespaceHead, wire.HeadMessage(topic, a.head, issued)))
	if err != nil {
		a.t.Fatal(err)
	}
	u, err := wire.ParseHead(topic, h.Body())
	if err != nil {
		a.t.Fatal(err)
	}
	return u
}

// forks returns the proof of two histories that part behind a's newest update. The
// first has n updates, the second one.
func (a *author) forks(n int) *wire.UnverifiedProof {
	a.t.Helper()
	p, err := wire.NewProof(a.runAfter(a.head, n, 10), a.runAfter(a.head, 1, 11), a.head.Seq+1)
	if err != nil {
		a.t.Fatal(err)
	}
	u, err := wire.ParseProof(topic, p.Body())
	if err != nil {
		a.t.Fatal(err)
	}
	return u
}

func parse(t testing.TB, body []byte) *wire.UnverifiedRun {
	t.Helper()
	u, err := wire.ParseRun(topic, body)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// flipped returns u with one bit of its signature changed.
func flipped(t testing.TB, a *author, u *wire.UnverifiedRun) *wire.UnverifiedRun {
	t.Helper()
	r, err := u.Open(a.key)
	if err != nil {
		t.Fatal(err)
	}
	body := slices.Clone(r.Body())
	body[len(body)-1] ^= 1
	return parse(t, body)
}

func submit(t testing.TB, p *verify.Pipeline, u wire.Unverified, tag any) {
	t.Helper()
	if err := p.Submit(t.Context(), verify.NewRequest(u, keys.PublicKey{}), tag); err != nil {
		t.Fatalf("Submit: %v", err)
	}
}

// seqOf returns the seq that a statement is about, of a run the first.
func seqOf(u wire.Unverified) uint64 {
	switch u := u.(type) {
	case *wire.UnverifiedRun:
		return u.First()
	case *wire.UnverifiedHead:
		return u.Ref().Seq
	case *wire.UnverifiedProof:
		return u.UnverifiedSeq()
	}
	panic(fmt.Sprintf("%T", u))
}

func want(t testing.TB, res verify.Result, v verify.Verdict, seq uint64, cause error) {
	t.Helper()
	if res.Verdict != v || seqOf(res.Unverified) != seq || !errors.Is(res.Err, cause) {
		t.Fatalf("got %v for seq %d (%v), want %v for seq %d (%v)", res.Verdict, seqOf(res.Unverified), res.Err, v, seq, cause)
	}
	given := v == verify.Accept || errors.Is(res.Err, verify.ErrOutsideWindow)
	if (res.Verified != nil) != given || (res.Err == nil) != (v == verify.Accept) {
		t.Fatalf("%v comes with %v and error %v", v, res.Verified, res.Err)
	}
}

// none checks that no result is ready.
func none(t testing.TB, p *verify.Pipeline) {
	t.Helper()
	select {
	case res, ok := <-p.Results():
		t.Fatalf("unexpected result %+v (open: %v)", res, ok)
	default:
	}
}

// flaky is a keystore that can be made to fail, for some or for all.
type flaky struct {
	keys.Memory
	mu      sync.Mutex // guards the fields below
	down    map[keys.NodeID]error
	lookups map[keys.NodeID]int
}

func newFlaky(admitted ...*author) *flaky {
	f := &flaky{down: map[keys.NodeID]error{}, lookups: map[keys.NodeID]int{}}
	for _, a := range admitted {
		f.Add(a.key)
	}
	return f
}

func (f *flaky) fail(a *author, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.down[a.key.ID()] = err
}

func (f *flaky) asked(a *author) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.lookups[a.key.ID()]
}

func (f *flaky) Lookup(ctx context.Context, id keys.NodeID) (keys.PublicKey, error) {
	f.mu.Lock()
	f.lookups[id]++
	err := f.down[id]
	f.mu.Unlock()
	if err != nil {
		return keys.PublicKey{}, err
	}
	return f.Memory.Lookup(ctx, id)
}
