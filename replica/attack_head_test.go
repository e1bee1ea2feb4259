package replica_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/internal/wiretest"
	"github.com/hearsaynet/hearsay/replica/store"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// headAttacks are the faults that signed heads uncover, and attacks with heads.
func headAttacks() map[string]func(t *testing.T) {
	return map[string]func(t *testing.T){
		"tail-withheld":    tailWithheld,
		"yesterday":        yesterday,
		"current":          current,
		"current-direct":   currentDirect,
		"head-frozen":      headFrozen,
		"head-storm":       headStorm,
		"head-echo":        headEcho,
		"never-wrote":      neverWrote,
		"link-behind":      linkBehind,
		"head-contradicts": headContradicts,
		"twin":             twin,
		"own-head-ahead":   ownHeadAhead,
		"store-went-back":  storeWentBack,
	}
}

func head(x *wiretest.Author, ref wire.Ref, issued time.Time) *wire.Head {
	ref.Author = x.ID()
	at := uint64(issued.UnixNano())
	h, err := wire.SealHead(topic, ref, at, x.Key(), x.Sign(wire.NamespaceHead, wire.HeadMessage(topic, ref, at)))
	if err != nil {
		panic(err)
	}
	return h
}

func (r *raw) head(h *wire.Head) { r.send(wire.FrameHead, h.Body()) }

// authorOf returns how an author stands at p.
func (p *peer) authorOf(t *testing.T, id keys.NodeID) replica.AuthorStatus {
	t.Helper()
	for _, a := range p.Status().Authors {
		if a.ID == id {
			return a
		}
	}
	t.Fatalf("%v is not among the authors", id)
	return replica.AuthorStatus{}
}

// rest lets a bubble go on for a while.
func rest(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// mesh links two replicas, each of which proves its author's id to the other.
func mesh(t *testing.T, a, b *peer) {
	t.Helper()
	ca, cb := pipe()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	name := func(p *peer) replica.SyncConfig { return replica.SyncConfig{Name: p.Self().String(), Peer: p.Self()} }
	go a.Sync(ctx, ca, name(b))
	go b.Sync(ctx, cb, name(a))
}

// hold links two replicas; to b, a has a name.
func hold(t *testing.T, a, b *peer, name string) {
	t.Helper()
	ca, cb := pipe()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	go a.Sync(ctx, ca, replica.SyncConfig{})
	go b.Sync(ctx, cb, replica.SyncConfig{Name: name})
}

// tailWithheld: a relay hides everything after seq 3, though the author has signed a head of seq 5.
func tailWithheld(t *testing.T) {
	x := wiretest.NewAuthor("x")
	runs := x.Chain(topic, x.Start(), 1, 1, 1, 1, 1)
	p := open(t, "", atModern)
	relay := dialWith(t, p, replica.SyncConfig{Name: "relay", Peer: x.ID()}) // the author's own word
	relay.key(x)
	relay.run(runs[:3]...)
	relay.head(head(x, runs[4].End(), modern()))
	relay.sync()
	rest(time.Second)
	a := p.authorOf(t, x.ID())
	if a.State != replica.StateBehind || a.Seq != 3 || a.Word == nil || a.Word.Seq != 5 {
		t.Errorf("the author stands at %d, %v, with the word %+v: want 3 of 5, behind", a.Seq, a.State, a.Word)
	}
	if e, err := p.Explain(t.Context(), x.ID(), 4); err != nil || e.State != replica.StateBehind {
		t.Errorf("update 4 is %v (%v), want behind", e.State, err)
	}
	if e, err := p.Explain(t.Context(), x.ID(), 6); err != nil || e.State != replica.StateUnseen {
		t.Errorf("update 6 is %v (%v), want unseen", e.State, err)
	}
	if s := p.Status(); s.Current {
		t.Error("called current while the author has signed more")
	}
	honest := open(t, "", nil)
	tell(t, honest, x, runs...)
	link(t, p.Replica, honest.Replica)
	p.reach(t, x.ID(), 5)
}

// yesterday: a relay serves an old state, heads and all.
func yesterday(t *testing.T) {
	x := wiretest.NewAuthor("x")
	runs := x.Chain(topic, x.Start(), 1, 1, 1)
	p := open(t, "", atModern)
	then := modern().Add(-24 * time.Hour)
	relay := dialAs(t, p, "relay")
	relay.key(x)
	relay.digest(1, wire.UnnamedWanted, runs[1].End())
	relay.run(runs[:2]...)
	relay.head(head(x, runs[1].End(), then))
	relay.sync()
	rest(2 * replica.DefaultHeadInterval)
	s := p.Status()
	if s.Current {
		t.Error("called current on one relay's word")
	}
	if a := p.authorOf(t, x.ID()); !a.Stale.Equal(then) {
		t.Errorf("the author is stale since %v, want %v", a.Stale, then)
	}
	links := p.Links()
	if len(links) != 1 || links[0].Peer != "relay" || links[0].State != replica.LinkStale || !links[0].Since.Equal(then) {
		t.Errorf("links %+v, want the relay stale since %v", links, then)
	}
	again := open(t, "", func(c *replica.Config) { c.Store, c.Now = p.store, modern })
	p.Close()
	if a := again.authorOf(t, x.ID()); !a.Stale.Equal(then) {
		t.Errorf("after a restart the author is stale since %v, want %v", a.Stale, then)
	}
}

// current: two relays bring the word of an author, and only then is a replica current.
func current(t *testing.T) {
	x := open(t, "x", atModern)
	one, two := open(t, "", atModern), open(t, "", atModern)
	p := open(t, "", atModern)
	link(t, x.Replica, one.Replica)
	link(t, x.Replica, two.Replica)
	x.write(t, "1", "2")
	hold(t, one, p, "one")
	rest(time.Minute)
	if s := p.Status(); s.Current || !strings.Contains(s.NotCurrent, "only one") {
		t.Errorf("with one link: current %v, %q", s.Current, s.NotCurrent)
	}
	hold(t, two, p, "two")
	p.wait(t, "current", ofKind(replica.Current))
	x.write(t, "3")
	rest(time.Minute)
	if s := p.Status(); !s.Current || p.Clock()[x.Self()].Seq != 3 {
		t.Errorf("with two links: not current: %s", s.NotCurrent)
	}
	x.Close()
	rest(5 * time.Minute)
	if s := p.Status(); s.Current {
		t.Error("current without a sign of life")
	}
}

// currentDirect: an author's own link needs no second witness.
func currentDirect(t *testing.T) {
	x, p := open(t, "x", atModern), open(t, "p", atModern)
	mesh(t, x, p)
	x.write(t, "1")
	p.wait(t, "current", ofKind(replica.Current))
	x.wait(t, "current", ofKind(replica.Current))
}

// headFrozen: heads dated at the end of time, ahead of the clock, or from the past,
// make nobody alive.
func headFrozen(t *testing.T) {
	x := wiretest.NewAuthor("x")
	run := x.Chain(topic, x.Start(), 1)[0]
	p := open(t, "", atModern)
	link := dial(t, p)
	link.key(x)
	link.run(run)
	for _, at := range []time.Time{time.Unix(0, wire.MaxInteger), modern().Add(replica.DefaultMaxSkew + time.Second)} {
		link.head(head(x, run.End(), at))
		link.sync()
		synctest.Wait()
		if w := p.authorOf(t, x.ID()).Word; w != nil {
			t.Errorf("a head issued at %v is kept: %+v", at, w)
		}
	}
	last := modern()
	older := x.Chain(topic, run.End(), 1)[0].End()
	defer func() {
		link.head(head(x, older, last.Add(-time.Second))) // higher, and older
		link.sync()
		synctest.Wait()
		if w := p.authorOf(t, x.ID()).Word; w.Seq != 1 {
			t.Errorf("an older head took the place of the newest: %+v", w)
		}
	}()
	link.head(head(x, run.End(), last))
	rest(10 * time.Minute)
	link = dial(t, p)   // the first has heard nothing from us that it answered
	for i := range 10 { // the author is dead; what it signed is dripped
		link.head(head(x, run.End(), last.Add(time.Duration(i-5)*time.Second)))
		link.sync()
	}
	synctest.Wait()
	a := p.authorOf(t, x.ID())
	if a.Word == nil || a.Word.Fresh || a.Stale.IsZero() {
		t.Errorf("the dead author's word is %+v, stale since %v", a.Word, a.Stale)
	}
}

// headStorm: an author that signs a head a millisecond is looked at and passed on at
// its pace.
func headStorm(t *testing.T) {
	x := wiretest.NewAuthor("x")
	run := x.Chain(topic, x.Start(), 1)[0]
	p := open(t, "", atModern)
	listener := dialAs(t, p, "listener")
	listener.digest(1, wire.UnnamedWanted)
	link := dial(t, p)
	link.key(x)
	link.run(run)
	link.sync()
	began := time.Now()
	for range 1000 {
		link.head(head(x, run.End(), modern()))
		time.Sleep(time.Millisecond)
	}
	link.sync()
	rest(time.Minute)
	if n, most := len(listener.heads), 2+int(time.Since(began)/(replica.DefaultHeadInterval/3)); n == 0 || n > most {
		t.Errorf("%d heads were passed on, want 1 to %d", n, most)
	}
}

// headEcho: a head is told back to who brought it only when somebody else brought it too.
func headEcho(t *testing.T) {
	x := wiretest.NewAuthor("x")
	p := open(t, "", atModern)
	one, two := dialAs(t, p, "one"), dialAs(t, p, "two")
	h := head(x, x.Start(), modern())
	for _, link := range []*raw{one, two} {
		link.digest(1, wire.UnnamedWanted)
		link.sync()
		link.key(x)
	}
	one.head(h)
	rest(time.Minute)
	if len(one.heads) != 0 || len(two.heads) != 1 {
		t.Errorf("%d heads told back to the only witness, %d to the other: want 0 and 1", len(one.heads), len(two.heads))
	}
	two.head(h)
	rest(time.Minute)
	if len(one.heads) != 1 {
		t.Error("the first witness has not heard of the second")
	}
}

// neverWrote: a node that never wrote says so.
func neverWrote(t *testing.T) {
	x, relay, p := open(t, "x", atModern), open(t, "", atModern), open(t, "p", atModern)
	link(t, x.Replica, relay.Replica)
	link(t, relay.Replica, p.Replica)
	rest(time.Minute)
	x.Close()
	rest(time.Minute)
	late := open(t, "", atModern)
	link(t, relay.Replica, late.Replica)
	rest(time.Second)
	if w := late.authorOf(t, x.Self()).Word; w == nil || w.Seq != 0 {
		t.Errorf("a late joiner has the word %+v", w)
	}
	a := p.authorOf(t, x.Self())
	if a.Word == nil || a.Word.Seq != 0 || a.State != replica.StateOK {
		t.Errorf("the author that never wrote is %+v with the word %+v", a, a.Word)
	}
}

// linkBehind: a peer that stops taking what we send is named, one that follows is not.
func linkBehind(t *testing.T) {
	x, p := open(t, "x", atModern), open(t, "", atModern)
	good := open(t, "", atModern)
	mesh(t, x, p)
	link(t, p.Replica, good.Replica)
	x.write(t, "1")
	stuck := dialAs(t, p, "stuck")
	stuck.digest(1, wire.UnnamedWanted, wire.Ref{Author: x.Self()})
	for range 12 {
		x.write(t, "more")
		rest(10 * time.Second)
		stuck.digest(2, wire.UnnamedNotWanted) // a ping, no more
	}
	for _, l := range p.Links() {
		want := replica.LinkOK
		if l.Peer == "stuck" {
			want = replica.LinkBehind
		}
		if l.State != want {
			t.Errorf("link %s is %v (%s), want %v", l.Peer, l.State, l.Reason, want)
		}
	}
}

// headContradicts: a head that names another hash is a reason to ask, not a fork.
func headContradicts(t *testing.T) {
	x := wiretest.NewAuthor("x")
	one := branch(x, "a", x.Start(), 1, 1)[0]
	a, b := branch(x, "a", one.End(), 3, 3), branch(x, "b", one.End(), 3, 3)
	p := open(t, "", atModern)
	link := dial(t, p)
	link.key(x)
	link.run(one, a[0])
	p.reach(t, x.ID(), 4)
	for len(link.digests) > 0 {
		<-link.digests
	}
	link.head(head(x, b[0].End(), modern()))
	if ref := link.asked(x.ID()); ref != a[0].End() {
		t.Errorf("asked with %v, want our frontier", ref)
	}
	if len(p.proofs(t)) != 0 {
		t.Error("a head was taken for a proof")
	}
	if got := p.authorOf(t, x.ID()); got.State != replica.StateForked || !strings.Contains(got.Reason, "looked for") {
		t.Errorf("the author is %v: %s", got.State, got.Reason)
	}
	link.run(b[0])
	settle()
	p.cutAt(t, x.ID(), 2, wantBelow([]*wire.Run{one}, 2))
}

// twin: two replicas with one key hear of each other before either writes.
func twin(t *testing.T) {
	one, two := open(t, "x", atModern), open(t, "x", atModern)
	relay := open(t, "", atModern)
	hold(t, one, relay, "one")
	rest(time.Second)
	hold(t, two, relay, "two")
	rest(time.Minute)
	stopped := 0
	for _, p := range []*peer{one, two} {
		if _, err := p.LocalUpdate(t.Context(), "test", []byte("mine")); errors.Is(err, replica.ErrWritesElsewhere) {
			stopped++
		}
	}
	if stopped == 0 {
		t.Error("neither of two nodes with one key was stopped")
	}
	if len(relay.proofs(t)) != 0 {
		t.Error("the two forked all the same")
	}
}

// ownHeadAhead: a restored store, whose newer updates nobody sends, is told by its
// own signed head.
func ownHeadAhead(t *testing.T) {
	x := wiretest.NewAuthor("x")
	runs := x.Chain(topic, x.Start(), 1, 1, 1)
	p := open(t, "x", func(c *replica.Config) {
		c.Now = modern
		c.Guard = replica.Guard{Suspect: true, Peers: []string{"relay"}}
	})
	relay := dialAs(t, p, "relay")
	relay.digest(1, wire.UnnamedNotWanted)
	relay.key(x)
	relay.run(runs[0])
	relay.head(head(x, runs[2].End(), modern().Add(-time.Hour)))
	relay.sync()
	rest(time.Minute)
	_, err := p.LocalUpdate(t.Context(), "test", []byte("mine"))
	mustErr(t, err, replica.ErrUnconfirmed)
	relay = dialAs(t, p, "relay")
	relay.run(runs[1:]...)
	p.reach(t, x.ID(), 3)
	relay.sync()
	if ref, err := p.LocalUpdate(t.Context(), "test", []byte("mine")); err != nil || ref.Seq != 4 {
		t.Errorf("wrote %v, %v, want seq 4", ref, err)
	}
}

// storeWentBack: the file was replaced by a backup in place, but for its head.
func storeWentBack(t *testing.T) {
	st := store.NewMemory()
	x := wiretest.NewAuthor("x")
	runs := x.Chain(topic, x.Start(), 1, 1)
	if err := st.Append(t.Context(), runs[0]); err != nil {
		t.Fatal(err)
	}
	p := open(t, "x", func(c *replica.Config) { c.Store, c.Now = st, modern })
	link := dial(t, p)
	link.head(head(x, runs[1].End(), modern().Add(-time.Hour)))
	link.sync()
	synctest.Wait()
	_, err := p.LocalUpdate(t.Context(), "test", []byte("mine"))
	mustErr(t, err, replica.ErrWritesElsewhere)
}
