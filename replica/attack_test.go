package replica_test

import (
	"context"
	"errors"
	"maps"
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
	"github.com/hearsaynet/hearsay/verify"
)

// TestAttack has one subtest for each attack that the replica itself must survive.
func TestAttack(t *testing.T) {
	x := wiretest.NewAuthor("x")
	attacks := map[string]func(t *testing.T){
		"forged-high":         func(t *testing.T) { forgedHigh(t, x) },
		"keystore-down":       func(t *testing.T) { synctest.Test(t, func(t *testing.T) { keystoreDown(t, x) }) },
		"unknown-key":         func(t *testing.T) { unknownKey(t, x) },
		"wrong-key":           func(t *testing.T) { wrongKey(t, x) },
		"cross-topic":         func(t *testing.T) { crossTopic(t, x) },
		"replay":              func(t *testing.T) { replay(t, x) },
		"omission":            func(t *testing.T) { omission(t, x) },
		"lying-clock":         func(t *testing.T) { lyingClock(t, x) },
		"future":              func(t *testing.T) { synctest.Test(t, func(t *testing.T) { future(t, x) }) },
		"future-flood":        func(t *testing.T) { synctest.Test(t, func(t *testing.T) { futureFlood(t, x) }) },
		"clock-corrected":     func(t *testing.T) { clockCorrected(t) },
		"slow-relay":          func(t *testing.T) { slowRelay(t, x) },
		"hostile-frame":       func(t *testing.T) { hostileFrame(t, x) },
		"slowloris":           func(t *testing.T) { synctest.Test(t, slowloris) },
		"honest-forwarder":    func(t *testing.T) { honestForwarder(t, x) },
		"race":                func(t *testing.T) { race(t, x) },
		"bad-copy":            func(t *testing.T) { badCopy(t, x) },
		"config-split":        func(t *testing.T) { configSplit(t, x) },
		"handle-remap":        func(t *testing.T) { handleRemap(t, x) },
		"own-id":              func(t *testing.T) { ownID(t) },
		"sent-before-durable": func(t *testing.T) { sentBeforeDurable(t) },
		"fork-self":           func(t *testing.T) { forkSelf(t) },
		"guard-lies":          func(t *testing.T) { synctest.Test(t, guardLies) },
		"erase-by-relay":      func(t *testing.T) { eraseByRelay(t, x) },
		"again":               func(t *testing.T) { synctest.Test(t, func(t *testing.T) { again(t, x) }) },
		"newer-kind":          func(t *testing.T) { newerKind(t, x) },
	}
	maps.Copy(attacks, forkAttacks(x))
	alone := headAttacks()
	maps.Copy(alone, oneWayAttacks())
	for name, attack := range alone {
		attacks[name] = func(t *testing.T) { synctest.Test(t, attack) }
	}
	for name, attack := range attacks {
		t.Run(name, attack)
	}
}

func forgedHigh(t *testing.T, x *wiretest.Author) {
	p := open(t, "p", nil)
	runs := x.Chain(topic, x.Start(), 2, 2)
	hostile := dial(t, p)
	hostile.key(x)
	hostile.send(wire.FrameRun, tampered(runs[0], 1))
	hostile.blamed(wire.CloseRefused)
	if c := p.Clock(); len(c) != 0 {
		t.Errorf("clock %v after a forged run, want none", c)
	}
	honest := dial(t, p)
	honest.key(x)
	honest.run(runs...)
	p.reach(t, x.ID(), 4)
}

// flaky is a keystore that can be down.
type flaky struct {
	keys.Keystore
	mu   sync.Mutex
	down error
}

func (f *flaky) Lookup(ctx context.Context, id keys.NodeID) (keys.PublicKey, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.down != nil {
		return keys.PublicKey{}, f.down
	}
	return f.Keystore.Lookup(ctx, id)
}

func (f *flaky) set(down error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.down = down
}

// admitting makes a replica decide by ks.
func admitting(ks keys.Keystore) func(*replica.Config) {
	return func(c *replica.Config) { c.Verify, c.Keystore = nil, ks }
}

func keystoreDown(t *testing.T, x *wiretest.Author) {
	ks := &flaky{Keystore: keys.NewMemory(x.Key())}
	p := open(t, "p", admitting(ks))
	runs := x.Chain(topic, x.Start(), 1, 1, 1, 1)
	link := dial(t, p)
	link.run(runs[0])
	p.reach(t, x.ID(), 1)
	ks.set(errors.New("connection refused"))
	link.run(runs[1:]...)
	link.sync()
	synctest.Wait()
	if got := p.journal.of(x.ID()); len(got) != 1 {
		t.Errorf("folded %v while the keystore is down, want only the first", got)
	}
	if x, err := p.Explain(t.Context(), x.ID(), 2); err != nil || x.State != replica.StateWaiting {
		t.Errorf("Explain: %+v, %v; want waiting", x, err)
	}
	ks.set(nil)
	p.reach(t, x.ID(), 4)
	if got := p.journal.of(x.ID()); !slices.Equal(got, count(4)) {
		t.Errorf("folded %v, want 1 to 4, each once", got)
	}
}

func unknownKey(t *testing.T, x *wiretest.Author) {
	ks := keys.NewMemory()
	p, q := open(t, "p", admitting(ks)), open(t, "q", nil)
	q.write(t, "1", "2")
	link(t, p.Replica, q.Replica)
	p.wait(t, "q drained", ofKind(replica.Drained))
	if e, _ := p.Explain(t.Context(), q.author.ID(), 0); e.State != replica.StateUnknown {
		t.Errorf("state %v before admission, want unknown", e.State)
	}
	if len(p.Clock()) != 0 || len(p.journal.updates) != 0 {
		t.Errorf("something of an unknown author was taken in")
	}
	ks.Add(q.author.Key())
	p.reach(t, q.author.ID(), 2) // without a restart, by itself
	ks.Remove(q.author.ID())
	p.wait(t, "q retracted", ofKind(replica.Retracted))
	ks.Add(q.author.Key())
	q.write(t, "3")
	p.reach(t, q.author.ID(), 3)
	if got := p.journal.of(q.author.ID()); !slices.Equal(got, count(3)) {
		t.Errorf("folded %v after admission, withdrawal and admission, want 1 to 3", got)
	}
}

// liar answers every question with the same key.
type liar struct{ key keys.PublicKey }

func (l liar) Lookup(context.Context, keys.NodeID) (keys.PublicKey, error) { return l.key, nil }

func wrongKey(t *testing.T, x *wiretest.Author) {
	y := wiretest.NewAuthor("y")
	p := open(t, "p", admitting(liar{y.Key()}))
	forged := y.Chain(topic, y.Start(), 1)[0]
	body := append([]byte(nil), forged.Body()...)
	id := x.ID()
	copy(body, id[:]) // y's update under x's id
	link := dial(t, p)
	link.send(wire.FrameRun, body)
	link.sync()
	if len(p.Clock()) != 0 {
		t.Error("an update was accepted with a key that does not hash to its author")
	}
}

func crossTopic(t *testing.T, x *wiretest.Author) {
	p := open(t, "p", nil)
	link := dial(t, p)
	link.key(x)
	link.run(x.Chain("another topic", x.Start(), 1)...)
	link.blamed(wire.CloseRefused)
	if len(p.Clock()) != 0 {
		t.Error("an update of another topic was accepted")
	}
}

func replay(t *testing.T, x *wiretest.Author) {
	p := open(t, "p", nil)
	other := dial(t, p)
	other.digest(1, wire.UnnamedWanted)
	other.sync()
	runs := x.Chain(topic, x.Start(), 3, 3)
	for range 3 { // in the same session and in later ones
		link := dial(t, p)
		link.key(x)
		for range 2 {
			link.run(runs...)
			link.run(runs[1].CutFront(4)) // other bytes, same updates
			link.sync()
		}
		p.reach(t, x.ID(), 6)
	}
	if got := p.journal.of(x.ID()); !slices.Equal(got, count(6)) {
		t.Errorf("folded %v, want 1 to 6, each once", got)
	}
	other.sync()
	forwarded := 0
	for len(other.runs) > 0 {
		forwarded += (<-other.runs).Len()
	}
	if forwarded != 6 {
		t.Errorf("%d updates were forwarded, want each of 6 once", forwarded)
	}
}

func omission(t *testing.T, x *wiretest.Author) {
	p := open(t, "p", nil)
	runs := x.Chain(topic, x.Start(), 1, 1, 1, 1)
	relay, honest := dialAs(t, p, "relay"), dialAs(t, p, "honest")
	relay.key(x)
	honest.key(x)
	relay.run(runs[0])
	p.reach(t, x.ID(), 1)
	relay.run(runs[2:]...)
	gap := p.wait(t, "gap", ofKind(replica.Gap))
	if gap.Ref.Seq != 2 || gap.Peer != "relay" {
		t.Errorf("gap notice %+v, want seq 2 and the relay", gap)
	}
	if e, _ := p.Explain(t.Context(), x.ID(), 3); e.State != replica.StateGap {
		t.Errorf("update 3 is %v, want gap", e.State)
	}
	if ref := honest.asked(x.ID()); ref.Seq != 1 {
		t.Errorf("another peer was asked for what follows %d, want 1", ref.Seq)
	}
	relay.sync()
	honest.run(runs[1]) // what follows is asked for again: a copy may share the fate of the relay's
	p.reach(t, x.ID(), 2)
	honest.run(runs[2:]...)
	p.reach(t, x.ID(), 4)
	if e, _ := p.Explain(t.Context(), x.ID(), 0); e.State != replica.StateOK {
		t.Errorf("after healing the author is %v, want ok", e.State)
	}
}

func lyingClock(t *testing.T, x *wiretest.Author) {
	p := open(t, "p", nil)
	link := dial(t, p)
	link.key(x)
	link.run(x.Chain(topic, x.Start(), 5)...)
	p.reach(t, x.ID(), 5)
	p.write(t, "own")

	liar := dial(t, p)
	far := wire.Ref{Author: x.ID(), Seq: wire.MaxInteger, Hash: wire.Hash{1}}
	mine := wire.Ref{Author: p.author.ID(), Seq: wire.MaxInteger, Hash: wire.Hash{1}}
	refs := []wire.Ref{far, mine}
	slices.SortFunc(refs, func(a, b wire.Ref) int { return a.Author.Compare(b.Author) })
	liar.digest(1, wire.UnnamedWanted, refs...)
	liar.sync()

	honest := dial(t, p) // is not silenced by what the other says
	honest.digest(1, wire.UnnamedWanted)
	honest.sync()
	if len(honest.runs) != 2 {
		t.Errorf("%d runs for an honest peer, want 2", len(honest.runs))
	}
	p.write(t, "and the own author goes on")

	for _, d := range []struct {
		what string
		body []byte
	}{
		{"seq 2^63", append((&wire.Digest{Nonce: 1, Unnamed: wire.UnnamedWanted}).Append(nil), refBytes(x.ID(), 1<<63)...)},
		{"an author twice", (&wire.Digest{Nonce: 1, Unnamed: wire.UnnamedWanted, Refs: []wire.Ref{far, far}}).Append(nil)},
	} {
		t.Run(d.what, func(t *testing.T) {
			link := dial(t, p)
			link.send(wire.FrameDigest, d.body)
			link.blamed(wire.CloseProtocol)
		})
	}
}

func refBytes(id keys.NodeID, seq uint64) []byte {
	d := &wire.Digest{Nonce: 1, Unnamed: wire.UnnamedWanted, Refs: []wire.Ref{{Author: id, Seq: seq, Hash: wire.Hash{1}}}}
	return d.Append(nil)[10:]
}

func hostileFrame(t *testing.T, x *wiretest.Author) {
	run := x.Chain(topic, x.Start(), 2)[0]
	hello := (&wire.Hello{Version: 1, Topics: []wire.TopicHandle{{Handle: rawHandle, Topic: topic}}}).Append(nil)
	frames := map[string][]byte{
		"length 2^32-1":     {byte(wire.FrameRun), 0, rawHandle, 0xff, 0xff, 0xff, 0xff},
		"type 0":            {0, 0, 0, 0, 0, 0, 0},
		"unknown type":      wire.AppendFrame(nil, wire.Frame{Type: 31, Handle: rawHandle}),
		"unknown handle":    wire.AppendFrame(nil, wire.Frame{Type: wire.FrameRun, Handle: 9, Body: run.Body()}),
		"empty run":         wire.AppendFrame(nil, wire.Frame{Type: wire.FrameRun, Handle: rawHandle}),
		"run cut short":     wire.AppendFrame(nil, wire.Frame{Type: wire.FrameRun, Handle: rawHandle, Body: run.Body()[:60]}),
		"run and a byte":    wire.AppendFrame(nil, wire.Frame{Type: wire.FrameRun, Handle: rawHandle, Body: append(run.Body(), 0)}),
		"key and a byte":    wire.AppendFrame(nil, wire.Frame{Type: wire.FrameKey, Handle: rawHandle, Body: append(x.Key().Wire(), 0)}),
		"bad digest":        wire.AppendFrame(nil, wire.Frame{Type: wire.FrameDigest, Handle: rawHandle, Body: []byte{1}}),
		"bad done":          wire.AppendFrame(nil, wire.Frame{Type: wire.FrameDone, Handle: rawHandle, Body: []byte{1}}),
		"bad head":          wire.AppendFrame(nil, wire.Frame{Type: wire.FrameHead, Handle: rawHandle, Body: []byte{1}}),
		"hello for a topic": wire.AppendFrame(nil, wire.Frame{Type: wire.FrameHello, Handle: rawHandle, Body: hello}),
	}
	p := open(t, "p", nil)
	for name, bytes := range frames {
		t.Run(name, func(t *testing.T) {
			link := dial(t, p)
			link.sync()
			link.writing <- struct{}{}
			link.conn.Write(bytes)
			<-link.writing
			link.blamed(wire.CloseProtocol)
			if c := <-link.closed; c.Code != wire.CloseProtocol || c.Text == "" {
				t.Errorf("closed with %+v, want the reason", c)
			}
		})
	}
	t.Run("a type that may be skipped", func(t *testing.T) {
		link := dial(t, p)
		link.send(200, []byte("whatever"))
		link.sync()
	})
}

func slowloris(t *testing.T) {
	p := open(t, "p", nil)
	link := dial(t, p)
	link.sync()
	start := time.Now()
	link.writing <- struct{}{} // no Done in between
	go func() {                // a frame that announces 1000 bytes and brings one every 30 s
		link.conn.Write([]byte{byte(wire.FrameRun), 0, rawHandle, 0, 0, 0x03, 0xe8})
		for {
			if _, err := link.conn.Write([]byte{0}); err != nil {
				<-link.writing
				return
			}
			time.Sleep(30 * time.Second)
		}
	}()
	<-link.ended
	if took := time.Since(start); took > 6*time.Minute {
		t.Errorf("closed after %v", took)
	}
	silent := dial(t, p)
	silent.sync()
	silent.writing <- struct{}{} // not even a Done any more
	start = time.Now()
	<-silent.ended
	<-silent.writing
	if took := time.Since(start); took < 45*time.Second || took > time.Minute {
		t.Errorf("a silent peer was closed after %v, want 45 s", took)
	}
}

func honestForwarder(t *testing.T, x *wiretest.Author) {
	p, relay := open(t, "p", nil), open(t, "", nil)
	cut := link(t, relay.Replica, p.Replica)
	author := dial(t, relay)
	author.key(x)
	author.run(x.Run(topic, x.Start(), wiretest.Change(1, "test", "panic")))
	p.wait(t, "the change is ignored", func(n replica.Notice) bool { return n.Kind == replica.Ignored })
	author.run(x.Chain(topic, p.Clock()[x.ID()], 1)...)
	p.reach(t, x.ID(), 2)
	if ea, eb := cut(); !errors.Is(ea, context.Canceled) || !errors.Is(eb, context.Canceled) && eb != nil {
		t.Errorf("the session with the relay ended by itself: %v, %v", ea, eb)
	}
}

func race(t *testing.T, x *wiretest.Author) {
	var mu sync.Mutex
	asked := 0
	answer := make(chan struct{})
	p := open(t, "p", func(c *replica.Config) {
		any := verify.AnyKey()
		c.Verify = func(ctx context.Context, r *verify.Request, done func(verify.Verdict, error)) {
			mu.Lock()
			asked++
			mu.Unlock()
			go func() {
				<-answer
				any(ctx, r, done)
				done(verify.Reject, errors.New("a second verdict"))
			}()
		}
	})
	run := x.Chain(topic, x.Start(), 2)[0]
	var links []*raw
	for range 8 {
		l := dial(t, p)
		l.key(x)
		l.run(run)
		l.sync()
		links = append(links, l)
	}
	close(answer)
	p.reach(t, x.ID(), 2)
	for _, l := range links {
		l.run(run)
		l.sync()
	}
	mu.Lock()
	defer mu.Unlock()
	if got := p.journal.of(x.ID()); asked != 1 || !slices.Equal(got, count(2)) {
		t.Errorf("verified %d times, folded %v; want once, 1 and 2", asked, got)
	}
}

func badCopy(t *testing.T, x *wiretest.Author) {
	down := &flaky{Keystore: keys.NewMemory(x.Key()), down: errors.New("down")}
	p := open(t, "p", admitting(down))
	run := x.Chain(topic, x.Start(), 2)[0]
	bad := []*raw{dial(t, p), dial(t, p)}
	honest := dial(t, p)
	for _, l := range bad {
		l.send(wire.FrameRun, tampered(run, 1))
		l.sync()
	}
	honest.run(run)
	honest.sync()
	down.set(nil)
	for _, l := range bad {
		l.blamed(wire.CloseRefused)
	}
	p.reach(t, x.ID(), 2)
	honest.sync() // its session goes on
}

func configSplit(t *testing.T, x *wiretest.Author) {
	strict := open(t, "p", func(c *replica.Config) {
		c.MaxChange = 10
		c.MaxSkew = time.Nanosecond
		c.Now = func() time.Time { return time.Now().Add(-time.Hour) }
	})
	lax := open(t, "q", func(c *replica.Config) { c.MaxChange = wire.MaxChange })
	big := string(make([]byte, 100_000))
	run := x.Run(topic, x.Start(), wiretest.Change(uint64(time.Now().UnixNano()), "test", big), wiretest.Change(5, "no such channel", ""))
	for _, p := range []*peer{strict, lax} {
		link := dial(t, p)
		link.key(x)
		link.run(run)
		p.wait(t, "stored", func(replica.Notice) bool { return p.Clock()[x.ID()] == run.End() })
	}
}

func handleRemap(t *testing.T, x *wiretest.Author) {
	p := open(t, "p", nil)
	link := dial(t, p)
	link.sync()
	remap := wire.Hello{Version: 1, Topics: []wire.TopicHandle{{Handle: 8, Topic: topic}, {Handle: rawHandle, Topic: "other"}}}
	link.frame(wire.FrameHello, 0, remap.Append(nil))
	link.blamed(wire.CloseProtocol)
}

// again: a peer that asks for everything again and again is served at a bounded pace,
// and at last.
func again(t *testing.T, x *wiretest.Author) {
	const size, asks = 32, 60
	big := strings.Repeat("x", 256<<10)
	p := open(t, "", nil)
	link := dial(t, p)
	link.key(x)
	prev := x.Start()
	for range size {
		run := x.Run(topic, prev, wiretest.Change(prev.Seq+1, "test", big))
		link.run(run)
		prev = run.End()
	}
	p.reach(t, x.ID(), size)
	hungry := dial(t, p)
	began := time.Now()
	taken := 0
	for n := range uint64(asks) {
		hungry.digest(n+1, wire.UnnamedWanted)
		for done := uint64(0); done != n+1; {
			select {
			case u := <-hungry.runs:
				taken += u.Size()
			case done = <-hungry.dones:
			}
		}
		for len(hungry.runs) > 0 {
			taken += (<-hungry.runs).Size()
		}
	}
	took := time.Since(began).Seconds()
	if most := 80<<20 + int(took*(4<<20)); taken > most {
		t.Errorf("%d MiB were sent in %.0f s, want at most %d", taken>>20, took, most>>20)
	}
	if least := asks * size * len(big); taken < least {
		t.Errorf("%d MiB were sent, want all of %d", taken>>20, least>>20)
	}
}
