package peerkv

import (
	"encoding/hex"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/hearsaynet/hearsay/fuzz/fuzztest"
	"github.com/hearsaynet/hearsay/replica/model/internal/setting"
)

// TestChangeBytes pins the encoding.
func TestChangeBytes(t *testing.T) {
	for name, tt := range map[string]struct {
		change
		want string
	}{
		"set":            {change{Op: setting.Set, Key: []byte("key"), Value: []byte("value")}, "01 0003 6b6579 76616c7565"},
		"set to nothing": {change{Op: setting.Set, Key: []byte("key"), Value: []byte{}}, "01 0003 6b6579"},
		"delete":         {change{Op: setting.Delete, Key: []byte("ß"), Value: []byte{}}, "02 0002 c39f"},
		"set until":      {change{Op: setting.SetUntil, Key: []byte("key"), Expires: 0x0102030405060708, Value: []byte("value")}, "03 0003 6b6579 0102030405060708 76616c7565"},
	} {
		got, err := encode(tt.change)
		if err != nil {
			t.Fatal(err)
		}
		if want := strings.ReplaceAll(tt.want, " ", ""); hex.EncodeToString(got) != want {
			t.Errorf("%s: encoded as %x, want %s", name, got, want)
		}
		if c, err := parseChange(got); err != nil || !reflect.DeepEqual(c, tt.change) {
			t.Errorf("%s: parsed as %+v (%v)", name, c, err)
		}
	}
}

func TestEncodeRefuses(t *testing.T) {
	for name, tt := range map[string]struct {
		change
		want error
	}{
		"no key":           {change{Op: setting.Set}, ErrBadKey},
		"long key":         {change{Op: setting.Set, Key: make([]byte, MaxKey+1)}, ErrBadKey},
		"key not UTF-8":    {change{Op: setting.Set, Key: []byte("k\xff")}, ErrBadKey},
		"until never":      {change{Op: setting.SetUntil, Key: []byte("k")}, ErrBadExpiry},
		"until after 2^63": {change{Op: setting.SetUntil, Key: []byte("k"), Expires: 1 << 63}, ErrBadExpiry},
	} {
		if b, err := encode(tt.change); !errors.Is(err, tt.want) || b != nil {
			t.Errorf("%s: got %x, %v; want %v", name, b, err, tt.want)
		}
	}
	if _, err := encode(change{Op: setting.Set, Key: make([]byte, MaxKey)}); err != nil {
		t.Errorf("the longest key: %v", err)
	}
}

func FuzzChange(f *testing.F) {
	fuzztest.Decoder[change]{
		Corpus: "peerkv-change", Decode: parseChange, Errors: []error{ErrMalformed}, Encode: encode,
	}.Fuzz(f)
}
