// Package wiretest makes authors and signed runs for tests. Everything in it is
// deterministic, and panics where a test would have nothing sensible to do.
package wiretest

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// Author is a node with an ed25519 key.
type Author struct {
	private ed25519.PrivateKey
	key     keys.PublicKey
}

// NewAuthor makes the author that seed always makes.
func NewAuthor(seed string) *Author {
	digest := sha256.Sum256([]byte("wiretest " + seed))
	private := ed25519.NewKeyFromSeed(digest[:])
	// The wire form of an ed25519 key (RFC 8709 section 4) is shaped like a signature blob.
	blob := keys.MarshalSignature(keys.TypeEd25519, private.Public().(ed25519.PublicKey))
	return &Author{private, must(keys.ParsePublicKey(blob))}
}

// NewAuthors makes n authors named seed-0, seed-1, …
func NewAuthors(seed string, n int) []*Author {
	as := make([]*Author, n)
	for i := range as {
		as[i] = NewAuthor(fmt.Sprintf("%s-%d", seed, i))
	}
	return as
}

// Key returns the author's public key.
func (a *Author) Key() keys.PublicKey { return a.key }

// ID returns the author's node id.
func (a *Author) ID() keys.NodeID { return a.key.ID() }

// Start returns the point before the author's first update.
func (a *Author) Start() wire.Ref { return wire.Ref{Author: a.ID()} }

// Sign returns the SSH signature blob over msg in namespace.
func (a *Author) Sign(namespace string, msg []byte) []byte {
	data := keys.SignedData(namespace, sha256.Sum256(msg))
	return keys.MarshalSignature(keys.FormatEd25519, ed25519.Sign(a.private, data))
}

// Signer is an author as a sign.Signer.
type Signer struct{ *Author }

// Public implements sign.Signer.
func (s Signer) Public() keys.PublicKey { return s.key }

// Sign implements sign.Signer.
func (s Signer) Sign(_ context.Context, namespace string, msg []byte) ([]byte, error) {
	return s.Author.Sign(namespace, msg), nil
}

// Run signs entries as one run after prev, whose author it takes to be a.
func (a *Author) Run(topic string, prev wire.Ref, entries ...wire.Entry) *wire.Run {
	prev.Author = a.ID()
	d := must(wire.NewDraft(topic, prev, entries...))
	return must(d.Seal(a.key, a.Sign(wire.NamespaceUpdate, d.Message())))
}

// Chain signs runs that follow each other from prev on, of the given numbers of
// entries. The content of an entry depends on its place and the author only.
func (a *Author) Chain(topic string, prev wire.Ref, lens ...int) []*wire.Run {
	runs := make([]*wire.Run, 0, len(lens))
	for _, n := range lens {
		entries := make([]wire.Entry, n)
		for i := range entries {
			seq := prev.Seq + uint64(i) + 1
			entries[i] = Change(seq, "test", fmt.Sprintf("update %d of %v", seq, a.ID()))
		}
		r := a.Run(topic, prev, entries...)
		runs, prev = append(runs, r), r.End()
	}
	return runs
}

// Change makes an entry of kind change. time is in ns since the Unix epoch.
func Change(time uint64, channel, change string) wire.Entry {
	return wire.Entry{Time: time, Kind: wire.KindChange, Channel: channel, Change: []byte(change)}
}

// Unverified returns r as if it had just arrived.
func Unverified(r *wire.Run) *wire.UnverifiedRun { return must(wire.ParseRun(r.Topic(), r.Body())) }

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
