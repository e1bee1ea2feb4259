package kv

import (
	"encoding/binary"
	"errors"
	"fmt"
	"unicode/utf8"

	"golang.org/x/crypto/cryptobyte"
)

// op is what a change does. Numbers are never reused; zero is invalid.
type op uint8

const (
	opSet    op = 1
	opDelete op = 2
)

// ErrBadKey is wrapped by the errors about keys that are empty, too long or not UTF-8.
var ErrBadKey = errors.New("bad key")

// ErrMalformed is wrapped by the error of every change that breaks the encoding, as
// notices of kind replica.Ignored report them.
var ErrMalformed = errors.New("malformed change")

// change is one change of a key. key and value alias the encoded change.
type change struct {
	op    op
	key   []byte
	value []byte
}

func parseChange(b []byte) (change, error) {
	var c change
	var n uint16
	s := cryptobyte.String(b)
	if !s.ReadUint8((*uint8)(&c.op)) || !s.ReadUint16(&n) || !s.ReadBytes(&c.key, int(n)) {
		return change{}, fmt.Errorf("kv: %w: %d bytes are cut short", ErrMalformed, len(b))
	}
	c.value = s
	if err := checkKey(c.key); err != nil {
		return change{}, fmt.Errorf("kv: %w: %w", ErrMalformed, err)
	}
	switch {
	case c.op != opSet && c.op != opDelete:
		return change{}, fmt.Errorf("kv: %w: op %d", ErrMalformed, c.op)
	case c.op == opDelete && len(c.value) > 0:
		return change{}, fmt.Errorf("kv: %w: %d bytes after a delete", ErrMalformed, len(c.value))
	}
	return c, nil
}

func checkKey(key []byte) error {
	switch n := len(key); {
	case n == 0 || n > MaxKey:
		return fmt.Errorf("%w of %d bytes (1 to %d)", ErrBadKey, n, MaxKey)
	case !utf8.Valid(key):
		return fmt.Errorf("%w: not UTF-8", ErrBadKey)
	}
	return nil
}

// SetChange returns the change that sets key, for programs that sign runs themselves.
// The error wraps ErrBadKey.
func SetChange(key string, value []byte) ([]byte, error) {
	b, err := encode(opSet, key, value)
	if err != nil {
		return nil, fmt.Errorf("kv: %w", err)
	}
	return b, nil
}

// encode makes a change, of a key that a user gave.
func encode(o op, key string, value []byte) ([]byte, error) {
	if err := checkKey([]byte(key)); err != nil {
		return nil, err
	}
	b := make([]byte, 0, 3+len(key)+len(value))
	b = append(b, byte(o))
	b = binary.BigEndian.AppendUint16(b, uint16(len(key)))
	b = append(b, key...)
	return append(b, value...), nil
}
