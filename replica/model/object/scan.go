package object

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

var (
	errDeep = fmt.Errorf("%w: deeper than %d", ErrBadValue, MaxDepth)
	errJSON = errors.New("not canonical JSON")
)

// scanner reads values that have come from elsewhere: canonical JSON and no other.
type scanner struct {
	text []byte
	at   int
	size int // of the names above, and one for each
}

// checkValue checks that text is one canonical value, at depth names of size bytes.
func checkValue(text []byte, depth, size int) error {
	s := scanner{text: text, size: size}
	if err := s.value(depth); err != nil {
		return err
	}
	if s.at != len(text) {
		return s.fail("something behind the value")
	}
	return nil
}

func (s *scanner) fail(what string) error {
	return fmt.Errorf("%w: %w: %s at byte %d", ErrBadValue, errJSON, what, s.at)
}

// peek returns the next byte, 0 at the end.
func (s *scanner) peek() byte {
	if s.at < len(s.text) {
		return s.text[s.at]
	}
	return 0
}

func (s *scanner) take(c byte) bool {
	if s.peek() != c {
		return false
	}
	s.at++
	return true
}

func (s *scanner) value(depth int) error {
	if depth > MaxDepth {
		return errDeep
	}
	switch c := s.peek(); {
	case c == '{':
		return s.object(depth)
	case c == '[':
		return s.array(depth)
	case c == '"':
		_, err := s.str()
		return err
	case c == '-' || c >= '0' && c <= '9':
		return s.number()
	}
	for _, word := range [...]string{"true", "false", "null"} {
		if strings.HasPrefix(string(s.text[s.at:min(len(s.text), s.at+len(word))]), word) {
			s.at += len(word)
			return nil
		}
	}
	return s.fail("no value")
}

func (s *scanner) array(depth int) error {
	s.at++
	if s.take(']') {
		return nil
	}
	for {
		if err := s.value(depth + 1); err != nil {
			return err
		}
		if s.take(']') {
			return nil
		}
		if !s.take(',') {
			return s.fail("no comma")
		}
	}
}

func (s *scanner) object(depth int) error {
	s.at++
	if s.take('}') {
		return nil
	}
	last := ""
	for {
		raw, err := s.str()
		if err != nil {
			return err
		}
		name := unquote(raw)
		if last != "" && name <= last {
			return s.fail("a name that is not behind the one before")
		}
		last = name
		if err := s.member(name, depth); err != nil {
			return err
		}
		if s.take('}') {
			return nil
		}
		if !s.take(',') {
			return s.fail("no comma")
		}
	}
}

// member reads what stands behind a name.
func (s *scanner) member(name string, depth int) error {
	if err := checkName(name); err != nil {
		return err
	}
	s.size += len(name) + 1
	if s.size > MaxPath {
		return fmt.Errorf("%w of %d bytes (at most %d)", ErrBadPath, s.size, MaxPath)
	}
	if !s.take(':') {
		return s.fail("no colon")
	}
	err := s.value(depth + 1)
	s.size -= len(name) + 1
	return err
}

// str reads a string and returns what is between its quotes.
func (s *scanner) str() ([]byte, error) {
	if !s.take('"') {
		return nil, s.fail("no string")
	}
	from := s.at
	for s.at < len(s.text) {
		switch c := s.text[s.at]; {
		case c == '"':
			raw := s.text[from:s.at]
			if !utf8.Valid(raw) {
				return nil, s.fail("a string that is not UTF-8")
			}
			s.at++
			return raw, nil
		case c == '\\':
			n := escaped(s.text[s.at:])
			if n == 0 {
				return nil, s.fail("an escape that is not needed")
			}
			s.at += n
		case c < ' ':
			return nil, s.fail("a control character")
		default:
			s.at++
		}
	}
	return nil, s.fail("no end of a string")
}

// escaped returns the length of the escape that b begins with, 0 if it has no business
// there.
func escaped(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	if b[1] != 'u' {
		if strings.IndexByte(`"\bfnrt`, b[1]) >= 0 {
			return 2
		}
		return 0
	}
	if len(b) < 6 || b[2] != '0' || b[3] != '0' || b[4] > '1' || b[4] < '0' || strings.IndexByte(lowerHex, b[5]) < 0 {
		return 0
	}
	if short[byte(codeUnit(b[2:6]))] != 0 {
		return 0
	}
	return 6
}

// unquote returns the string whose canonical spelling is raw.
func unquote(raw []byte) string {
	var b []byte
	for i := 0; i < len(raw); i++ {
		if raw[i] != '\\' {
			if b != nil {
				b = append(b, raw[i])
			}
			continue
		}
		if b == nil {
			b = append(make([]byte, 0, len(raw)), raw[:i]...)
		}
		i++
		switch c := raw[i]; c {
		case 'u':
			b = append(b, byte(codeUnit(raw[i+1:i+5])))
			i += 4
		case 'b':
			b = append(b, '\b')
		case 'f':
			b = append(b, '\f')
		case 'n':
			b = append(b, '\n')
		case 'r':
			b = append(b, '\r')
		case 't':
			b = append(b, '\t')
		default:
			b = append(b, c)
		}
	}
	if b != nil {
		return string(b)
	}
	return string(raw)
}

// number reads a number (RFC 8259, section 6).
func (s *scanner) number() error {
	s.take('-')
	switch {
	case s.take('0'):
	case !s.digits():
		return s.fail("no digit")
	}
	if s.take('.') && !s.digits() {
		return s.fail("no digit")
	}
	if s.take('e') || s.take('E') {
		if !s.take('+') {
			s.take('-')
		}
		if !s.digits() {
			return s.fail("no digit")
		}
	}
	return nil
}

func (s *scanner) digits() bool {
	from := s.at
	for s.peek() >= '0' && s.peek() <= '9' {
		s.at++
	}
	return s.at > from
}

// skip reads a value that has been checked.
func (s *scanner) skip() []byte {
	from := s.at
	for depth := 0; ; {
		switch c := s.text[s.at]; c {
		case '"':
			s.str()
		case '{', '[':
			depth++
			s.at++
		case '}', ']':
			depth--
			s.at++
		default:
			s.at++
			if depth == 0 && s.at < len(s.text) && strings.IndexByte(",}]", s.text[s.at]) < 0 {
				continue
			}
		}
		if depth == 0 && (s.at == len(s.text) || strings.IndexByte(",}]", s.text[s.at]) >= 0) {
			return s.text[from:s.at]
		}
	}
}
