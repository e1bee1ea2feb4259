package kv

import (
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/hearsaynet/hearsay/fuzz/fuzztest"
	"github.com/hearsaynet/hearsay/replica/model/internal/setting"
)

// TestChangeBytes pins the encoding.
func TestChangeBytes(t *testing.T) {
	for _, tt := range []struct {
		name       string
		op         setting.Op
		key, value string
		expires    uint64
		want       string
	}{
		{"set", setting.Set, "key", "value", 0, "01 0003 6b6579 76616c7565"},
		{"set to nothing", setting.Set, "key", "", 0, "01 0003 6b6579"},
		{"delete", setting.Delete, "ß", "", 0, "02 0002 c39f"},
		{"set until", setting.SetUntil, "key", "value", 0x0102030405060708, "03 0003 6b6579 0102030405060708 76616c7565"},
		{"set to nothing until the end of time", setting.SetUntil, "k", "", 1<<63 - 1, "03 0001 6b 7fffffffffffffff"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := encode(change{Op: tt.op, Key: []byte(tt.key), Expires: tt.expires, Value: []byte(tt.value)})
			if err != nil {
				t.Fatal(err)
			}
			if want := strings.ReplaceAll(tt.want, " ", ""); hex.EncodeToString(got) != want {
				t.Errorf("encoded as %x, want %s", got, want)
			}
			c, err := parseChange(got)
			if err != nil || c.Op != tt.op || string(c.Key) != tt.key || c.Expires != tt.expires || string(c.Value) != tt.value {
				t.Errorf("parsed as %v, %q, until %d, %q (%v)", c.Op, c.Key, c.Expires, c.Value, err)
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
