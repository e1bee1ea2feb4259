package timeline

import (
	"cmp"
	"iter"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/internal/order"
	"github.com/hearsaynet/hearsay/replica/model/internal/view"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// Entry is what one update puts on a line. It belongs to the line once it is there.
type Entry[Value any] struct {
	Value Value
	cell  *cell[Value] // as long as a follower has not come to it; guarded by the line's mu

	// What has no pointers comes last: the garbage collector does not look at it.

	wire.Ref
	Time    uint64 // ns since the Unix epoch, as the author dated it
	Until   uint64 // ns since the Unix epoch, from which on it is not there; 0: for ever
	removed bool   // guarded likewise
}

// Compare orders entries by (time, author, hash).
func (e *Entry[Value]) Compare(o *Entry[Value]) int {
	if e.Time != o.Time {
		return cmp.Compare(e.Time, o.Time)
	}
	if e.Ref == o.Ref {
		return 0
	}
	a, b := replica.Update{Ref: e.Ref, Time: e.Time}, replica.Update{Ref: o.Ref, Time: o.Time}
	if a.Before(&b) {
		return -1
	}
	return 1
}

// bySeq is an entry among those of its author.
type bySeq[Value any] struct{ *Entry[Value] }

// Compare orders entries by (seq, hash).
func (e bySeq[Value]) Compare(o bySeq[Value]) int {
	return cmp.Or(cmp.Compare(e.Seq, o.Seq), cmp.Compare(string(e.Hash[:]), string(o.Hash[:])))
}

// entries is a set of entries in its orders.
type entries[Value any] struct {
	dated    dated[Value]
	views    view.View[dated[Value]]
	byAuthor map[keys.NodeID]*order.Tree[bySeq[Value]] // nil: are not told apart
}

// read returns what is there now, by (time, author, hash). Anybody may call it.
func (s *entries[Value]) read() *dated[Value] { return s.views.Read(s.dated.share) }

// add reports whether e was not there.
func (s *entries[Value]) add(e *Entry[Value]) (added bool) {
	s.views.Change(s.dated.share, func() { added = s.dated.add(e) })
	if added && s.byAuthor != nil {
		of := s.byAuthor[e.Author]
		if of == nil {
			of = new(order.Tree[bySeq[Value]])
			s.byAuthor[e.Author] = of
		}
		of.Set(bySeq[Value]{e})
	}
	return added
}

func (s *entries[Value]) remove(e *Entry[Value]) {
	var removed bool
	s.views.Change(s.dated.share, func() { removed = s.dated.remove(e) })
	if removed && s.byAuthor != nil {
		of := s.byAuthor[e.Author]
		of.Delete(bySeq[Value]{e})
		if of.Len() == 0 {
			delete(s.byAuthor, e.Author)
		}
	}
}

// of returns an author's entries, by seq. It counts as writing.
func (s *entries[Value]) of(author keys.NodeID) order.Tree[bySeq[Value]] {
	if of := s.byAuthor[author]; of != nil {
		return of.Share()
	}
	return order.Tree[bySeq[Value]]{}
}

// at returns the entry of an author and seq, nil if there is none.
func (s *entries[Value]) at(author keys.NodeID, seq uint64) *Entry[Value] {
	if of := s.byAuthor[author]; of != nil {
		e, _ := of.Search(func(e bySeq[Value]) int { return cmp.Compare(e.Seq, seq) })
		return e.Entry
	}
	return nil
}

// difference returns what only one of two sets has, each by (time, author, hash).
func difference[Value any](old, now *dated[Value]) (gone, added []*Entry[Value]) {
	next, stop := iter.Pull(old.from(0))
	defer stop()
	was, more := next()
	for e := range now.from(0) {
		for more && was.Compare(e) < 0 {
			gone = append(gone, was)
			was, more = next()
		}
		if more && was.Compare(e) == 0 {
			was, more = next()
		} else {
			added = append(added, e)
		}
	}
	for ; more; was, more = next() {
		gone = append(gone, was)
	}
	return gone, added
}
