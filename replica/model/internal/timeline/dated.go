package timeline

import (
	"iter"
	"slices"

	"github.com/hearsaynet/hearsay/replica/model/internal/order"
)

// tailMost bounds the tail of a dated, in entries, and so what a writer copies for one that
// comes a little late while others read.
const tailMost = 64

// dated is a set of entries by (time, author, hash), of which a copy costs nothing. They
// mostly come in that order: the newest are in a slice, where the next goes behind what
// readers see of it, and all others in a tree.
type dated[Value any] struct {
	tree   order.Tree[*Entry[Value]]
	tail   []*Entry[Value] // behind all of tree
	shared bool            // somebody else may read what is in tail
}

// share returns a copy. It counts as writing.
func (d *dated[Value]) share() *dated[Value] {
	d.shared = true
	return &dated[Value]{d.tree.Share(), d.tail, true}
}

func (d *dated[Value]) len() int { return d.tree.Len() + len(d.tail) }

// inTail reports whether e is in the tail, or belongs there.
func (d *dated[Value]) inTail(e *Entry[Value]) bool {
	if len(d.tail) > 0 {
		return d.tail[0].Compare(e) <= 0
	}
	n := d.tree.Len()
	return n == 0 || d.tree.At(n-1).Compare(e) < 0
}

// find returns the index in the tail of the first entry that is not before e.
func (d *dated[Value]) find(e *Entry[Value]) (i int, found bool) {
	if n := len(d.tail); n == 0 || d.tail[n-1].Compare(e) < 0 {
		return n, false
	}
	return slices.BinarySearchFunc(d.tail, e, (*Entry[Value]).Compare)
}

// get returns the entry that is equal to e.
func (d *dated[Value]) get(e *Entry[Value]) (*Entry[Value], bool) {
	if !d.inTail(e) {
		return d.tree.Get(e)
	}
	if i, found := d.find(e); found {
		return d.tail[i], true
	}
	return nil, false
}

// rank returns the number of entries before e.
func (d *dated[Value]) rank(e *Entry[Value]) int {
	if !d.inTail(e) {
		i, _ := d.tree.Rank(e)
		return i
	}
	i, _ := d.find(e)
	return d.tree.Len() + i
}

// add reports whether e was not there.
func (d *dated[Value]) add(e *Entry[Value]) bool {
	if !d.inTail(e) {
		had, again := d.tree.Set(e)
		if again {
			d.tree.Set(had)
		}
		return !again
	}
	i, found := d.find(e)
	switch {
	case found:
		return false
	case len(d.tail) >= tailMost:
		d.settle()
		return d.add(e)
	case i < len(d.tail):
		d.own()
	}
	d.tail = slices.Insert(d.tail, i, e)
	return true
}

// own makes the tail one that nobody else reads.
func (d *dated[Value]) own() {
	if d.shared {
		d.tail = append(make([]*Entry[Value], 0, tailMost), d.tail...)
		d.shared = false
	}
}

// settle moves the older half of the tail to the tree.
func (d *dated[Value]) settle() {
	for _, e := range d.tail[:tailMost/2] {
		d.tree.Set(e)
	}
	d.tail = append(make([]*Entry[Value], 0, tailMost), d.tail[tailMost/2:]...)
	d.shared = false
}

// remove reports whether e was there.
func (d *dated[Value]) remove(e *Entry[Value]) bool {
	if !d.inTail(e) {
		_, found := d.tree.Delete(e)
		return found
	}
	i, found := d.find(e)
	if found {
		d.own()
		d.tail = slices.Delete(d.tail, i, i+1)
	}
	return found
}

// from returns the entries from entry i on.
func (d *dated[Value]) from(i int) iter.Seq[*Entry[Value]] {
	return func(yield func(*Entry[Value]) bool) {
		n := d.tree.Len()
		if i < n {
			for e := range d.tree.From(i) {
				if !yield(e) {
					return
				}
			}
		}
		for _, e := range d.tail[max(0, i-n):] {
			if !yield(e) {
				return
			}
		}
	}
}

// since returns the entries that are dated at or after a time.
func (d *dated[Value]) since(time uint64) iter.Seq[*Entry[Value]] {
	return d.from(d.rank(&Entry[Value]{Time: time}))
}

// backward returns the entries, the last first.
func (d *dated[Value]) backward() iter.Seq[*Entry[Value]] {
	return func(yield func(*Entry[Value]) bool) {
		for _, e := range slices.Backward(d.tail) {
			if !yield(e) {
				return
			}
		}
		block := make([]*Entry[Value], 0, 128)
		for end := d.tree.Len(); end > 0; end -= len(block) {
			first := max(0, end-cap(block))
			block = block[:0]
			for e := range d.tree.From(first) {
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
