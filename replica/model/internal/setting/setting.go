// Package setting is the changes of a map of keys to values, for the models whose maps
// differ in who may write and in what counts: sets, sets that expire, and deletes. The
// docs of packages kv and peerkv give the encoding.
package setting

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"
	"unicode/utf8"

	"golang.org/x/crypto/cryptobyte"

	"github.com/hearsaynet/hearsay/replica/wire"
)

// MaxKey bounds a key, in bytes. It is part of the encoding.
const MaxKey = 1024

// Op is what a change does. Numbers are never reused; zero is invalid.
type Op uint8

// What there is to do.
const (
	Set      Op = 1
	Delete   Op = 2
	SetUntil Op = 3
)

var (
	// ErrBadKey is wrapped by the errors about keys that are empty, too long or not UTF-8.
	ErrBadKey = errors.New("bad key")
	// ErrBadExpiry is wrapped by the errors about times at which no value can expire.
	ErrBadExpiry = errors.New("bad expiry")
	// ErrMalformed is wrapped by the error of every change that breaks the encoding.
	ErrMalformed = errors.New("malformed change")
)

// Change is one change of a key. What Parse returns aliases the encoded change.
type Change struct {
	Op      Op
	Key     []byte
	Expires uint64 // ns since the Unix epoch; 0 but for SetUntil
	Value   []byte
}

// Parse reads a change. The error wraps ErrMalformed.
func Parse(b []byte) (Change, error) {
	var c Change
	var key cryptobyte.String
	s := cryptobyte.String(b)
	if !s.ReadUint8((*uint8)(&c.Op)) || !s.ReadUint16LengthPrefixed(&key) || c.Op == SetUntil && !s.ReadUint64(&c.Expires) {
		return Change{}, fmt.Errorf("%w: %d bytes are cut short", ErrMalformed, len(b))
	}
	c.Key, c.Value = key, s
	if err := c.check(); err != nil {
		return Change{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return c, nil
}

func (c *Change) check() error {
	switch n := len(c.Key); {
	case n == 0 || n > MaxKey:
		return fmt.Errorf("%w of %d bytes (1 to %d)", ErrBadKey, n, MaxKey)
	case !utf8.Valid(c.Key):
		return fmt.Errorf("%w: not UTF-8", ErrBadKey)
	}
	switch c.Op {
	case Set:
	case Delete:
		if len(c.Value) > 0 {
			return fmt.Errorf("%d bytes after a delete", len(c.Value))
		}
	case SetUntil:
		if c.Expires == 0 || c.Expires > wire.MaxInteger {
			return fmt.Errorf("%w at %d ns since 1970 (1 to 2^63-1)", ErrBadExpiry, c.Expires)
		}
	default:
		return fmt.Errorf("op %d", c.Op)
	}
	return nil
}

// Encode makes a change of a key and a time that a user gave. The error wraps ErrBadKey or
// ErrBadExpiry.
func Encode(c Change) ([]byte, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	b := make([]byte, 0, 3+len(c.Key)+8+len(c.Value))
	b = append(b, byte(c.Op))
	b = binary.BigEndian.AppendUint16(b, uint16(len(c.Key)))
	b = append(b, c.Key...)
	if c.Op == SetUntil {
		b = binary.BigEndian.AppendUint64(b, c.Expires)
	}
	return append(b, c.Value...), nil
}

// Until makes the change that sets a key until a time. The error wraps ErrBadExpiry.
func Until(key string, value []byte, expires time.Time) (Change, error) {
	if s := expires.Unix(); s < 0 || s >= math.MaxInt64/int64(time.Second) {
		return Change{}, fmt.Errorf("%w at %v (1970 to 2262)", ErrBadExpiry, expires)
	}
	return Change{SetUntil, []byte(key), uint64(expires.UnixNano()), value}, nil
}

// For is Until a time after now. The error for a ttl that is not above 0 wraps ErrBadExpiry.
func For(key string, value []byte, now time.Time, ttl time.Duration) (Change, error) {
	if ttl <= 0 {
		return Change{}, fmt.Errorf("%w %v from now", ErrBadExpiry, ttl)
	}
	return Until(key, value, now.Add(ttl))
}
