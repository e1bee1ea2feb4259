package object

import (
	"cmp"
	"encoding/binary"
	"math/rand/v2"
	"strings"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// stamp is a write's place in the order of all. It never changes.
type stamp struct {
	ref   wire.Ref
	time  uint64
	index int // of the write in its change
}

func newStamp(u *replica.Update, index int) *stamp {
	return &stamp{ref: u.Ref, time: u.Time, index: index}
}

// before reports whether s comes before o. A nil stamp comes before none and behind none.
func (s *stamp) before(o *stamp) bool {
	if s == o || s == nil || o == nil {
		return false
	}
	if s.time != o.time {
		return s.time < o.time
	}
	if s.ref == o.ref {
		return s.index < o.index
	}
	mine, other := replica.Update{Ref: s.ref, Time: s.time}, replica.Update{Ref: o.ref, Time: o.time}
	return mine.Before(&other)
}

func (s *stamp) by(author keys.NodeID) bool { return s != nil && s.ref.Author == author }

// node is a name of an object and what stands there. The names of one object are a treap
// (Seidel and Aragon, "Randomized Search Trees", Algorithmica 1996), of which writers copy
// the path that they change (Driscoll et al., "Making Data Structures Persistent", JCSS
// 1989): a node that readers can reach never changes.
type node struct {
	name        string
	first       uint64 // the first 8 bytes of name, so that most comparisons stay in this node
	left, right *node  // names of the same object
	members     *node  // the names below this one
	claim       *stamp // the last write that says what stands here; nil: nothing does
	cleared     *stamp // the last write that cleared this place; nil: none, or an older one than above
	oldest      *stamp // of the above in this node and all behind left, right and members
	value       string // the JSON of what is no object; "" for an object
	rank        uint32 // no child in the treap has a higher one
	owner       uint64 // the edit that made it
}

func (n *node) isObject() bool { return n.value == "" }

// firstOf returns the first 8 bytes of a name, in the order of names.
func firstOf(name string) uint64 {
	var b [8]byte
	copy(b[:], name)
	return binary.BigEndian.Uint64(b[:])
}

// compare compares a name, of which first is firstOf, with n's.
func (n *node) compare(name string, first uint64) int {
	if first != n.first {
		return cmp.Compare(first, n.first)
	}
	return strings.Compare(name, n.name)
}

// find returns the node of a name in a treap, nil if there is none.
func (n *node) find(name string) *node {
	for first := firstOf(name); n != nil; {
		switch c := n.compare(name, first); {
		case c < 0:
			n = n.left
		case c > 0:
			n = n.right
		default:
			return n
		}
	}
	return nil
}

// at returns the node of a path below n, nil if nothing stands there.
func (n *node) at(names []string) *node {
	for _, name := range names {
		if n = n.member(name); n == nil {
			return nil
		}
	}
	return n
}

// member returns the node of a name right below n, nil if nothing stands there.
func (n *node) member(name string) *node {
	if m := n.members.find(name); m != nil && m.claim != nil {
		return m
	}
	return nil
}

// each calls f for the nodes of a treap at which something stands, bytewise by name, until it says no.
func (n *node) each(f func(*node) bool) bool {
	for ; n != nil; n = n.right {
		if !n.left.each(f) || n.claim != nil && !f(n) {
			return false
		}
	}
	return true
}

func older(a, b *stamp) *stamp {
	if a == nil || b.before(a) {
		return b
	}
	return a
}

func (n *node) sum() {
	n.oldest = older(n.claim, n.cleared)
	for _, m := range [...]*node{n.left, n.right, n.members} {
		if m != nil {
			n.oldest = older(n.oldest, m.oldest)
		}
	}
}

// edit is one change of a tree that nobody sees yet: it writes to the nodes that it has
// made, and copies others.
type edit uint64

func (e edit) mutable(n *node) *node {
	if n.owner == uint64(e) {
		return n
	}
	c := *n
	c.owner = uint64(e)
	return &c
}

// change calls f for the node of a name in treap n, which it makes if there is none, and
// returns the treap then: without that node if f leaves nothing in it. It takes
// O(log n) expected, f apart.
func (e edit) change(n *node, name string, f func(*node)) *node {
	if n == nil {
		n = &node{name: strings.Clone(name), first: firstOf(name), rank: rand.Uint32(), owner: uint64(e)}
		f(n)
		return e.kept(n)
	}
	n = e.mutable(n)
	switch c := n.compare(name, firstOf(name)); {
	case c < 0:
		if n.left = e.change(n.left, name, f); n.left != nil && n.left.rank > n.rank {
			up := n.left // owned: only a node that was just made can rise
			n.left, up.right = up.right, n
			n.sum()
			n = up
		}
	case c > 0:
		if n.right = e.change(n.right, name, f); n.right != nil && n.right.rank > n.rank {
			up := n.right
			n.right, up.left = up.left, n
			n.sum()
			n = up
		}
	default:
		f(n)
		return e.kept(n)
	}
	n.sum()
	return n
}

// kept returns n, or what is left of its treap if there is nothing in it.
func (e edit) kept(n *node) *node {
	if n.claim == nil && n.cleared == nil && n.members == nil {
		return e.join(n.left, n.right)
	}
	n.sum()
	return n
}

// join makes one treap of two of which all names of the first are lower.
func (e edit) join(a, b *node) *node {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	case a.rank > b.rank:
		a = e.mutable(a)
		a.right = e.join(a.right, b)
		a.sum()
		return a
	default:
		b = e.mutable(b)
		b.left = e.join(a, b.left)
		b.sum()
		return b
	}
}
