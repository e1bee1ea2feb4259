package text

import (
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/hearsaynet/hearsay/keys"
)

// opEdit is the only kind of change so far. Numbers are never reused; zero is invalid.
const opEdit = 1

// What a part of a change does. Numbers are never reused; zero is invalid.
const (
	partInsert = 1
	partDelete = 2
)

// ErrMalformed is wrapped by the error of every change that breaks the encoding, as
// notices of kind replica.Ignored report them.
var ErrMalformed = errors.New("malformed change")

// change is a parsed change. All of it aliases the encoded one.
type change struct {
	others []byte // ids, one behind the other
	body   []byte // parts
}

// part inserts text or, if that is nil, deletes ranges.
type part struct {
	anchors [MaxAnchors]anchor // the first n of them
	n       int
	text    []byte
	author  int // as in anchor, of the characters that are deleted
	count   int // of ranges
	ranges  []byte
}

// anchor is a character behind which text is inserted.
type anchor struct {
	author int // 0 for the change's own, else 1 + the index in others
	place  place
}

// extent is the characters of one update from one index up to, not including, another.
type extent struct {
	seq      uint64
	from, to int
}

func malformed(format string, args ...any) error {
	return fmt.Errorf("text: %w: %s", ErrMalformed, fmt.Sprintf(format, args...))
}

// parseChange checks all of a change, so that it can be walked through later without
// errors. It allocates nothing.
func parseChange(b []byte) (change, error) {
	if len(b) > MaxChange {
		return change{}, malformed("%d bytes, at most %d", len(b), MaxChange)
	}
	r := reader{b}
	op, ok := r.uint8()
	if !ok || op != opEdit {
		return change{}, malformed("op %d", op)
	}
	n, ok := r.uint8()
	if !ok {
		return change{}, malformed("%d bytes are cut short", len(b))
	}
	var c change
	if c.others, ok = r.bytes(uint64(n) * keys.IDSize); !ok {
		return change{}, malformed("%d authors are cut short", n)
	}
	for i := range n {
		if err := c.checkOther(i); err != nil {
			return change{}, err
		}
	}
	if c.body = r.b; len(c.body) == 0 {
		return change{}, malformed("it does nothing")
	}
	named := 0
	for len(r.b) > 0 {
		p, err := r.part()
		if err == nil {
			named, err = p.check(named)
		}
		if err != nil {
			return change{}, err
		}
	}
	if named != n {
		return change{}, malformed("%d authors, of which it uses %d", n, named)
	}
	return c, nil
}

func (c *change) other(i int) keys.NodeID {
	return keys.NodeID(c.others[i*keys.IDSize : (i+1)*keys.IDSize])
}

func (c *change) authors() int { return len(c.others) / keys.IDSize }

// checkOther checks that author i is one, and is not named before.
func (c *change) checkOther(i int) error {
	id := c.other(i)
	if _, err := keys.NodeIDFromBytes(id[:]); err != nil {
		return malformed("author %d: %v", i+1, err)
	}
	for k := range i {
		if c.other(k) == id {
			return malformed("author %d is author %d again", i+1, k+1)
		}
	}
	return nil
}

// part reads one part, of which it does not check the numbers and the text.
func (r *reader) part() (p part, err error) {
	kind, _ := r.uint8()
	switch kind {
	case partInsert:
		n, ok := r.uint8()
		if !ok || n > MaxAnchors {
			return p, malformed("an insert with %d anchors", n)
		}
		p.n = n
		for i := range n {
			author, ok1 := r.uint8()
			seq, ok2 := r.varint()
			index, ok3 := r.varint()
			if !ok1 || !ok2 || !ok3 || seq == 0 || seq > maxSeq || index >= maxIndex {
				return p, malformed("anchor %d of an insert", i+1)
			}
			p.anchors[i] = anchor{author, placeOf(seq, int(index))}
		}
		size, ok := r.varint()
		if !ok || size == 0 {
			return p, malformed("an insert of nothing")
		}
		if p.text, ok = r.bytes(size); !ok {
			return p, malformed("text is cut short")
		}
	case partDelete:
		author, ok1 := r.uint8()
		count, ok2 := r.varint()
		if !ok1 || !ok2 || count == 0 || count > uint64(len(r.b)) {
			return p, malformed("a delete of %d ranges", count)
		}
		p.author, p.count = author, int(count)
		before := r.b
		for e := (extent{}); count > 0; count-- {
			if err := r.extent(&e); err != nil {
				return p, err
			}
		}
		p.ranges = before[:len(before)-len(r.b)]
	default:
		return p, malformed("part of kind %d", kind)
	}
	return p, nil
}

// extent reads the range that follows e, or the first if e is zero.
func (r *reader) extent(e *extent) error {
	skip, ok1 := r.varint()
	from, ok2 := r.varint()
	n, ok3 := r.varint()
	switch {
	case !ok1 || !ok2 || !ok3:
		return malformed("a range is cut short")
	case skip > maxSeq-e.seq || n == 0 || n > maxIndex || from > maxIndex-n:
		return malformed("a range of %d from %d, %d updates on", n, from, skip)
	case skip == 0 && (e.seq == 0 || from <= uint64(e.to)):
		return malformed("ranges out of order")
	}
	*e = extent{e.seq + skip, int(from), int(from + n)}
	return nil
}

// check checks authors, that come in the order in which they are first named, and text.
func (p *part) check(named int) (int, error) {
	use := func(author int) error {
		if author > named+1 {
			return malformed("author %d before author %d", author, named+1)
		}
		named = max(named, author)
		return nil
	}
	if p.text == nil {
		return named, use(p.author)
	}
	for _, a := range p.anchors[:p.n] {
		if err := use(a.author); err != nil {
			return 0, err
		}
	}
	if !utf8.Valid(p.text) {
		return 0, malformed("text that is not UTF-8")
	}
	return named, nil
}

// parts walks through a change that has been checked.
func (c *change) parts(yield func(p part) bool) {
	r := reader{c.body}
	for len(r.b) > 0 {
		if p, err := r.part(); err != nil || !yield(p) {
			return
		}
	}
}

// extents walks through the ranges of a part that has been checked.
func (p *part) extents(yield func(e extent) bool) {
	r, e := reader{p.ranges}, extent{}
	for range p.count {
		if r.extent(&e) != nil || !yield(e) {
			return
		}
	}
}
