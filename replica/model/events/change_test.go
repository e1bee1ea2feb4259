package events

import (
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/hearsaynet/hearsay/fuzz/fuzztest"
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

// change is what parseChange returns.
type change struct{ name, data []byte }

func FuzzChange(f *testing.F) {
	fuzztest.Decoder[*change]{
		Corpus: "event-change", Errors: []error{ErrMalformed},
		Decode: func(b []byte) (*change, error) {
			name, data, err := parseChange(b)
			if err != nil && (name != nil || data != nil) {
				panic("a result beside an error")
			}
			if err != nil {
				return nil, err
			}
			return &change{name, data}, nil
		},
		Encode: func(c *change) ([]byte, error) { return encode(string(c.name), c.data), checkName(c.name) },
	}.Fuzz(f)
}
