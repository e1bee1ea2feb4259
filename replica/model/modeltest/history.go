package modeltest

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"

	"pgregory.net/rapid"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/internal/wiretest"
	"github.com/hearsaynet/hearsay/replica/wire"
)

const (
	topic   = "modeltest"
	channel = "model"
)

// cast is the authors, and names what messages call them.
var (
	names = []string{"A", "B", "C", "D"}
	cast  = wiretest.NewAuthors("modeltest", len(names))
)

// began is when histories begin; their honest updates follow nanoseconds later.
var began = uint64(Now().Add(-time.Hour).UnixNano())

// history is what several authors wrote.
type history struct {
	updates []replica.Update // in the order in which they were written
	ends    map[keys.NodeID]wire.Ref
	honest  []replica.Update    // those that Kit.Change drew
	good    []replica.Update    // those that are no error to a model that got them in order
	seen    map[keys.NodeID]int // how many of good, from the first on, an author has surely seen
}

// drawHistory draws up to maxHistory updates of up to len(cast) authors. Some have the
// same time, some one that is far off, and some are hostile.
func drawHistory(t *rapid.T, k Kit) *history {
	h := &history{ends: make(map[keys.NodeID]wire.Ref), seen: make(map[keys.NodeID]int)}
	judge := k.start(t)
	step := rapid.Custom(func(t *rapid.T) line { return h.drawUpdate(t, k, judge) })
	const parts = 4 // of slices rapid draws the lengths so that most are short
	for range parts {
		rapid.SliceOfN(step, 0, maxHistory/parts).Draw(t, "updates")
	}
	return h
}

// line is an update as rapid prints it.
type line string

func (l line) GoString() string { return "\n  " + string(l) }

// drawUpdate adds an update, of which judge says whether it is an error.
func (h *history) drawUpdate(t *rapid.T, k Kit, judge *subject) line {
	a := drawAuthor(t, "author")
	seen := h.seenBy(t, a.ID())
	hostile := len(h.good) > 0 && rapid.IntRange(0, 9).Draw(t, "kind") == 9
	var change []byte
	if hostile {
		change = drawDamaged(t, h.drawGood(t))
	} else {
		change = k.Change(t, seen, a.ID())
	}
	u := h.write(a, h.drawTime(t, seen), change)
	_, err := judge.applyOne(t, u)
	if !hostile {
		h.honest = append(h.honest, u)
	}
	if err == nil {
		h.good = append(h.good, u)
	} else if !hostile {
		t.Fatalf("Kit.Change drew a change that the model refuses: %v\nof %s\nafter\n%s", err, describe(u), h)
	}
	return line(describe(u))
}

// drawAuthor draws one of the cast by its name.
func drawAuthor(t *rapid.T, label string) *wiretest.Author {
	return cast[rapid.SampledFrom(names).Draw(t, label)[0]-'A']
}

// drawGood draws a change that is no error.
func (h *history) drawGood(t *rapid.T) []byte {
	return h.good[rapid.IntRange(0, len(h.good)-1).Draw(t, "good")].Change
}

// seenBy draws what an author has seen when it writes: all, or what it had before and its
// own.
func (h *history) seenBy(t *rapid.T, id keys.NodeID) (seen []replica.Update) {
	if rapid.Bool().Draw(t, "in step") {
		h.seen[id] = len(h.good)
	}
	for i, u := range h.good {
		if i < h.seen[id] || u.Author == id {
			u.Change = bytes.Clone(u.Change)
			seen = append(seen, u)
		}
	}
	return seen
}

// drawTime dates an update: behind all that its author has seen, or as others do at the
// same moment, or wrongly.
func (h *history) drawTime(t *rapid.T, seen []replica.Update) uint64 {
	switch rapid.SampledFrom([]string{"next", "next", "next", "tie", "tie", "ahead", "early", "end"}).Draw(t, "time") {
	case "tie":
		return began + uint64(rapid.IntRange(0, 3).Draw(t, "ns"))
	case "ahead":
		return uint64(Now().Add(replica.DefaultMaxSkew+time.Minute).UnixNano()) + uint64(rapid.IntRange(0, 3).Draw(t, "ns"))
	case "early":
		return uint64(rapid.IntRange(0, 3).Draw(t, "ns"))
	case "end":
		return wire.MaxInteger - uint64(rapid.IntRange(0, 3).Draw(t, "ns"))
	}
	newest := began
	for _, u := range seen {
		if u.Time < uint64(Now().UnixNano()) { // as the clock of an honest replica ignores what is parked
			newest = max(newest, u.Time)
		}
	}
	return newest + 1
}

// write adds an update, whose hash is the one that its author would sign.
func (h *history) write(a *wiretest.Author, at uint64, change []byte) replica.Update {
	prev := h.ends[a.ID()]
	prev.Author = a.ID()
	u := next(prev, at, change)
	h.updates, h.ends[a.ID()] = append(h.updates, u), u.Ref
	return u
}

func next(prev wire.Ref, at uint64, change []byte) replica.Update {
	d, err := wire.NewDraft(topic, prev, wire.Entry{Time: at, Kind: wire.KindChange, Channel: channel, Change: change})
	if err != nil {
		panic(err)
	}
	return replica.Update{Ref: d.Ref(0), Time: at, Channel: channel, Change: change}
}

// craft makes an update of an author that has no other, dated like the honest ones.
func craft(change []byte) replica.Update { return next(mallory.Start(), began+1, change) }

// mallory writes what is hostile and has no place in a history.
var mallory = wiretest.NewAuthor("modeltest mallory")

// interleave draws another order in which the updates may come. Any of them may be late,
// also one that no replica would park. Those of one drawn author are local.
func interleave(t *rapid.T, us []replica.Update) []replica.Update {
	mixed := slices.Clone(us)
	self := drawAuthor(t, "self").ID()
	for i := range mixed {
		mixed[i].Local = mixed[i].Author == self
	}
	if len(mixed) < 2 {
		return mixed
	}
	move := rapid.Custom(func(t *rapid.T) line {
		if rapid.Bool().Draw(t, "all of an author") {
			id := drawAuthor(t, "author").ID()
			mixed = append(without(mixed, id), of(mixed, id)...)
			return line(nameOf(id) + " comes last")
		}
		from := rapid.IntRange(0, len(mixed)-2).Draw(t, "from")
		to := rapid.IntRange(from+1, len(mixed)-1).Draw(t, "to")
		u := mixed[from]
		mixed = slices.Insert(slices.Delete(mixed, from, from+1), to, u)
		return line(fmt.Sprintf("%s/%d comes as number %d", nameOf(u.Author), u.Seq, to+1))
	})
	for range 2 {
		rapid.SliceOfN(move, 0, len(mixed)).Draw(t, "order")
	}
	return mixed
}

// of returns the updates of one author, without those of all others.
func of(us []replica.Update, id keys.NodeID) []replica.Update {
	return slices.DeleteFunc(slices.Clone(us), func(u replica.Update) bool { return u.Author != id })
}

func without(us []replica.Update, id keys.NodeID) []replica.Update {
	return slices.DeleteFunc(slices.Clone(us), func(u replica.Update) bool { return u.Author == id })
}

func (h *history) String() string { return list(h.updates) }

// list writes updates down, one a line.
func list(us []replica.Update) string {
	b := &strings.Builder{}
	for i, u := range us {
		fmt.Fprintf(b, "%3d. %s\n", i+1, describe(u))
	}
	return b.String()
}

// describe names an update by author and seq.
func describe(u replica.Update) string {
	at := fmt.Sprintf("%d ns", u.Time)
	if off := int64(u.Time) - int64(began); u.Time > 1<<20 && u.Time < wire.MaxInteger-1<<20 {
		at = strings.Replace("+"+time.Duration(off).String(), "+-", "-", 1)
	}
	return fmt.Sprintf("%s/%d at %s: %s", nameOf(u.Author), u.Seq, at, clip(u.Change))
}

// nameOf is what messages call an author.
func nameOf(id keys.NodeID) string {
	for i, a := range cast {
		if a.ID() == id {
			return names[i]
		}
	}
	return "M"
}
