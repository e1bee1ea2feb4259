package scuttlebutt

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/hearsaynet/hearsay/replica/scuttlebutt/internal/esjson"
)

// Canonical returns value as JSON.stringify(JSON.parse(value)) writes it, which is how
// values stand in updates. Numbers beyond the largest double and bytes that are not
// UTF-8 are errors.
func Canonical(value []byte) (json.RawMessage, error) {
	text, err := esjson.Canonical(nil, value)
	if err != nil {
		return nil, fmt.Errorf("scuttlebutt: value is not JSON: %w", err)
	}
	return text, nil
}

// Marshal returns v as encoding/json writes it, made canonical.
func Marshal(v any) (json.RawMessage, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("scuttlebutt: %w", err)
	}
	return Canonical(b.Bytes())
}

// String returns s as a JSON string. What is not UTF-8 turns into U+FFFD, except for
// halves of surrogate pairs as Text returns them.
func String(s string) json.RawMessage { return esjson.AppendString(nil, s) }

// Text returns the characters of a JSON string; not ok when value is none. Halves of
// surrogate pairs, which JavaScript's strings may hold, are three bytes each (WTF-8).
func Text(value json.RawMessage) (s string, ok bool) {
	if len(value) < 2 || value[0] != '"' {
		return "", false
	}
	if _, err := esjson.Check(value); err != nil {
		return "", false
	}
	return esjson.Unquote(value), true
}

// propertyKey returns the property that a value names in JavaScript. Arrays and objects
// name none here, nor does __proto__, which the original refuses.
func propertyKey(value []byte) (key string, ok bool) {
	switch value[0] {
	case '[', '{':
		return "", false
	case '"':
		key = esjson.Unquote(value)
	default:
		key = string(value) // String(1.5), String(null) are what JSON.stringify writes
	}
	return key, key != proto
}

const proto = "__proto__"
