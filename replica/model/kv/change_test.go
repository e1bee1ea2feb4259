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
		expires    uint64
		want       string
	}{
		{"set", opSet, "key", "value", 0, "01 0003 6b6579 76616c7565"},
		{"set to nothing", opSet, "key", "", 0, "01 0003 6b6579"},
		{"delete", opDelete, "ß", "", 0, "02 0002 c39f"},
		{"set until", opSetUntil, "key", "value", 0x0102030405060708, "03 0003 6b6579 0102030405060708 76616c7565"},
		{"set to nothing until the end of time", opSetUntil, "k", "", 1<<63 - 1, "03 0001 6b 7fffffffffffffff"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := encode(change{tt.op, []byte(tt.key), tt.expires, []byte(tt.value)})
			if err != nil {
				t.Fatal(err)
			}
			if want := strings.ReplaceAll(tt.want, " ", ""); hex.EncodeToString(got) != want {
				t.Errorf("encoded as %x, want %s", got, want)
			}
			c, err := parseChange(got)
			if err != nil || c.op != tt.op || string(c.key) != tt.key || c.expires != tt.expires || string(c.value) != tt.value {
				t.Errorf("parsed as %v, %q, until %d, %q (%v)", c.op, c.key, c.expires, c.value, err)
			}
		})
	}
}

func TestEncodeRefuses(t *testing.T) {
	for name, key := range map[string]string{
		"empty": "", "long": strings.Repeat("k", MaxKey+1), "not UTF-8": "k\xff",
	} {
		for _, make := range []func() ([]byte, error){
			func() ([]byte, error) { return SetChange(key, nil) },
			func() ([]byte, error) { return SetUntilChange(key, nil, 1) },
			func() ([]byte, error) { return DeleteChange(key) },
		} {
			if b, err := make(); !errors.Is(err, ErrBadKey) || b != nil {
				t.Errorf("%s: got %x, %v; want ErrBadKey", name, b, err)
			}
		}
	}
	for _, expires := range []uint64{0, 1 << 63, 1<<64 - 1} {
		if b, err := SetUntilChange("k", nil, expires); !errors.Is(err, ErrBadExpiry) || b != nil {
			t.Errorf("until %d: got %x, %v; want ErrBadExpiry", expires, b, err)
		}
	}
	if _, err := SetChange(strings.Repeat("k", MaxKey), nil); err != nil {
		t.Errorf("the longest key: %v", err)
	}
}

func FuzzChange(f *testing.F) {
	fuzztest.Decoder[change]{
		Corpus: "kv-change", Decode: parseChange, Errors: []error{ErrMalformed}, Encode: encode,
	}.Fuzz(f)
}
