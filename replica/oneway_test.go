package replica_test

import (
	"context"
	"maps"
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

// couple holds a session between two replicas and returns how it ended on either side.
func couple(t *testing.T, a, b *peer, ca, cb replica.SyncConfig) (ended func() []error) {
	t.Helper()
	x, y := net.Pipe()
	ctx, cancel := context.WithCancel(context.Background())
	errs := make([]error, 2)
	var ends sync.WaitGroup
	ends.Go(func() { errs[0] = a.Sync(ctx, x, ca) })
	ends.Go(func() { errs[1] = b.Sync(ctx, y, cb) })
	t.Cleanup(func() {
		cancel()
		ends.Wait()
	})
	return func() []error {
		ends.Wait()
		return errs
	}
}

// seqs is what a replica has stored, by the author's name.
func seqs(p *peer, names map[string]keys.NodeID) map[string]uint64 {
	got := make(map[string]uint64)
	for name, id := range names {
		if ref, ok := p.Clock()[id]; ok {
			got[name] = ref.Seq
		}
	}
	return got
}

// What sessions one way pass, and that each ends by itself when told to.
func TestOneWay(t *testing.T) {
	send, receive, clock := replica.SyncConfig{SendOnly: true}, replica.SyncConfig{ReceiveOnly: true}, replica.SyncConfig{ReceiveOnly: true, SendClock: true}
	both := replica.SyncConfig{}
	none := map[string]uint64{}
	for _, test := range []struct {
		name       string
		a, b       replica.SyncConfig
		atA, atB   map[string]uint64 // of the other's updates
		liveA      bool              // what b writes later comes to a
		liveB      bool
		stopsAlone bool // a ends by itself, whatever b does
	}{
		{"master and default", send, both, none, map[string]uint64{"a": 2}, false, true, true},
		{"default and silent slave", both, receive, none, map[string]uint64{"a": 2}, false, true, true},
		{"default and slave", both, clock, none, map[string]uint64{"a": 2}, false, true, true},
		{"master and silent slave", send, receive, none, map[string]uint64{"a": 2}, false, true, true},
		{"master and slave", send, clock, none, map[string]uint64{"a": 2}, false, true, true},
		{"two masters", send, send, none, none, false, false, true},
		{"two silent slaves", receive, receive, none, none, false, false, true},
		{"two slaves", clock, clock, none, none, false, false, true},
		{"both ways", both, both, map[string]uint64{"b": 3}, map[string]uint64{"a": 2}, true, true, true},
	} {
		run := func(t *testing.T, tail bool) {
			a, b := open(t, "a", atModern), open(t, "b", atModern)
			a.write(t, "1", "2")
			b.write(t, "1", "2", "3")
			test.a.StopWhenDrained, test.b.StopWhenDrained = !tail, !tail
			ended := couple(t, a, b, test.a, test.b)
			rest(time.Minute)
			check := func(when string, wantA, wantB map[string]uint64) {
				t.Helper()
				if got := seqs(a, map[string]keys.NodeID{"b": b.Self()}); !maps.Equal(got, wantA) {
					t.Errorf("%s: a has %v, want %v", when, got, wantA)
				}
				if got := seqs(b, map[string]keys.NodeID{"a": a.Self()}); !maps.Equal(got, wantB) {
					t.Errorf("%s: b has %v, want %v", when, got, wantB)
				}
			}
			check("what there was", test.atA, test.atB)
			if !tail {
				if errs := ended(); errs[0] != nil || errs[1] != nil {
					t.Errorf("the sides ended with %v", errs)
				}
				return
			}
			a.write(t, "live")
			b.write(t, "live")
			rest(time.Minute)
			wantA, wantB := maps.Clone(test.atA), maps.Clone(test.atB)
			if test.liveA {
				wantA["b"]++
			}
			if test.liveB {
				wantB["a"]++
			}
			check("what came later", wantA, wantB)
			for _, l := range append(a.Links(), b.Links()...) {
				if !l.Drained {
					t.Errorf("%+v", l)
				}
			}
		}
		t.Run(test.name, func(t *testing.T) {
			t.Run("tail", func(t *testing.T) { synctest.Test(t, func(t *testing.T) { run(t, true) }) })
			t.Run("no tail", func(t *testing.T) { synctest.Test(t, func(t *testing.T) { run(t, false) }) })
		})
	}
}

// A slave of one is the master of another, and neither's link is called behind or stale.
func TestSlaveIsMasterOfAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		top, middle, low := open(t, "top", atModern), open(t, "middle", atModern), open(t, "low", atModern)
		couple(t, top, middle, replica.SyncConfig{Name: "middle"}, replica.SyncConfig{Name: "top", Peer: top.Self(), ReceiveOnly: true, SendClock: true})
		couple(t, middle, low, replica.SyncConfig{Name: "low", SendOnly: true}, replica.SyncConfig{Name: "middle", Peer: middle.Self()})
		for _, p := range []*peer{top, middle, low} {
			p.write(t, "1")
		}
		rest(5 * time.Minute)
		names := map[string]keys.NodeID{"top": top.Self(), "middle": middle.Self(), "low": low.Self()}
		for _, want := range []struct {
			p     *peer
			names []string
		}{{top, []string{"top"}}, {middle, []string{"middle", "top"}}, {low, []string{"low", "middle", "top"}}} {
			if got := slices.Sorted(maps.Keys(seqs(want.p, names))); !slices.Equal(got, want.names) {
				t.Errorf("has updates of %v, want %v", got, want.names)
			}
			for _, l := range want.p.Links() {
				if l.State != replica.LinkOK {
					t.Errorf("the link to %s is %s: %s", l.Peer, l.State, l.Reason)
				}
			}
		}
		for _, l := range middle.Links() {
			if l.SendOnly != (l.Peer == "low") || l.ReceiveOnly != (l.Peer == "top") {
				t.Errorf("%+v", l)
			}
		}
	})
}

// Without its clock a slave gets everything each time, with it only what is missing.
func TestSendClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := open(t, "a", atModern), open(t, "b", atModern)
		a.write(t, "1", "2", "3")
		for i, test := range []struct {
			clock bool
			want  uint64
		}{{false, 3}, {false, 3}, {true, 0}, {true, 0}} {
			var c replica.Counters
			ended := couple(t, a, b, replica.SyncConfig{StopWhenDrained: true, Counters: &c}, replica.SyncConfig{StopWhenDrained: true, ReceiveOnly: true, SendClock: test.clock})
			if errs := ended(); errs[0] != nil || errs[1] != nil {
				t.Fatal(errs)
			}
			if got := c.UpdatesOut.Load(); got != test.want {
				t.Errorf("session %d, clock sent %v: %d updates passed, want %d", i, test.clock, got, test.want)
			}
		}
	})
}

// What a peer cannot be asked it is not called behind with.
func TestNarrowLinksAreNotBehind(t *testing.T) {
	for name, cfg := range map[string]replica.SyncConfig{"send only": {SendOnly: true}, "other authors": {Authors: []keys.NodeID{wiretest.NewAuthor("z").ID()}}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				x, a, b := open(t, "x", atModern), open(t, "", atModern), open(t, "b", atModern)
				b.write(t, "1")
				mesh(t, x, a)
				couple(t, a, b, cfg, replica.SyncConfig{})
				for range 10 {
					x.write(t, "more")
					rest(30 * time.Second)
				}
				if cfg.SendOnly { // which brings no heads, however alive their authors are
					x.Close()
					couple(t, a, b, cfg, replica.SyncConfig{})
					rest(5 * time.Minute)
				}
				for _, l := range a.Links() {
					if l.State != replica.LinkOK {
						t.Errorf("the link to %s is %s: %s", l.Peer, l.State, l.Reason)
					}
				}
			})
		})
	}
}

// A peer that tells nothing is not behind: it says that it only receives, or is silent.
func TestPeersThatTellNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, c := open(t, "a", atModern), open(t, "b", atModern), open(t, "c", atModern)
		couple(t, a, b, replica.SyncConfig{Name: "slave"}, replica.SyncConfig{ReceiveOnly: true})
		couple(t, a, c, replica.SyncConfig{Name: "both ways"}, replica.SyncConfig{Name: "a", Peer: a.Self()})
		couple(t, a, open(t, "", atModern), replica.SyncConfig{Name: "master"}, replica.SyncConfig{SendOnly: true})
		mute := dialAs(t, a, "mute")
		for i, body := range [][]byte{{}, {0}, {3}, {10}, {1, 2}, {2, 0}} { // nothing that is known
			mute.frame(wire.FrameWay, uint16(i), body)
		}
		mute.digest(1, wire.UnnamedWanted)
		c.write(t, "1")
		for range 30 {
			rest(10 * time.Second)
			mute.digest(2, wire.UnnamedNotWanted)
		}
		want := map[string]replica.LinkStatus{
			"slave":     {State: replica.LinkOK, PeerReceiveOnly: true},
			"master":    {State: replica.LinkOK, PeerSendOnly: true},
			"both ways": {State: replica.LinkOK},
			"mute":      {State: replica.LinkSilent, Reason: "it has never said what it has, nor that it only receives"},
		}
		for _, l := range a.Links() {
			want := want[l.Peer]
			want.Peer, want.Topic, want.Drained = l.Peer, topic, true
			if l != want {
				t.Errorf("the link is %+v, want %+v", l, want)
			}
		}
		if n := len(a.Links()); n != len(want) {
			t.Errorf("%d links, want %d", n, len(want))
		}
	})
}

func TestSyncConfigIsChecked(t *testing.T) {
	p := open(t, "p", nil)
	id := wiretest.NewAuthor("x").ID()
	for name, cfg := range map[string]replica.SyncConfig{
		"leave nothing to do":    {SendOnly: true, ReceiveOnly: true},
		"belongs to ReceiveOnly": {SendClock: true},
		"nil means all authors":  {Authors: []keys.NodeID{}},
		"has a zero id":          {Authors: []keys.NodeID{id, {}}},
		"has 56677 ids":          {Authors: slices.Repeat([]keys.NodeID{id}, 56677)},
		"Meta has 4097 bytes":    {Meta: make([]byte, 4097)},
	} {
		mine, theirs := net.Pipe()
		err := p.Sync(t.Context(), theirs, cfg)
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("got error %v, want one that says %q", err, name)
		}
		if _, err := mine.Read(make([]byte, 1)); err == nil {
			t.Errorf("%s: bytes were sent", name)
		}
	}
}

// A session for some authors asks for them, serves them, and takes no others.
func TestAuthors(t *testing.T) {
	x, y, z := wiretest.NewAuthor("x"), wiretest.NewAuthor("y"), wiretest.NewAuthor("z")
	names := map[string]keys.NodeID{"x": x.ID(), "y": y.ID(), "z": z.ID()}
	only := func(change func(*replica.SyncConfig), authors ...*wiretest.Author) replica.SyncConfig {
		cfg := replica.SyncConfig{}
		for _, a := range authors {
			cfg.Authors = append(cfg.Authors, a.ID())
		}
		if change != nil {
			change(&cfg)
		}
		return cfg
	}
	for name, test := range map[string]struct {
		full, less replica.SyncConfig
		want       []string
	}{
		"asked for":          {only(nil, x, y, z), only(nil, y, z), []string{"y", "z"}},
		"asked for, of all":  {replica.SyncConfig{}, only(nil, x), []string{"x"}},
		"asked for, twice":   {replica.SyncConfig{}, only(nil, x, x), []string{"x"}},
		"by a slave":         {replica.SyncConfig{}, only(func(c *replica.SyncConfig) { c.ReceiveOnly = true }, x), []string{"x"}},
		"by a slave's clock": {replica.SyncConfig{}, only(func(c *replica.SyncConfig) { c.ReceiveOnly, c.SendClock = true, true }, x), []string{"x"}},
		"served":             {only(nil, y), replica.SyncConfig{}, []string{"y"}},
		"served one way":     {only(func(c *replica.SyncConfig) { c.SendOnly = true }, y), replica.SyncConfig{}, []string{"y"}},
		"nothing in common":  {only(nil, y), only(nil, z), nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				full, less := open(t, "", atModern), open(t, "", atModern)
				for _, a := range []*wiretest.Author{x, y, z} {
					tell(t, full, a, a.Chain(topic, a.Start(), 2)...)
				}
				couple(t, full, less, test.full, test.less)
				rest(time.Minute)
				check := func(seq uint64) {
					t.Helper()
					got := seqs(less, names)
					if !slices.Equal(slices.Sorted(maps.Keys(got)), test.want) {
						t.Errorf("got %v, want updates of %v", got, test.want)
					}
					for name, s := range got {
						if s != seq {
							t.Errorf("%s is at %d, want %d", name, s, seq)
						}
					}
				}
				check(2)
				for _, a := range []*wiretest.Author{x, y, z} { // and what comes later
					tell(t, full, a, a.Chain(topic, a.Chain(topic, a.Start(), 2)[0].End(), 1)...)
				}
				rest(time.Minute)
				check(3)
			})
		})
	}
}

// What a peer pushes of other authors is not taken, its own history is, and neither is a
// fault of the peer.
func TestAuthorsOfOthersAreNotTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x, y, me := wiretest.NewAuthor("x"), wiretest.NewAuthor("y"), wiretest.NewAuthor("me")
		p := open(t, "me", atModern)
		link := dialWith(t, p, replica.SyncConfig{Name: "raw", Authors: []keys.NodeID{x.ID()}})
		for _, a := range []*wiretest.Author{x, y, me} {
			link.key(a)
			link.run(a.Chain(topic, a.Start(), 1)...)
			link.head(head(a, a.Start(), modern()))
		}
		link.sync()
		rest(time.Second)
		if got := seqs(p, map[string]keys.NodeID{"x": x.ID(), "y": y.ID(), "me": me.ID()}); !maps.Equal(got, map[string]uint64{"x": 1, "me": 1}) {
			t.Errorf("has %v", got)
		}
		_, err := p.LocalUpdate(t.Context(), "test", []byte("mine"))
		mustErr(t, err, replica.ErrWritesElsewhere)
		if e, err := p.Explain(t.Context(), y.ID(), 1); err != nil || e.State != replica.StateRefused || !strings.Contains(e.Reason, "for other authors") {
			t.Errorf("explained: %+v, %v", e, err)
		}
		for len(link.digests) > 0 {
			if d := <-link.digests; d.Unnamed != wire.UnnamedNotWanted || slices.ContainsFunc(d.Refs, func(r wire.Ref) bool { return r.Author != x.ID() }) {
				t.Errorf("digest of %v, unnamed %v", d.Refs, d.Unnamed)
			}
		}
		if len(link.ended) > 0 {
			t.Errorf("the session has ended: %v", <-link.ended)
		}
	})
}

// A session that does not ask for our own updates is no answer to what we wrote last, and
// neither is the word of a peer that discloses nothing.
func TestGuardWantsAnAnswerThatWasAskedFor(t *testing.T) {
	x := wiretest.NewAuthor("x")
	both := replica.SyncConfig{}
	for name, test := range map[string]struct {
		cfg, peer replica.SyncConfig
		answers   bool
	}{
		"send only":     {replica.SyncConfig{SendOnly: true}, both, false},
		"other authors": {replica.SyncConfig{Authors: []keys.NodeID{x.ID()}}, both, false},
		"own author":    {replica.SyncConfig{Authors: []keys.NodeID{wiretest.NewAuthor("me").ID()}}, both, true},
		"receive only":  {replica.SyncConfig{ReceiveOnly: true}, both, true},
		"both ways":     {both, both, true},
		"a slave":       {both, replica.SyncConfig{ReceiveOnly: true}, false},
		"with a clock":  {both, replica.SyncConfig{ReceiveOnly: true, SendClock: true}, false},
		"for others":    {both, replica.SyncConfig{Authors: []keys.NodeID{x.ID()}}, false},
		"and for us":    {both, replica.SyncConfig{Authors: []keys.NodeID{x.ID(), wiretest.NewAuthor("me").ID()}}, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := open(t, "me", func(c *replica.Config) {
					atModern(c)
					c.Guard = replica.Guard{Suspect: true, Peers: []string{"relay"}}
				})
				test.cfg.Name = "relay"
				couple(t, p, open(t, "", atModern), test.cfg, test.peer)
				rest(2 * time.Second)
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				_, err := p.LocalUpdate(ctx, "test", []byte("mine"))
				if (err == nil) != test.answers {
					t.Errorf("writing: %v", err)
				}
			})
		})
	}
}

// Each side's Meta is in the Hello that the other one's Trace is told of.
func TestMeta(t *testing.T) {
	a, b := open(t, "a", nil), open(t, "b", nil)
	got := make([]string, 2)
	cfg := func(i int, meta string) replica.SyncConfig {
		return replica.SyncConfig{StopWhenDrained: true, Meta: []byte(meta), Trace: replica.Trace{Hello: func(h *wire.Hello) { got[i] = string(h.Meta) }}}
	}
	if errs := couple(t, a, b, cfg(0, "of a"), cfg(1, "of b"))(); errs[0] != nil || errs[1] != nil {
		t.Fatal(errs)
	}
	if !slices.Equal(got, []string{"of b", "of a"}) {
		t.Errorf("got %q", got)
	}
}

// A side that ends the session for having sent all reads on until the peer has hung up:
// closing earlier can take what it sent with it.
func TestTheLastWordIsHeard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := open(t, "p", atModern)
		p.write(t, "1")
		mine, theirs := net.Pipe()
		ended := make(chan error, 1)
		go func() {
			ended <- p.Sync(context.Background(), theirs, replica.SyncConfig{SendOnly: true, StopWhenDrained: true})
		}()
		hello := &wire.Hello{Version: 1, Agent: "raw", Topics: []wire.TopicHandle{{Handle: rawHandle, Topic: topic}}}
		first := wire.AppendFrame(nil, wire.Frame{Type: wire.FrameHello, Body: hello.Append(nil)})
		asks := &wire.Digest{Nonce: 1, Unnamed: wire.UnnamedWanted}
		go mine.Write(wire.AppendFrame(first, wire.Frame{Type: wire.FrameDigest, Handle: rawHandle, Body: asks.Append(nil)}))
		for {
			f, err := wire.ReadFrame(mine)
			if err != nil {
				t.Fatal(err)
			}
			if f.Type == wire.FrameClose {
				break
			}
		}
		synctest.Wait()
		if _, err := mine.Write(wire.AppendFrame(nil, wire.Frame{Type: wire.FrameDone, Handle: rawHandle, Body: wire.AppendDone(nil, 1)})); err != nil {
			t.Errorf("who is slow to answer cannot any more: %v", err)
		}
		mine.Close()
		if err := <-ended; err != nil {
			t.Errorf("the session ends with %v", err)
		}
	})
}
