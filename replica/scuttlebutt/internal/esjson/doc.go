// Package esjson reads and writes JSON as JavaScript does, byte for byte.
//
// [Canonical] gives of any text what JSON.stringify(JSON.parse(text)) gives
// (ECMA-262, sections 25.5.1 and 25.5.2): numbers are doubles in their shortest
// spelling (section 6.1.6.1.20), keys that are array indices come first and ascend
// (section 10.1.11.1), of equal keys the last value counts in the place of the first,
// and strings escape only ", \, control characters and lone surrogates.
//
// What JavaScript takes and is an error here: numbers beyond the largest double (they
// turn into null on the way), bytes that are not UTF-8 (they turn into U+FFFD), arrays
// and objects deeper than [MaxDepth], and more than 16 numbers with extreme exponents
// (a mebibyte of 1e-320 takes seconds to read).
//
// A JavaScript string may hold half of a surrogate pair. In a Go string such a half is
// the three bytes that UTF-8 would have for it if it were a character, which is known
// as WTF-8, so that different strings stay different.
//
// Time and memory are proportional to the text.
package esjson

import "fmt"

// MaxDepth bounds how deep arrays and objects nest: more than data does, and nothing to
// a goroutine's stack.
const MaxDepth = 512

// SyntaxError says where a text stops to be JSON that this package takes.
type SyntaxError struct {
	Offset int // in bytes
	What   string
}

func (e *SyntaxError) Error() string { return fmt.Sprintf("%s at byte %d", e.What, e.Offset) }
