package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/kv"
	"github.com/hearsaynet/hearsay/replica/node"
)

// maxLine bounds a line of NDJSON, in bytes: a value as long as an update can hold
// (1 MiB), in JSON's longest escapes, and its key.
const maxLine = 8 << 20

func trimJSON(b []byte) []byte { return bytes.Trim(b, " \t\r\n") }

// parsePair reads one line of NDJSON. It takes no line that it would change: a field
// given twice, text that is not UTF-8, halves of surrogate pairs.
func parsePair(line []byte) (node.Pair, error) {
	if !utf8.Valid(line) {
		return node.Pair{}, errors.New(`not UTF-8; such bytes go as "value_base64"`)
	}
	fields, err := parseFields(line)
	if err != nil {
		return node.Pair{}, err
	}
	rawKey, text, encoded := fields["key"], fields["value"], fields["value_base64"]
	if rawKey == nil {
		return node.Pair{}, errors.New(`no "key"`)
	}
	key, err := jsonString(rawKey)
	if err != nil {
		return node.Pair{}, fmt.Errorf(`"key": %w`, err)
	}
	value, err := parseValue(text, encoded)
	if err != nil {
		return node.Pair{}, err
	}
	expires, err := parseExpires(fields["expires"])
	if err != nil {
		return node.Pair{}, err
	}
	pair := node.Pair{Key: key, Value: value, Expires: expires}
	if err := checkPair(pair); err != nil {
		return node.Pair{}, err
	}
	return pair, nil
}

// parseExpires reads when a value expires, zero for never.
func parseExpires(raw json.RawMessage) (time.Time, error) {
	if raw == nil {
		return time.Time{}, nil
	}
	s, err := jsonString(raw)
	if err != nil {
		return time.Time{}, fmt.Errorf(`"expires": %w`, err)
	}
	at, err := time.Parse(time.RFC3339, s)
	// The years that kv can write, in ns since 1970.
	if err != nil || at.Unix() <= 0 || at.UTC().Year() > 2261 {
		return time.Time{}, errors.New(`"expires": want a time such as "2027-01-31T18:00:00Z", from 1970 to 2261`)
	}
	return at.UTC(), nil
}

// parseFields returns the fields that matter, as they stand in the line.
func parseFields(line []byte) (map[string]json.RawMessage, error) {
	d := json.NewDecoder(bytes.NewReader(line))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, notObject(err)
	}
	fields := make(map[string]json.RawMessage, 2)
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, notObject(err)
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, notObject(err)
		}
		switch name {
		case "key", "value", "value_base64", "expires":
			if fields[name.(string)] != nil {
				return nil, fmt.Errorf("%q is there twice", name)
			}
			fields[name.(string)] = value
		}
	}
	if _, err := d.Token(); err != nil { // the closing brace
		return nil, notObject(err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something stands after the JSON object")
	}
	return fields, nil
}

func notObject(err error) error {
	switch {
	case err == nil:
		return errors.New(`not a JSON object: want {"key":…,"value":…}`)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("not a JSON object: cut short")
	}
	return fmt.Errorf("not a JSON object: %w", err)
}

func parseValue(text, encoded json.RawMessage) ([]byte, error) {
	switch {
	case text != nil && encoded != nil:
		return nil, errors.New(`both "value" and "value_base64"`)
	case encoded != nil:
		s, err := jsonString(encoded)
		if err != nil {
			return nil, fmt.Errorf(`"value_base64": %w`, err)
		}
		value, err := base64.StdEncoding.Strict().DecodeString(s)
		if err != nil {
			return nil, errors.New(`"value_base64" is not base64`)
		}
		return value, nil
	case text == nil:
		return nil, errors.New(`no "value"`)
	case text[0] != '"':
		return text, nil
	}
	s, err := jsonString(text)
	if err != nil {
		return nil, fmt.Errorf(`"value": %w`, err)
	}
	return []byte(s), nil
}

// jsonString decodes a JSON string. encoding/json would put U+FFFD where an escape
// stands for no character.
func jsonString(raw json.RawMessage) (string, error) {
	var s string
	if err := json.Unmarshal(raw, &s); err != nil || raw[0] != '"' {
		return "", errors.New("want a JSON string")
	}
	if loneSurrogate(raw) {
		return "", errors.New("an escape is half of a surrogate pair, so it stands for no character")
	}
	return s, nil
}

func loneSurrogate(raw []byte) bool {
	for i := 0; i < len(raw); i++ {
		if raw[i] != '\\' {
			continue
		}
		unit, ok := escapedUnit(raw[i:])
		switch {
		case !ok:
			i++ // a two-character escape, which may be of a backslash
		case unit&0xfc00 == 0xd800:
			low, ok := escapedUnit(raw[i+6:])
			if !ok || low&0xfc00 != 0xdc00 {
				return true
			}
			i += 11
		case unit&0xfc00 == 0xdc00:
			return true
		default:
			i += 5
		}
	}
	return false
}

// escapedUnit reads \uXXXX at the start of b.
func escapedUnit(b []byte) (uint16, bool) {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return 0, false
	}
	unit, err := strconv.ParseUint(string(b[2:6]), 16, 16)
	return uint16(unit), err == nil
}

// checkPair names what a node would refuse, so that one line does not take its batch
// with it.
func checkPair(p node.Pair) error {
	most := maxPair
	if !p.Expires.IsZero() {
		most -= 8
	}
	switch size := len(p.Key) + len(p.Value); {
	case p.Key == "":
		return errors.New(`"key" is empty`)
	case len(p.Key) > kv.MaxKey:
		return fmt.Errorf(`"key" has %d bytes, at most %d`, len(p.Key), kv.MaxKey)
	case size > most:
		return fmt.Errorf("key and value have %d bytes, at most %d", size, most)
	}
	return nil
}

// maxPair is what an update of ours holds, in bytes, less kv's three. A time takes eight.
const maxPair = replica.DefaultMaxChange - 3
