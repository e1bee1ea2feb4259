package list

import (
	"encoding/hex"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/hearsaynet/hearsay/fuzz/fuzztest"
	"github.com/hearsaynet/hearsay/keys"
)

func testID(fill byte, seq uint64, index uint16) ElementID {
	id := ElementID{Author: keys.NodeID{0x12, 0x20}, Seq: seq, Index: index}
	for i := range id.Author[2:] {
		id.Author[2+i] = fill
	}
	return id
}

// TestChangeBytes pins the encoding.
func TestChangeBytes(t *testing.T) {
	id := testID(0xab, 0x0102, 0x0304)
	idHex := "1220" + strings.Repeat("ab", 32) + "0000000000000102" + "0304"
	for _, tt := range []struct {
		name string
		ops  []operation
		want string
	}{
		{"insert", []operation{{op: opInsert, position: []byte{0x80}, value: []byte("v")}}, "01 01 80 00000001 76"},
		{"insert nothing", []operation{{op: opInsert, position: []byte{0, 1}, value: []byte{}}}, "01 02 0001 00000000"},
		{"set", []operation{{op: opSet, id: id, value: []byte("new")}}, "02" + idHex + "00000003 6e6577"},
		{"remove", []operation{{op: opRemove, id: id}}, "03" + idHex},
		{"move", []operation{{op: opMove, id: id, position: []byte{0x80, 0x01}}}, "04" + idHex + "02 8001"},
		{"two", []operation{{op: opRemove, id: id}, {op: opInsert, position: []byte{1}, value: []byte{2}}}, "03" + idHex + "01 01 01 00000001 02"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := encode(tt.ops...)
			if want := strings.ReplaceAll(tt.want, " ", ""); hex.EncodeToString(got) != want {
				t.Errorf("encoded as %x, want %s", got, want)
			}
			if ops, err := parseChange(got); err != nil || !reflect.DeepEqual(ops, tt.ops) {
				t.Errorf("parsed as %+v (%v), want %+v", ops, err, tt.ops)
			}
		})
	}
}

func FuzzChange(f *testing.F) {
	fuzztest.Decoder[[]operation]{
		Corpus: "list-change", Decode: parseChange, Errors: []error{ErrMalformed},
		Encode: func(ops []operation) ([]byte, error) { return encode(ops...), nil },
	}.Fuzz(f)
}

func TestElementIDText(t *testing.T) {
	id := testID('x', 12, 3)
	text := id.String()
	if !strings.HasSuffix(text, "/12/3") || !strings.HasPrefix(text, "Qm") {
		t.Errorf("the text is %q", text)
	}
	var back ElementID
	if err := back.UnmarshalText([]byte(text)); err != nil || back != id {
		t.Errorf("%q reads as %v (%v)", text, back, err)
	}
	author := id.Author.String()
	for _, bad := range []string{
		"", "x/1/0", author, author + "/1", author + "/1/0/0", author + "/0/0", author + "/1/65535", author + "/1/65536",
		author + "/9223372036854775808/0", author + "/-1/0", author + "/1/x", text + " ",
	} {
		if err := back.UnmarshalText([]byte(bad)); !errors.Is(err, ErrBadID) || back != id {
			t.Errorf("%q: %v, want ErrBadID", bad, err)
		}
	}
}
