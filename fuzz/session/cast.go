package session

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/wire"
	"github.com/hearsaynet/hearsay/sign"
)

const (
	castSize = 4  // authors
	maxSeq   = 64 // updates of an author, in each of its histories
	forkAt   = 5  // the seq at which its two histories part
)

// Cast is the throw-away authors of a topic. It is not safe for concurrent use.
type Cast struct {
	topic  string
	base   uint64 // when the first update was made, ns since the Unix epoch
	actors [castSize]*actor
	signed map[wire.Ref]bool // each update that a signature was put under
}

// NewCast makes the authors that seed always makes. Their updates are dated from base on,
// a nanosecond apart.
func NewCast(seed, topic string, base time.Time) *Cast {
	c := &Cast{topic: topic, base: uint64(base.UnixNano()), signed: make(map[wire.Ref]bool)}
	for i := range c.actors {
		digest := sha256.Sum256(fmt.Appendf(nil, "hearsay fuzz session %d %s", i, seed))
		key, err := sign.NewEd25519(ed25519.NewKeyFromSeed(digest[:]))
		if err != nil {
			panic(err) // the seed is of the right size
		}
		c.actors[i] = newActor(c, key)
	}
	return c
}

// Has reports whether id is one of the authors.
func (c *Cast) Has(id keys.NodeID) bool {
	for _, a := range c.actors {
		if a.id == id {
			return true
		}
	}
	return false
}

// Signed reports whether one of the authors has signed an update, in any script so far.
func (c *Cast) Signed(update wire.Ref) bool { return c.signed[update] }

// actor is an author with two histories that part at forkAt.
type actor struct {
	cast  *Cast
	key   *sign.PrivateKey
	id    keys.NodeID
	refs  [2][]wire.Ref // from seq 0 on
	runs  map[place]*wire.Run
	heads map[place]*wire.Head
}

// place says which updates a run holds, or of which update a head is.
type place struct {
	branch   int
	first, n uint64
}

func newActor(c *Cast, key *sign.PrivateKey) *actor {
	a := &actor{cast: c, key: key, id: key.Public().ID(), runs: make(map[place]*wire.Run), heads: make(map[place]*wire.Head)}
	for branch := range a.refs {
		refs := []wire.Ref{{Author: a.id}}
		for seq := uint64(1); seq <= maxSeq; seq++ {
			d, err := wire.NewDraft(c.topic, refs[seq-1], a.entry(branch, seq))
			if err != nil {
				panic(fmt.Sprintf("session: %v", err)) // the topic has been checked
			}
			refs = append(refs, d.Ref(0))
		}
		a.refs[branch] = refs
	}
	return a
}

func (a *actor) entry(branch int, seq uint64) wire.Entry {
	change := fmt.Sprintf("update %d", seq)
	if seq >= forkAt && branch == 1 {
		change += " in another history"
	}
	return wire.Entry{Time: a.cast.base + seq, Kind: wire.KindChange, Channel: "fuzz", Change: []byte(change)}
}

// run is n updates from seq first on.
func (a *actor) run(branch int, first, n uint64) *wire.Run {
	p := place{branch, first, n}
	if r := a.runs[p]; r != nil {
		return r
	}
	entries := make([]wire.Entry, n)
	for i := range entries {
		entries[i] = a.entry(branch, first+uint64(i))
	}
	r := a.seal(a.refs[branch][first-1], entries...)
	a.runs[p] = r
	return r
}

// seal signs entries behind prev, which need not be a's.
func (a *actor) seal(prev wire.Ref, entries ...wire.Entry) *wire.Run {
	d, err := wire.NewDraft(a.cast.topic, prev, entries...)
	if err != nil {
		panic(fmt.Sprintf("session: %v", err))
	}
	r, err := d.Seal(a.key.Public(), a.sign(wire.NamespaceUpdate, d.Message()))
	if err != nil {
		panic(fmt.Sprintf("session: %v", err))
	}
	for i := range entries {
		a.cast.signed[r.Ref(i)] = true
	}
	return r
}

// head is the author's word that seq is its last, some seconds after base.
func (a *actor) head(branch int, seq, seconds uint64) *wire.Head {
	p := place{branch, seq, seconds}
	if h := a.heads[p]; h != nil {
		return h
	}
	ref, issued := a.refs[branch][seq], a.cast.base+seconds*1e9
	h, err := wire.SealHead(a.cast.topic, ref, issued, a.key.Public(), a.sign(wire.NamespaceHead, wire.HeadMessage(a.cast.topic, ref, issued)))
	if err != nil {
		panic(fmt.Sprintf("session: %v", err))
	}
	a.heads[p] = h
	return h
}

// fork proves the two histories with chains of the given lengths.
func (a *actor) fork(one, two uint64) *wire.Proof {
	p, err := wire.NewProof(a.run(0, forkAt, one), a.run(1, forkAt, two), forkAt)
	if err != nil {
		panic(fmt.Sprintf("session: %v", err))
	}
	return p
}

func (a *actor) sign(namespace string, msg []byte) []byte {
	sig, err := a.key.Sign(context.Background(), namespace, msg)
	if err != nil {
		panic(fmt.Sprintf("session: %v", err)) // a key in memory always signs
	}
	return sig
}
