package esjson

import (
	"encoding/binary"
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

const hexDigits = "0123456789abcdef"

// str reads a string.
func (s *scanner) str() error {
	s.i++
	for {
		s.i += plainPrefix(s.b[s.i:])
		if s.i >= len(s.b) {
			return s.unexpected()
		}
		switch c := s.b[s.i]; {
		case c == '"':
			s.i++
			return nil
		case c == '\\':
			if err := s.escape(); err != nil {
				return err
			}
		case c < ' ':
			return s.fail("control character in a string")
		default:
			r, size := utf8.DecodeRune(s.b[s.i:])
			if r == utf8.RuneError && size <= 1 {
				return s.fail("invalid UTF-8")
			}
			s.i += size
		}
	}
}

// plainPrefix returns how many bytes of b, from the first on, stand for themselves in a
// string: ASCII, and neither control characters nor quotes nor backslashes.
func plainPrefix(b []byte) int {
	i := 0
	for ; len(b)-i >= 8 && plain8(binary.LittleEndian.Uint64(b[i:])); i += 8 {
	}
	for i < len(b) && b[i] >= ' ' && b[i] < utf8.RuneSelf && b[i] != '"' && b[i] != '\\' {
		i++
	}
	return i
}

// plain8 says whether that holds for each of eight bytes. A byte of x-n is at least 0x80
// where one of x was below n, or where a byte below it was: what is said wrongly is said
// of bytes behind one that is not plain (Warren, Hacker's Delight, section 6-1).
func plain8(x uint64) bool {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	quotes, slashes := x^'"'*ones, x^'\\'*ones
	return (x|(x-' '*ones)|(quotes-ones)|(slashes-ones))&highs == 0
}

// escape reads what begins with a backslash.
func (s *scanner) escape() error {
	s.i++
	if s.i >= len(s.b) {
		return s.unexpected()
	}
	switch s.b[s.i] {
	case '"', '\\', 'b', 'f', 'n', 'r', 't':
		s.i++
		return nil
	case '/':
		s.odd = true
		s.i++
		return nil
	case 'u':
		s.i++
		if len(s.b)-s.i < 4 {
			s.i = len(s.b)
			return s.unexpected()
		}
		for j := range 4 {
			if unhex(s.b[s.i+j]) < 0 {
				s.i += j
				return s.fail("a \\u escape needs four hexadecimal digits")
			}
		}
		s.odd = s.odd || !plainEscape(s.b[s.i:s.i+4])
		s.i += 4
		return nil
	}
	return s.fail("unknown escape in a string")
}

// plainEscape says whether JSON.stringify writes this \u escape: of a control character
// that has no shorter one. Of surrogates nothing is said.
func plainEscape(hex []byte) bool {
	if string(hex[:2]) != "00" || hex[2] > '1' {
		return false
	}
	switch c := hex[3]; {
	case hex[2] == '0' && (c == '8' || c == '9' || c == 'a' || c == 'c' || c == 'd'):
		return false
	default:
		return '0' <= c && c <= '9' || 'a' <= c && c <= 'f'
	}
}

func unhex(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// Unquote returns what a string, which Check has taken, stands for, in WTF-8.
func Unquote(text []byte) string {
	body := text[1 : len(text)-1]
	for i, c := range body {
		if c == '\\' {
			return string(appendUnquoted(append(make([]byte, 0, len(body)), body[:i]...), body[i:]))
		}
	}
	return string(body)
}

func appendUnquoted(dst, body []byte) []byte {
	for i := 0; i < len(body); {
		if body[i] != '\\' {
			dst = append(dst, body[i])
			i++
			continue
		}
		c := body[i+1]
		i += 2
		switch c {
		case 'b':
			dst = append(dst, '\b')
		case 'f':
			dst = append(dst, '\f')
		case 'n':
			dst = append(dst, '\n')
		case 'r':
			dst = append(dst, '\r')
		case 't':
			dst = append(dst, '\t')
		case 'u':
			r := hex4(body[i:])
			i += 4
			if utf16.IsSurrogate(r) && len(body)-i >= 6 && body[i] == '\\' && body[i+1] == 'u' {
				if pair := utf16.DecodeRune(r, hex4(body[i+2:])); pair != utf8.RuneError {
					r = pair
					i += 6
				}
			}
			dst = appendRune(dst, r)
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

func hex4(b []byte) (r rune) {
	for _, c := range b[:4] {
		r = r<<4 | rune(unhex(c))
	}
	return r
}

// appendRune appends r, which may be a surrogate.
func appendRune(dst []byte, r rune) []byte {
	if utf16.IsSurrogate(r) {
		return append(dst, 0xe0|byte(r>>12), 0x80|byte(r>>6)&0x3f, 0x80|byte(r)&0x3f)
	}
	return utf8.AppendRune(dst, r)
}

// surrogateAt returns the surrogate that s begins with, or 0.
func surrogateAt(s string) rune {
	if len(s) < 3 || s[0] != 0xed || s[1] < 0xa0 || s[1] > 0xbf || s[2]&0xc0 != 0x80 {
		return 0
	}
	return 0xd000 | rune(s[1]&0x3f)<<6 | rune(s[2]&0x3f)
}

// AppendString appends s, which is WTF-8, as JSON.stringify writes it. Other bytes turn
// into U+FFFD, and two surrogates that make a character into that character.
func AppendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		size := 1
		if c >= utf8.RuneSelf {
			var r rune
			if r, size = utf8.DecodeRuneInString(s[i:]); r != utf8.RuneError || size > 1 {
				i += size
				continue
			}
		}
		dst = append(dst, s[start:i]...)
		if c < utf8.RuneSelf {
			dst = appendEscaped(dst, c)
		} else {
			dst, size = appendBroken(dst, s[i:])
		}
		i += size
		start = i
	}
	return append(append(dst, s[start:]...), '"')
}

func appendEscaped(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\b':
		return append(dst, `\b`...)
	case '\f':
		return append(dst, `\f`...)
	case '\n':
		return append(dst, `\n`...)
	case '\r':
		return append(dst, `\r`...)
	case '\t':
		return append(dst, `\t`...)
	}
	return append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
}

// appendBroken appends what s, which does not begin with UTF-8, begins with.
func appendBroken(dst []byte, s string) (_ []byte, size int) {
	r := surrogateAt(s)
	if r == 0 {
		return utf8.AppendRune(dst, utf8.RuneError), 1
	}
	if pair := utf16.DecodeRune(r, surrogateAt(s[3:])); pair != utf8.RuneError {
		return utf8.AppendRune(dst, pair), 6
	}
	return append(dst, '\\', 'u', hexDigits[r>>12], hexDigits[r>>8&15], hexDigits[r>>4&15], hexDigits[r&15]), 3
}

// Compare orders strings as JavaScript's < does: by UTF-16 code units.
func Compare(a, b string) int {
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	for i > 0 && i < len(a) && a[i]&0xc0 == 0x80 {
		i--
	}
	a, b = a[i:], b[i:]
	// Below the surrogates both orders are the same.
	if a == "" || b == "" || a[0] < 0xed || b[0] < 0xed {
		return strings.Compare(a, b)
	}
	return slices.Compare(CodeUnits(a), CodeUnits(b))
}

// CodeUnits returns the UTF-16 code units of s, which is WTF-8.
func CodeUnits(s string) (u []uint16) {
	for len(s) > 0 {
		if r := surrogateAt(s); r != 0 {
			u, s = append(u, uint16(r)), s[3:]
			continue
		}
		r, size := utf8.DecodeRuneInString(s)
		u, s = utf16.AppendRune(u, r), s[size:]
	}
	return u
}
