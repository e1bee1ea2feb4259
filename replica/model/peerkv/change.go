package peerkv

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
	var key cryptobyte.String
	s := cryptobyte.String(b)
	if !s.ReadUint8((*uint8)(&c.op)) || !s.ReadUint16LengthPrefixed(&key) || c.op == opSetUntil && !s.ReadUint64(&c.expires) {
		return change{}, fmt.Errorf("peerkv: %w: %d bytes are cut short", ErrMalformed, len(b))
	}
	c.key, c.value = key, s
	if err := c.check(); err != nil {
		return change{}, fmt.Errorf("peerkv: %w: %w", ErrMalformed, err)
	}
	return c, nil
}

func (c *change) check() error {
	switch n := len(c.key); {
	case n == 0 || n > MaxKey:
		return fmt.Errorf("%w of %d bytes (1 to %d)", ErrBadKey, n, MaxKey)
	case !utf8.Valid(c.key):
		return fmt.Errorf("%w: not UTF-8", ErrBadKey)
	}
	switch c.op {
	case opSet:
	case opDelete:
		if len(c.value) > 0 {
			return fmt.Errorf("%d bytes after a delete", len(c.value))
		}
	case opSetUntil:
		if c.expires == 0 || c.expires > wire.MaxInteger {
			return fmt.Errorf("%w at %d ns since 1970 (1 to 2^63-1)", ErrBadExpiry, c.expires)
		}
	default:
		return fmt.Errorf("op %d", c.op)
	}
	return nil
}

// encode makes a change, of a key and a time that a user gave.
func encode(c change) ([]byte, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	b := make([]byte, 0, 3+len(c.key)+8+len(c.value))
	b = append(b, byte(c.op))
	b = binary.BigEndian.AppendUint16(b, uint16(len(c.key)))
	b = append(b, c.key...)
	if c.op == opSetUntil {
		b = binary.BigEndian.AppendUint64(b, c.expires)
	}
	return append(b, c.value...), nil
}
