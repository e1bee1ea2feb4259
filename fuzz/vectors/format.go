package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
)

// file is one file of vectors.
type file[V any] struct {
	About string `json:"about"`
	Good  []V    `json:"good"`
	Bad   []V    `json:"bad"`
}

// verdict is what a vector is called and, of a bad one, what refuses it.
type verdict struct {
	Name  string `json:"name"`
	Class string `json:"class,omitempty"` // the class of the refusal
	Check string `json:"check,omitempty"` // the check in docs/protocol.md that refuses it
}

func good(name string) verdict { return verdict{Name: name} }

func bad(class, check, name string) verdict { return verdict{name, class, check} }

// data is bytes: hex, or, when a byte is repeated very often, a list of hex and
// repetitions.
type data []byte

// repetition stands for the same byte, many times.
type repetition struct {
	Repeat string `json:"repeat"`
	Times  int    `json:"times"`
}

const longStretch = 2048

// MarshalJSON implements json.Marshaler.
func (d data) MarshalJSON() ([]byte, error) {
	var parts []any
	rest, from := []byte(d), 0
	for i := 0; i < len(rest); {
		n := 1
		for i+n < len(rest) && rest[i+n] == rest[i] {
			n++
		}
		if n < longStretch {
			i += n
			continue
		}
		if i > from {
			parts = append(parts, hex.EncodeToString(rest[from:i]))
		}
		parts = append(parts, repetition{hex.EncodeToString(rest[i : i+1]), n})
		i += n
		from = i
	}
	if len(parts) == 0 {
		return json.Marshal(hex.EncodeToString(d))
	}
	if from < len(rest) {
		parts = append(parts, hex.EncodeToString(rest[from:]))
	}
	return json.Marshal(parts)
}

// UnmarshalJSON implements json.Unmarshaler.
func (d *data) UnmarshalJSON(b []byte) error {
	var parts []json.RawMessage
	if json.Unmarshal(b, &parts) != nil {
		parts = []json.RawMessage{b}
	}
	*d = data{}
	for _, p := range parts {
		var digits string
		times := 1
		if json.Unmarshal(p, &digits) != nil {
			var r repetition
			if err := json.Unmarshal(p, &r); err != nil {
				return err
			}
			digits, times = r.Repeat, r.Times
		}
		part, err := hex.DecodeString(digits)
		if err != nil {
			return err
		}
		*d = append(*d, bytes.Repeat(part, times)...)
	}
	return nil
}

// number is an integer as a decimal string: many JSON parsers lose digits above 2^53.
type number uint64

// MarshalJSON implements json.Marshaler.
func (n number) MarshalJSON() ([]byte, error) { return json.Marshal(strconv.FormatUint(uint64(n), 10)) }

// UnmarshalJSON implements json.Unmarshaler.
func (n *number) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	v, err := strconv.ParseUint(s, 10, 64)
	*n = number(v)
	return err
}

func encode(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	if err := enc.Encode(v); err != nil {
		panic(fmt.Sprintf("encode vectors: %v", err))
	}
	return b.Bytes()
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
