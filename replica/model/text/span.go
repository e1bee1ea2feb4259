package text

import (
	"math/rand/v2"
	"slices"
	"sort"
	"unicode/utf8"
)

// span is characters of one author that stand one behind the other, in the order of their
// places and of their keys, all shown or all deleted. The node and the parent are for who
// changes the sequence; the others never change.
type span struct {
	*node            // as it is now
	parent   *span   // above it in the tree, nil for the root
	author   *author // of whom readers may see the id
	first    place
	time     uint64 // of the first character
	priority uint32 // in the tree
}

// node is a span at one moment, in the tree of all. It does not change any more once readers
// may see it.
type node struct {
	span        *span
	left, right *node
	least       *span   // in the subtree, the span with the lowest key
	only        *author // whose all spans of the subtree are, nil if there are several
	shown       int     // characters that are not deleted, in the subtree
	generation  uint64  // of the sequence, when the node was made

	n         uint16 // characters, 1 to maxSpan
	deleted   bool
	text      []byte    // nil if deleted; it is appended to, never changed
	stretches []stretch // nil if all characters are of one update; likewise
}

// stretch is the characters of one update in a span.
type stretch struct {
	time uint64
	from place // the update's seq and, for an index, that of the first character in the span
}

func newSpan(k key, text []byte, n int) *span {
	s := &span{author: k.author, first: k.place, time: k.time, priority: rand.Uint32()}
	s.node = &node{span: s, n: uint16(n), text: slices.Clone(text)}
	s.update()
	return s
}

// spanOf returns the span of a node, which may be nil.
func spanOf(n *node) *span {
	if n == nil {
		return nil
	}
	return n.span
}

// alone is the single stretch of a span that lists none.
func (s *span) alone() stretch { return stretch{s.time, placeOf(s.first.seq(), 0)} }

// stretch returns the stretch of character i.
func (n *node) stretch(i int) stretch {
	if n.stretches == nil {
		return n.span.alone()
	}
	k := len(n.stretches) - 1
	if n.stretches[k].from.index() > i { // else it is the last, as it is when text is typed
		k = sort.Search(k, func(k int) bool { return n.stretches[k].from.index() > i }) - 1
	}
	return n.stretches[k]
}

// place returns character i's place. Only the first stretch may begin within an update.
func (n *node) place(i int) place {
	st := n.stretch(i)
	i -= st.from.index()
	if first := n.span.first; st.from.seq() == first.seq() {
		i += first.index()
	}
	return placeOf(st.from.seq(), i)
}

func (n *node) last() place { return n.place(int(n.n) - 1) }

func (s *span) key() key { return key{s.time, s.author, s.first} }

func (s *span) keyOf(i int) key { return key{s.stretch(i).time, s.author, s.place(i)} }

// search returns the index of the first character whose place is p or behind it.
func (s *span) search(p place) int {
	return sort.Search(int(s.n), func(i int) bool { return s.place(i) >= p })
}

// own returns how many characters of the span itself are shown.
func (n *node) own() int {
	if n.deleted {
		return 0
	}
	return int(n.n)
}

// offset returns where character i of text, which has n, begins, in bytes.
func offset(text []byte, n, i int) int {
	if n == len(text) {
		return i
	}
	at := 0
	for range i {
		_, size := utf8.DecodeRune(text[at:])
		at += size
	}
	return at
}

// slice returns the text of the characters from i up to, not including, k.
func (n *node) slice(i, k int) []byte {
	from := offset(n.text, int(n.n), i)
	return n.text[from : from+offset(n.text[from:], int(n.n)-i, k-i)]
}

// follows reports whether a character may stand in the span behind its last: o is its key.
func (s *span) follows(o key, n int) bool {
	if o.author != s.author || int(s.n)+n > maxSpan {
		return false
	}
	last := s.keyOf(int(s.n) - 1)
	next := o.place == last.place+1
	return (next || o.place.index() == 0 && o.place > last.place) && last.less(o) && s.author.before(o.place) == s
}

// join appends characters of one update, whose first has key k.
func (s *span) join(k key, text []byte, n int) {
	if k.place != s.last()+1 {
		if s.stretches == nil {
			s.stretches = []stretch{s.alone()}
		}
		s.stretches = append(s.stretches, stretch{k.time, placeOf(k.place.seq(), int(s.n))})
	}
	s.text = append(s.text, text...)
	s.n += uint16(n)
}

// absorb appends the characters of a span that follows.
func (s *span) absorb(y *span) {
	more := y.stretches
	if more == nil {
		more = []stretch{y.alone()}
	}
	if y.first == s.last()+1 {
		more = more[1:] // of the update of the last here
	}
	if len(more) > 0 && s.stretches == nil {
		s.stretches = append(make([]stretch, 0, 1+len(more)), s.alone())
	}
	for _, st := range more {
		st.from += place(s.n)
		s.stretches = append(s.stretches, st)
	}
	s.text = append(s.text, y.text...)
	s.n += y.n
}

// cut takes the characters from i on off a span, into one that is in no tree.
func (s *span) cut(i int) *span {
	r := newSpan(s.keyOf(i), nil, int(s.n)-i)
	if r.deleted = s.deleted; !s.deleted {
		r.text, s.text = slices.Clone(s.slice(i, int(s.n))), slices.Clone(s.slice(0, i))
	}
	if all := s.stretches; all != nil {
		at := func(i int) int {
			return sort.Search(len(all), func(k int) bool { return all[k].from.index() >= i })
		}
		if mine := all[at(i+1)-1:]; len(mine) > 1 {
			r.stretches = slices.Clone(mine)
			r.stretches[0] = r.alone()
			for k := range mine[1:] {
				r.stretches[k+1].from -= place(i)
			}
		}
		if s.stretches = nil; at(i) > 1 {
			s.stretches = slices.Clone(all[:at(i)])
		}
	}
	s.n = uint16(i)
	r.update()
	return r
}

// kill deletes all characters.
func (s *span) kill() { s.deleted, s.text = true, nil }
