package value

import (
	"encoding/hex"
	"testing"

	"github.com/hearsaynet/hearsay/fuzz/fuzztest"
)

// TestChangeBytes pins the encoding.
func TestChangeBytes(t *testing.T) {
	for value, want := range map[string]string{"value": "0176616c7565", "": "01"} {
		got := SetChange([]byte(value))
		if hex.EncodeToString(got) != want {
			t.Errorf("%q is encoded as %x, want %s", value, got, want)
		}
		if c, err := parseChange(got); err != nil || c.op != opSet || string(c.value) != value {
			t.Errorf("%x is parsed as %v, %q (%v)", got, c.op, c.value, err)
		}
	}
}

func FuzzChange(f *testing.F) {
	fuzztest.Decoder[change]{
		Corpus: "value-change", Decode: parseChange, Errors: []error{ErrMalformed},
		Encode: func(c change) ([]byte, error) { return SetChange(c.value), nil },
	}.Fuzz(f)
}
