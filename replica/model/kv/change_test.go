package kv

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
)

// TestChangeBytes pins the encoding.
func TestChangeBytes(t *testing.T) {
	for _, tt := range []struct {
		name       string
		op         op
		key, value string
		want       string
	}{
		{"set", opSet, "key", "value", "01 0003 6b6579 76616c7565"},
		{"set to nothing", opSet, "key", "", "01 0003 6b6579"},
		{"delete", opDelete, "ß", "", "02 0002 c39f"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := encode(tt.op, tt.key, []byte(tt.value))
			if err != nil {
				t.Fatal(err)
			}
			if want := strings.ReplaceAll(tt.want, " ", ""); hex.EncodeToString(got) != want {
				t.Errorf("encoded as %x, want %s", got, want)
			}
			c, err := parseChange(got)
			if err != nil || c.op != tt.op || string(c.key) != tt.key || string(c.value) != tt.value {
				t.Errorf("parsed as %v, %q, %q (%v)", c.op, c.key, c.value, err)
			}
		})
	}
}

func TestEncodeRefuses(t *testing.T) {
	for name, key := range map[string]string{
		"empty": "", "long": strings.Repeat("k", MaxKey+1), "not UTF-8": "k\xff",
	} {
		if b, err := encode(opSet, key, nil); !errors.Is(err, ErrBadKey) || b != nil {
			t.Errorf("%s: got %x, %v; want ErrBadKey", name, b, err)
		}
	}
	if _, err := encode(opSet, strings.Repeat("k", MaxKey), nil); err != nil {
		t.Errorf("the longest key: %v", err)
	}
}

func FuzzChange(f *testing.F) {
	for _, b := range []string{"", "\x01", "\x01\x00\x03keyvalue", "\x01\x00\x03key", "\x02\x00\x03key", "\x02\x00\x03keyx",
		"\x00\x00\x01k", "\x03\x00\x01k", "\x01\x00\x00", "\x01\x00\x01\xff", "\x01\xff\xffk", "\x01\x04\x01" + strings.Repeat("k", 1025)} {
		f.Add([]byte(b))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := parseChange(b)
		if err != nil {
			if !errors.Is(err, ErrMalformed) {
				t.Errorf("error %v does not wrap ErrMalformed", err)
			}
			if c.op != 0 || c.key != nil || c.value != nil {
				t.Errorf("a result beside an error: %+v", c)
			}
			return
		}
		again, err := encode(c.op, string(c.key), c.value)
		if err != nil || !bytes.Equal(again, b) {
			t.Errorf("encodes as %x (%v), was %x", again, err, b)
		}
	})
}
