package fuzztest

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

var errBad = errors.New("bad")

// word decodes a length and as many bytes, nothing after.
func word(b []byte) ([]byte, error) {
	if len(b) == 0 || int(b[0]) != len(b)-1 {
		return nil, errBad
	}
	return append([]byte{}, b[1:]...), nil
}

func unword(w []byte) ([]byte, error) { return append([]byte{byte(len(w))}, w...), nil }

// TestBroken: each promise that a decoder breaks is found.
func TestBroken(t *testing.T) {
	for name, c := range map[string]struct {
		input string
		d     Decoder[[]byte]
		want  string // "" for none
	}{
		"good":                       {"\x01x", Decoder[[]byte]{Decode: word, Encode: unword, Errors: []error{errBad}}, ""},
		"refused":                    {"\x02x", Decoder[[]byte]{Decode: word, Encode: unword, Errors: []error{errBad}}, ""},
		"result beside an error":     {"x", Decoder[[]byte]{Decode: func([]byte) ([]byte, error) { return []byte{}, errBad }}, "beside the error"},
		"error of another kind":      {"", Decoder[[]byte]{Decode: word, Errors: []error{errors.ErrUnsupported}}, "no kind"},
		"trailing bytes":             {"\x01xy", Decoder[[]byte]{Encode: unword, Decode: func(b []byte) ([]byte, error) { return word(b[:2]) }}, "encodes as"},
		"two encodings":              {"X", Decoder[[]byte]{Decode: func(b []byte) ([]byte, error) { return bytes.ToLower(b), nil }, Encode: plainBytes}, "encodes as"},
		"two encodings, as text may": {"X", Decoder[[]byte]{Decode: func(b []byte) ([]byte, error) { return bytes.ToLower(b), nil }, Encode: plainBytes, Loose: true}, ""},
		"grows each time":            {"x", Decoder[[]byte]{Decode: func(b []byte) ([]byte, error) { return b, nil }, Loose: true, Encode: func(b []byte) ([]byte, error) { return append(b, 'y'), nil }}, "encodes as"},
		"changes its input":          {"x", Decoder[[]byte]{Decode: func(b []byte) ([]byte, error) { b[0] = 'y'; return nil, errBad }}, "was changed"},
		"believes a length":          {"\xff\xff", Decoder[[]byte]{Decode: func(b []byte) ([]byte, error) { sink = make([]byte, int(b[0])<<12); return nil, errBad }}, "allocate"},
		"many small ones": {"\xff", Decoder[[]byte]{Decode: func(b []byte) ([]byte, error) {
			for range int(b[0]) << 8 {
				sink = make([]byte, 16)
			}
			return nil, errBad
		}}, "allocate"},
	} {
		_, accepted, err := c.d.try([]byte(c.input))
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
		if name == "refused" && accepted || name == "good" && !accepted {
			t.Errorf("%s: accepted is %v", name, accepted)
		}
	}
}

func plainBytes(b []byte) ([]byte, error) { return b, nil }

var sink []byte

// TestReadDir: a corpus that has moved, or is empty, is no corpus.
func TestReadDir(t *testing.T) {
	dir := t.TempDir()
	if files, err := ReadDir(dir); err == nil || files != nil {
		t.Errorf("an empty folder: %v, %v", files, err)
	}
	if files, err := ReadDir(dir + "/x"); err == nil || files != nil {
		t.Errorf("no folder: %v, %v", files, err)
	}
	if files, err := ReadDir("."); err != nil || len(files["alloc.go"]) == 0 {
		t.Errorf("this folder: %d files, %v", len(files), err)
	}
}
