package list

import (
	"cmp"
	"sync/atomic"

	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// origin is an update, of which several elements may tell.
type origin struct {
	wire.Ref
	time uint64
}

// stamp is an operation: by (time, author, hash) of the update, and then by its index.
type stamp struct {
	by    *origin
	index uint16
}

func (s stamp) compare(o stamp) int {
	if s.by != o.by {
		if s.by.time != o.by.time {
			return cmp.Compare(s.by.time, o.by.time)
		}
		if s.by.Ref != o.by.Ref {
			mine := replica.Update{Ref: s.by.Ref, Time: s.by.time}
			if mine.Before(&replica.Update{Ref: o.by.Ref, Time: o.by.time}) {
				return -1
			}
			return 1
		}
	}
	return cmp.Compare(s.index, o.index)
}

// slot is the place of an element among all, by its name.
type slot struct {
	id   ElementID
	now  *element                // nil before its first operation; the writer's
	seen atomic.Pointer[element] // now, when the change is over
}

// Compare orders slots by their names.
func (a *slot) Compare(b *slot) int { return a.id.compare(&b.id) }

// element is all that is known of an element. It never changes.
type element struct {
	*slot
	inserted bool // else there are only operations on it so far
	edited   bool // set or removed since it was inserted
	moved    bool // since it was inserted
	removed  bool
	content  stamp // wrote value or removed
	place    stamp // wrote position
	position string
	value    string
}

// visible reports whether readers see e.
func (e *element) visible() bool { return e != nil && e.inserted && !e.removed }

// same reports whether readers see the same in e and o, of which both are visible.
func (e *element) same(o *element) bool {
	return e.content.compare(o.content) == 0 && e.place.compare(o.place) == 0
}

// after returns the element after an operation on it, nil if that does not count.
// What an insert says comes before all else, so that no date can make it win: all else is
// about an element that its author has seen. Of the rest the last one counts, for the
// position and for the content each on its own (Kleppmann, "Moving Elements in List
// CRDTs", PaPoC 2020, section 3).
func (e *element) after(o *operation, at stamp) *element {
	next := *e
	switch o.op {
	case opInsert:
		next.inserted = true
		if !e.edited {
			next.value, next.content = string(o.value), at
		}
		if !e.moved {
			next.position, next.place = string(o.position), at
		}
	case opMove:
		if e.moved && at.compare(e.place) < 0 {
			return nil
		}
		next.moved, next.position, next.place = true, string(o.position), at
	default: // opSet, opRemove
		if e.edited && at.compare(e.content) < 0 {
			return nil
		}
		next.edited, next.value, next.content = true, string(o.value), at
		next.removed = o.op == opRemove
	}
	return &next
}

// byPlace orders the elements that are visible as readers see them.
type byPlace struct{ *element }

func (a byPlace) Compare(b byPlace) int {
	if c := cmp.Compare(a.position, b.position); c != 0 {
		return c
	}
	return a.place.compare(b.place)
}

// Element is an element as readers see it. It belongs to the caller.
type Element struct {
	ID    ElementID
	Value []byte   // never nil
	Ref   wire.Ref // the update that wrote Value
	Time  uint64   // ns since the Unix epoch, as the author of Ref dated it
}

func (e *element) show() Element {
	return Element{ID: e.slot.id, Value: []byte(e.value), Ref: e.content.by.Ref, Time: e.content.by.time}
}
