package timeline

import (
	"cmp"
	"iter"
	"slices"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/internal/order"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// Entry is what one update puts on a line. It belongs to the line once it is there.
type Entry[Value any] struct {
	wire.Ref
	Time  uint64 // ns since the Unix epoch, as the author dated it
	Until uint64 // ns since the Unix epoch, from which on it is not there; 0: for ever
	Value Value

	removed bool         // guarded by the line's mu
	cell    *cell[Value] // as long as a follower has not come to it, guarded likewise
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

// ofAuthor is an entry among those of its author.
type ofAuthor[Value any] struct{ *Entry[Value] }

// Compare orders entries by (author, seq, hash).
func (e ofAuthor[Value]) Compare(o ofAuthor[Value]) int {
	return cmp.Or(e.Author.Compare(o.Author), cmp.Compare(e.Seq, o.Seq), cmp.Compare(string(e.Hash[:]), string(o.Hash[:])))
}

// entries is a set of entries in its orders.
type entries[Value any] struct {
	authors  bool
	size     int
	byTime   order.Tree[*Entry[Value]]
	byAuthor order.Tree[ofAuthor[Value]] // empty unless authors
}

// share returns what is there now. It counts as writing.
func (s *entries[Value]) share() *entries[Value] {
	return &entries[Value]{authors: s.authors, size: s.size, byTime: s.byTime.Share(), byAuthor: s.byAuthor.Share()}
}

// add reports whether e was not there.
func (s *entries[Value]) add(e *Entry[Value]) bool {
	if had, again := s.byTime.Set(e); again {
		s.byTime.Set(had)
		return false
	}
	if s.authors {
		s.byAuthor.Set(ofAuthor[Value]{e})
	}
	s.size++
	return true
}

func (s *entries[Value]) remove(e *Entry[Value]) {
	if _, there := s.byTime.Delete(e); !there {
		return
	}
	s.size--
	if s.authors {
		s.byAuthor.Delete(ofAuthor[Value]{e})
	}
}

// since returns the entries that are dated at or after a time.
func (s *entries[Value]) since(time uint64) iter.Seq[*Entry[Value]] {
	first, _ := s.byTime.Rank(&Entry[Value]{Time: time})
	return s.byTime.From(first)
}

// backward returns the entries, the last first.
func (s *entries[Value]) backward() iter.Seq[*Entry[Value]] {
	return func(yield func(*Entry[Value]) bool) {
		block := make([]*Entry[Value], 0, 256)
		for end := s.size; end > 0; end -= len(block) {
			first := max(0, end-cap(block))
			block = block[:0]
			for e := range s.byTime.From(first) {
				if block = append(block, e); first+len(block) == end {
					break
				}
			}
			for _, e := range slices.Backward(block) {
				if !yield(e) {
					return
				}
			}
		}
	}
}

// of returns an author's entries from a seq on, and then those of others.
func (s *entries[Value]) of(author keys.NodeID, seq uint64) iter.Seq[ofAuthor[Value]] {
	first, _ := s.byAuthor.Rank(ofAuthor[Value]{&Entry[Value]{Ref: wire.Ref{Author: author, Seq: seq}}})
	return s.byAuthor.From(first)
}

// at returns the entry of an author and seq, nil if there is none.
func (s *entries[Value]) at(author keys.NodeID, seq uint64) *Entry[Value] {
	for e := range s.of(author, seq) {
		if e.Author == author && e.Seq == seq {
			return e.Entry
		}
		break
	}
	return nil
}

// difference returns what only one of two sets has, each by (time, author, hash).
func difference[Value any](old, now *entries[Value]) (gone, added []*Entry[Value]) {
	next, stop := iter.Pull(old.byTime.From(0))
	defer stop()
	was, more := next()
	for e := range now.byTime.From(0) {
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
