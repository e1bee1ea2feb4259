package replica_test

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/internal/wiretest"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// oneWayAttacks are those on sessions that go one way.
func oneWayAttacks() map[string]func(t *testing.T) {
	return map[string]func(t *testing.T){
		"slave-asked":     slaveAsked,
		"slave-gap":       slaveGap,
		"slave-keystore":  slaveKeystore,
		"master-pushed":   masterPushed,
		"one-way-ignored": oneWayIgnored,
	}
}

// tapped is a connection that keeps what is written to it.
type tapped struct {
	net.Conn
	mu   sync.Mutex
	sent []byte
	ends []int // how much was sent after each Write
}

func (c *tapped) Write(b []byte) (int, error) {
	c.mu.Lock()
	c.sent = append(c.sent, b...)
	c.ends = append(c.ends, len(c.sent))
	c.mu.Unlock()
	return c.Conn.Write(b)
}

// frames returns what was sent.
func (c *tapped) frames(t *testing.T) (frames []wire.Frame, sent []byte) {
	c.mu.Lock()
	sent = slices.Clone(c.sent)
	c.mu.Unlock()
	for in := bytes.NewReader(sent); in.Len() > 0; {
		f, err := wire.ReadFrame(in)
		if err != nil {
			t.Fatal(err)
		}
		frames = append(frames, f)
	}
	return frames, sent
}

// slaveAsked: a peer asks one that only receives for everything, in every way, and learns
// nothing of what it has, but what it asks for by name.
func slaveAsked(t *testing.T) {
	x, y, z, later, wanted := wiretest.NewAuthor("x"), wiretest.NewAuthor("y"), wiretest.NewAuthor("z"), wiretest.NewAuthor("later"), wiretest.NewAuthor("wanted")
	me := wiretest.NewAuthor("me")
	for name, test := range map[string]struct {
		authors []keys.NodeID
		lists   bool // the peer names whom it wants
	}{"all authors": {}, "some": {[]keys.NodeID{wanted.ID()}, false}, "by a peer that lists": {nil, true}} {
		authors := test.authors
		ks := &keyring{in: map[keys.NodeID]keys.PublicKey{x.ID(): x.Key(), y.ID(): y.Key(), z.ID(): z.Key()}, changed: make(chan struct{})}
		p := open(t, "me", func(c *replica.Config) { atModern(c); c.Verify, c.Keystore = nil, ks })
		runs := x.Chain(topic, x.Start(), 2, 1)
		tell(t, p, x, runs...)
		one := branch(z, "a", z.Start(), 1, 1)[0]
		tell(t, p, z, one, branch(z, "a", one.End(), 1, 1)[0], branch(z, "b", one.End(), 1, 1)[0])
		p.write(t, "secret of mine")
		rest(time.Minute) // heads are signed
		secrets := map[string][]byte{"a change": []byte("secret of mine")}
		for name, a := range map[string]*wiretest.Author{"me": me, "x": x, "y": y, "z": z, "later": later} {
			id := a.ID()
			secrets["the id of "+name], secrets["the key of "+name] = id[2:], a.Key().Wire()
			if ref := p.Clock()[id]; ref.Seq > 0 {
				secrets["the frontier of "+name] = ref.Hash[:]
			}
		}

		mine, theirs := net.Pipe()
		tap := &tapped{Conn: theirs}
		link := dialOver(t, p, mine, tap, replica.SyncConfig{Name: "raw", ReceiveOnly: true, Authors: authors})
		if !test.lists {
			link.digest(1, wire.UnnamedWanted)
		}
		link.digest(2, wire.UnnamedNotWanted, sorted(me.Start(), x.Start(), z.Start())...)
		link.digest(3, wire.UnnamedNotWanted, sorted(wire.Ref{Author: me.ID(), Seq: 1, Hash: wire.Hash{1}}, wire.Ref{Author: x.ID(), Seq: 2, Hash: wire.Hash{1}})...)
		tell(t, p, y, y.Chain(topic, y.Start(), 1)...)
		link.key(x)
		link.head(head(x, wire.Ref{Seq: 9, Hash: wire.Hash{1}}, modern())) // it is behind
		link.head(head(x, wire.Ref{Seq: 1, Hash: wire.Hash{1}}, modern())) // it is another history
		link.run(branch(x, "b", x.Start(), 5, 2)...)
		link.run(branch(z, "c", z.Start(), 5, 2)...)
		link.key(later)
		link.run(later.Chain(topic, later.Start(), 1)...)
		link.sync()
		p.write(t, "secret of mine")
		rest(time.Minute)
		ks.set(true, later)
		rest(10 * time.Minute) // heads, pings, and whatever comes of the rest
		if authors == nil && p.Clock()[later.ID()].Seq != 0 {
			t.Errorf("%s: it has what it was sent before it admitted the author", name)
		}
		frames, sent := tap.frames(t)
		for what, secret := range secrets {
			if bytes.Contains(sent, secret) {
				t.Errorf("%s: the peer has learned %s", name, what)
			}
		}
		full := 0
		for _, f := range frames {
			switch f.Type {
			case wire.FrameHello, wire.FrameDone:
			case wire.FrameWay:
				if way := wire.ParseWay(f.Body); !way.Has(wire.WayReceives) || way.Has(wire.WaySome) != (authors != nil) {
					t.Errorf("%s: it says %x of itself", name, f.Body)
				}
			case wire.FrameDigest:
				d, err := wire.ParseDigest(f.Body)
				if err != nil {
					t.Fatal(err)
				}
				if d.Unnamed == wire.UnnamedWanted || len(d.Refs) > 0 {
					full++
				}
				want := d.Unnamed == wire.UnnamedWanted || len(d.Refs) == 0
				if authors != nil {
					want = d.Unnamed == wire.UnnamedNotWanted && (len(d.Refs) == 0 || slices.Equal(d.Refs, []wire.Ref{wanted.Start()}))
				}
				if !want || authors == nil && len(d.Refs) > 0 {
					t.Errorf("%s: a digest of %v, unnamed %v", name, d.Refs, d.Unnamed)
				}
			default:
				t.Errorf("%s: a %v frame was sent", name, f.Type)
			}
		}
		if authors == nil && full < 2 {
			t.Errorf("%s: it has asked for everything %d times: not again when it admitted another author", name, full)
		}
		if len(link.ended) > 0 {
			t.Errorf("%s: the session has ended: %v", name, <-link.ended)
		}
		link.conn.Close()
		p.Close()
	}
}

func sorted(refs ...wire.Ref) []wire.Ref {
	slices.SortFunc(refs, func(a, b wire.Ref) int { return a.Author.Compare(b.Author) })
	return refs
}

// slaveGap: what a peer left out it is asked for, as often as is good for it, by asking for
// everything; and not when it has never shown that it has more.
func slaveGap(t *testing.T) {
	x, y := wiretest.NewAuthor("x"), wiretest.NewAuthor("y")
	runs := x.Chain(topic, x.Start(), 1, 1, 1)
	p := open(t, "", atModern)
	link := dialWith(t, p, replica.SyncConfig{Name: "raw", ReceiveOnly: true})
	other := dialWith(t, p, replica.SyncConfig{Name: "other", ReceiveOnly: true})
	link.key(x)
	link.run(runs[0])
	link.sync()
	rest(time.Second)
	link.run(runs[2])
	other.key(y)
	other.head(head(y, wire.Ref{Seq: 3, Hash: wire.Hash{1}}, modern()))
	rest(time.Hour)
	asked := func(r *raw) (n int) {
		for len(r.digests) > 0 {
			if d := <-r.digests; d.Unnamed == wire.UnnamedWanted {
				n++
			}
		}
		return n
	}
	if n := asked(link); n < 5 || n > 20 { // at first, after 1, 2, 4 … 600 s
		t.Errorf("who left something out was asked %d times in an hour", n)
	}
	if n := asked(other); n != 1 {
		t.Errorf("who has shown nothing was asked %d times", n)
	}
	link.run(runs[1], runs[2])
	rest(time.Minute)
	if got := p.Clock()[x.ID()].Seq; got != 3 {
		t.Errorf("x is at %d, want 3", got)
	}
}

// slaveKeystore: a keystore that changes all the time does not make a slave fetch everything
// all the time, and one that changes now and then is followed at once.
func slaveKeystore(t *testing.T) {
	x, z := wiretest.NewAuthor("x"), wiretest.NewAuthor("z")
	ks := &keyring{in: map[keys.NodeID]keys.PublicKey{}, changed: make(chan struct{})}
	p := open(t, "", func(c *replica.Config) { atModern(c); c.Verify, c.Keystore = nil, ks })
	link := dialWith(t, p, replica.SyncConfig{Name: "raw", ReceiveOnly: true})
	link.key(x)
	link.run(x.Chain(topic, x.Start(), 1)...) // it is not admitted: the peer has more than we do
	link.sync()
	rest(time.Minute)
	<-link.digests
	asked := func() (n int) {
		for len(link.digests) > 0 {
			if d := <-link.digests; d.Unnamed == wire.UnnamedWanted {
				n++
			}
		}
		return n
	}
	for i := range 360 {
		ks.set(i%2 == 0, z)
		rest(10 * time.Second)
	}
	if n := asked(); n < 5 || n > 20 {
		t.Errorf("the keystore changed for an hour, and the peer was asked %d times", n)
	}
	rest(time.Hour)
	asked()
	ks.set(true, z)
	rest(5 * time.Second)
	if n := asked(); n != 1 {
		t.Errorf("the keystore changed after an hour, and the peer was asked %d times", n)
	}
}

// masterPushed: what is pushed at one that only sends is dropped, whatever it is, without
// an effect and without room; the session goes on, and nobody is a forger.
func masterPushed(t *testing.T) {
	x := wiretest.NewAuthor("x")
	p := open(t, "me", atModern)
	p.write(t, "1")
	before := p.Status()
	link := dialWith(t, p, replica.SyncConfig{Name: "raw", SendOnly: true})
	runs := x.Chain(topic, x.Start(), 2, 2, 2)
	one := branch(x, "a", x.Start(), 1, 1)[0]
	proof, err := wire.NewProof(branch(x, "a", one.End(), 1, 1)[0], branch(x, "b", one.End(), 1, 1)[0], 2)
	if err != nil {
		t.Fatal(err)
	}
	for range 100 {
		link.key(x)
		link.run(runs...)
		link.send(wire.FrameRun, tampered(runs[0], 1))
		link.head(head(x, runs[2].End(), modern()))
		link.send(wire.FrameHead, tampered(head(x, runs[2].End(), modern()), 1))
		link.send(wire.FrameFork, proof.Body())
	}
	sybils := wiretest.NewAuthors("sybil", 300)
	for i, a := range sybils {
		link.key(a)
		link.run(a.Run(topic, a.Start(), wiretest.Change(uint64(i)+1, "test", "u")))
	}
	link.sync()
	rest(time.Minute)
	after := p.Status()
	if len(p.Clock()) != 1 || len(after.Authors) != len(before.Authors) || after.Counts.Applied != before.Counts.Applied || after.Counts.Waiting != 0 {
		t.Errorf("a clock of %d, %d authors, %+v", len(p.Clock()), len(after.Authors), after.Counts)
	}
	if after.Counts.Rejected < 600 {
		t.Errorf("%d updates are counted as refused", after.Counts.Rejected)
	}
	if e, err := p.Explain(t.Context(), sybils[299].ID(), 1); err != nil || e.State != replica.StateRefused || !strings.Contains(e.Reason, "only sends") {
		t.Errorf("explained: %+v, %v", e, err)
	}
	for len(link.digests) > 0 {
		if d := <-link.digests; len(d.Refs) > 0 || d.Unnamed != wire.UnnamedNotWanted {
			t.Errorf("it asks: %v, unnamed %v", d.Refs, d.Unnamed)
		}
	}
	link.digest(5, wire.UnnamedWanted)
	rest(time.Second)
	if len(link.runs) != 1 {
		t.Errorf("%d runs were sent, want 1", len(link.runs))
	}
	if len(link.ended) > 0 {
		t.Errorf("the session has ended: %v", <-link.ended)
	}
}

// oneWayIgnored: sessions one way that stop when drained need no word from the peer on the
// way that is closed.
func oneWayIgnored(t *testing.T) {
	x := wiretest.NewAuthor("x")
	for name, test := range map[string]struct {
		cfg  replica.SyncConfig
		says []wire.Frame // after Hello; nothing of it is an answer to a digest of its own
	}{
		"a master that is never answered": {replica.SyncConfig{SendOnly: true},
			[]wire.Frame{{Type: wire.FrameDigest, Body: (&wire.Digest{Nonce: 1, Unnamed: wire.UnnamedWanted}).Append(nil)}}},
		"a slave that is never asked": {replica.SyncConfig{ReceiveOnly: true},
			[]wire.Frame{{Type: wire.FrameKey, Body: x.Key().Wire()}, {Type: wire.FrameRun, Body: x.Chain(topic, x.Start(), 1)[0].Body()}, {Type: wire.FrameDone, Body: wire.AppendDone(nil, 1)}}},
	} {
		test.cfg.StopWhenDrained = true
		p := open(t, "me", atModern)
		p.write(t, "1")
		mine, theirs := net.Pipe()
		ended := make(chan error, 1)
		go func() { ended <- p.Sync(context.Background(), theirs, test.cfg) }()
		go io.Copy(io.Discard, mine)
		b := wire.AppendFrame(nil, wire.Frame{Type: wire.FrameHello, Body: (&wire.Hello{Version: 1, Agent: "raw", Topics: []wire.TopicHandle{{Handle: rawHandle, Topic: topic}}}).Append(nil)})
		for _, f := range test.says {
			f.Handle = rawHandle
			b = wire.AppendFrame(b, f)
		}
		mine.Write(b)
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("%s ends with %v", name, err)
			}
		case <-time.After(20 * time.Second):
			t.Errorf("%s does not end", name)
		}
		if test.cfg.ReceiveOnly && p.Clock()[x.ID()].Seq != 1 {
			t.Errorf("%s has not taken what came", name)
		}
		mine.Close()
		p.Close()
	}
}

// Authors are served in an order that differs from session to session, and that a test can
// choose: over sessions that are cut short none is always the last.
func TestAuthorsAreServedInAnyOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := open(t, "", atModern)
		authors := wiretest.NewAuthors("author", 20)
		all := make([]wire.Ref, len(authors))
		for i, a := range authors {
			tell(t, p, a, a.Chain(topic, a.Start(), 1)...)
			all[i] = a.Start()
		}
		all = sorted(all...)
		served := func(cfg replica.SyncConfig, unnamed wire.Unnamed, refs ...wire.Ref) (order []keys.NodeID) {
			link := dialWith(t, p, cfg)
			link.digest(1, unnamed, refs...)
			link.sync()
			rest(time.Second)
			for len(link.runs) > 0 {
				order = append(order, (<-link.runs).Author())
			}
			link.conn.Close()
			if len(order) != len(authors) {
				t.Fatalf("%d authors were served", len(order))
			}
			return order
		}
		last := make(map[keys.NodeID]int)
		for range 20 {
			order := served(replica.SyncConfig{}, wire.UnnamedNotWanted, all...)
			last[order[len(order)-1]]++
		}
		if len(last) < 4 { // by chance: one in 10^10
			t.Errorf("over 20 sessions %d of 20 authors were the last", len(last))
		}
		seeded := func(seed uint64) replica.SyncConfig {
			return replica.SyncConfig{Shuffle: rand.New(rand.NewPCG(seed, 0)).Shuffle}
		}
		one := served(seeded(1), wire.UnnamedNotWanted, all...)
		if !slices.Equal(one, served(seeded(1), wire.UnnamedWanted)) {
			t.Error("two sessions with one seed serve in two orders")
		}
		if slices.Equal(one, served(seeded(2), wire.UnnamedWanted)) {
			t.Error("two seeds give one order")
		}
	})
}
