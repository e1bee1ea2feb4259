package text

import (
	"unicode/utf8"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/internal/view"
)

// sequence is the state: a replicated growable array (Roh et al., "Replicated abstract data
// types", JPDC 2011), as the timestamped insertion tree of Attiya et al. ("Specification
// and complexity of collaborative text editing", PODC 2016) in the order of a walk through
// it. A character's parent is the one it hangs on and always has the lower key; children
// come in descending order of their keys. So the tree need not be kept: see firstBelow.
//
// One goroutine changes it. Readers see contents, as they were after the last step.
type sequence struct {
	contents
	generation uint64 // counts the contents that readers may see
	views      view.View[contents]
	authors    map[keys.NodeID]*author
	steps      int    // of the update under way, since readers saw any
	edits      *edits // what is being told to watchers, nil if there are none
}

func newSequence() *sequence { return &sequence{authors: make(map[keys.NodeID]*author)} }

// read returns the contents.
func (s *sequence) read() *contents { return s.views.Read(s.share) }

func (s *sequence) share() *contents {
	s.generation++
	return new(s.contents)
}

func (s *sequence) author(id keys.NodeID) *author {
	a := s.authors[id]
	if a == nil {
		a = &author{id: id}
		s.authors[id] = a
	}
	return a
}

// apply folds one update.
func (s *sequence) apply(u *replica.Update, c *change) (changed bool) {
	s.views.Begin()
	defer s.views.End(s.share)
	s.steps = 0
	by := s.author(u.Author)
	named := []*author{by}
	for i := range c.authors() {
		named = append(named, s.author(c.other(i)))
	}
	if by.has(u.Seq) {
		return false
	}
	chars := 0
	for p := range c.parts {
		if p.text != nil {
			n := utf8.RuneCount(p.text)
			s.insert(key{u.Time, by, placeOf(u.Seq, chars)}, &p, named, n)
			chars += n
			s.step()
			continue
		}
		k := key{u.Time, by, placeOf(u.Seq, 0)}
		for e := range p.extents {
			if s.delete(&k, named[p.author], e) {
				changed = true
			}
			s.step()
		}
	}
	s.arrived(by, u.Seq, chars > 0)
	if changed = changed || chars > 0; changed {
		s.version++
	}
	return changed
}

// step is called after each piece of an update, when nothing is half done. Of an update of
// many, readers see those so far, and who waits goes on.
func (s *sequence) step() {
	if s.steps++; s.steps < maxSteps {
		return
	}
	s.steps = 0
	s.version++
	s.edits.next()
	s.views.End(s.share)
	s.views.Begin()
}

// arrived does what waited for an update, unless that inserts nothing, and forgets it.
func (s *sequence) arrived(by *author, seq uint64, inserts bool) {
	for _, h := range by.hangers[seq] {
		if !inserts {
			break
		}
		to := charRef{by, placeOf(seq, h.index)}
		if at, i := to.find(); h.level < h.hanging.level && at != nil {
			from, k := h.first.find()
			if x := from.keyOf(k); at.keyOf(i).less(x) {
				s.move(h.first, x, to)
				h.hanging.level = h.level
			}
		}
		s.step()
	}
	delete(by.hangers, seq)
	for d, ok := by.awaited(seq); ok; d, ok = by.awaited(seq) {
		if inserts {
			s.delete(d.by, by, extent{seq, d.from.index(), d.to})
		}
		s.step()
	}
}

// insert puts a part's text, whose first of n characters has key k, behind the first of
// its anchors that counts: that is there and has the lower key.
func (s *sequence) insert(k key, p *part, named []*author, n int) {
	h := hanging{charRef{k.author, k.place}, MaxAnchors}
	var at charRef
	for level, a := range p.anchors[:p.n] {
		ref := charRef{named[a.author], a.place}
		if found, i := ref.find(); found != nil && found.keyOf(i).less(k) {
			h.level, at = level, ref
			break
		}
	}
	s.put(k, at, p.text, n)
	if h.level == 0 || p.n == 0 {
		return
	}
	var shared *hanging
	for level, a := range p.anchors[:min(p.n, h.level)] {
		if on := named[a.author]; !on.has(a.place.seq()) {
			if shared == nil {
				shared = &h
			}
			on.wait(a.place.seq(), hanger{shared, level, a.place.index()})
		}
	}
}

// put puts text behind a character, or at the beginning, where its key wants it to be.
func (s *sequence) put(k key, at charRef, text []byte, n int) {
	// A span may reach over the place: its author's updates need not come in order.
	if over := k.author.before(k.place); over != nil && over.last() > k.place {
		s.split(over, over.search(k.place))
	}
	behind, next := s.spot(k, at)
	s.edits.insert(next, s.root, text)
	s.size += len(text)
	if behind != nil && behind.next() == next && !behind.deleted && behind.follows(k, n) {
		s.grows(behind, n)
		behind.join(k, text, n)
		return
	}
	for n > 0 {
		m := min(n, maxSpan)
		size := offset(text, n, m)
		s.add(next, newSpan(k, text[:size], m))
		k.place += place(m)
		text, n = text[size:], n-m
	}
}

// spot returns between which spans a text with key k belongs that hangs on a character,
// or on the beginning. It splits a span only if the text comes between: if the character
// behind has a higher key, so has the rest of the span.
func (s *sequence) spot(k key, at charRef) (behind, next *span) {
	if at.author != nil {
		var i int
		if behind, i = at.find(); i+1 < int(behind.n) && behind.keyOf(i+1).less(k) {
			s.split(behind, i+1)
		}
	}
	return behind, s.firstBelow(behind, k)
}

// move puts a text and all that hangs on it behind another character.
func (s *sequence) move(first charRef, k key, to charRef) {
	from, i := first.find()
	if i > 0 {
		from = s.split(from, i)
	}
	// All that hangs on it has higher keys, and what follows a lower one.
	rank := from.rank()
	moved := s.take(from, s.firstBelow(from, k))
	_, next := s.spot(k, to)
	s.edits.move(rank, moved.node, next, s.root)
	s.putBefore(next, moved)
}

// delete deletes what is there of characters that are older than the delete, whose key is
// k, and remembers it for the update if that is not there. It says whether it did either.
func (s *sequence) delete(k *key, of *author, e extent) bool {
	first, i := charRef{of, placeOf(e.seq, 0)}.find()
	if first == nil {
		_, again := of.pending.Set(pending{placeOf(e.seq, e.from), e.to, k})
		return !again
	}
	if !first.keyOf(i).less(*k) {
		return false
	}
	changed := false
	for {
		at, i := of.nextLive(placeOf(e.seq, e.from))
		end := placeOf(e.seq, e.to-1) + 1
		if at == nil || at.place(i) >= end {
			return changed
		}
		s.kill(at, i, at.search(end))
		s.step()
		changed = true
	}
}

// kill deletes the characters of a span from i up to, not including, k.
func (s *sequence) kill(at *span, i, k int) {
	if k < int(at.n) {
		s.split(at, k)
	}
	if i > 0 {
		at = s.split(at, i)
	}
	s.edits.delete(at)
	s.size -= len(at.text)
	s.grows(at, -at.own())
	at.kill()
	at.author.live.Delete(entry{first: at.first})
	s.merge(at)
	if prev := at.prev(); prev != nil {
		s.merge(prev)
	}
}

// add puts a span before another, or at the end.
func (s *sequence) add(next, x *span) {
	x.generation = s.generation
	s.putBefore(next, x)
	x.author.spans.Set(entry{x.first, x})
	if t := x.author.tail; t == nil || t.first < x.first {
		x.author.tail = x
	}
	if !x.deleted {
		x.author.live.Set(entry{x.first, x})
	}
}

// split cuts a span in two and returns the second.
func (s *sequence) split(x *span, i int) *span {
	s.own(x)
	next := x.next()
	r := x.cut(i)
	s.grows(x, -r.own())
	s.add(next, r)
	return r
}

// merge makes one span of x and the next, if they may be one.
func (s *sequence) merge(x *span) {
	y := x.next()
	if y == nil || y.deleted != x.deleted || !x.follows(y.key(), int(y.n)) {
		return
	}
	s.take(y, y.next())
	if y.author.tail == y {
		y.author.tail = x
	}
	y.author.spans.Delete(entry{first: y.first})
	y.author.live.Delete(entry{first: y.first})
	s.grows(x, y.own())
	x.absorb(y)
}
