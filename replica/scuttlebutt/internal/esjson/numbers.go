package esjson

import (
	"bytes"
	"math"
	"strconv"
)

// exactDigits is how many digits an integer may have to be certain to be a double.
const exactDigits = 15

// maxHard bounds the numbers in a text that are hard to read: with more digits than
// fit an integer and a large exponent, or near the smallest double. Each may take 40 µs,
// of which seven bytes would be enough.
const maxHard = 16

// hard says whether a number of so many bytes before its exponent is hard to read.
func hard(bytes int, exponent []byte) bool {
	exp, err := strconv.Atoi(string(exponent))
	return err != nil || exp < -290 || bytes > 19 && (exp > 40 || exp < -40)
}

// number reads a number.
func (s *scanner) number() error {
	start := s.i
	if s.b[s.i] == '-' {
		s.i++
	}
	switch {
	case s.digit() && s.b[s.i] == '0':
		s.i++
	case !s.digits():
		return s.unexpected()
	}
	short := s.i-start <= exactDigits && s.b[start] != '-'
	if s.i < len(s.b) && s.b[s.i] == '.' {
		short = false
		s.i++
		if !s.digits() {
			return s.unexpected()
		}
	}
	if s.i < len(s.b) && s.b[s.i]|0x20 == 'e' {
		short = false
		s.i++
		mark := s.i
		if s.i < len(s.b) && (s.b[s.i] == '+' || s.b[s.i] == '-') {
			s.i++
		}
		if !s.digits() {
			return s.unexpected()
		}
		if hard(mark-start, s.b[mark:s.i]) {
			if s.hard++; s.hard > maxHard {
				return s.fail("too many numbers with extreme exponents")
			}
		}
	}
	if short || s.checked {
		return nil
	}
	text := s.b[start:s.i]
	f, ok := Number(text)
	if !ok {
		s.i = start
		return s.fail("a number beyond the largest double")
	}
	s.tmp = AppendNumber(s.tmp[:0], f)
	s.odd = s.odd || !bytes.Equal(s.tmp, text)
	return nil
}

func (s *scanner) digit() bool { return s.i < len(s.b) && s.b[s.i] >= '0' && s.b[s.i] <= '9' }

// digits reads at least one digit.
func (s *scanner) digits() bool {
	if !s.digit() {
		return false
	}
	for s.digit() {
		s.i++
	}
	return true
}

// Number returns the double nearest to a number that Check has taken; not ok when there
// is none.
func Number(text []byte) (f float64, ok bool) {
	f, err := strconv.ParseFloat(string(text), 64)
	return f, err == nil
}

// AppendNumber appends f, which must be finite, as JavaScript prints it (ECMA-262
// section 6.1.6.1.20). Negative zero is 0.
func AppendNumber(dst []byte, f float64) []byte {
	if f == 0 {
		return append(dst, '0')
	}
	if f < 0 {
		dst = append(dst, '-')
		f = -f
	}
	if f < 1<<53 && f == math.Trunc(f) {
		return strconv.AppendInt(dst, int64(f), 10)
	}
	var buf [32]byte
	e := strconv.AppendFloat(buf[:0], f, 'e', -1, 64) // d.ddde±xx
	mark := bytes.IndexByte(e, 'e')
	exp, _ := strconv.Atoi(string(e[mark+1:]))
	digits := append(e[:1], e[min(2, mark):mark]...)
	point := exp + 1 // how many digits stand before the point
	switch {
	case point > 21 || point < -5:
		dst = append(dst, digits[0])
		if len(digits) > 1 {
			dst = append(append(dst, '.'), digits[1:]...)
		}
		dst = append(dst, 'e')
		if exp > 0 {
			dst = append(dst, '+')
		}
		return strconv.AppendInt(dst, int64(exp), 10)
	case point <= 0:
		dst = append(append(dst, '0', '.'), "00000"[:-point]...)
		return append(dst, digits...)
	case point >= len(digits):
		dst = append(dst, digits...)
		return append(dst, "000000000000000000000"[:point-len(digits)]...)
	default:
		dst = append(append(dst, digits[:point]...), '.')
		return append(dst, digits[point:]...)
	}
}
