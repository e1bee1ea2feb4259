package object

import (
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/hearsaynet/hearsay/fuzz/fuzztest"
)

// TestChangeBytes pins the encoding.
func TestChangeBytes(t *testing.T) {
	for name, tt := range map[string]struct {
		ops  []Op
		want string
	}{
		"set":            {[]Op{{"/a/b", []byte("1")}}, "01 0004 0161 0162 000001 31"},
		"set the root":   {[]Op{{"", []byte("{}")}}, "01 0000 000002 7b7d"},
		"remove":         {[]Op{{Path: "/ß"}}, "02 0003 02c39f 000000"},
		"two":            {[]Op{{Path: ""}, {"/a~1~0", []byte("null")}}, "02 0000 000000 01 0004 03612f7e 000004 6e756c6c"},
		"spelled anew":   {[]Op{{"/a", []byte(" { \"b\" : [ 1.0 , -0E+2 ] , \"\\u0061\" : \"\\u00e9\\/\\u0007\\n\\ud83d\\ude00\" } ")}}, "01 0002 0161 000027" + hex.EncodeToString([]byte(`{"a":"é/\u0007\n😀","b":[1.0,-0E+2]}`))},
		"nothing inside": {[]Op{{"/a", []byte("[{},[]]")}}, "01 0002 0161 000007 5b7b7d2c5b5d5d"},
	} {
		got, err := NewChange(tt.ops...)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if want := strings.ReplaceAll(tt.want, " ", ""); hex.EncodeToString(got) != want {
			t.Errorf("%s: encoded as %x, want %s", name, got, want)
		}
		writes, err := parseChange(got)
		if err != nil || len(writes) != len(tt.ops) {
			t.Errorf("%s: parsed as %v (%v)", name, writes, err)
		}
	}
}

func nested(open, inner, shut string, n int) []byte {
	return []byte(strings.Repeat(open, n) + inner + strings.Repeat(shut, n))
}

func TestNewChangeRefuses(t *testing.T) {
	name := strings.Repeat("n", MaxName)
	for _, tt := range []struct {
		name  string
		path  string
		value []byte
		want  error
	}{
		{"no slash", "a", []byte("1"), ErrBadPath},
		{"an empty name", "/a//b", []byte("1"), ErrBadPath},
		{"a slash at the end", "/a/", []byte("1"), ErrBadPath},
		{"a tilde alone", "/a~", []byte("1"), ErrBadPath},
		{"a tilde before 2", "/~2", []byte("1"), ErrBadPath},
		{"not UTF-8", "/\xff", []byte("1"), ErrBadPath},
		{"a long name", "/" + name + "n", []byte("1"), ErrBadPath},
		{"a long path", "/" + name + "/" + name + "/" + name + "/" + name + "/n", []byte("1"), ErrBadPath},
		{"a deep path", strings.Repeat("/a", MaxDepth+1), []byte("1"), ErrBadPath},
		{"a long name inside", "/a", []byte(`{"` + name + `n":1}`), ErrBadPath},
		{"an empty name inside", "/a", []byte(`{"":1}`), ErrBadPath},
		{"a long path inside", "/" + name + "/" + name + "/" + name, []byte(`{"` + name + `":{"n":1}}`), ErrBadPath},
		{"deep objects", "/a", nested(`{"a":`, "1", "}", MaxDepth), ErrBadValue},
		{"deep arrays", "/a", nested(`[`, "1", "]", MaxDepth), ErrBadValue},
		{"deepest arrays", "/a", nested(`[`, "1", "]", 20000), ErrBadValue},
		{"no JSON", "/a", []byte(""), ErrBadValue},
		{"two values", "/a", []byte("1 2"), ErrBadValue},
		{"a comma too many", "/a", []byte("[1,]"), ErrBadValue},
		{"NaN", "/a", []byte("NaN"), ErrBadValue},
		{"a leading zero", "/a", []byte("01"), ErrBadValue},
		{"not UTF-8 inside", "/a", []byte("\"\xff\""), ErrBadValue},
		{"half a pair", "/a", []byte(`"\ud83d"`), ErrBadValue},
		{"the other half", "/a", []byte(`"\ude00\ud83d"`), ErrBadValue},
		{"half a pair and a letter", "/a", []byte(`"\ud83d\u0061"`), ErrBadValue},
		{"half a pair in a name", "/a", []byte(`{"\ud83d":1}`), ErrBadValue},
		{"a name twice", "/a", []byte(`{"a":1,"\u0061":2}`), ErrBadValue},
		{"the root no object", "", []byte("[]"), ErrBadValue},
	} {
		if b, err := NewChange(Op{tt.path, tt.value}); !errors.Is(err, tt.want) || b != nil {
			t.Errorf("%s: got %d bytes, %v; want %v", tt.name, len(b), err, tt.want)
		}
	}
	if _, err := NewChange(); err == nil {
		t.Error("a change of no writes")
	}
	if _, err := NewChange(make([]Op, MaxOps+1)...); err == nil {
		t.Errorf("a change of %d writes", MaxOps+1)
	}
	for _, good := range []Op{
		{strings.Repeat("/a", MaxDepth), []byte("{}")},
		{"/a", nested(`{"a":`, "[]", "}", MaxDepth-1)},
		{"/a", nested(`[`, "1", "]", MaxDepth-1)},
		{"/" + name + "/" + name + "/" + name, []byte(`{"` + name + `":1}`)},
		{"/a", []byte(`"\\ud83d"`)},
		{"/a", []byte(`1e400`)},
	} {
		if _, err := NewChange(good); err != nil {
			t.Errorf("%.40s: %v", good.Path, err)
		}
	}
}

// TestCanonicalOnly: what could be spelled otherwise is refused on its way in.
func TestCanonicalOnly(t *testing.T) {
	for _, value := range []string{
		"", " 1", "1 ", "[1, 2]", "[1", "[1,]", "[,1]", "{", `{"a"}`, `{"a":}`, `{"a":1,}`, `{"b":1,"a":2}`, `{"a":1,"a":2}`, `{"a" :1}`,
		`"`, `"\u0061"`, `"\u000A"`, `"\u000a"`, `"\u001F"`, `"\/"`, `"\ud83d\ude00"`, `"\x"`, `"\u00"`, "\"\x01\"", "\"\xff\"",
		"01", "-", "1.", ".1", "+1", "1e", "1e+", "--1", "nul", "nulll", "True", "truefalse", "NaN", "0x1", "[]]", "{}{}", `""""`,
	} {
		if err := checkValue([]byte(value), 1, 2); !errors.Is(err, ErrBadValue) {
			t.Errorf("%q: %v", value, err)
		}
	}
	for _, value := range []string{"0", "-0", "-1.50e-07", "1E9", "true", "false", "null", `""`, `"\"\\\b\f\n\r\t\u0000\u001f/é😀` + "\x7f" + `"`, "[]", "[[],{},0]", "{}", `{"A":1,"a":{"b":[]}}`} {
		if err := checkValue([]byte(value), 1, 2); err != nil {
			t.Errorf("%q: %v", value, err)
		}
		if got, err := canonical([]byte(value), 1); err != nil || string(got) != value {
			t.Errorf("%q is spelled %q (%v)", value, got, err)
		}
	}
}

func FuzzChange(f *testing.F) {
	fuzztest.Decoder[[]write]{
		Corpus: "object-change", Decode: parseChange, Errors: []error{ErrMalformed}, Encode: encode,
		Alloc: fuzztest.Alloc{PerByte: 40, Constant: 96 << 10},
		Check: func(t *testing.T, b []byte, writes []write) {
			for _, w := range writes {
				if w.op != opSet {
					continue
				}
				if got, err := canonical(w.value, len(w.names)); err != nil || string(got) != string(w.value) {
					t.Errorf("%q is spelled %q (%v)", w.value, got, err)
				}
			}
		},
	}.Fuzz(f)
}
