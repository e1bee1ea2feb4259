package order

import "slices"

// Set puts v in the place of the item that is equal to it, or else adds it. It returns
// the item before, if there was one.
func (t *Tree[T]) Set(v T) (before T, replaced bool) {
	if t.owner == nil {
		t.owner = new(owner)
	}
	if t.root == nil {
		t.root = &node[T]{owner: t.owner, items: []T{v}}
		return before, false
	}
	root, right, before, replaced := t.root.set(t.owner, v, true)
	if right != nil {
		root = &node[T]{owner: t.owner, kids: []kid[T]{root.kid(), right.kid()}}
	}
	t.root = root
	return before, replaced
}

// own returns n if o is its owner, else a copy that o owns, with room for one more entry.
func (n *node[T]) own(o *owner) *node[T] {
	if n.owner == o {
		return n
	}
	c := &node[T]{owner: o}
	if len(n.kids) > 0 {
		c.kids = append(make([]kid[T], 0, len(n.kids)+1), n.kids...)
	} else {
		c.items = append(make([]T, 0, len(n.items)+1), n.items...)
	}
	return c
}

// set returns the node that takes n's place and, if that was too full, its right half.
// edge says that nothing is behind n.
func (n *node[T]) set(o *owner, v T, edge bool) (_, right *node[T], before T, replaced bool) {
	n = n.own(o)
	if len(n.kids) == 0 {
		i, found := n.find(v)
		if found {
			before, n.items[i] = n.items[i], v
			return n, nil, before, true
		}
		n.items = slices.Insert(n.items, i, v)
		if len(n.items) > maxItems {
			right = &node[T]{owner: o}
			n.items, right.items = halve(n.items, i == maxItems)
		}
		return n, right, before, false
	}
	c := n.child(v)
	if n.spills(c, v) {
		c++
	}
	left, more, before, replaced := n.kids[c].node.set(o, v, edge && c == len(n.kids)-1)
	n.kids[c] = left.kid()
	if more != nil {
		n.kids = slices.Insert(n.kids, c+1, more.kid())
		if len(n.kids) > maxKids {
			right = &node[T]{owner: o}
			n.kids, right.kids = halve(n.kids, edge && c+1 == maxKids)
		}
	}
	return n, right, before, replaced
}

// spills reports whether v, which would be the last of a full leaf, kid c, fits into the
// leaf behind it. So leaves stay filled when what comes is ever smaller, too.
func (n *node[T]) spills(c int, v T) bool {
	k := &n.kids[c]
	return k.size == maxItems && len(k.node.items) == maxItems &&
		c+1 < len(n.kids) && n.kids[c+1].size < maxItems &&
		k.node.items[maxItems-1].Compare(v) < 0
}

// halve splits s in the middle, or, if it grows at its end, there, so that nodes filled in
// order are full.
func halve[E any](s []E, atEnd bool) (left, right []E) {
	mid := len(s) / 2
	if atEnd {
		mid = len(s) - 1
	}
	right = append(make([]E, 0, len(s)/2+1), s[mid:]...)
	clear(s[mid:])
	return s[:mid], right
}

// Delete removes the item that is equal to v, and returns it if there was one.
func (t *Tree[T]) Delete(v T) (before T, found bool) {
	if before, found = t.Get(v); !found {
		return before, false
	}
	if t.owner == nil {
		t.owner = new(owner)
	}
	t.root = t.root.remove(t.owner, v)
	for len(t.root.kids) == 1 {
		t.root = t.root.kids[0].node
	}
	if t.root.empty() {
		t.root = nil
	}
	return before, true
}

// remove returns the node that takes n's place, which may be empty. v is there.
func (n *node[T]) remove(o *owner, v T) *node[T] {
	n = n.own(o)
	if len(n.kids) == 0 {
		i, _ := n.find(v)
		n.items = slices.Delete(n.items, i, i+1)
		return n
	}
	c := n.child(v)
	left := n.kids[c].node.remove(o, v)
	if left.empty() {
		n.kids = slices.Delete(n.kids, c, c+1)
		return n
	}
	n.kids[c] = left.kid()
	for _, i := range []int{c, c - 1} {
		if i >= 0 && i+1 < len(n.kids) && n.merge(o, i) {
			break
		}
	}
	return n
}

// merge makes kids i and i+1 one, if that is no more than half full.
func (n *node[T]) merge(o *owner, i int) bool {
	left, right := n.kids[i].node, n.kids[i+1].node
	if len(left.items)+len(right.items) > maxItems/2 || len(left.kids)+len(right.kids) > maxKids/2 {
		return false
	}
	left = left.own(o)
	left.items = append(left.items, right.items...)
	left.kids = append(left.kids, right.kids...)
	n.kids[i] = left.kid()
	n.kids = slices.Delete(n.kids, i+1, i+2)
	return true
}

// Exchange takes old out, which is there, and puts now in; either may be nil. It returns
// how many items were before old, and how many are before now without old; -1 for nil, and
// if ranks are not wanted.
func (t *Tree[T]) Exchange(old, now *T, ranks bool) (from, to int) {
	from, to = -1, -1
	if old != nil {
		if ranks {
			from, _ = t.Rank(*old)
		}
		if now == nil || (*old).Compare(*now) != 0 {
			t.Delete(*old)
		}
	}
	if now != nil {
		t.Set(*now)
		if ranks {
			to, _ = t.Rank(*now)
		}
	}
	return from, to
}
