package main

import (
	"slices"

	"github.com/hearsaynet/hearsay/replica/wire"
)

// historyVector is what a replica is given of one author whose key it has, in order. Of a
// bad one the last step is refused.
type historyVector struct {
	verdict
	Topic string        `json:"topic"`
	Key   data          `json:"key"`
	Steps []historyStep `json:"steps"`
}

type historyStep struct {
	Type uint8  `json:"type"` // of the frame that would carry it
	Body data   `json:"body"`
	Seq  number `json:"seq"`  // of the frontier afterwards
	Hash data   `json:"hash"` // of the frontier afterwards, zeros at seq 0
	Cut  number `json:"cut"`  // the seq at which the author is cut afterwards, 0 for none
}

func step(s wire.Statement, frontier wire.Ref, cut uint64) historyStep {
	t := statementOf(s).Type
	return historyStep{t, s.Body(), number(frontier.Seq), frontier.Hash[:], number(cut)}
}

// taken is a run that is stored up to its end.
func taken(r *wire.Run) historyStep { return step(r, r.End(), 0) }

func historyVectors() file[historyVector] {
	f := file[historyVector]{About: "What a replica that has nothing of an author is given of it, one after another, and what it has after each: its frontier, and where it is cut."}
	h := newHistories()
	one, two, three, long := h.one, h.two, h.three, h.long
	v := func(name string, steps ...historyStep) {
		f.Good = append(f.Good, historyVector{good(name), "t", ada.key.Wire(), steps})
	}
	early := must(wire.NewProof(two, h.twin, 2))
	late := must(wire.NewProof(three, h.late, 4))
	v("runs in order", taken(one), taken(two), taken(three))
	v("a copy, and a run that has been seen in part", taken(one), taken(two), step(two, two.End(), 0), step(long, long.End(), 0))
	v("a run of what is stored already, and less", taken(long), step(two, long.End(), 0), step(one, long.End(), 0))
	v("two histories that part within a run", taken(one), taken(two), step(h.twin, one.End(), 2))
	v("a second history, shorter", taken(one), taken(two), taken(three), step(h.twin, one.End(), 2))
	v("a second history from seq 1", taken(one), step(h.first, wire.Ref{}, 1))
	v("a proof before anything else, which waits for what it leaves", step(early, wire.Ref{}, 2), step(one, one.End(), 2))
	v("a proof behind", taken(one), taken(two), step(early, one.End(), 2))
	v("a lower proof counts, a higher one is no news", taken(one), taken(two), taken(three), step(late, two.End(), 4), step(early, one.End(), 2), step(late, one.End(), 2))
	v("a cut that falls into a run, which is kept", step(late, wire.Ref{}, 4), step(long, long.Ref(2), 4))
	head := ada.head("t", three.End(), now)
	v("a head moves nothing", step(head, wire.Ref{}, 0), taken(one))
	v("a head that contradicts what is stored proves nothing", taken(one), step(ada.head("t", wire.Ref{Seq: 1, Hash: someHash}, now), one.End(), 0))
	f.Bad = h.bad(early)
	return f
}

// histories are ada's: updates 1, 2 to 3 and 4; all of them in one run; and others of the
// same seqs.
type histories struct {
	one, two, three, long, twin, late, first *wire.Run
}

func newHistories() (h histories) {
	entries := []wire.Entry{change(0, "kv", "one"), change(1, "kv", "two"), change(2, "kv", "three"), change(3, "kv", "four")}
	h.one = ada.run("t", ada.start(), entries[0])
	h.two = ada.run("t", h.one.End(), entries[1:3]...)
	h.three = ada.run("t", h.two.End(), entries[3])
	h.long = ada.run("t", ada.start(), entries...)
	h.twin = ada.run("t", h.one.End(), change(1, "kv", "zwei"), change(2, "kv", "drei"))
	h.late = ada.run("t", h.two.End(), change(3, "kv", "vier"))
	h.first = ada.run("t", ada.start(), change(0, "kv", "eins"))
	return h
}

func (h histories) bad(proof *wire.Proof) (list []historyVector) {
	one, two := h.one, h.two
	v := func(class, check, name string, steps ...historyStep) {
		list = append(list, historyVector{bad(class, check, name), "t", ada.key.Wire(), steps})
	}
	erased := slices.Clone(two.Entries())
	erased[1] = wire.Entry{Time: erased[1].Time, Kind: wire.KindChange, Channel: "kv", Absent: true, Size: 5, Digest: [32]byte(sha256Of([]byte("three")))}
	kind := func(k wire.Kind) *wire.Run {
		return ada.run("t", one.End(), change(1, "kv", "two"), wire.Entry{Time: now + 2, Kind: k, Channel: "kv", Change: []byte("x")})
	}
	v("cut", "history.cut", "a run behind the cut", taken(one), step(proof, one.End(), 2), step(two, one.End(), 2))
	v("erased", "history.erased", "a run with a change that is missing", taken(one), step(ada.run("t", one.End(), erased...), one.End(), 0))
	v("gap", "history.gap", "update 4 without 2 and 3", taken(one), step(h.three, one.End(), 0))
	v("gap", "history.gap", "update 2 without 1", step(two, wire.Ref{}, 0))
	v("second", "history.second", "a run that continues another update 1", taken(one),
		step(ada.run("t", h.first.End(), change(1, "kv", "two")), one.End(), 0))
	v("second", "history.second", "a run that goes on above a second update 2, which makes a proof", taken(one), taken(ada.run("t", one.End(), change(1, "kv", "two"))),
		step(h.twin, one.End(), 2))
	v("newer", "history.kind", "a checkpoint", taken(one), step(kind(wire.KindCheckpoint), one.End(), 0))
	v("newer", "history.kind", "a rotate", taken(one), step(kind(wire.KindRotate), one.End(), 0))
	v("newer", "history.kind", "kind 200", taken(one), step(kind(200), one.End(), 0))
	return list
}
