package replica_test

import (
	"math/rand/v2"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/internal/wiretest"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// TestSlaveTellsNothing: whatever a peer says in whatever order, one that only receives says
// what any other would say that has nothing.
func TestSlaveTellsNothing(t *testing.T) {
	for range 40 {
		seed := rand.Uint64()
		synctest.Test(t, func(t *testing.T) { slaveTellsNothing(t, seed) })
	}
}

func slaveTellsNothing(t *testing.T, seed uint64) {
	rnd := rand.New(rand.NewPCG(seed, 0))
	me := wiretest.NewAuthor("me")
	authors := append(wiretest.NewAuthors("a", 3), me)
	ks := &keyring{in: map[keys.NodeID]keys.PublicKey{authors[0].ID(): authors[0].Key(), authors[1].ID(): authors[1].Key()}, changed: make(chan struct{})}
	p := open(t, "me", func(c *replica.Config) { atModern(c); c.Verify, c.Keystore = nil, ks })
	p.write(t, "mine")
	chains := map[keys.NodeID][]*wire.Run{}
	for _, a := range authors {
		one := a.Chain(topic, a.Start(), 1, 2, 3, 1)
		chains[a.ID()] = append(one, branch(a, "b", one[0].End(), 2, 2)...)
	}
	other := dialAs(t, p, "other")
	mine, theirs := net.Pipe()
	tap := &tapped{Conn: theirs}
	link := dialOver(t, p, mine, tap, replica.SyncConfig{Name: "raw", ReceiveOnly: true})
	nonce := uint64(1)
	for range 60 {
		to := link
		if rnd.IntN(4) == 0 {
			to = other
		}
		a := authors[rnd.IntN(len(authors))]
		chain := chains[a.ID()]
		run := chain[rnd.IntN(len(chain))]
		ref := []wire.Ref{a.Start(), run.End(), run.Prev(), {Author: a.ID(), Seq: 1 + rnd.Uint64N(9), Hash: wire.Hash{1}}}[rnd.IntN(4)]
		ref.Author = a.ID()
		switch rnd.IntN(10) {
		case 0, 1:
			nonce++
			to.digest(nonce, wire.Unnamed(1+rnd.IntN(2)), ref)
		case 2, 3, 4:
			to.key(a)
			to.run(run)
		case 5:
			to.head(head(a, ref, modern().Add(-time.Duration(rnd.IntN(60))*time.Second)))
		case 6:
			one := chain[0]
			proof, err := wire.NewProof(chain[1], chain[4], one.Last()+1)
			if err != nil {
				t.Fatal(err)
			}
			to.key(a)
			to.send(wire.FrameFork, proof.Body())
		case 7:
			ks.set(rnd.IntN(2) == 0, a)
		case 8:
			p.LocalUpdate(t.Context(), "test", []byte("more"))
		case 9:
			to.frame(wire.FrameWay, 0, wire.Way(1+rnd.IntN(7)).Append(nil))
			to.send(wire.FrameDone, wire.AppendDone(nil, rnd.Uint64N(9)))
		}
		if rnd.IntN(5) == 0 {
			rest(time.Duration(rnd.IntN(90)) * time.Second)
		}
	}
	rest(5 * time.Minute)
	frames, _ := tap.frames(t)
	for _, f := range frames {
		ok := f.Type == wire.FrameHello || f.Type == wire.FrameDone || f.Type == wire.FrameWay
		if f.Type == wire.FrameDigest {
			d, err := wire.ParseDigest(f.Body)
			ok = err == nil && len(d.Refs) == 0
		}
		if !ok {
			t.Errorf("seed %d: a %v frame: %x", seed, f.Type, f.Body)
		}
	}
	if len(link.ended) > 0 {
		t.Errorf("seed %d: the session has ended: %v", seed, <-link.ended)
	}
	link.conn.Close()
	other.conn.Close()
	p.Close()
}
