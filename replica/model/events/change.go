package events

import (
	"errors"
	"fmt"
	"unicode"
	"unicode/utf8"

	"golang.org/x/crypto/cryptobyte"
)

// ErrBadName is wrapped by the errors about names that are empty, too long, not
// UTF-8, or contain control characters.
var ErrBadName = errors.New("bad event name")

// ErrMalformed is wrapped by the error of every change that breaks the encoding, as
// notices of kind replica.Ignored report them.
var ErrMalformed = errors.New("malformed event")

// parseChange returns what b says; both results alias it.
func parseChange(b []byte) (name, data []byte, err error) {
	var n uint8
	s := cryptobyte.String(b)
	if !s.ReadUint8(&n) || !s.ReadBytes(&name, int(n)) {
		return nil, nil, fmt.Errorf("events: %w: %d bytes are cut short", ErrMalformed, len(b))
	}
	if err := checkName(name); err != nil {
		return nil, nil, fmt.Errorf("events: %w: %w", ErrMalformed, err)
	}
	return name, s, nil
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

// encode makes a change of a name that has been checked.
func encode(name string, data []byte) []byte {
	b := make([]byte, 0, 1+len(name)+len(data))
	b = append(b, byte(len(name)))
	b = append(b, name...)
	return append(b, data...)
}
