package manifest

import (
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/hearsaynet/hearsay/fuzz/fuzztest"
)

// TestChangeBytes pins the encoding.
func TestChangeBytes(t *testing.T) {
	for want, c := range map[string]change{
		"01 03 6b6579 02 6b76": {opAdd, "key", "kv"},
		"02 02 c39f":           {opRemove, "ß", ""},
	} {
		got, err := encode(c)
		if want := strings.ReplaceAll(want, " ", ""); err != nil || hex.EncodeToString(got) != want {
			t.Errorf("%+v is encoded as %x, want %s (%v)", c, got, want, err)
		}
		if parsed, err := parseChange(got); err != nil || parsed != c {
			t.Errorf("%x is parsed as %+v (%v)", got, parsed, err)
		}
	}
}

func TestEncodeRefuses(t *testing.T) {
	for _, name := range []string{"", strings.Repeat("n", 65), "\xff", "a\nb"} {
		for _, c := range []change{{opAdd, name, "kind"}, {opAdd, "channel", name}, {opRemove, name, ""}} {
			if b, err := encode(c); !errors.Is(err, ErrBadName) || b != nil {
				t.Errorf("%+v: got %x, %v", c, b, err)
			}
		}
	}
	if _, err := encode(change{opAdd, strings.Repeat("n", 64), strings.Repeat("k", 64)}); err != nil {
		t.Errorf("the longest names: %v", err)
	}
}

func FuzzChange(f *testing.F) {
	fuzztest.Decoder[change]{
		Corpus: "manifest-change", Decode: parseChange, Errors: []error{ErrMalformed}, Encode: encode,
	}.Fuzz(f)
}
