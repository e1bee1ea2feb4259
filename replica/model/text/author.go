package text

import (
	"cmp"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/model/internal/order"
)

// author is what a text has of one author, or what waits for it.
type author struct {
	id    keys.NodeID
	spans order.Tree[entry] // all
	live  order.Tree[entry] // those that are not deleted
	tail  *span             // the last of all, where its author usually goes on

	hangers map[uint64][]hanger // by the seq of an update that is not there
	pending order.Tree[pending] // deletes of what is not there
}

// entry is a span among others of its author.
type entry struct {
	first place
	*span
}

// Compare implements order.Item.
func (e entry) Compare(o entry) int { return cmp.Compare(e.first, o.first) }

// hanger is a text that hangs on an anchor which is not its first, and waits for a better one.
type hanger struct {
	*hanging
	level int // of the place among its anchors
	index int // of the character in the update that is waited for
}

// hanging is where such a text hangs.
type hanging struct {
	first charRef
	level int // of the anchor, MaxAnchors for the beginning of the text
}

// charRef names a character, which may not be there.
type charRef struct {
	author *author
	place  place
}

// pending is a delete that came before what it deletes.
type pending struct {
	from place
	to   int  // an index
	by   *key // of the delete; its index is zero
}

// Compare implements order.Item.
func (p pending) Compare(o pending) int {
	switch {
	case p.from != o.from:
		return cmp.Compare(p.from, o.from)
	case p.to != o.to:
		return cmp.Compare(p.to, o.to)
	case p.by.less(*o.by):
		return -1
	case o.by.less(*p.by):
		return 1
	}
	return 0
}

// before returns the span that begins last before p, nil if none does.
func (a *author) before(p place) *span {
	if a.tail != nil && a.tail.first < p {
		return a.tail
	}
	rank, _ := a.spans.Rank(entry{first: p})
	if rank == 0 {
		return nil
	}
	return a.spans.At(rank - 1).span
}

// find returns the span of a character and its index in that, or nil.
func (c charRef) find() (*span, int) {
	s := c.author.before(c.place + 1)
	if s == nil {
		return nil, 0
	}
	i := s.search(c.place)
	if i == int(s.n) || s.place(i) != c.place {
		return nil, 0
	}
	return s, i
}

// has reports whether an update that inserts something is there.
func (a *author) has(seq uint64) bool {
	s, _ := charRef{a, placeOf(seq, 0)}.find()
	return s != nil
}

// nextLive returns the first shown character from p on, as its span and its index in that.
func (a *author) nextLive(p place) (s *span, i int) {
	rank, _ := a.live.Rank(entry{first: p + 1})
	if rank > 0 {
		if s := a.live.At(rank - 1).span; s.last() >= p {
			return s, s.search(p)
		}
	}
	if rank == a.live.Len() {
		return nil, 0
	}
	return a.live.At(rank).span, 0
}

// wait lets a text wait for an update.
func (a *author) wait(seq uint64, h hanger) {
	if a.hangers == nil {
		a.hangers = make(map[uint64][]hanger)
	}
	a.hangers[seq] = append(a.hangers[seq], h)
}

// awaited returns a delete that waits for an update, if there is one, and forgets it.
func (a *author) awaited(seq uint64) (d pending, ok bool) {
	rank, _ := a.pending.Rank(pending{from: placeOf(seq, 0), to: -1})
	if rank == a.pending.Len() || a.pending.At(rank).from.seq() != seq {
		return d, false
	}
	return a.pending.Delete(a.pending.At(rank))
}
