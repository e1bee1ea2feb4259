package manifest

import (
	"errors"
	"fmt"
	"unicode"
	"unicode/utf8"

	"golang.org/x/crypto/cryptobyte"
)

// op is what a change does. Numbers are never reused; zero is invalid.
type op uint8

const (
	opAdd    op = 1
	opRemove op = 2
)

// ErrBadName is wrapped by the errors about channels and kinds that are empty, too long,
// not UTF-8, or hold control characters.
var ErrBadName = errors.New("bad name")

// ErrMalformed is wrapped by the error of every change that breaks the encoding, as
// notices of kind replica.Ignored report them.
var ErrMalformed = errors.New("malformed change")

// change is one change of a channel. kind is "" for a remove.
type change struct {
	op            op
	channel, kind string
}

func parseChange(b []byte) (change, error) {
	var c change
	var channel, kind cryptobyte.String
	s := cryptobyte.String(b)
	if !s.ReadUint8((*uint8)(&c.op)) || !s.ReadUint8LengthPrefixed(&channel) || c.op == opAdd && !s.ReadUint8LengthPrefixed(&kind) {
		return change{}, fmt.Errorf("manifest: %w: %d bytes are cut short", ErrMalformed, len(b))
	}
	if !s.Empty() {
		return change{}, fmt.Errorf("manifest: %w: %d bytes too many", ErrMalformed, len(s))
	}
	c.channel, c.kind = string(channel), string(kind)
	if err := c.check(); err != nil {
		return change{}, fmt.Errorf("manifest: %w: %w", ErrMalformed, err)
	}
	return c, nil
}

func (c *change) check() error {
	if err := checkName("channel", c.channel, MaxChannel); err != nil {
		return err
	}
	switch c.op {
	case opAdd:
		return checkName("kind", c.kind, MaxKind)
	case opRemove:
		return nil
	default:
		return fmt.Errorf("op %d", c.op)
	}
}

func checkName(what, s string, most int) error {
	if len(s) == 0 || len(s) > most {
		return fmt.Errorf("%w: a %s of %d bytes (1 to %d)", ErrBadName, what, len(s), most)
	}
	if !utf8.ValidString(s) {
		return fmt.Errorf("%w: a %s that is not UTF-8", ErrBadName, what)
	}
	for _, r := range s {
		if unicode.IsControl(r) {
			return fmt.Errorf("%w: a %s with a control character", ErrBadName, what)
		}
	}
	return nil
}

// encode makes a change, of names that a user gave.
func encode(c change) ([]byte, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	b := make([]byte, 0, 3+len(c.channel)+len(c.kind))
	b = append(b, byte(c.op), byte(len(c.channel)))
	b = append(b, c.channel...)
	if c.op == opAdd {
		b = append(append(b, byte(len(c.kind))), c.kind...)
	}
	return b, nil
}
