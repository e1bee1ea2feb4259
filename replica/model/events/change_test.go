package events

import (
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/hearsaynet/hearsay/fuzz/fuzztest"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// TestChangeBytes pins the encoding.
func TestChangeBytes(t *testing.T) {
	for _, tt := range []struct {
		name  string
		until uint64
		data  string
		want  string
	}{
		{"name", 0, "data", "01 04 6e616d65 64617461"},
		{"ß", 0, "", "01 02 c39f"},
		{strings.Repeat("n", 255), 0, "\x00", "01 ff" + strings.Repeat("6e", 255) + "00"},
		{"name", 1, "data", "02 0000000000000001 04 6e616d65 64617461"},
		{"a.b", wire.MaxInteger, "", "02 7fffffffffffffff 03 612e62"},
	} {
		got, err := encode(tt.name, tt.until, []byte(tt.data))
		if want := strings.ReplaceAll(tt.want, " ", ""); hex.EncodeToString(got) != want {
			t.Errorf("%.9q: encoded as %x (%v), want %s", tt.name, got, err, want)
		}
		if n := len(got) - len(tt.name) - len(tt.data); n != Overhead && n != OverheadFor {
			t.Errorf("%.9q: %d bytes besides name and data", tt.name, n)
		}
		c, err := parseChange(got)
		if err != nil || string(c.name) != tt.name || c.until != tt.until || string(c.data) != tt.data {
			t.Errorf("parsed as %d, %q, %q (%v)", c.until, c.name, c.data, err)
		}
	}
}

func TestCheckName(t *testing.T) {
	for _, name := range []string{"", strings.Repeat("n", 256), "n\xff", "\xc3", "a\nb", "a\x00", "\u0085", "\x7f", "\xed\xa0\x80"} {
		if b, err := encode(name, 0, nil); !errors.Is(err, ErrBadName) || b != nil {
			t.Errorf("%.9q: %x, %v, want ErrBadName", name, b, err)
		}
	}
	for _, name := range []string{"n", " ", "a/b", "a..b", "*", "a[", strings.Repeat("n", 255), "日本", "\ufffd"} {
		if _, err := encode(name, 0, nil); err != nil {
			t.Errorf("%.9q: %v", name, err)
		}
	}
}

func FuzzChange(f *testing.F) {
	fuzztest.Decoder[change]{
		Corpus: "event-change", Decode: parseChange, Errors: []error{ErrMalformed},
		Encode: func(c change) ([]byte, error) { return encode(string(c.name), c.until, c.data) },
	}.Fuzz(f)
}
