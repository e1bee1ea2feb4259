package object

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// ErrBadValue is wrapped by the errors about values that are not JSON, or too deep.
var ErrBadValue = errors.New("bad value")

// canonical returns the one way in which changes spell a JSON value at depth names and
// levels: without white space, members bytewise by name, no character escaped that need
// not be, numbers as they came.
func canonical(value []byte, depth int) ([]byte, error) {
	if !utf8.Valid(value) {
		return nil, fmt.Errorf("%w: not UTF-8", ErrBadValue)
	}
	// The scanner says where it is wrong; a decoder alone would take less than all.
	if err := json.Unmarshal(value, new(json.RawMessage)); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBadValue, err)
	}
	if err := checkPairs(value); err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(value))
	dec.UseNumber()
	return appendCanonical(nil, dec, depth)
}

// appendCanonical writes dec's next value.
func appendCanonical(dst []byte, dec *json.Decoder, depth int) ([]byte, error) {
	if depth > MaxDepth {
		return nil, errDeep
	}
	token, err := dec.Token()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBadValue, err)
	}
	switch v := token.(type) {
	case json.Delim:
		if v == '{' {
			return appendObject(dst, dec, depth)
		}
		return appendArray(dst, dec, depth)
	case string:
		return appendString(dst, v), nil
	case json.Number:
		return append(dst, v...), nil
	case bool:
		return fmt.Append(dst, v), nil
	default:
		return append(dst, "null"...), nil
	}
}

func appendArray(dst []byte, dec *json.Decoder, depth int) ([]byte, error) {
	dst = append(dst, '[')
	for first := true; dec.More(); first = false {
		if !first {
			dst = append(dst, ',')
		}
		var err error
		if dst, err = appendCanonical(dst, dec, depth+1); err != nil {
			return nil, err
		}
	}
	_, err := dec.Token()
	return append(dst, ']'), err
}

func appendObject(dst []byte, dec *json.Decoder, depth int) ([]byte, error) {
	type member struct {
		name string
		text []byte
	}
	var members []member
	for dec.More() {
		token, err := dec.Token()
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrBadValue, err)
		}
		text, err := appendCanonical(nil, dec, depth+1)
		if err != nil {
			return nil, err
		}
		members = append(members, member{token.(string), text})
	}
	if _, err := dec.Token(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBadValue, err)
	}
	slices.SortFunc(members, func(a, b member) int { return strings.Compare(a.name, b.name) })
	dst = append(dst, '{')
	for i, m := range members {
		if i > 0 {
			if m.name == members[i-1].name {
				return nil, fmt.Errorf("%w: the name %.80q twice in one object", ErrBadValue, m.name)
			}
			dst = append(dst, ',')
		}
		dst = append(append(appendString(dst, m.name), ':'), m.text...)
	}
	return append(dst, '}'), nil
}

// checkPairs refuses halves of surrogate pairs in valid JSON, which encoding/json replaces.
func checkPairs(value []byte) error {
	for i := 0; i < len(value); i++ {
		if value[i] != '\\' {
			continue
		}
		if i++; value[i] != 'u' {
			continue
		}
		switch unit := codeUnit(value[i+1 : i+5]); {
		case unit < 0xd800 || unit > 0xdfff:
			i += 4
		case unit < 0xdc00 && i+11 <= len(value) && value[i+5] == '\\' && value[i+6] == 'u' && codeUnit(value[i+7:i+11])&0xfc00 == 0xdc00:
			i += 10
		default:
			return fmt.Errorf("%w: half a surrogate pair at byte %d", ErrBadValue, i-1)
		}
	}
	return nil
}

func codeUnit(digits []byte) (n uint16) {
	for _, c := range digits {
		switch {
		case c <= '9':
			c -= '0'
		case c <= 'F':
			c -= 'A' - 10
		default:
			c -= 'a' - 10
		}
		n = n<<4 | uint16(c)
	}
	return n
}

const lowerHex = "0123456789abcdef"

// short are the characters with an escape of two characters.
var short = [256]byte{'"': '"', '\\': '\\', '\b': 'b', '\f': 'f', '\n': 'n', '\r': 'r', '\t': 't'}

// appendString writes s as the only spelling of that string.
func appendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case short[c] != 0:
			dst = append(dst, '\\', short[c])
		case c < ' ':
			dst = append(dst, '\\', 'u', '0', '0', lowerHex[c>>4], lowerHex[c&15])
		default:
			dst = append(dst, c)
		}
	}
	return append(dst, '"')
}
