package dst

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/kv"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// attack carries out an op of somebody hostile.
func (w *world) attack(i int, n *node, a *author, o Op) {
	d := newDice(o.Salt, 3)
	name := fmt.Sprintf("op %d", i)
	key := a.signer.Public()
	switch o.Kind {
	case Publish, Gap, Borrow:
		b := w.branch(a, d)
		runs := []*wire.Run{w.extend(a, b, d, o)}
		if o.Kind == Gap {
			runs = []*wire.Run{w.extend(a, b, d, o)}
		}
		b.shown = true
		w.show(n, name, key, runs...)
	case Fork:
		if b := w.fork(a, d, o); b != nil {
			b.shown = true
			w.show(n, name, key, b.runs...)
		}
	case BadCopy:
		if run := a.newestRun(); run != nil {
			body := append([]byte(nil), run.Body()...)
			body[len(body)-1-d.IntN(60)] ^= 1 << d.IntN(8)
			w.meet(n, name, keyFrame(key), wire.Frame{Type: wire.FrameRun, Handle: 1, Body: body})
		}
	case Replay:
		var frames []wire.Frame
		for _, run := range a.allRuns() {
			frames = append(frames, wire.Frame{Type: wire.FrameRun, Handle: 1, Body: run.Body()})
		}
		if a.rogue {
			for _, b := range a.branches { // now all is known
				b.shown = b.shown || len(b.runs) > 0
			}
		}
		w.meet(n, name, append([]wire.Frame{keyFrame(key)}, frames...)...)
	case Forge:
		w.meet(n, name, w.forge(a, d, o)...)
	case LieDigest:
		lie := &wire.Digest{Nonce: 1, Unnamed: wire.UnnamedNotWanted}
		lie.Refs = append(lie.Refs, wire.Ref{Author: a.id, Seq: 1<<62 + 1, Hash: wire.Hash{1}})
		w.meet(n, name, wire.Frame{Type: wire.FrameDigest, Handle: 1, Body: lie.Append(nil)})
	}
}

func keyFrame(k keys.PublicKey) wire.Frame {
	return wire.Frame{Type: wire.FrameKey, Handle: 1, Body: k.Wire()}
}

// show shows a node runs of an author.
func (w *world) show(n *node, name string, key keys.PublicKey, runs ...*wire.Run) {
	frames := []wire.Frame{keyFrame(key)}
	for _, run := range runs {
		frames = append(frames, wire.Frame{Type: wire.FrameRun, Handle: 1, Body: run.Body()})
	}
	w.meet(n, name, frames...)
}

// meet connects to a node as a peer that says some things, listens to nothing, and hangs
// up after a while.
func (w *world) meet(n *node, name string, frames ...wire.Frame) {
	if n.replica == nil {
		return
	}
	p := w.net.dial("rogue " + name)
	n.watch(p.ends[0])
	r, ctx := n.replica, n.ctx
	w.tasks.Go(func() {
		r.Sync(ctx, p.ends[0], replica.SyncConfig{Name: "rogue " + name, Origin: "rogue"})
		p.cut()
	})
	hello := wire.Hello{Version: wire.Version, Agent: "rogue", Topics: []wire.TopicHandle{{Handle: 1, Topic: topic}}}
	frames = append([]wire.Frame{{Type: wire.FrameHello, Body: hello.Append(nil)}}, frames...)
	for i, f := range frames { // each in its place: the network would sort what is written at one instant
		w.after(time.Duration(i)*time.Millisecond, "", func() { p.ends[1].Write(wire.AppendFrame(nil, f)) })
	}
	w.after(5*time.Second, "", func() { p.ends[1].Close() })
}

// branch returns one of a rogue's histories, its first if it has none.
func (w *world) branch(a *author, d dice) *branch {
	if len(a.branches) == 0 {
		a.branches = append(a.branches, &branch{})
	}
	return a.branches[d.IntN(len(a.branches))]
}

// extend has a rogue sign a run at the end of one of its histories.
func (w *world) extend(a *author, b *branch, d dice, o Op) *wire.Run {
	run := a.sign(topic, b.end(a.id), w.entries(d, o))
	a.record(run)
	b.runs = append(b.runs, run)
	return run
}

// fork has a rogue begin a second history somewhere in one of those it has.
func (w *world) fork(a *author, d dice, o Op) *branch {
	old := w.branch(a, d)
	end := old.end(a.id)
	if end.Seq == 0 || len(a.branches) > 3 {
		return nil
	}
	after := d.Uint64N(end.Seq) // what is shared
	b := &branch{}
	prev := wire.Ref{Author: a.id}
	for _, run := range old.runs {
		if run.Last() > after {
			break
		}
		b.runs, prev = append(b.runs, run), run.End()
	}
	// The run that the fork falls into is signed again, up to there.
	entries := append(entriesOf(a.chain(end)[prev.Seq:after]), w.entries(d, o)...)
	run := a.sign(topic, prev, entries)
	a.record(run)
	b.runs = append(b.runs, run)
	a.branches = append(a.branches, b)
	return b
}

// entries makes what a rogue writes.
func (w *world) entries(d dice, o Op) (list []wire.Entry) {
	at := uint64(time.Now().Add(era).UnixNano())
	switch {
	case o.For == tie:
		at = w.newestTime(d)
	default:
		at += uint64(o.For)
	}
	for i := range o.N {
		e := wire.Entry{Time: at, Kind: wire.KindChange, Channel: ledgerChannel, Change: fmt.Appendf(nil, "%x %d", o.Salt, i)}
		switch {
		case o.Model != "":
			e.Channel, e.Change = o.Model, w.borrowed(d, o.Model)
		case o.For == tie || d.in(50):
			e.Channel, e.Change = kv.DefaultChannel, mapChange(d)
		}
		list = append(list, e)
	}
	return list
}

// newestTime is a date that somebody's newest update has.
func (w *world) newestTime(d dice) uint64 {
	at := uint64(time.Now().Add(era).UnixNano())
	for range 8 {
		a := w.authors[d.IntN(len(w.authors))]
		if a == nil || a.frontier.Seq == 0 {
			continue
		}
		a.mu.Lock()
		defer a.mu.Unlock()
		return a.updates[a.frontier.Hash].time
	}
	return at
}

// newestRun is the newest that an author has signed.
func (a *author) newestRun() *wire.Run {
	runs := a.allRuns()
	if len(runs) == 0 {
		return nil
	}
	return runs[len(runs)-1]
}

// allRuns is what an author has signed, branch by branch.
func (a *author) allRuns() (runs []*wire.Run) {
	a.mu.Lock()
	defer a.mu.Unlock()
	runs = append(runs, a.own...)
	for _, b := range a.branches {
		runs = append(runs, b.runs...)
	}
	return runs
}

// forgeries is how many kinds of them there are.
const forgeries = 6

// forge makes a run in a's name that it did not sign.
func (w *world) forge(a *author, d dice, o Op) []wire.Frame {
	other := w.stranger()
	entries := w.entries(d, Op{N: 1, Salt: o.Salt})
	prev := a.frontier
	prev.Author = a.id
	if a.rogue && len(a.branches) > 0 {
		prev = a.branches[0].end(a.id)
	}
	var body []byte
	key := a.signer.Public()
	switch o.N {
	case 0: // another's signature
		body = other.sign(topic, wire.Ref{Seq: prev.Seq, Hash: prev.Hash}, entries).Body()
		copy(body, a.id[:])
	case 1: // another's key as well
		body = other.sign(topic, wire.Ref{Seq: prev.Seq, Hash: prev.Hash}, entries).Body()
		copy(body, a.id[:])
		key = other.signer.Public()
	case 2: // for another topic
		body = a.sign("another", prev, entries).Body()
	case 3: // changed after it was signed
		run := a.newestRun()
		if run == nil {
			return nil
		}
		body = append([]byte(nil), run.Body()...)
		at := keys.IDSize + 8 + wire.HashSize + 2
		body[at+7] ^= 1 // the time of its first update
	case 4: // the claim that it follows a place far ahead
		body = other.sign(topic, wire.Ref{Seq: prev.Seq + 1<<40, Hash: wire.Hash{1}}, entries).Body()
		copy(body, a.id[:])
	case 5: // with a change left out
		run := a.newestRun()
		if run == nil {
			return nil
		}
		body = run.Body()
		return []wire.Frame{keyFrame(key), {Type: wire.FrameRun, Handle: 1, Body: body[:len(body)-1]}}
	}
	return []wire.Frame{keyFrame(key), {Type: wire.FrameRun, Handle: 1, Body: body}}
}

// longAgo is when some values expire that are written now.
const longAgo = 1

// farAhead is when some expire that nobody lives to see.
const farAhead = 1 << 62

// readChange reads a change of a kv.Map, as its documentation has it. What has expired is
// as good as deleted.
func readChange(s string) (key, value string, ok bool) {
	if len(s) < 3 || len(s) < 3+int(binary.BigEndian.Uint16([]byte(s[1:3]))) {
		return "", "", false
	}
	n := 3 + int(binary.BigEndian.Uint16([]byte(s[1:3])))
	key, value = s[3:n], s[n:]
	if s[0] != 3 {
		return key, value, true
	}
	if len(value) < 8 {
		return "", "", false
	}
	if binary.BigEndian.Uint64([]byte(value)) == longAgo {
		return key, "", true
	}
	return key, value[8:], true
}

// deleteChange makes a change that deletes a key.
func deleteChange(key string) []byte {
	return append([]byte{2, 0, byte(len(key))}, key...)
}
