package kv

import (
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/hearsaynet/hearsay/fuzz/fuzztest"
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
	fuzztest.Decoder[change]{
		Corpus: "kv-change", Decode: parseChange, Errors: []error{ErrMalformed},
		Encode: func(c change) ([]byte, error) { return encode(c.op, string(c.key), c.value) },
	}.Fuzz(f)
}
