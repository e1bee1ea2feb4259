package text

// The spans stand in the order of the text in a treap (Aragon and Seidel, "Randomized
// search trees", 1989). Its shape is random, so no author can make it deep, and no part of
// the state. A node that readers may see is copied before it is changed, and so is what is
// above it (Driscoll et al., "Making Data Structures Persistent", 1989).

// own makes a span's node, and all above it, such that no reader sees them.
func (s *sequence) own(x *span) {
	if x.generation == s.generation {
		return // and so are all above it
	}
	old := x.node
	s.ownAlone(x)
	p := x.parent
	if p == nil {
		s.root = x.node
		return
	}
	s.own(p)
	if p.left == old {
		p.left = x.node
	} else {
		p.right = x.node
	}
}

// ownAlone is own for a span that is in no tree, or the root of one.
func (s *sequence) ownAlone(x *span) {
	if x.generation != s.generation {
		n := *x.node
		n.generation = s.generation
		x.node = &n
	}
}

// update computes what a span says of its subtree, of what its children say of theirs.
func (s *span) update() {
	n := s.node
	n.shown, n.least, n.only = n.own(), s, s.author
	if l := n.left; l != nil {
		n.shown += l.shown
		if l.least.key().less(s.key()) {
			n.least = l.least
		}
		if l.only != n.only {
			n.only = nil
		}
	}
	if r := n.right; r != nil {
		n.shown += r.shown
		if r.least.key().less(n.least.key()) {
			n.least = r.least
		}
		if r.only != n.only {
			n.only = nil
		}
	}
}

// grows adds k to what is shown of a span and all above it.
func (s *sequence) grows(x *span, k int) {
	s.own(x)
	for ; x != nil; x = x.parent {
		x.shown += k
	}
}

func (s *span) setLeft(l *span) {
	s.left = nil
	if l != nil {
		s.left, l.parent = l.node, s
	}
	s.update()
}

func (s *span) setRight(r *span) {
	s.right = nil
	if r != nil {
		s.right, r.parent = r.node, s
	}
	s.update()
}

// next returns the span behind s, nil if there is none.
func (s *span) next() *span {
	if n := s.right; n != nil {
		for n.left != nil {
			n = n.left
		}
		return n.span
	}
	for s.parent != nil && s.node == s.parent.right {
		s = s.parent
	}
	return s.parent
}

// prev returns the span before s, nil if there is none.
func (s *span) prev() *span {
	if n := s.left; n != nil {
		for n.right != nil {
			n = n.right
		}
		return n.span
	}
	for s.parent != nil && s.node == s.parent.left {
		s = s.parent
	}
	return s.parent
}

// cutBefore takes the tree that x is in apart, and returns the roots of what is before
// x, which may be nil, and of the rest.
func (s *sequence) cutBefore(x *span) (before, rest *span) {
	s.own(x)
	if x.left != nil {
		before = x.left.span
		before.parent = nil
	}
	up, from := x.parent, x.node
	x.parent = nil
	x.setLeft(nil)
	rest = x
	for up != nil {
		p := up
		up, p.parent = p.parent, nil
		if p.left == from {
			p.setLeft(rest)
			rest = p
		} else {
			p.setRight(before)
			before = p
		}
		from = p.node
	}
	return before, rest
}

// joined puts two trees one behind the other and returns the root. Its recursion is as
// deep as the trees, some 3 log2 n.
func (s *sequence) joined(l, r *span) *span {
	switch {
	case l == nil:
		return r
	case r == nil:
		return l
	case l.priority > r.priority:
		s.ownAlone(l)
		l.setRight(s.joined(spanOf(l.right), r))
		return l
	default:
		s.ownAlone(r)
		r.setLeft(s.joined(l, spanOf(r.left)))
		return r
	}
}

// putBefore puts a tree, of which x is the root, before next, or at the end if that is nil.
func (s *sequence) putBefore(next, x *span) {
	before, rest := spanOf(s.root), (*span)(nil)
	if next != nil {
		before, rest = s.cutBefore(next)
	}
	s.setRoot(s.joined(s.joined(before, x), rest))
}

// take takes the spans from x up to, not including, end out of the tree, or from x on if
// end is nil, and returns their root.
func (s *sequence) take(x, end *span) *span {
	before, taken := s.cutBefore(x)
	var rest *span
	if end != nil {
		taken, rest = s.cutBefore(end)
	}
	s.setRoot(s.joined(before, rest))
	return taken
}

func (s *sequence) setRoot(x *span) {
	s.root = nil
	if x != nil {
		s.root = x.node
	}
}

// rank returns how many shown characters stand before s.
func (s *span) rank() int {
	n := s.left.length()
	for ; s.parent != nil; s = s.parent {
		if s.node == s.parent.right {
			n += s.parent.shown - s.shown
		}
	}
	return n
}

// firstBelow returns the first span behind x, or of all if x is nil, whose key is less
// than k; nil if there is none. Where a text with key k hangs on the last character of x,
// this is what follows it and all that hangs there with higher keys: what hangs there with
// lower ones, or anything that follows, as its key is less than that of a character on
// which x itself hangs, or is one.
func (s *sequence) firstBelow(x *span, k key) *span {
	if x == nil {
		return s.root.firstWithin(k)
	}
	for {
		if found := x.right.firstWithin(k); found != nil {
			return found
		}
		for x.parent != nil && x.node == x.parent.right {
			x = x.parent
		}
		if x = x.parent; x == nil || x.key().less(k) {
			return x
		}
	}
}

// firstWithin is firstBelow for a subtree, which may be nil.
func (n *node) firstWithin(k key) *span {
	if n == nil || !n.least.key().less(k) {
		return nil
	}
	for {
		switch {
		case n.left != nil && n.left.least.key().less(k):
			n = n.left
		case n.span.key().less(k):
			return n.span
		default:
			n = n.right
		}
	}
}
