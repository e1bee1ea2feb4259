package doc

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"
)

// checkValue checks that b is one JSON value (RFC 8259).
func checkValue(b []byte) error {
	switch {
	case !utf8.Valid(b):
		return fmt.Errorf("%w of %d bytes: not UTF-8", ErrBadValue, len(b))
	case depth(b) > MaxDepth:
		return fmt.Errorf("%w of %d bytes: deeper than %d", ErrBadValue, len(b), MaxDepth)
	case !json.Valid(b):
		return fmt.Errorf("%w of %d bytes: not JSON", ErrBadValue, len(b))
	}
	return nil
}

// depth returns how deep arrays and objects stand in each other, if b is JSON.
func depth(b []byte) (most int) {
	now, quoted := 0, false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case c == '"':
			quoted = !quoted
		case quoted && c == '\\':
			i++
		case quoted:
		case c == '[' || c == '{':
			now++
			most = max(most, now)
		case c == ']' || c == '}':
			now--
		}
	}
	return most
}

// marshal returns the JSON of a value that a user gave.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBadValue, err)
	}
	text := bytes.TrimSuffix(b.Bytes(), []byte("\n"))
	return text, checkValue(text)
}

// canonical returns a text that is the same for all JSON texts of one value: whatever the
// white space, the escapes, the order of members and the form of numbers are. It is "" for
// texts of more than MaxMatch bytes, and for what is no value.
func canonical(text string) string {
	if text == "" || len(text) > MaxMatch {
		return ""
	}
	if simple(text) {
		return text
	}
	dec := json.NewDecoder(bytes.NewReader([]byte(text)))
	dec.UseNumber()
	var v any
	if dec.Decode(&v) != nil {
		return ""
	}
	b, err := marshal(plain(v))
	if err != nil {
		return ""
	}
	return string(b)
}

// simple reports whether a value is a string that is written in one way.
func simple(text string) bool {
	n := len(text)
	if n < 2 || text[0] != '"' || text[n-1] != '"' {
		return false
	}
	for _, c := range []byte(text[1 : n-1]) {
		if c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// plain gives all numbers in v one form. It recurses MaxDepth deep.
func plain(v any) any {
	switch v := v.(type) {
	case json.Number:
		return number(string(v))
	case []any:
		for i := range v {
			v[i] = plain(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = plain(v[k])
		}
	}
	return v
}

// number returns the form of a number: as an integer if it is one of less than 2^53, as
// it is if it is a greater one without exponent, and else as that of the nearest double,
// if there is one.
func number(s string) json.Number {
	f, err := strconv.ParseFloat(s, 64)
	switch {
	case err != nil:
		return json.Number(s)
	case f == math.Trunc(f) && math.Abs(f) < 1<<53:
		return json.Number(strconv.FormatInt(int64(f), 10))
	case integer(s):
		return json.Number(s)
	}
	return json.Number(strconv.FormatFloat(f, 'e', -1, 64))
}

func integer(s string) bool {
	for _, c := range s {
		if c != '-' && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}
