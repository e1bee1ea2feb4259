package events

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
)

// TestChangeBytes pins the encoding.
func TestChangeBytes(t *testing.T) {
	for _, tt := range []struct{ name, data, want string }{
		{"name", "data", "04 6e616d65 64617461"},
		{"ß", "", "02 c39f"},
		{strings.Repeat("n", 255), "\x00", "ff" + strings.Repeat("6e", 255) + "00"},
	} {
		got := encode(tt.name, []byte(tt.data))
		if want := strings.ReplaceAll(tt.want, " ", ""); hex.EncodeToString(got) != want {
			t.Errorf("%.9q: encoded as %x, want %s", tt.name, got, want)
		}
		name, data, err := parseChange(got)
		if err != nil || string(name) != tt.name || string(data) != tt.data {
			t.Errorf("parsed as %q, %q (%v)", name, data, err)
		}
	}
}

func TestCheckName(t *testing.T) {
	for _, name := range []string{"", strings.Repeat("n", 256), "n\xff", "\xc3", "a\nb", "a\x00", "\u0085", "\x7f", "\xed\xa0\x80"} {
		if err := checkName([]byte(name)); !errors.Is(err, ErrBadName) {
			t.Errorf("%.9q: %v, want ErrBadName", name, err)
		}
	}
	for _, name := range []string{"n", " ", "a/b", strings.Repeat("n", 255), "日本", "\ufffd"} {
		if err := checkName([]byte(name)); err != nil {
			t.Errorf("%.9q: %v", name, err)
		}
	}
}

func FuzzChange(f *testing.F) {
	for _, b := range []string{"", "\x00", "\x00data", "\x04namedata", "\x04name", "\x04nam", "\x01\x00", "\x01\xff", "\x02\xc3\x9f!", "\xffname"} {
		f.Add([]byte(b))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		name, data, err := parseChange(b)
		if err != nil {
			if !errors.Is(err, ErrMalformed) {
				t.Errorf("error %v does not wrap ErrMalformed", err)
			}
			if name != nil || data != nil {
				t.Errorf("a result beside an error: %q, %q", name, data)
			}
			return
		}
		if again := encode(string(name), data); !bytes.Equal(again, b) || checkName(name) != nil {
			t.Errorf("encodes as %x, was %x", again, b)
		}
	})
}
