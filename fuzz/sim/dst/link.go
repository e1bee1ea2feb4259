package dst

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// link joins two nodes, as long as both are up and nothing is between them.
type link struct {
	world *world
	index int
	plan  Link
	pipe  *pipe // nil while there is none
	dials int
	tries int
	down  time.Time // until then
	stall time.Time // until then
}

// dial joins the nodes again if they can be.
func (l *link) dial() {
	w := l.world
	a, b := w.nodes[l.plan.A], w.nodes[l.plan.B]
	if l.pipe != nil || a.replica == nil || b.replica == nil || time.Now().Before(l.down) {
		return
	}
	l.dials++
	l.pipe = w.net.dial(fmt.Sprintf("link %d dial %d", l.index, l.dials))
	w.note("%s", l.pipe.name)
	l.hold(a, b, 0)
	l.hold(b, a, 1)
}

// redial has the nodes joined in a while, at an instant of which no two are alike: what
// sessions do now and then does not fall on what replicas do.
func (l *link) redial(d time.Duration) {
	w := l.world
	l.tries++
	odd := time.Duration(fate(int(50*time.Millisecond), w.plan.Seed, "redial", l.index, l.tries))
	w.after(d+odd, "", l.dial)
}

// hold keeps one side's session.
func (l *link) hold(n, peer *node, side int) {
	w, p := l.world, l.pipe
	e := p.ends[side]
	n.watch(e)
	cfg := replica.SyncConfig{Name: fmt.Sprintf("node %d over link %d", peer.index, l.index), Origin: fmt.Sprintf("link %d", l.index)}
	if peer.author != nil {
		cfg.Peer = peer.author.id
	}
	way := l.plan.Way
	if side == 1 {
		way = l.plan.Back
	}
	cfg.SendOnly, cfg.ReceiveOnly, cfg.SendClock = way == Sends, way == Receives || way == Listens, way == Receives
	cfg.Shuffle = rand.New(rand.NewPCG(w.plan.Seed, fateBits(w.plan.Seed, p.name, side))).Shuffle
	if side == 0 {
		cfg.Authors = l.authors()
	}
	n.keepsTo(way, cfg.Authors, e)
	r, ctx := n.replica, n.ctx
	w.tasks.Go(func() {
		err := r.Sync(ctx, e, cfg)
		w.net.report(fmt.Sprintf("%s side %d", p.name, side), func() { l.ended(p, n, err) })
	})
}

// authors are those that the sessions of one side are about, nil for all.
func (l *link) authors() (ids []keys.NodeID) {
	for _, i := range l.plan.Authors {
		if a := l.world.authors[i]; a != nil {
			ids = append(ids, a.id)
		}
	}
	return ids
}

// ended follows the end of a session: the other side's ends as well.
func (l *link) ended(p *pipe, n *node, err error) {
	w := l.world
	var ce *replica.CloseError
	if errors.As(err, &ce) && ce.Blames() && !l.plan.Hostile {
		w.fail("honest peers", "node %d has closed %s to an honest peer: %v", n.index, p.name, err)
	}
	if l.pipe != p {
		return
	}
	w.note("%s is over", p.name)
	w.after(100*time.Millisecond, "", p.cut) // its last word may be under way
	l.pipe = nil
	l.redial(time.Second)
}

// hangUp ends the session, as when a cable is cut.
func (l *link) hangUp() {
	if l.pipe != nil {
		l.pipe.cut()
	}
}

// stalled says how much longer a frame is under way that would be due then.
func (l *link) stalled(due time.Time) time.Duration {
	return max(0, l.stall.Sub(due))
}

// tamper does to a frame what a hostile carrier does: how many copies arrive, and how
// much later than their turn.
func (l *link) tamper(p *packet, chance func(int, string) int) (copies int, late time.Duration) {
	switch p.frame.Type {
	case wire.FrameRun, wire.FrameHead, wire.FrameFork, wire.FrameKey, wire.FrameDigest, wire.FrameDone:
	default:
		return 1, 0
	}
	switch c := chance(100, "tamper"); {
	case c < 10:
		return 0, 0
	case c < 18:
		return 2, 0
	case c < 28:
		return 1, time.Duration(1+chance(3000, "late")) * time.Millisecond
	case c < 31 && p.frame.Type == wire.FrameRun:
		p.frame.Body = corrupt(p.frame.Body, chance(8*len(p.frame.Body), "bit"))
	}
	return 1, 0
}

// corrupt returns a copy with one bit flipped.
func corrupt(b []byte, bit int) []byte {
	b = append([]byte(nil), b...)
	b[bit/8] ^= 1 << (bit % 8)
	return b
}

// carries reports whether the link is up now and both sides may say what they want.
func (l *link) carries() bool {
	now := time.Now()
	return l.pipe != nil && !l.plan.Hostile && !l.plan.narrow() && now.After(l.stall) && !l.pipe.isDown()
}

// other returns the node at the other side, nil if n is at neither.
func (l *link) other(n *node) *node {
	switch n.index {
	case l.plan.A:
		return l.world.nodes[l.plan.B]
	case l.plan.B:
		return l.world.nodes[l.plan.A]
	}
	return nil
}

// watch checks what leaves a node.
func (n *node) watch(e *end) {
	vol := n.vol
	e.dead = vol.isDead
	e.onSend = func(f wire.Frame) { n.sends(vol, f) }
}

// keepsTo checks that nothing leaves a node but what the way of its session allows, about
// some authors, nil for all.
func (n *node) keepsTo(way Way, authors []keys.NodeID, e *end) {
	checks := e.onSend
	e.onSend = func(f wire.Frame) {
		checks(f)
		if !way.allows(f, authors != nil) {
			n.world.fail("one way", "node %d, which %s, has sent a %v%s", n.index, way, f.Type, n.world.describe(f))
		}
		if authors != nil && !within(f, authors) {
			n.world.fail("other authors", "node %d, whose session is about %v, has sent a %v%s", n.index, authors, f.Type, n.world.describe(f))
		}
	}
}

// allows reports whether a side may send a frame. One that listens may name whom it asks
// for, and says of nobody how far it has them.
func (way Way) allows(f wire.Frame, named bool) bool {
	switch f.Type {
	case wire.FrameRun, wire.FrameHead, wire.FrameFork, wire.FrameKey:
		return way != Receives && way != Listens
	case wire.FrameDigest:
		d, err := wire.ParseDigest(f.Body)
		switch {
		case err != nil:
			return false
		case way == Sends:
			return len(d.Refs) == 0 && d.Unnamed == wire.UnnamedNotWanted
		case way == Listens:
			return !slices.ContainsFunc(d.Refs, func(ref wire.Ref) bool { return !named || ref.Seq > 0 })
		}
	}
	return true
}

// within reports whether a frame tells or asks of no others than some authors.
func within(f wire.Frame, authors []keys.NodeID) bool {
	var about []keys.NodeID
	switch f.Type {
	case wire.FrameRun:
		if u, err := wire.ParseRun(topic, f.Body); err == nil {
			about = append(about, u.Author())
		}
	case wire.FrameHead:
		if u, err := wire.ParseHead(topic, f.Body); err == nil {
			about = append(about, u.Author())
		}
	case wire.FrameFork:
		if u, err := wire.ParseProof(topic, f.Body); err == nil {
			about = append(about, u.Author())
		}
	case wire.FrameKey:
		if k, err := wire.ParseKey(f.Body); err == nil {
			about = append(about, k.ID())
		}
	case wire.FrameDigest:
		d, err := wire.ParseDigest(f.Body)
		if err != nil || d.Unnamed == wire.UnnamedWanted {
			return false
		}
		for _, ref := range d.Refs {
			about = append(about, ref.Author)
		}
	}
	return !slices.ContainsFunc(about, func(id keys.NodeID) bool { return !slices.Contains(authors, id) })
}

// sends checks a frame that leaves a node: network.mu is held.
func (n *node) sends(vol *volume, f wire.Frame) {
	w := n.world
	switch f.Type {
	case wire.FrameRun:
		u, err := wire.ParseRun(topic, f.Body)
		if err != nil {
			w.fail("well-formed", "node %d has sent a run that is none: %v", n.index, err)
			return
		}
		if n.self() == u.Author() && u.Last() > vol.ownDurable() {
			w.fail("durable first", "node %d has sent its update %d, and only %d are durable", n.index, u.Last(), vol.ownDurable())
		}
		n.sendsRun(u)
	case wire.FrameHead:
		u, err := wire.ParseHead(topic, f.Body)
		if err != nil {
			w.fail("well-formed", "node %d has sent a head that is none: %v", n.index, err)
			return
		}
		if n.self() == u.Author() && u.Ref().Seq > vol.ownDurable() {
			w.fail("durable first", "node %d has signed a head at %d, and only %d are durable", n.index, u.Ref().Seq, vol.ownDurable())
		}
	case wire.FrameFork:
		u, err := wire.ParseProof(topic, f.Body)
		if err != nil {
			w.fail("well-formed", "node %d has sent a proof that is none: %v", n.index, err)
			return
		}
		if a := w.byID[u.Author()]; a == nil || !a.rogue {
			w.fail("innocent", "node %d has sent a proof against %v", n.index, u.Author())
		}
	}
}

// sendsRun checks a run that leaves a node the first time that it does.
func (n *node) sendsRun(u *wire.UnverifiedRun) {
	w, a := n.world, n.world.byID[u.Author()]
	if a == nil {
		w.fail("authentic", "node %d has sent a run of nobody: %v", n.index, u.Author())
		return
	}
	if w.seen[u.Fingerprint()] {
		return
	}
	w.seen[u.Fingerprint()] = true
	run, err := u.Open(a.signer.Public())
	if err != nil {
		w.fail("authentic", "node %d has sent %v", n.index, err)
		return
	}
	if err := a.know(run); err != nil {
		w.fail("authentic", "node %d has sent what was not signed: %v", n.index, err)
	}
	if a.rogue {
		return
	}
	if seq := a.leaves(run); seq != 0 {
		w.fail("one history", "the honest %s has published two updates %d", a.name, seq)
	}
}

func (n *node) self() keys.NodeID {
	if n.author == nil {
		return keys.NodeID{}
	}
	return n.author.id
}
