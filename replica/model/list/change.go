package list

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/crypto/cryptobyte"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/model/internal/fraction"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// op is what an operation does. Numbers are never reused; zero is invalid.
type op uint8

const (
	opInsert op = 1
	opSet    op = 2
	opRemove op = 3
	opMove   op = 4
)

// ErrMalformed is wrapped by the error of every change that breaks the encoding, as
// notices of kind replica.Ignored report them.
var ErrMalformed = errors.New("malformed change")

// ErrBadID is wrapped by ParseElementID's errors.
var ErrBadID = errors.New("bad element id")

// ElementID names an element for ever: operation Index of the update that inserted it.
type ElementID struct {
	Author keys.NodeID
	Seq    uint64
	Index  uint16
}

// String returns the author, seq and index as in "Qm…/12/0".
func (id ElementID) String() string {
	return id.Author.String() + "/" + strconv.FormatUint(id.Seq, 10) + "/" + strconv.FormatUint(uint64(id.Index), 10)
}

// MarshalText is String.
func (id ElementID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText is ParseElementID.
func (id *ElementID) UnmarshalText(text []byte) error {
	parsed, err := ParseElementID(string(text))
	if err == nil {
		*id = parsed
	}
	return err
}

// ParseElementID reads what String returns. Its error wraps ErrBadID.
func ParseElementID(s string) (ElementID, error) {
	bad := func(why error) (ElementID, error) {
		return ElementID{}, fmt.Errorf("list: %w %q (author/seq/index): %w", ErrBadID, s, why)
	}
	parts := strings.Split(s, "/")
	if len(parts) != 3 {
		return bad(fmt.Errorf("%d parts", len(parts)))
	}
	author, err := keys.ParseNodeID(parts[0])
	if err != nil {
		return bad(err)
	}
	seq, err := strconv.ParseUint(parts[1], 10, 63)
	if err != nil {
		return bad(err)
	}
	index, err := strconv.ParseUint(parts[2], 10, 16)
	if err != nil {
		return bad(err)
	}
	id := ElementID{author, seq, uint16(index)}
	if err := id.check(); err != nil {
		return bad(err)
	}
	return id, nil
}

func (id *ElementID) check() error {
	if id.Seq == 0 || id.Seq > wire.MaxInteger || id.Index >= MaxOperations {
		return fmt.Errorf("update %d, operation %d", id.Seq, id.Index)
	}
	_, err := keys.NodeIDFromBytes(id.Author[:])
	return err
}

func (id *ElementID) compare(o *ElementID) int {
	if c := id.Author.Compare(o.Author); c != 0 {
		return c
	}
	if id.Seq != o.Seq {
		if id.Seq < o.Seq {
			return -1
		}
		return 1
	}
	return int(id.Index) - int(o.Index)
}

// operation is one operation of a change. position and value alias the encoded change.
type operation struct {
	op       op
	id       ElementID // but of an insert
	position []byte    // of insert and move
	value    []byte    // of insert and set
}

// parseChange reads a change.
func parseChange(b []byte) ([]operation, error) {
	n, err := countOperations(b)
	if err != nil {
		return nil, fmt.Errorf("list: %w: %w", ErrMalformed, err)
	}
	ops := make([]operation, n)
	s := cryptobyte.String(b)
	for i := range ops {
		ops[i].read(&s) // as it was read by countOperations
	}
	return ops, nil
}

func countOperations(b []byte) (n int, err error) {
	s := cryptobyte.String(b)
	for n == 0 || !s.Empty() {
		var o operation
		if n == MaxOperations {
			return 0, fmt.Errorf("more than %d operations", MaxOperations)
		}
		if err := o.read(&s); err != nil {
			return 0, fmt.Errorf("operation %d: %w", n, err)
		}
		n++
	}
	return n, nil
}

func (o *operation) read(s *cryptobyte.String) error {
	if !s.ReadUint8((*uint8)(&o.op)) {
		return errors.New("is missing")
	}
	switch o.op {
	case opInsert, opSet, opRemove, opMove:
	default:
		return fmt.Errorf("op %d", o.op)
	}
	if o.op != opInsert && !o.id.read(s) ||
		o.hasPosition() && !s.ReadUint8LengthPrefixed((*cryptobyte.String)(&o.position)) ||
		o.hasValue() && !readValue(s, &o.value) {
		return errors.New("is cut short")
	}
	if o.op != opInsert {
		if err := o.id.check(); err != nil {
			return err
		}
	}
	if o.hasPosition() && !fraction.Valid(o.position) {
		return fmt.Errorf("position of %d bytes is empty or ends with a zero", len(o.position))
	}
	return nil
}

func (o *operation) hasPosition() bool { return o.op == opInsert || o.op == opMove }
func (o *operation) hasValue() bool    { return o.op == opInsert || o.op == opSet }

func (id *ElementID) read(s *cryptobyte.String) bool {
	return s.CopyBytes(id.Author[:]) && s.ReadUint64(&id.Seq) && s.ReadUint16(&id.Index)
}

func readValue(s *cryptobyte.String, value *[]byte) bool {
	var n uint32
	return s.ReadUint32(&n) && uint64(n) <= uint64(len(*s)) && s.ReadBytes(value, int(n))
}

// append encodes o.
func (o *operation) append(b []byte) []byte {
	b = append(b, byte(o.op))
	if o.op != opInsert {
		b = append(b, o.id.Author[:]...)
		b = binary.BigEndian.AppendUint64(b, o.id.Seq)
		b = binary.BigEndian.AppendUint16(b, o.id.Index)
	}
	if o.hasPosition() {
		b = append(b, byte(len(o.position)))
		b = append(b, o.position...)
	}
	if o.hasValue() {
		b = binary.BigEndian.AppendUint32(b, uint32(len(o.value)))
		b = append(b, o.value...)
	}
	return b
}

// encode makes a change.
func encode(ops ...operation) []byte {
	var b []byte
	for i := range ops {
		b = ops[i].append(b)
	}
	return b
}
