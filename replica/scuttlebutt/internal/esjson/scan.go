package esjson

import (
	"bytes"
	"unicode/utf8"
)

// Check reads one value with white space around it. It says whether the text is certain
// to be what Canonical makes of it; a text that is not certain may still be.
func Check(text []byte) (canonical bool, err error) {
	s := scanner{b: text}
	if err := s.document(nil); err != nil {
		return false, err
	}
	return !s.odd, nil
}

// Elements appends the elements of an array to dst, each as it stands in text. An array
// of more than limit elements is an error. Numbers are not read: text has passed Check.
func Elements(dst [][]byte, text []byte, limit int) ([][]byte, error) {
	s := scanner{b: text, checked: true}
	n := 0
	err := s.top('[', func(_, value []byte) error {
		if n++; n > limit {
			return s.fail("too many elements")
		}
		dst = append(dst, value)
		return nil
	})
	return dst, err
}

// Members calls f with each member of an object, key and value as they stand in text,
// until f fails. Numbers are not read: text has passed Check.
func Members(text []byte, f func(key, value []byte) error) error {
	s := scanner{b: text, checked: true}
	return s.top('{', f)
}

// scanner walks a text. The zero i is its start.
type scanner struct {
	b    []byte
	i    int
	odd  bool // something may be spelled otherwise than JSON.stringify does
	hard int  // numbers so far that are hard to read
	tmp  []byte

	checked bool // all numbers are some that JavaScript has
}

func (s *scanner) fail(what string) error { return &SyntaxError{Offset: s.i, What: what} }

func (s *scanner) unexpected() error {
	if s.i >= len(s.b) {
		return s.fail("unexpected end")
	}
	if c := s.b[s.i]; c > ' ' && c < utf8.RuneSelf {
		return s.fail("unexpected " + string(rune(c)))
	}
	return s.fail("unexpected byte")
}

// peek skips white space and returns the next byte, 0 at the end.
func (s *scanner) peek() byte {
	for s.i < len(s.b) {
		switch c := s.b[s.i]; c {
		case ' ', '\t', '\r', '\n':
			s.odd = true
			s.i++
		default:
			return c
		}
	}
	return 0
}

// document reads the whole text; t, unless nil, receives its values.
func (s *scanner) document(t *tree) error {
	s.peek()
	if _, err := s.value(1, t); err != nil {
		return err
	}
	if s.peek(); s.i < len(s.b) {
		return s.unexpected()
	}
	return nil
}

// top reads the whole text, which must be an array or an object as open says, and calls
// f with what is directly in it.
func (s *scanner) top(open byte, f func(key, value []byte) error) error {
	if s.peek() != open {
		return s.unexpected()
	}
	end := closing(open)
	s.i++
	for first := true; ; first = false {
		more, err := s.next(end, first)
		if err != nil {
			return err
		}
		if !more {
			break
		}
		var key []byte
		if open == '{' {
			start := s.i
			if err := s.key(); err != nil {
				return err
			}
			key = bytes.TrimRight(s.b[start:s.i], " \t\r\n:")
			s.peek()
		}
		start := s.i
		if _, err := s.value(2, nil); err != nil {
			return err
		}
		if err := f(key, s.b[start:s.i]); err != nil {
			return err
		}
	}
	if s.peek(); s.i < len(s.b) {
		return s.unexpected()
	}
	return nil
}

func closing(open byte) byte {
	if open == '[' {
		return ']'
	}
	return '}'
}

// next says whether another element begins here, behind a comma unless it is the first.
// Otherwise it has read the closing bracket.
func (s *scanner) next(end byte, first bool) (bool, error) {
	c := s.peek()
	switch {
	case c == end && s.i < len(s.b):
		s.i++
		return false, nil
	case first:
		return true, nil
	case c == ',':
		s.i++
		s.peek()
		return true, nil
	}
	return false, s.unexpected()
}

// value reads one value at the given depth and returns its place in t, unless t is nil.
func (s *scanner) value(depth int, t *tree) (int32, error) {
	if s.i >= len(s.b) {
		return 0, s.unexpected()
	}
	at := t.add(s.i)
	var err error
	switch c := s.b[s.i]; {
	case c == '"':
		err = s.str()
	case c == '{', c == '[':
		if depth > MaxDepth {
			return 0, s.fail("nested too deep")
		}
		err = s.compound(depth, t, at)
	case c == 't':
		err = s.word("true")
	case c == 'f':
		err = s.word("false")
	case c == 'n':
		err = s.word("null")
	case c == '-', '0' <= c && c <= '9':
		err = s.number()
	default:
		err = s.unexpected()
	}
	t.end(at, s.i)
	return at, err
}

func (s *scanner) compound(depth int, t *tree, at int32) error {
	open := s.b[s.i]
	end := closing(open)
	s.i++
	last := int32(0)
	var keys keyOrder
	for first := true; ; first = false {
		more, err := s.next(end, first)
		if err != nil || !more {
			return err
		}
		start := s.i
		if open == '{' {
			if err := s.key(); err != nil {
				return err
			}
			if !s.odd && !keys.next(bytes.TrimSuffix(s.b[start:s.i], []byte{':'})) {
				s.odd = true
			}
			s.peek()
		}
		child, err := s.value(depth+1, t)
		if err != nil {
			return err
		}
		t.link(at, last, child, start)
		last = child
	}
}

// key reads a member's name and the colon.
func (s *scanner) key() error {
	if s.i >= len(s.b) || s.b[s.i] != '"' {
		return s.unexpected()
	}
	if err := s.str(); err != nil {
		return err
	}
	if s.peek() != ':' {
		return s.unexpected()
	}
	s.i++
	return nil
}

func (s *scanner) word(w string) error {
	for j := range len(w) {
		if s.i >= len(s.b) || s.b[s.i] != w[j] {
			return s.unexpected()
		}
		s.i++
	}
	return nil
}

// keyOrder follows the names of one object as they come. Few are compared with one
// another; of many nothing is said.
type keyOrder struct {
	seen  [8][]byte // with their quotes
	n     int
	names bool  // a name that is no index has come
	index int64 // the last one that is, + 1
}

// next says whether JSON.stringify may write key, spelled as it does, in this place.
func (o *keyOrder) next(key []byte) bool {
	if o.n == len(o.seen) {
		return false
	}
	if i, ok := arrayIndex(key[1 : len(key)-1]); ok {
		if o.names || i < o.index {
			return false
		}
		o.index = i + 1
	} else {
		o.names = true
	}
	for _, k := range o.seen[:o.n] {
		if bytes.Equal(k, key) {
			return false
		}
	}
	o.seen[o.n] = key
	o.n++
	return true
}

// arrayIndex reads the names that JavaScript orders by number: 0 to 2^32-2 without
// leading zeros.
func arrayIndex[S []byte | string](name S) (int64, bool) {
	if len(name) == 0 || len(name) > 10 || name[0] == '0' && len(name) > 1 {
		return 0, false
	}
	n := int64(0)
	for _, c := range []byte(name) {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, n < 1<<32-1
}
