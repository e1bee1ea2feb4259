package doc

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"

	"golang.org/x/crypto/cryptobyte"
)

// op is what a change does. Numbers are never reused; zero is invalid.
type op uint8

const (
	opSet    op = 1
	opDelete op = 2
)

var (
	// ErrMalformed is wrapped by the error of every change that breaks the encoding, as
	// notices of kind replica.Ignored report them.
	ErrMalformed = errors.New("malformed change")
	// ErrBadName is wrapped by the errors about names of rows and fields that are empty,
	// too long or not UTF-8.
	ErrBadName = errors.New("bad name")
	// ErrBadValue is wrapped by the errors about values that are not JSON, or too deep.
	ErrBadValue = errors.New("bad value")
)

// change is one change of a row. Its parts alias the encoded change.
type change struct {
	op     op
	row    []byte
	fields []write // bytewise by name
}

// write is a field's new value, or, with none, its end.
type write struct{ name, value []byte }

// parseChange reads a change.
func parseChange(b []byte) (change, error) {
	c, err := readChange(b)
	if err != nil {
		return change{}, fmt.Errorf("doc: %w: %w", ErrMalformed, err)
	}
	return c, nil
}

func readChange(b []byte) (c change, err error) {
	s := cryptobyte.String(b)
	if !s.ReadUint8((*uint8)(&c.op)) || !s.ReadUint8LengthPrefixed((*cryptobyte.String)(&c.row)) {
		return c, fmt.Errorf("%d bytes are cut short", len(b))
	}
	if err := checkName(c.row, MaxRow); err != nil {
		return c, fmt.Errorf("row: %w", err)
	}
	switch {
	case c.op != opSet && c.op != opDelete:
		return c, fmt.Errorf("op %d", c.op)
	case c.op == opDelete && !s.Empty():
		return c, fmt.Errorf("%d bytes after a delete", len(s))
	}
	c.fields, err = readFields(s)
	return c, err
}

func readFields(s cryptobyte.String) ([]write, error) {
	var fields []write
	if !s.Empty() {
		fields = make([]write, 0, min(8, len(s)/6+1))
	}
	for !s.Empty() {
		var w write
		var n uint32
		if !s.ReadUint8LengthPrefixed((*cryptobyte.String)(&w.name)) || !s.ReadUint32(&n) || uint64(n) > uint64(len(s)) || !s.ReadBytes(&w.value, int(n)) {
			return nil, fmt.Errorf("field %d is cut short", len(fields))
		}
		if err := checkName(w.name, MaxField); err != nil {
			return nil, fmt.Errorf("field %d: %w", len(fields), err)
		}
		if len(fields) > 0 && string(w.name) <= string(fields[len(fields)-1].name) {
			return nil, fmt.Errorf("field %q is not behind the one before", w.name)
		}
		if n > 0 {
			if err := checkValue(w.value); err != nil {
				return nil, fmt.Errorf("field %q: %w", w.name, err)
			}
		}
		fields = append(fields, w)
	}
	return fields, nil
}

func checkName(name []byte, most int) error {
	switch n := len(name); {
	case n == 0 || n > most:
		return fmt.Errorf("%w of %d bytes (1 to %d)", ErrBadName, n, most)
	case !utf8.Valid(name):
		return fmt.Errorf("%w %q: not UTF-8", ErrBadName, name)
	}
	return nil
}

// append encodes c.
func (c *change) append(b []byte) []byte {
	b = append(b, byte(c.op), byte(len(c.row)))
	b = append(b, c.row...)
	for _, w := range c.fields {
		b = append(b, byte(len(w.name)))
		b = append(b, w.name...)
		b = binary.BigEndian.AppendUint32(b, uint32(len(w.value)))
		b = append(b, w.value...)
	}
	return b
}

// Fields are values by name. A value is what encoding/json makes of it; nil takes the
// field away, and json.RawMessage("null") is JSON's null.
type Fields map[string]any

// SetChange returns the change that sets fields of a row, for programs that sign runs
// themselves. The error wraps ErrBadName or ErrBadValue.
func SetChange(row string, fields Fields) ([]byte, error) {
	c := change{op: opSet, row: []byte(row)}
	if err := checkName(c.row, MaxRow); err != nil {
		return nil, fmt.Errorf("doc: row: %w", err)
	}
	for name, v := range fields {
		w := write{name: []byte(name)}
		if err := checkName(w.name, MaxField); err != nil {
			return nil, fmt.Errorf("doc: field: %w", err)
		}
		if v != nil {
			var err error
			if w.value, err = marshal(v); err != nil {
				return nil, fmt.Errorf("doc: field %q: %w", name, err)
			}
		}
		c.fields = append(c.fields, w)
	}
	slices.SortFunc(c.fields, func(a, b write) int { return slices.Compare(a.name, b.name) })
	return c.append(nil), nil
}

// DeleteChange returns the change that deletes a row, for programs that sign runs
// themselves. The error wraps ErrBadName.
func DeleteChange(row string) ([]byte, error) {
	c := change{op: opDelete, row: []byte(row)}
	if err := checkName(c.row, MaxRow); err != nil {
		return nil, fmt.Errorf("doc: row: %w", err)
	}
	return c.append(nil), nil
}
