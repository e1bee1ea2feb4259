package text

import (
	"iter"
	"strings"
)

// contents is the text at one moment, as readers have it. Its nodes do not change; of a
// node's span they may see what never does: its author, and first.
type contents struct {
	root    *node
	size    int    // of the text, in bytes
	version uint64 // see Text.Snapshot
}

// len returns the length of the text in characters.
func (c *contents) len() int { return c.root.length() }

// length returns how many characters of a subtree, which may be nil, are shown.
func (n *node) length() int {
	if n == nil {
		return 0
	}
	return n.shown
}

// cut is the characters of a node from one index up to, not including, another.
type cut struct {
	*node
	from, to int
}

// between walks through the shown characters from one rank up to, not including, another.
func (c *contents) between(from, to int) iter.Seq[cut] {
	return func(yield func(cut) bool) { c.root.between(from, to, yield) }
}

// between is that of contents for a subtree, which may be nil. It recurses as deep as the
// tree is.
func (n *node) between(from, to int, yield func(cut) bool) bool {
	for n != nil && from < to {
		before := n.left.length()
		if to <= before {
			n = n.left
			continue
		}
		if from < before && !n.left.between(from, before, yield) {
			return false
		}
		from, to = max(0, from-before), to-before
		own := n.own()
		if from < own && !yield(cut{n, from, min(own, to)}) {
			return false
		}
		from, to, n = max(0, from-own), to-own, n.right
	}
	return true
}

// at returns the shown character of a rank as its node and its index in that.
func (c *contents) at(rank int) (n *node, i int) {
	for x := range c.between(rank, rank+1) {
		n, i = x.node, x.from
	}
	return n, i
}

func (c *contents) text() string { return c.slice(0, c.len()) }

// slice returns the shown characters from one rank up to, not including, another.
func (c *contents) slice(from, to int) string {
	var b strings.Builder
	if to-from == c.len() {
		b.Grow(c.size)
	} else {
		b.Grow(to - from)
	}
	for x := range c.between(from, to) {
		b.Write(x.slice(x.from, x.to))
	}
	return b.String()
}

func (c *contents) spans() (spans []Span) {
	at, from := 0, 0
	var author *author
	end := func() {
		if at > from {
			spans = append(spans, Span{from, c.slice(from, at), author.id})
		}
		from = at
	}
	for x := range c.between(0, c.len()) {
		if x.span.author != author {
			end()
		}
		author = x.span.author
		at += int(x.n)
	}
	end()
	return spans
}

// path is the nodes from the root down to one.
type path []*node

// pathTo returns the path to the shown character of a rank, and its index in the last node.
func (c *contents) pathTo(rank int) (p path, i int) {
	for n := c.root; ; {
		p = append(p, n)
		before := n.left.length()
		switch own := n.own(); {
		case rank < before:
			n = n.left
		case rank < before+own:
			return p, rank - before
		default:
			rank -= before + own
			n = n.right
		}
	}
}

// prevOther returns the path to the nearest node before the last one that is of another
// author, nil if there is none.
func (p path) prevOther() path {
	n := p[len(p)-1]
	a := n.span.author
	if n.left.hasOther(a) {
		return append(p, n.left).lastOther(a)
	}
	for len(p) > 1 {
		from := n
		p = p[:len(p)-1]
		n = p[len(p)-1]
		switch {
		case n.left == from:
		case n.span.author != a:
			return p
		case n.left.hasOther(a):
			return append(p, n.left).lastOther(a)
		}
	}
	return nil
}

// lastOther returns the path to the last node of a subtree, the root of which is the last
// of p, that is not of a. There is one.
func (p path) lastOther(a *author) path {
	for {
		n := p[len(p)-1]
		switch {
		case n.right.hasOther(a):
			p = append(p, n.right)
		case n.span.author != a:
			return p
		default:
			p = append(p, n.left)
		}
	}
}

// hasOther reports whether a subtree, which may be nil, has a span that is not of a.
func (n *node) hasOther(a *author) bool { return n != nil && n.only != a }
