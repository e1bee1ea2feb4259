package object

// fold is one write on its way through the tree.
type fold struct {
	edit
	stamp   *stamp
	touched *place // the root's; nil if nobody watches
	changed bool
}

// apply folds one write, as the package's documentation defines it.
func (f *fold) apply(root *node, w *write) *node {
	root = f.mutable(root)
	f.descend(root, f.touched, w.names, w)
	root.sum()
	return root
}

// descend goes to the path's end, from a node that may be written to. Each object on the
// way was one when the write was made.
func (f *fold) descend(n *node, at *place, names []string, w *write) {
	if f.stamp.before(n.cleared) {
		return
	}
	if len(names) == 0 {
		f.clear(n, at)
		if w.op == opSet {
			s := scanner{text: w.value}
			f.fill(n, at, &s)
		}
		return
	}
	if w.op == opSet {
		f.claim(n, at, "")
	}
	n.members = f.change(n.members, names[0], func(n *node) { f.descend(n, at.child(names[0]), names[1:], w) })
}

// clear takes what is older away from n and below.
func (f *fold) clear(n *node, at *place) {
	f.changed = true
	if n.claim.before(f.stamp) {
		at.touch(n)
		n.claim, n.value = nil, ""
	}
	n.cleared = f.stamp
	n.members = f.prune(n.members, at)
}

// prune takes what is older out of a treap. Each node that it visits has something that
// goes, or leads to one: what it costs was paid for when that came.
func (f *fold) prune(n *node, above *place) *node {
	if n == nil || !n.oldest.before(f.stamp) {
		return n
	}
	n = f.mutable(n)
	at := above.child(n.name)
	n.left, n.right, n.members = f.prune(n.left, above), f.prune(n.right, above), f.prune(n.members, at)
	if n.claim.before(f.stamp) {
		at.touch(n)
		n.claim, n.value = nil, ""
	}
	if n.cleared.before(f.stamp) {
		n.cleared = nil
	}
	return f.kept(n)
}

// claim says that value, "" for an object, stands at n, unless a later write says otherwise.
func (f *fold) claim(n *node, at *place, value string) {
	if n.claim != nil && !n.claim.before(f.stamp) {
		return
	}
	f.changed = true
	if n.claim == nil || !n.isObject() || value != "" {
		at.touch(n)
	}
	n.claim, n.value = f.stamp, value
}

// fill sets n and what is below to the value that s, which has been checked, is at.
func (f *fold) fill(n *node, at *place, s *scanner) {
	if s.peek() != '{' {
		f.claim(n, at, string(s.skip()))
		return
	}
	f.claim(n, at, "")
	for s.at++; !s.take('}'); s.take(',') {
		raw, _ := s.str()
		name := unquote(raw)
		s.at++ // the colon
		filled := false
		n.members = f.change(n.members, name, func(n *node) {
			if filled = !f.stamp.before(n.cleared); filled {
				f.fill(n, at.child(name), s)
			}
		})
		if !filled {
			s.skip()
		}
	}
}
