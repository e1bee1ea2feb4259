package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// What authors, peers and files have chosen is written with these: nothing in it ends a
// line, moves a terminal's cursor or reorders the line, be it on a terminal or in a pipe.

// escapeLine returns s as it may stand at the end of a line, be it a value or a reason.
func escapeLine(s string) string { return escape(s, isUnsafe) }

// escapeName returns s as one word, as ls -b writes the names of files: no two names
// look alike but for characters that do.
func escapeName(s string) string {
	return escape(s, func(r rune) bool { return r == '\\' || r == ' ' || isUnsafe(r) })
}

// escapeText returns s as running text: line ends and tabs stay.
func escapeText(s string) string {
	return escape(s, func(r rune) bool { return r != '\n' && r != '\t' && isUnsafe(r) })
}

// isUnsafe is for control characters and those that change the direction of text. None
// is beyond U+FFFF.
func isUnsafe(r rune) bool {
	return unicode.IsControl(r) || unicode.In(r, unicode.Bidi_Control, unicode.Zl, unicode.Zp)
}

// escape writes bytes that are no UTF-8, and the characters that unsafe names, as in a
// string of Go.
func escape(s string, unsafe func(rune) bool) string {
	if !strings.ContainsFunc(s, unsafe) && utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[0])
		case !unsafe(r):
			b.WriteString(s[:n])
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == ' ' || r == '\\':
			b.WriteString(`\` + s[:n])
		case r < utf8.RuneSelf:
			fmt.Fprintf(&b, `\x%02x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
		s = s[n:]
	}
	return b.String()
}

// escapeJSON returns JSON without white space between its tokens as JSON of the same value.
func escapeJSON(s string) string {
	if !strings.ContainsFunc(s, isUnsafe) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if isUnsafe(r) {
			fmt.Fprintf(&b, `\u%04x`, r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// row writes cells as a line with tabs between them. A string is taken for a name,
// json.RawMessage for compact JSON, and other bytes for a value, which comes last.
func (o *output) row(cells ...any) error { return o.joined("\t", cells) }

// words is row with spaces.
func (o *output) words(cells ...any) error { return o.joined(" ", cells) }

func (o *output) joined(by string, cells []any) error {
	text := make([]string, len(cells))
	for i, cell := range cells {
		switch c := cell.(type) {
		case string:
			text[i] = escapeName(c)
		case json.RawMessage:
			text[i] = escapeJSON(string(c))
		case []byte:
			text[i] = escapeLine(string(c))
		default:
			text[i] = fmt.Sprint(c)
		}
	}
	_, err := o.WriteString(strings.Join(text, by) + "\n")
	return err
}

// value writes bytes that were asked for. A pipe gets them as they are, with a newline
// unless raw; what a terminal gets does nothing to it unless raw.
func (o *output) value(b []byte, raw bool) error {
	if raw {
		_, err := o.Write(b)
		return err
	}
	_, err := fmt.Fprintln(o, o.text(string(b)))
	return err
}
