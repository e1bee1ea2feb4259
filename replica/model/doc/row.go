package doc

import (
	"encoding/json"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/internal/order"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// origin is an update, of which a row and several fields may tell.
type origin struct {
	wire.Ref
	time uint64
}

// before orders by (time, author, hash). Nothing is older than nil.
func (o *origin) before(other *origin) bool {
	switch {
	case o == nil || other == nil:
		return other != nil
	case o.time != other.time:
		return o.time < other.time
	}
	mine := replica.Update{Ref: o.Ref, Time: o.time}
	return mine.Before(&replica.Update{Ref: other.Ref, Time: other.time})
}

// field is the write of a field that counts. It never changes.
type field struct {
	name  string
	value string // "": the field is taken away
	by    *origin
	form  atomic.Pointer[string] // the canonical value, when a Where has asked for it
}

// Compare orders fields by their names.
func (f *field) Compare(o *field) int { return strings.Compare(f.name, o.name) }

// record is all that is known of a row. It never changes.
type record struct {
	id      string
	deleted *origin // the last delete
	touched *origin // the last set
	fields  order.Tree[*field]
	size    int // of names and values of fields, in bytes
}

// held returns what two states of a row keep in memory, in bytes; either may be nil.
func held(old, now *record) (bytes int) {
	for _, r := range [...]*record{old, now} {
		if r != nil {
			bytes += len(r.id) + r.size
		}
	}
	return bytes
}

// live reports whether the row exists: it does from a set on until a later delete.
func (r *record) live() bool { return r != nil && r.deleted.before(r.touched) }

// visible reports whether a field is there.
func (r *record) visible(f *field) bool { return f != nil && f.value != "" && r.deleted.before(f.by) }

// field returns a field of a row that may be nil, or not exist, nil if it is not there.
func (r *record) field(name string) *field {
	if r == nil {
		return nil
	}
	f, _ := r.fields.Search(func(f *field) int { return strings.Compare(f.name, name) })
	if !r.visible(f) {
		return nil
	}
	return f
}

// all returns the fields that are there, by name.
func (r *record) all() iter.Seq[*field] {
	return func(yield func(*field) bool) {
		for f := range r.fields.From(0) {
			if r.visible(f) && !yield(f) {
				return
			}
		}
	}
}

// after returns the row after a change, nil if that does not count. Each field is a
// register of its own of which the last write counts (Shapiro et al., "A comprehensive
// study of Convergent and Commutative Replicated Data Types", 2011, section 3.2.2), and a
// delete ends all that were written before it.
func (r *record) after(by *origin, c *change) *record {
	if by.before(r.deleted) {
		return nil // nothing of it will ever count again
	}
	next := *r
	if c.op == opDelete {
		next.deleted = by
		if next.touched.before(by) { // and so is all it wrote
			next.fields, next.size = order.Tree[*field]{}, 0
		}
		return &next
	}
	changed := false
	if next.touched.before(by) {
		next.touched, changed = by, true
	}
	for _, w := range c.fields {
		name := string(w.name)
		old, _ := next.fields.Search(func(f *field) int { return strings.Compare(f.name, name) })
		if old != nil && by.before(old.by) {
			continue
		}
		if next.size += len(name) + len(w.value); old != nil {
			next.size -= len(name) + len(old.value)
		}
		next.fields.Set(&field{name: name, value: string(w.value), by: by})
		changed = true
	}
	if !changed {
		return nil
	}
	next.fields.Share() // from now on nobody writes to it
	return &next
}

// same reports whether readers see the same in r and o; either may be nil.
func (r *record) same(o *record) bool {
	if !r.live() || !o.live() {
		return r.live() == o.live()
	}
	next, stop := iter.Pull(o.all())
	defer stop()
	for f := range r.all() {
		g, ok := next()
		if !ok || f.name != g.name || f.by.Ref != g.by.Ref {
			return false
		}
	}
	_, more := next()
	return !more
}

// Row is a row at one moment. It never changes. The zero Row has no fields.
type Row struct{ r *record }

// ID returns the row's name.
func (r Row) ID() string {
	if r.r == nil {
		return ""
	}
	return r.r.id
}

// Field is a field's value and the update that wrote it. It belongs to the caller.
type Field struct {
	Value json.RawMessage
	Ref   wire.Ref
	Time  uint64 // ns since the Unix epoch, as the author of Ref dated it
}

func (f *field) show() Field { return Field{json.RawMessage(f.value), f.by.Ref, f.by.time} }

// Get returns a field, if the row has it.
func (r Row) Get(name string) (Field, bool) {
	f := r.r.field(name)
	if f == nil {
		return Field{}, false
	}
	return f.show(), true
}

// Decode reads a field into v, as json.Unmarshal does, and says whether the row has it.
func (r Row) Decode(name string, v any) (bool, error) {
	f := r.r.field(name)
	if f == nil {
		return false, nil
	}
	if err := json.Unmarshal([]byte(f.value), v); err != nil {
		return true, fmt.Errorf("doc: field %q of row %q: %w", name, r.ID(), err)
	}
	return true, nil
}

// Fields returns the fields in the order of their names.
func (r Row) Fields() iter.Seq2[string, Field] {
	return func(yield func(string, Field) bool) {
		if r.r == nil {
			return
		}
		for f := range r.r.all() {
			if !yield(f.name, f.show()) {
				return
			}
		}
	}
}

// MarshalJSON returns the fields as an object, in the order of their names.
func (r Row) MarshalJSON() ([]byte, error) {
	b := []byte{'{'}
	if r.r != nil {
		for f := range r.r.all() {
			if len(b) > 1 {
				b = append(b, ',')
			}
			name, err := marshal(f.name)
			if err != nil {
				return nil, fmt.Errorf("doc: field %s: %w", strconv.Quote(f.name), err)
			}
			b = append(append(append(b, name...), ':'), f.value...)
		}
	}
	return append(b, '}'), nil
}
