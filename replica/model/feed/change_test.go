package feed

import (
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/hearsaynet/hearsay/fuzz/fuzztest"
)

// TestChangeBytes pins the encoding.
func TestChangeBytes(t *testing.T) {
	for _, tt := range []struct {
		got  []byte
		want string
	}{
		{encodePush([]byte("item")), "01 6974656d"},
		{encodePush(nil), "01"},
		{encodeRemove(1), "02 0000000000000001"},
		{encodeRemove(1<<63 - 1), "02 7fffffffffffffff"},
	} {
		if want := strings.ReplaceAll(tt.want, " ", ""); hex.EncodeToString(tt.got) != want {
			t.Errorf("encoded as %x, want %s", tt.got, want)
		}
	}
	if n := len(encodePush([]byte("item"))) - len("item"); n != Overhead {
		t.Errorf("%d bytes besides the item, want %d", n, Overhead)
	}
}

func FuzzChange(f *testing.F) {
	fuzztest.Decoder[change]{
		Corpus: "feed-change", Decode: parseChange, Errors: []error{ErrMalformed},
		Encode: func(c change) ([]byte, error) {
			switch c.op {
			case opPush:
				return encodePush(c.item), nil
			case opRemove:
				return encodeRemove(c.seq), nil
			}
			return nil, fmt.Errorf("op %d", c.op)
		},
	}.Fuzz(f)
}
