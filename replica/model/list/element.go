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

// before reports whether s is older than o. The zero stamp is older than all.
func (s stamp) before(o stamp) bool { return s.by == nil || s.compare(o) < 0 }

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

// after returns the element after an operation on it, nil if that does not count: of what
// was written the last counts, for the position and for the content each on its own
// (Kleppmann, "Moving Elements in List CRDTs", PaPoC 2020, section 3). The insert is one of
// them, so that what is removed is never what another inserts later.
func (e *element) after(o *operation, at stamp) *element {
	next := *e
	counts := o.op == opInsert
	next.inserted = e.inserted || counts
	if o.hasPosition() && e.place.before(at) {
		next.position, next.place, counts = string(o.position), at, true
	}
	if o.op != opMove && e.content.before(at) {
		next.value, next.content, counts = string(o.value), at, true
		next.removed = o.op == opRemove
	}
	if !counts {
		return nil
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
