package kv

import (
	"encoding/binary"
	"errors"
	"fmt"
	"unicode/utf8"

	"golang.org/x/crypto/cryptobyte"

	"github.com/hearsaynet/hearsay/replica/wire"
)

// op is what a change does. Numbers are never reused; zero is invalid.
type op uint8

const (
	opSet      op = 1
	opDelete   op = 2
	opSetUntil op = 3
)

// ErrBadKey is wrapped by the errors about keys that are empty, too long or not UTF-8.
var ErrBadKey = errors.New("bad key")

// ErrBadExpiry is wrapped by the errors about times at which no value can expire.
var ErrBadExpiry = errors.New("bad expiry")

// ErrMalformed is wrapped by the error of every change that breaks the encoding, as
// notices of kind replica.Ignored report them.
var ErrMalformed = errors.New("malformed change")

// change is one change of a key. key and value alias the encoded change.
type change struct {
	op      op
	key     []byte
	expires uint64 // ns since the Unix epoch; 0 but for opSetUntil
	value   []byte
}

func parseChange(b []byte) (change, error) {
	var c change
	var n uint16
	s := cryptobyte.String(b)
	if !s.ReadUint8((*uint8)(&c.op)) || !s.ReadUint16(&n) || !s.ReadBytes(&c.key, int(n)) ||
		c.op == opSetUntil && !s.ReadUint64(&c.expires) {
		return change{}, fmt.Errorf("kv: %w: %d bytes are cut short", ErrMalformed, len(b))
	}
	c.value = s
	if err := checkKey(c.key); err != nil {
		return change{}, fmt.Errorf("kv: %w: %w", ErrMalformed, err)
	}
	switch {
	case c.op == 0 || c.op > opSetUntil:
		return change{}, fmt.Errorf("kv: %w: op %d", ErrMalformed, c.op)
	case c.op == opDelete && len(c.value) > 0:
		return change{}, fmt.Errorf("kv: %w: %d bytes after a delete", ErrMalformed, len(c.value))
	case c.op == opSetUntil:
		if err := checkExpiry(c.expires); err != nil {
			return change{}, fmt.Errorf("kv: %w: %w", ErrMalformed, err)
		}
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

func checkExpiry(ns uint64) error {
	if ns == 0 || ns > wire.MaxInteger {
		return fmt.Errorf("%w at %d ns since 1970 (1 to 2^63-1)", ErrBadExpiry, ns)
	}
	return nil
}

// SetChange returns the change that sets key, for programs that sign runs themselves.
// The error wraps ErrBadKey.
func SetChange(key string, value []byte) ([]byte, error) {
	return encoded(change{op: opSet, key: []byte(key), value: value})
}

// SetUntilChange is SetChange of a value that expires, in ns since the Unix epoch. The
// error wraps ErrBadKey or ErrBadExpiry.
func SetUntilChange(key string, value []byte, expires uint64) ([]byte, error) {
	return encoded(change{op: opSetUntil, key: []byte(key), expires: expires, value: value})
}

// DeleteChange returns the change that deletes key. The error wraps ErrBadKey.
func DeleteChange(key string) ([]byte, error) {
	return encoded(change{op: opDelete, key: []byte(key)})
}

func encoded(c change) ([]byte, error) {
	b, err := encode(c)
	if err != nil {
		return nil, fmt.Errorf("kv: %w", err)
	}
	return b, nil
}

// encode makes a change, of a key and a time that a user gave.
func encode(c change) ([]byte, error) {
	if err := checkKey(c.key); err != nil {
		return nil, err
	}
	b := make([]byte, 0, 3+len(c.key)+8+len(c.value))
	b = append(b, byte(c.op))
	b = binary.BigEndian.AppendUint16(b, uint16(len(c.key)))
	b = append(b, c.key...)
	if c.op == opSetUntil {
		if err := checkExpiry(c.expires); err != nil {
			return nil, err
		}
		b = binary.BigEndian.AppendUint64(b, c.expires)
	}
	return append(b, c.value...), nil
}
