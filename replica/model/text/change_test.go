package text

import (
	"bytes"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/hearsaynet/hearsay/fuzz/fuzztest"
	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/internal/livetest"
)

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestChangeBytes pins the encoding.
func TestChangeBytes(t *testing.T) {
	self, bob, cyd := testID("self"), testID("bob"), testID("cyd")
	bobHex, cydHex := hex.EncodeToString(bob[:]), hex.EncodeToString(cyd[:])
	for _, tt := range []struct {
		name string
		make func(e *encoder)
		want string
	}{
		{"typed at the beginning", func(e *encoder) { e.insert(nil, "x") }, "01 00 01 00 01 78"},
		{
			"typed behind an own character", func(e *encoder) { e.insert([]charID{{self, placeOf(9, 3)}}, "ß") },
			"01 00 01 01 00 09 03 02 c39f",
		},
		{
			"typed behind another's", func(e *encoder) {
				e.insert([]charID{{bob, placeOf(16384, 64)}, {cyd, placeOf(1, 0)}, {self, placeOf(63, 63)}}, "x")
			},
			"01 02" + bobHex + cydHex + "01 03 01 80004000 4040 02 01 00 00 3f 3f 01 78",
		},
		{
			"deleted of two authors", func(e *encoder) {
				e.delete(self, []extent{{1, 0, 1}})
				e.delete(cyd, []extent{{2, 5, 7}, {2, 8, 9}, {1<<48 - 2, 65535, 65536}})
			},
			"01 01" + cydHex + "02 00 01 01 00 01 02 01 03 02 05 02 00 08 01 c000fffffffffffc 8000ffff 01",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := newEncoder(self)
			tt.make(e)
			if got, want := e.change(), unhex(t, tt.want); !bytes.Equal(got, want) {
				t.Fatalf("encoded as %x\nwant       %x", got, want)
			}
			c, err := parseChange(e.change())
			if err != nil {
				t.Fatal(err)
			}
			if again := encoded(c); !bytes.Equal(again, e.change()) {
				t.Errorf("parsed as %x", again)
			}
		})
	}
}

// encoded encodes what was parsed, of an author that it does not know.
func encoded(c change) []byte {
	e := newEncoder(keys.NodeID{})
	id := func(i int) keys.NodeID {
		if i == 0 {
			return keys.NodeID{}
		}
		return c.other(i - 1)
	}
	for p := range c.parts {
		if p.text == nil {
			e.delete(id(p.author), slices.Collect(p.extents))
			continue
		}
		var anchors []charID
		for _, a := range p.anchors[:p.n] {
			anchors = append(anchors, charID{id(a.author), a.place})
		}
		e.insert(anchors, string(p.text))
	}
	return e.change()
}

func TestMalformed(t *testing.T) {
	bob := testID("bob")
	bobHex := hex.EncodeToString(bob[:])
	for name, b := range map[string][]byte{
		"nothing":                  {},
		"op 0":                     unhex(t, "00 00 01 00 01 78"),
		"op 2":                     unhex(t, "02 00 01 00 01 78"),
		"no parts":                 unhex(t, "01 00"),
		"part 0":                   unhex(t, "01 00 00 00 01 78"),
		"part 3":                   unhex(t, "01 00 03 00 01 78"),
		"a byte behind":            unhex(t, "01 00 01 00 01 78 00"),
		"text cut short":           unhex(t, "01 00 01 00 02 78"),
		"text of 2^62-1 bytes":     unhex(t, "01 00 01 00 ffffffffffffffff 78"),
		"no text":                  unhex(t, "01 00 01 00 00"),
		"text not UTF-8":           unhex(t, "01 00 01 00 01 ff"),
		"a surrogate":              unhex(t, "01 00 01 00 03 eda080"),
		"half a character":         unhex(t, "01 00 01 00 01 c3"),
		"5 anchors":                unhex(t, "01 00 01 05 000100 000100 000100 000100 000100 01 78"),
		"anchor of seq 0":          unhex(t, "01 00 01 01 00 00 00 01 78"),
		"anchor of seq 2^48-1":     unhex(t, "01 00 01 01 00 c000ffffffffffff 00 01 78"),
		"anchor at 65536":          unhex(t, "01 00 01 01 00 01 80010000 01 78"),
		"anchor of nobody":         unhex(t, "01 00 01 01 01 01 00 01 78"),
		"a long integer":           unhex(t, "01 00 01 01 00 4001 00 01 78"),
		"an author unused":         unhex(t, "01 01"+bobHex+"01 00 01 78"),
		"an author twice":          unhex(t, "01 02"+bobHex+bobHex+"01 02 01 01 00 02 01 00 01 78"),
		"authors cut short":        unhex(t, "01 02"+bobHex+"01 00 01 78"),
		"the second author first":  unhex(t, "01 02"+bobHex+"1220"+strings.Repeat("77", 32)+"01 02 02 01 00 01 01 00 01 78"),
		"not an id":                unhex(t, "01 01"+strings.Repeat("77", 34)+"01 01 01 01 00 01 78"),
		"no ranges":                unhex(t, "01 00 02 00 00"),
		"2^62-1 ranges":            unhex(t, "01 00 02 00 ffffffffffffffff 01 00 01"),
		"range of seq 0":           unhex(t, "01 00 02 00 01 00 00 01"),
		"range of seq 2^48":        unhex(t, "01 00 02 00 01 c001000000000000 00 01"),
		"range of nothing":         unhex(t, "01 00 02 00 01 01 00 00"),
		"range beyond 65536":       unhex(t, "01 00 02 00 01 01 8000ffff 02"),
		"ranges that touch":        unhex(t, "01 00 02 00 02 01 00 01 00 01 01"),
		"ranges that overlap":      unhex(t, "01 00 02 00 02 01 00 02 00 01 01"),
		"ranges that wrap around":  unhex(t, "01 00 02 00 02 02 00 01 ffffffffffffffff 00 01"),
		"delete of nobody":         unhex(t, "01 00 02 01 01 01 00 01"),
		"good and 64 KiB":          append(unhex(t, "01 00 01 00 80010000"), make([]byte, 64<<10)...),
		"a key of another model":   []byte("\x01\x00\x03keyvalue"),
		"an event of another one":  []byte("\x04namedata"),
		"JSON":                     []byte(`{"insert":"x","at":0}`),
		"deep JSON":                bytes.Repeat([]byte("["), 60000),
		"one good part, one wrong": unhex(t, "01 00 01 00 01 78 01 00 01 ff"),
	} {
		t.Run(name, func(t *testing.T) {
			if c, err := parseChange(b); !errors.Is(err, ErrMalformed) || c.body != nil {
				t.Errorf("got %v, %v; want ErrMalformed", c, err)
			}
			txt, model := Detached(testID("self"), 1)
			good := newEncoder(testID("bob"))
			good.insert(nil, "good")
			livetest.Apply(t, model, livetest.Update("bob", 1, 1, good.change()))
			if changed, err := model.ApplyUpdate(livetest.Update("bob", 2, 2, b)); changed || !errors.Is(err, ErrMalformed) {
				t.Errorf("applied: %v, %v", changed, err)
			}
			if txt.String() != "good" {
				t.Errorf("the text is %q", txt)
			}
		})
	}
	self := newEncoder(keys.NodeID{})
	self.delete(bob, []extent{{1, 0, 1}})
	_, model := Detached(testID("self"), 1)
	if changed, err := model.ApplyUpdate(livetest.Update("bob", 1, 1, self.change())); changed || !errors.Is(err, ErrMalformed) {
		t.Errorf("an author that names itself among the others: %v, %v", changed, err)
	}
}

// TestLongSeq: an update whose seq leaves no room for an index is none.
func TestLongSeq(t *testing.T) {
	txt, model := Detached(testID("self"), 1)
	change := unhex(t, "01 00 01 00 01 78")
	livetest.Apply(t, model, livetest.Update("bob", maxSeq, 1, change))
	if changed, err := model.ApplyUpdate(livetest.Update("bob", maxSeq+1, 1, change)); changed || !errors.Is(err, ErrMalformed) {
		t.Errorf("got %v, %v", changed, err)
	}
	if txt.String() != "x" {
		t.Errorf("the text is %q", txt)
	}
}

func FuzzChange(f *testing.F) {
	fuzztest.Decoder[change]{
		Corpus: "text-change", Decode: parseChange, Errors: []error{ErrMalformed},
		Encode: func(c change) ([]byte, error) { return encoded(c), nil },
		Check: func(t *testing.T, b []byte, _ change) {
			us := []replica.Update{livetest.Update("self", 7, 7, b), livetest.Update("bob", 1, 1, b), livetest.Update("bob", 2, 9, b)}
			if got, want := fold(t, us, true).text(), naive(us); got != want {
				t.Errorf("the text is %q, want %q", got, want)
			}
		},
	}.Fuzz(f)
}
