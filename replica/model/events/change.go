package events

import (
	"encoding/binary"
	"errors"
	"fmt"
	"unicode"
	"unicode/utf8"

	"golang.org/x/crypto/cryptobyte"

	"github.com/hearsaynet/hearsay/replica/wire"
)

// op is what a change does. Numbers are never reused; zero is invalid.
type op uint8

const (
	opEvent op = 1
	opUntil op = 2
)

// ErrBadName is wrapped by the errors about names that are empty, too long, not
// UTF-8, or contain control characters.
var ErrBadName = errors.New("bad event name")

// ErrMalformed is wrapped by the error of every change that breaks the encoding, as
// notices of kind replica.Ignored report them.
var ErrMalformed = errors.New("malformed event")

// change is one event. name and data alias the encoded change.
type change struct {
	until uint64 // ns since the Unix epoch; 0: for ever
	name  []byte
	data  []byte
}

func parseChange(b []byte) (change, error) {
	var c change
	var o op
	var n uint8
	s := cryptobyte.String(b)
	if !s.ReadUint8((*uint8)(&o)) {
		return change{}, fmt.Errorf("events: %w: no bytes", ErrMalformed)
	}
	switch o {
	case opEvent:
	case opUntil:
		if !s.ReadUint64(&c.until) || c.until == 0 || c.until > wire.MaxInteger {
			return change{}, fmt.Errorf("events: %w: its time is cut short or out of range", ErrMalformed)
		}
	default:
		return change{}, fmt.Errorf("events: %w: op %d", ErrMalformed, o)
	}
	if !s.ReadUint8(&n) || !s.ReadBytes(&c.name, int(n)) {
		return change{}, fmt.Errorf("events: %w: %d bytes are cut short", ErrMalformed, len(b))
	}
	c.data = s
	if err := checkName(c.name); err != nil {
		return change{}, fmt.Errorf("events: %w: %w", ErrMalformed, err)
	}
	return c, nil
}

func checkName(name []byte) error {
	if n := len(name); n == 0 || n > MaxName {
		return fmt.Errorf("%w of %d bytes (1 to %d)", ErrBadName, n, MaxName)
	}
	for i := 0; i < len(name); {
		r, n := utf8.DecodeRune(name[i:])
		if r == utf8.RuneError && n == 1 {
			return fmt.Errorf("%w: not UTF-8", ErrBadName)
		}
		if unicode.IsControl(r) {
			return fmt.Errorf("%w: contains a control character", ErrBadName)
		}
		i += n
	}
	return nil
}

// encode makes a change of a name that a user gave, and of an until below 2^63.
func encode(name string, until uint64, data []byte) ([]byte, error) {
	if err := checkName([]byte(name)); err != nil {
		return nil, err
	}
	b := make([]byte, 0, OverheadFor+len(name)+len(data))
	if until == 0 {
		b = append(b, byte(opEvent))
	} else {
		b = append(b, byte(opUntil))
		b = binary.BigEndian.AppendUint64(b, until)
	}
	b = append(b, byte(len(name)))
	b = append(b, name...)
	return append(b, data...), nil
}
