package kv

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"unicode/utf8"
)

// MarshalJSON returns the whole map, as it is at one moment, as a JSON object: keys
// bytewise, values as strings, and a value that is not UTF-8 as {"value_base64":"…"}.
// It takes several times the map's size while it lasts; All does not.
func (m *Map) MarshalJSON() ([]byte, error) {
	b := []byte{'{'}
	for i, it := range m.model.sorted() {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendString(b, it.Key), ':')
		if utf8.ValidString(it.Record.value) {
			b = appendString(b, it.Record.value)
			continue
		}
		b = append(b, `{"value_base64":"`...)
		b = base64.StdEncoding.AppendEncode(b, []byte(it.Record.value))
		b = append(b, `"}`...)
	}
	return append(b, '}'), nil
}

// appendString appends UTF-8 as a JSON string.
func appendString(b []byte, s string) []byte {
	var buf bytes.Buffer
	e := json.NewEncoder(&buf)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // a string always encodes
	return append(b, bytes.TrimSuffix(buf.Bytes(), []byte{'\n'})...)
}
