package doc

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/hearsaynet/hearsay/fuzz/fuzztest"
)

// TestChangeBytes pins the encoding.
func TestChangeBytes(t *testing.T) {
	for name, tt := range map[string]struct {
		change []byte
		want   string
	}{
		"set":         {must(SetChange("row", Fields{"b": 1, "a": "ß<"})), "01 03 726f77 01 61 00000005 22c39f3c22 01 62 00000001 31"},
		"nothing":     {must(SetChange("row", nil)), "01 03 726f77"},
		"take away":   {must(SetChange("r", Fields{"a": nil})), "01 01 72 01 61 00000000"},
		"null":        {must(SetChange("r", Fields{"a": json.RawMessage("null")})), "01 01 72 01 61 00000004 6e756c6c"},
		"white space": {must(SetChange("r", Fields{"a": json.RawMessage(" [ 1 ]\n")})), "01 01 72 01 61 00000003 5b315d"},
		"delete":      {must(DeleteChange("ß")), "02 02 c39f"},
	} {
		t.Run(name, func(t *testing.T) {
			if want := strings.ReplaceAll(tt.want, " ", ""); hex.EncodeToString(tt.change) != want {
				t.Errorf("encoded as %x, want %s", tt.change, want)
			}
			c, err := parseChange(tt.change)
			if err != nil || string(c.append(nil)) != string(tt.change) {
				t.Errorf("parsed as %+v (%v)", c, err)
			}
		})
	}
}

func TestEncodeRefuses(t *testing.T) {
	long := strings.Repeat("n", 256)
	deep := func(n int) json.RawMessage {
		return json.RawMessage(strings.Repeat("[", n) + strings.Repeat("]", n))
	}
	for name, tt := range map[string]struct {
		row    string
		fields Fields
		want   error
	}{
		"no row": {"", nil, ErrBadName}, "long row": {long, nil, ErrBadName}, "row not UTF-8": {"\xff", nil, ErrBadName},
		"no field": {"r", Fields{"": 1}, ErrBadName}, "long field": {"r", Fields{long: 1}, ErrBadName}, "field not UTF-8": {"r", Fields{"\xff": 1}, ErrBadName},
		"function": {"r", Fields{"a": func() {}}, ErrBadValue}, "NaN": {"r", Fields{"a": math.NaN()}, ErrBadValue}, "bad JSON": {"r", Fields{"a": json.RawMessage("{")}, ErrBadValue},
		"empty JSON": {"r", Fields{"a": json.RawMessage("")}, ErrBadValue}, "deep": {"r", Fields{"a": deep(65)}, ErrBadValue}, "very deep": {"r", Fields{"a": deep(20000)}, ErrBadValue},
	} {
		if b, err := SetChange(tt.row, tt.fields); !errors.Is(err, tt.want) || b != nil {
			t.Errorf("%s: got %x, %v; want %v", name, b, err, tt.want)
		}
	}
	if _, err := DeleteChange(long); !errors.Is(err, ErrBadName) {
		t.Errorf("a delete of a long row: %v", err)
	}
	brackets := `"` + strings.Repeat("[{", 100)
	if _, err := SetChange(long[1:], Fields{long[1:]: deep(64), "brackets": brackets}); err != nil {
		t.Errorf("the longest: %v", err)
	}
}

// TestCanonical: texts of one line are of one value, and of no other line's.
func TestCanonical(t *testing.T) {
	seen := make(map[string]int)
	for i, texts := range [][]string{
		{`1`, `1.0`, ` 1`, `10e-1`, "1\n", `0.1e1`},
		{`"1"`, `"\u0031"`},
		{`-1`}, {`1.5`, `15e-1`, `1.50`}, {`0`, `-0`, `0.0`, `0e5`},
		{`9007199254740993`}, {`9007199254740992`}, {`123456789012345678901234567890`},
		{`1e400`}, {`1e401`}, {`1e300`, `10e299`},
		{`true`}, {`null`}, {`"null"`}, {`[]`, `[ ]`}, {`{}`}, {`[1,2]`, `[1.0, 2]`}, {`[2,1]`},
		{`{"a":1,"b":2}`, `{"b":2, "a":1.0}`, `{"a":0,"b":2,"a":1}`},
		{`"ß"`, `"\u00df"`, `"\u00DF"`}, {`"a<b"`, `"a\u003cb"`, `"a\u003Cb"`}, {`"a/b"`, `"a\/b"`}, {`"` + "\u2028" + `"`, `"\u2028"`}, {`"\""`, `"\u0022"`},
	} {
		for _, text := range texts {
			c := canonical(text)
			if other, ok := seen[c]; c == "" || ok && other != i {
				t.Errorf("%s is %s, as line %d", text, c, other)
			}
			if seen[c] = i; c != canonical(texts[0]) {
				t.Errorf("%s is %s, %s is %s", text, c, texts[0], canonical(texts[0]))
			}
			if canonical(c) != c {
				t.Errorf("%s is %s, which is %s", text, c, canonical(c))
			}
		}
	}
	for _, text := range []string{"", `"` + strings.Repeat("x", MaxMatch-1) + `"`, "[", `"`} {
		if c := canonical(text); c != "" {
			t.Errorf("%.20q is %q", text, c)
		}
	}
	if canonical(`"`+strings.Repeat("x", MaxMatch-2)+`"`) == "" {
		t.Error("the longest is nothing")
	}
}

func TestPositions(t *testing.T) {
	at := func(text string) string {
		r := (&record{id: "r"}).after(&origin{time: 1}, &change{op: opSet, fields: []write{{[]byte("s"), []byte(text)}}})
		return positionOf(r, "s")
	}
	if got := at(`"80ff"`); got != "\x80\xff" {
		t.Errorf("the position is %q", got)
	}
	for _, bad := range []string{`80`, `""`, `"8"`, `"80FF"`, `"8000"`, `"xx"`, `null`, `"80`, ` "80"`, `["80"]`, `"` + strings.Repeat("ff", 256) + `"`} {
		if got := at(bad); got != nowhere {
			t.Errorf("%s is the position %q", bad, got)
		}
	}
	if got := at(`"` + strings.Repeat("ff", 255) + `"`); got == nowhere || got >= nowhere {
		t.Errorf("the longest is %q", got)
	}
	if positionOf(nil, "s") != nowhere || string(positionJSON([]byte{0x80, 0x0f})) != `"800f"` {
		t.Error("positions are written otherwise")
	}
}

func FuzzChange(f *testing.F) {
	fuzztest.Decoder[change]{
		Corpus: "doc-change", Decode: parseChange, Errors: []error{ErrMalformed},
		Encode: func(c change) ([]byte, error) { return c.append(nil), nil },
	}.Fuzz(f)
}
