package text

// tree is all spans in the order of the text, as a treap (Aragon and Seidel, "Randomized
// search trees", 1989). Its shape is random, so no author can make it deep, and no part of
// the state.
type tree struct{ root *span }

// update computes what a span says of its subtree, of what its children say of theirs.
func (s *span) update() {
	s.shown, s.least, s.only = s.own(), s, s.author
	if l := s.left; l != nil {
		s.shown += l.shown
		if l.least.key().less(s.key()) {
			s.least = l.least
		}
		if l.only != s.only {
			s.only = nil
		}
	}
	if r := s.right; r != nil {
		s.shown += r.shown
		if r.least.key().less(s.least.key()) {
			s.least = r.least
		}
		if r.only != s.only {
			s.only = nil
		}
	}
}

// grows adds n to what is shown of a span and all above it.
func (s *span) grows(n int) {
	for ; s != nil; s = s.parent {
		s.shown += n
	}
}

func (s *span) setLeft(l *span) {
	if s.left = l; l != nil {
		l.parent = s
	}
	s.update()
}

func (s *span) setRight(r *span) {
	if s.right = r; r != nil {
		r.parent = s
	}
	s.update()
}

// next returns the span behind s, nil if there is none.
func (s *span) next() *span {
	if s.right != nil {
		for s = s.right; s.left != nil; s = s.left {
		}
		return s
	}
	for s.parent != nil && s == s.parent.right {
		s = s.parent
	}
	return s.parent
}

// prev returns the span before s, nil if there is none.
func (s *span) prev() *span {
	if s.left != nil {
		for s = s.left; s.right != nil; s = s.right {
		}
		return s
	}
	for s.parent != nil && s == s.parent.left {
		s = s.parent
	}
	return s.parent
}

// prevOther returns the nearest span before s that is of another author, nil if there is
// none.
func (s *span) prevOther() *span {
	a := s.author
	if x := s.left.lastOther(a); x != nil {
		return x
	}
	for s.parent != nil {
		from := s
		if s = s.parent; from == s.left {
			continue
		}
		if s.author != a {
			return s
		}
		if x := s.left.lastOther(a); x != nil {
			return x
		}
	}
	return nil
}

// lastOther returns the last span of a subtree, which may be nil, that is not of a.
func (s *span) lastOther(a *author) *span {
	if s == nil || s.only == a {
		return nil
	}
	for {
		switch {
		case s.right != nil && s.right.only != a:
			s = s.right
		case s.author != a:
			return s
		default:
			s = s.left
		}
	}
}

// firstShown returns the first span of a subtree, of which some is shown, that is shown
// itself.
func (s *span) firstShown() *span {
	for {
		switch {
		case s.left != nil && s.left.shown > 0:
			s = s.left
		case !s.deleted:
			return s
		default:
			s = s.right
		}
	}
}

// nextShown returns the nearest span behind s that is shown, nil if there is none, past any
// number of deleted ones.
func (s *span) nextShown() *span {
	if s.right != nil && s.right.shown > 0 {
		return s.right.firstShown()
	}
	for ; s.parent != nil; s = s.parent {
		p := s.parent
		switch {
		case s == p.right:
		case !p.deleted:
			return p
		case p.right != nil && p.right.shown > 0:
			return p.right.firstShown()
		}
	}
	return nil
}

// shown walks through the spans that are shown, in order.
func (t *tree) shown(yield func(*span) bool) {
	if t.root == nil || t.root.shown == 0 {
		return
	}
	for x := t.root.firstShown(); x != nil && yield(x); x = x.nextShown() {
	}
}

// cutBefore takes the tree that s is in apart, and returns the roots of what is before
// s, which may be nil, and of the rest.
func cutBefore(s *span) (before, rest *span) {
	before, up, from := s.left, s.parent, s
	s.parent = nil
	s.setLeft(nil)
	rest = s
	if before != nil {
		before.parent = nil
	}
	for up != nil {
		p := up
		up = p.parent
		p.parent = nil
		if p.left == from {
			p.setLeft(rest)
			rest = p
		} else {
			p.setRight(before)
			before = p
		}
		from = p
	}
	return before, rest
}

// joined puts two trees one behind the other and returns the root. Its recursion is as
// deep as the trees, some 3 log2 n.
func joined(l, r *span) *span {
	switch {
	case l == nil:
		return r
	case r == nil:
		return l
	case l.priority > r.priority:
		l.setRight(joined(l.right, r))
		return l
	default:
		r.setLeft(joined(l, r.left))
		return r
	}
}

// putBefore puts a tree, of which s is the root, before next, or at the end if that is nil.
func (t *tree) putBefore(next, s *span) {
	before, rest := t.root, (*span)(nil)
	if next != nil {
		before, rest = cutBefore(next)
	}
	t.root = joined(joined(before, s), rest)
}

// take takes the spans from s up to, not including, end out of the tree, or from s on if
// end is nil, and returns their root.
func (t *tree) take(s, end *span) *span {
	before, taken := cutBefore(s)
	var rest *span
	if end != nil {
		taken, rest = cutBefore(end)
	}
	t.root = joined(before, rest)
	return taken
}

// rank returns how many shown characters stand before s.
func (s *span) rank() int {
	n := 0
	if s.left != nil {
		n = s.left.shown
	}
	for ; s.parent != nil; s = s.parent {
		if s == s.parent.right {
			n += s.parent.shown - s.shown
		}
	}
	return n
}

// shownAt returns the shown character number i as its span and its index in that.
func (t *tree) shownAt(i int) (*span, int) {
	for s := t.root; ; {
		if s.left != nil {
			if i < s.left.shown {
				s = s.left
				continue
			}
			i -= s.left.shown
		}
		if i < s.own() {
			return s, i
		}
		i -= s.own()
		s = s.right
	}
}

// firstBelow returns the first span behind s, or of all if s is nil, whose key is less
// than k; nil if there is none. Where a text with key k hangs on the last character of s,
// this is what follows it and all that hangs there with higher keys: what hangs there with
// lower ones, or anything that follows, as its key is less than that of a character on
// which s itself hangs, or is one.
func (t *tree) firstBelow(s *span, k key) *span {
	if s == nil {
		return t.root.firstWithin(k)
	}
	for {
		if found := s.right.firstWithin(k); found != nil {
			return found
		}
		for s.parent != nil && s == s.parent.right {
			s = s.parent
		}
		if s = s.parent; s == nil || s.key().less(k) {
			return s
		}
	}
}

// firstWithin is firstBelow for a subtree, which may be nil.
func (s *span) firstWithin(k key) *span {
	if s == nil || !s.least.key().less(k) {
		return nil
	}
	for {
		switch {
		case s.left != nil && s.left.least.key().less(k):
			s = s.left
		case s.key().less(k):
			return s
		default:
			s = s.right
		}
	}
}
