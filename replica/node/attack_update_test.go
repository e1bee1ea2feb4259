package node_test

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/internal/wiretest"
	"github.com/hearsaynet/hearsay/replica/node"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// tampered is a run with one bit of its signature flipped.
func tampered(r *wire.Run) wire.Frame {
	b := bytes.Clone(r.Body())
	b[len(b)-1] ^= 1
	return runFrame(b)
}

// attackForgedHigh: forged updates of the highest time and the highest seq come before
// the genuine one.
func attackForgedHigh(t *testing.T) {
	n := up(t, "n", node.Options{AnyKey: true})
	x := wiretest.NewAuthor("x")
	last := time.Unix(0, wire.MaxInteger)
	var forgers []*puppet
	for _, r := range []*wire.Run{
		x.Run(node.DefaultTopic, x.Start(), setting(last, "k1", "forged")),
		x.Run(node.DefaultTopic, wire.Ref{Seq: wire.MaxInteger - 1, Hash: wire.Hash{1}}, setting(last, "k1", "forged")),
	} {
		p := play(t, n)
		p.frames(keyFrame(x), tampered(r))
		p.farewell(wire.CloseRefused)
		forgers = append(forgers, p)
	}
	if a := authorAt(t, n, x.ID()); a.Seq != 0 || status(t, n).Counts.Applied != 0 {
		t.Errorf("after forged updates the author is %+v", a)
	}
	honest := play(t, n)
	honest.tell(x, history(x, "genuine", x.Start(), 2, 1)...)
	waitValue(t, n, "k1", "genuine")
	reaches(t, n, x.ID(), 2)
	set(t, n, "k1", "newer") // no clock was dragged
	waitValue(t, n, "k1", "newer")
	blamesOnly(t, n, forgers...)
}

// attackUnknownKey: a relay carries an author that a node does not admit, and then does.
func attackUnknownKey(t *testing.T) {
	relay := up(t, "relay", node.Options{Relay: true, AnyKey: true})
	dir := newDir(t)
	n := up(t, "n", node.Options{Dir: dir, Peers: []string{at(relay)}})
	x := wiretest.NewAuthor("x")
	runs := history(x, "v", x.Start(), 3, 1)
	direct := play(t, n)
	direct.tell(x, runs...)
	play(t, relay).tell(x, runs...)
	reaches(t, relay, x.ID(), 3)
	eventually(t, "the author is known to be unknown", func() bool { return authorAt(t, n, x.ID()).State == replica.StateUnknown })
	explains(t, n, x.ID(), 1, replica.StateUnknown)
	if got := counts(t, n, x.ID()); got != "" || authorAt(t, n, x.ID()).Seq != 0 {
		t.Errorf("of an author that is not admitted there is %q", got)
	}
	e, err := n.Explain(t.Context(), x.ID(), 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := node.Trust(dir, []byte(e.OfferedKey)); err != nil {
		t.Fatalf("trust %q: %v", e.OfferedKey, err)
	}
	reaches(t, n, x.ID(), 3) // by itself
	explains(t, n, x.ID(), 3, replica.StateApplied)
	blamesOnly(t, n)
}

// attackReplay: the same updates again in the session, in others, cut differently, and
// after a restart.
func attackReplay(t *testing.T) {
	dir := newDir(t)
	n := up(t, "n", node.Options{Dir: dir, AnyKey: true})
	x := wiretest.NewAuthor("x")
	runs := history(x, "v", x.Start(), 6, 3)
	for restart := range 2 {
		listener := play(t, n)
		listener.listen()
		for range 2 {
			p := play(t, n)
			for range 2 {
				p.tell(x, runs...)
				p.tell(x, runs[1].CutFront(4))
				p.sync()
			}
			reaches(t, n, x.ID(), 6)
		}
		listener.until("what is known has come", func() bool { return len(listener.runs) > 0 })
		listener.sync()
		if got := listener.took(x.ID()); got != 6 {
			t.Errorf("restarted %d times: %d updates were passed on, want each of 6 once", restart, got)
		}
		if s := status(t, n); s.Counts.Applied != 6 || s.Counts.Rejected != 0 {
			t.Errorf("restarted %d times: %+v, want 6 applied", restart, s.Counts)
		}
		blamesOnly(t, n)
		stop(t, n)
		n = up(t, "again", node.Options{Dir: dir, AnyKey: true})
	}
}

// attackOmission: a relay leaves out one update.
func attackOmission(t *testing.T) {
	n := up(t, "n", node.Options{AnyKey: true})
	x := wiretest.NewAuthor("x")
	runs := history(x, "v", x.Start(), 4, 1)
	relay := play(t, n)
	relay.tell(x, runs[0], runs[2], runs[3])
	eventually(t, "the gap is seen", func() bool {
		a := authorAt(t, n, x.ID())
		return a.Seq == 1 && a.State == replica.StateGap
	})
	for _, seq := range []uint64{2, 3, 4} {
		explains(t, n, x.ID(), seq, replica.StateGap)
	}
	relay.until("the relay is asked for what follows seq 1", func() bool {
		return slices.ContainsFunc(relay.asked, func(r wire.Ref) bool { return r == runs[0].End() })
	})
	honest := up(t, "honest", node.Options{AnyKey: true, Peers: []string{at(n)}})
	play(t, honest).tell(x, runs...)
	reaches(t, n, x.ID(), 4)
	explains(t, n, x.ID(), 2, replica.StateApplied)
	alike(t, n, honest)
	blamesOnly(t, n)
}

// attackLyingClock: claims to have everything, and digests that no honest peer sends.
func attackLyingClock(t *testing.T) {
	n := up(t, "n", node.Options{AnyKey: true})
	x := wiretest.NewAuthor("x")
	play(t, n).tell(x, history(x, "v", x.Start(), 5, 5)...)
	reaches(t, n, x.ID(), 5)
	set(t, n, "own", "v")

	liar := play(t, n)
	far := wire.Ref{Author: x.ID(), Seq: wire.MaxInteger, Hash: wire.Hash{1}}
	liar.listen(far, wire.Ref{Author: n.ID(), Seq: wire.MaxInteger, Hash: wire.Hash{1}})
	honest := play(t, n)
	honest.listen()
	if got, own := honest.took(x.ID()), honest.took(n.ID()); got != 5 || own != 1 {
		t.Errorf("an honest peer is sent %d and %d updates, want 5 and 1", got, own)
	}
	if got := liar.took(x.ID()); got != 0 {
		t.Errorf("%d updates for a peer that says it has them", got)
	}
	writes(t, n) // though somebody claims to know more of us
	if a := authorAt(t, n, x.ID()); a.Seq != 5 || a.State != replica.StateOK {
		t.Errorf("a claim has made the author %+v", a)
	}

	beyond := (&wire.Digest{Nonce: 1, Unnamed: wire.UnnamedWanted, Refs: []wire.Ref{far}}).Append(nil)
	copy(beyond[bytes.Index(beyond, []byte{0x7f, 0xff, 0xff, 0xff}):], []byte{0x80, 0, 0, 0, 0, 0, 0, 0})
	var bad []*puppet
	for _, body := range [][]byte{
		beyond,
		(&wire.Digest{Nonce: 1, Unnamed: wire.UnnamedWanted, Refs: []wire.Ref{far, far}}).Append(nil),
	} {
		p := play(t, n)
		p.frames(wire.Frame{Type: wire.FrameDigest, Handle: 1, Body: body})
		p.farewell(wire.CloseProtocol)
		bad = append(bad, p)
	}
	crowd := play(t, n)
	for i := range uint32(5) { // 70,000 authors that nobody has heard of
		d := &wire.Digest{Nonce: 1, More: true, Unnamed: wire.UnnamedNotWanted, Refs: strangers(i*wire.MaxDigestRefs, wire.MaxDigestRefs)}
		crowd.frames(digestFrame(d))
	}
	crowd.farewell(wire.CloseBusy)
	if got := len(status(t, n).Authors); got != 2 {
		t.Errorf("%d authors are known, want 2: claims make none", got)
	}
	blamesOnly(t, n, bad...)
}

// strangers returns n references to authors, ascending from number first.
func strangers(first uint32, n int) []wire.Ref {
	refs := make([]wire.Ref, n)
	for i := range refs {
		refs[i] = wire.Ref{Author: keys.NodeID{0x12, 0x20}, Seq: 1, Hash: wire.Hash{1}}
		binary.BigEndian.PutUint32(refs[i].Author[2:], first+uint32(i))
	}
	return refs
}

// attackFuture: updates from the future among others.
func attackFuture(t *testing.T) {
	n := up(t, "n", node.Options{AnyKey: true})
	b := up(t, "b", node.Options{AnyKey: true, Peers: []string{at(n)}})
	set(t, n, "k", "ours")
	x := wiretest.NewAuthor("x")
	now := time.Now()
	run := x.Run(node.DefaultTopic, x.Start(),
		setting(now.Add(replica.DefaultMaxSkew+time.Minute), "k", "in three minutes"),
		setting(now.AddDate(10, 0, 0), "k", "in ten years"),
		setting(time.Unix(0, wire.MaxInteger), "k", "at the end of time"),
		setting(now, "now", "v"))
	play(t, n).tell(x, run)
	for _, n := range []*node.Node{n, b} { // stored, and passed on
		reaches(t, n, x.ID(), 4)
		waitValue(t, n, "now", "v")
		waitValue(t, n, "k", "ours")
		for seq := range uint64(3) {
			explains(t, n, x.ID(), seq+1, replica.StateParked)
		}
		if s := status(t, n); s.Counts.Parked != 3 {
			t.Errorf("%d are parked, want 3", s.Counts.Parked)
		}
	}
	ref, err := n.Set(t.Context(), "k", []byte("still ours"))
	if err != nil {
		t.Fatal(err)
	}
	waitValue(t, b, "k", "still ours")
	if e, err := n.Explain(t.Context(), ref.Author, ref.Seq); err != nil || e.Time.Sub(now) > time.Minute {
		t.Errorf("our own clock was dragged to %v (%v)", e.Time, err)
	}
	blamesOnly(t, n)
}

// attackOwnID: an update under the node's own id, which somebody else has signed.
func attackOwnID(t *testing.T) {
	n := up(t, "n", node.Options{AnyKey: true})
	b := up(t, "b", node.Options{AnyKey: true, Peers: []string{at(n)}})
	set(t, n, "k", "ours")
	x := wiretest.NewAuthor("x")
	id := n.ID()
	var bad []*puppet
	for _, prev := range []wire.Ref{x.Start(), {Author: x.ID(), Seq: 1, Hash: wire.Hash{1}}} {
		body := bytes.Clone(x.Run(node.DefaultTopic, prev, setting(time.Now(), "k", "not ours")).Body())
		copy(body, id[:])
		p := play(t, n)
		p.frames(keyFrame(x), runFrame(body))
		p.farewell(wire.CloseRefused)
		bad = append(bad, p)
	}
	if a := authorAt(t, n, id); a.Seq != 1 || a.State != replica.StateOK {
		t.Errorf("the own author is %+v, want one update", a)
	}
	set(t, n, "more", "ours")
	waitValue(t, b, "more", "ours")
	waitValue(t, b, "k", "ours")
	blamesOnly(t, n, bad...)
}

// attackBadCopy: copies with a bad signature, before the genuine run and after it.
func attackBadCopy(t *testing.T) {
	n := up(t, "n", node.Options{AnyKey: true})
	b := up(t, "b", node.Options{AnyKey: true, Peers: []string{at(n)}})
	x := wiretest.NewAuthor("x")
	run := history(x, "v", x.Start(), 2, 2)[0]
	bad := []*puppet{play(t, n), play(t, n)}
	for _, p := range bad {
		p.frames(keyFrame(x), tampered(run))
	}
	for _, p := range bad {
		p.farewell(wire.CloseRefused)
	}
	honest := play(t, n)
	honest.tell(x, run)
	reaches(t, n, x.ID(), 2)
	reaches(t, b, x.ID(), 2)
	honest.sync()
	late := play(t, n)
	late.frames(keyFrame(x), tampered(run)) // no news, so nobody looks
	late.sync()
	if s := status(t, b); s.Counts.Rejected != 0 {
		t.Errorf("%d updates were refused behind the node", s.Counts.Rejected)
	}
	blamesOnly(t, n, bad...)
}

// attackErase: a relay leaves out a change, and sends its size and digest instead.
func attackErase(t *testing.T) {
	n := up(t, "n", node.Options{AnyKey: true})
	x := wiretest.NewAuthor("x")
	runs := history(x, "v", x.Start(), 2, 1)
	whole, err := wire.ParseHeader(runs[1].Headers()[0])
	if err != nil {
		t.Fatal(err)
	}
	erased := x.Run(node.DefaultTopic, runs[0].End(), wire.Entry{Time: whole.Time, Kind: whole.Kind, Channel: whole.Channel,
		Absent: true, Size: whole.Size, Digest: whole.Digest})
	if erased.End() != runs[1].End() {
		t.Fatal("leaving out the change makes another update of it")
	}
	relay := play(t, n)
	relay.tell(x, runs[0], erased)
	explains(t, n, x.ID(), 2, replica.StateRefused)
	reaches(t, n, x.ID(), 1)
	play(t, n).tell(x, runs[1])
	waitValue(t, n, "k2", "v")
	explains(t, n, x.ID(), 2, replica.StateApplied)
	blamesOnly(t, n)
}

// attackRace: one run from eight peers at once.
func attackRace(t *testing.T) {
	n := up(t, "n", node.Options{AnyKey: true})
	listener := play(t, n)
	listener.listen()
	x := wiretest.NewAuthor("x")
	run := history(x, "v", x.Start(), 20, 20)[0]
	var peers []*puppet
	for range 8 {
		peers = append(peers, play(t, n))
	}
	start := make(chan struct{})
	done := make(chan struct{}, len(peers))
	for _, p := range peers {
		go func() {
			<-start
			p.tell(x, run)
			done <- struct{}{}
		}()
	}
	close(start)
	for range peers {
		<-done
	}
	for _, p := range peers {
		p.sync()
	}
	reaches(t, n, x.ID(), 20)
	listener.until("the run is passed on", func() bool { return len(listener.runs) > 0 })
	listener.sync()
	if got := listener.took(x.ID()); got != 20 {
		t.Errorf("%d updates were passed on, want 20", got)
	}
	if s := status(t, n); s.Counts.Applied != 20 || s.Counts.Rejected != 0 || s.Counts.Ignored != 0 {
		t.Errorf("%+v, want 20 applied and nothing else", s.Counts)
	}
	blamesOnly(t, n)
}

// attackHandleRemap: a second Hello gives a handle to another topic while runs come.
func attackHandleRemap(t *testing.T) {
	n := up(t, "n", node.Options{AnyKey: true, Topics: []string{node.DefaultTopic, "other"}})
	x := wiretest.NewAuthor("x")
	run := history(x, "v", x.Start(), 1, 1)[0]
	other := x.Run("other", x.Start(), setting(lately(1), "k1", "other"))
	p := play(t, n)
	remap := wire.Hello{Version: wire.Version, Topics: []wire.TopicHandle{{Handle: 1, Topic: "other"}, {Handle: 2, Topic: node.DefaultTopic}}}
	p.frames(keyFrame(x), runFrame(run.Body()), wire.Frame{Type: wire.FrameHello, Body: remap.Append(nil)}, runFrame(other.Body()))
	p.farewell(wire.CloseProtocol)
	eventually(t, "what came before counts", func() bool { return counts(t, n, x.ID()) == "k1=v\n" })
	for _, a := range status(t, n).Authors {
		if a.ID == x.ID() && (a.Topic != node.DefaultTopic || a.Seq != 1) {
			t.Errorf("in topic %q the author has seq %d", a.Topic, a.Seq)
		}
	}
	blamesOnly(t, n, p)
}

// attackConfigSplit: nodes that are set up differently take the same bytes.
func attackConfigSplit(t *testing.T) {
	x, y := wiretest.NewAuthor("x"), wiretest.NewAuthor("y")
	dir := newDir(t)
	nodes := map[string]*node.Node{
		"open":   up(t, "open", node.Options{AnyKey: true, HeadInterval: 100 * time.Millisecond}),
		"relay":  up(t, "relay", node.Options{Relay: true, AnyKey: true, HeadInterval: 24 * time.Hour, Topics: []string{node.DefaultTopic}}),
		"strict": up(t, "strict", node.Options{Dir: dir, Topics: []string{node.DefaultTopic, "second"}}),
	}
	for _, a := range []*wiretest.Author{x, y} {
		if _, _, err := node.Trust(dir, []byte(a.Key().AuthorizedKey("")+"\n")); err != nil {
			t.Fatal(err)
		}
	}
	run := x.Run(node.DefaultTopic, x.Start(),
		setting(time.Now(), "big", string(make([]byte, 100_000))), // more than LocalUpdate takes
		wiretest.Change(5, "no such channel", ""),
		wiretest.Change(4, "kv", "not a change of this model"),
		setting(time.Now().AddDate(0, 0, 1), "tomorrow", "v"))
	newer := y.Run(node.DefaultTopic, y.Start(), wire.Entry{Time: 1, Kind: 77, Channel: "kv"})
	for name, n := range nodes {
		p := play(t, n)
		eventually(t, name+" takes the run", func() bool {
			p.tell(x, run)
			p.tell(y, newer)
			return authorAt(t, n, x.ID()).Seq == 4 && authorAt(t, n, y.ID()).State == replica.StateNewer
		})
		blamesOnly(t, n)
		listener := play(t, n)
		listener.listen()
		listener.until(name+" passes on the very bytes", func() bool {
			return len(listener.runs) > 0 && bytes.Equal(listener.runs[0].UnverifiedBody(), run.Body())
		})
	}
}
