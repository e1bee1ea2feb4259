package esjson_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hearsaynet/hearsay/fuzz/fuzztest"
	"github.com/hearsaynet/hearsay/replica/scuttlebutt/internal/esjson"
)

// same are texts that stand as they are.
var same = []string{
	`0`, `-1`, `1.5`, `1e+21`, `1e-7`, `0.000001`, `123456789012345680000`, `9007199254740992`, `1795217819806.002`,
	`5e-324`, `1.7976931348623157e+308`, `0.30000000000000004`, `-1.25e-9`, `999999999999999`, `1000000000000000`,
	`true`, `false`, `null`, `""`, `[]`, `{}`, `"<>&'/` + "\u2028\u2029é😀\x7f" + `"`,
	`"\u0000\u0001\u000b\u001f\b\t\n\f\r\"\\"`, `"\ud800"`, `"\udfff"`, `"\udc00\ud800"`,
	`{"__proto__":1}`, `{"0":1,"9":2,"10":3,"b":4,"a":5,"01":6,"-1":7,"4294967295":8}`, `[[],[{}],{"a":[]}]`,
	`{"a":1,"b":2,"c":3,"d":4,"e":5,"f":6,"g":7,"h":8,"i":9,"j":10}`,
}

// changed are texts and what they turn into.
var changed = [][2]string{
	{" [ 1 , 2 ]\r", `[1,2]`}, {"{ \"a\" :\t1 }", `{"a":1}`}, {`-0`, `0`}, {`-0.0e5`, `0`}, {`1.0`, `1`}, {`1E3`, `1000`},
	{`1e21`, `1e+21`}, {`100e-2`, `1`}, {`9007199254740993`, `9007199254740992`}, {`1e-400`, `0`}, {`-1e-400`, `0`},
	{`1000000000000000000000`, `1e+21`}, {`1e-6`, `0.000001`}, {`"\u0041\/\u00e9"`, `"A/é"`}, {`"\ud83d\ude00"`, `"😀"`},
	{`"\uD800"`, `"\ud800"`}, {`"\u0008\u001F\u007f"`, `"\b\u001f` + "\x7f" + `"`},
	{`{"b":1,"a":2,"10":3,"9":4}`, `{"9":4,"10":3,"b":1,"a":2}`}, {`{"b":1,"a":2,"b":{"x":1}}`, `{"b":{"x":1},"a":2}`},
	{`{"b":1,"4294967295":1,"4294967294":2,"01":3,"0":5,"__proto__":8,"\u0062":9}`,
		`{"0":5,"4294967294":2,"b":9,"4294967295":1,"01":3,"__proto__":8}`},
	{`{"2":{"2":0,"1":0},"1":[1.0,{"x":1,"x":2}]}`, `{"1":[1,{"x":2}],"2":{"1":0,"2":0}}`},
}

func TestCanonical(t *testing.T) {
	cases := slices.Clone(changed)
	for _, text := range same {
		cases = append(cases, [2]string{text, text})
	}
	for _, c := range cases {
		got, err := esjson.Canonical([]byte("x"), []byte(c[0]))
		if err != nil || string(got) != "x"+c[1] {
			t.Errorf("Canonical(%s) = %s, %v; want x%s", c[0], got, err, c[1])
		}
		canonical, err := esjson.Check([]byte(c[0]))
		if err != nil || canonical && c[0] != c[1] {
			t.Errorf("Check(%s) = %v, %v", c[0], canonical, err)
		}
	}
}

// TestOrdinaryIsCertain: what peers send all the time takes the short way.
func TestOrdinaryIsCertain(t *testing.T) {
	for _, text := range []string{
		`[["k","v"],1795217889654.0012,"lk5RPxZJ4InN3AxwVYiqIOHHpQs="]`, `{"id":"A","clock":{"A":1795217819806.002,"B":1}}`,
		`[["k",{"1":"y","2":"x","a":[0,-1.5,true,null]}],1,"é\n"]`,
	} {
		if canonical, err := esjson.Check([]byte(text)); !canonical || err != nil {
			t.Errorf("Check(%s) = %v, %v; want true", text, canonical, err)
		}
	}
}

var refused = []struct{ text, what string }{
	{``, "unexpected end at byte 0"}, {` `, "unexpected end at byte 1"}, {`[1,]`, "unexpected ] at byte 3"},
	{`{"a":1,}`, "unexpected } at byte 7"}, {`{a:1}`, "unexpected a at byte 1"}, {`{"a" 1}`, "unexpected 1 at byte 5"},
	{`01`, "unexpected 1 at byte 1"}, {`+1`, "unexpected + at byte 0"}, {`1.`, "unexpected end"}, {`.5`, "unexpected ."},
	{`1e`, "unexpected end"}, {`-`, "unexpected end"}, {`--1`, "unexpected - at byte 1"}, {`NaN`, "unexpected N"},
	{`Infinity`, "unexpected I"}, {`nul`, "unexpected end"}, {`nulL`, "unexpected L"}, {`1 2`, "unexpected 2 at byte 2"},
	{`1e400`, "beyond the largest double at byte 0"}, {`[-1e999]`, "beyond the largest double at byte 1"},
	{`"\x"`, "unknown escape in a string at byte 2"}, {`"\u12"`, "unexpected end"}, {`"\u12g4"`, "hexadecimal digits at byte 5"},
	{"\"\t\"", "control character in a string at byte 1"}, {`"a`, "unexpected end at byte 2"}, {`"\`, "unexpected end"},
	{"\"\xff\"", "invalid UTF-8 at byte 1"}, {"\"\xed\xa0\x80\"", "invalid UTF-8"}, {"\"\xc0\x80\"", "invalid UTF-8"},
	{"\ufeff1", "unexpected byte at byte 0"}, {"\u00a01", "unexpected byte"}, {"1\u2028", "unexpected byte at byte 1"},
	{`[`, "unexpected end"}, {`[1`, "unexpected end"}, {`{"a":`, "unexpected end"}, {`GET / HTTP/1.1`, "unexpected G at byte 0"},
	{strings.Repeat("[", esjson.MaxDepth+1) + strings.Repeat("]", esjson.MaxDepth+1), "nested too deep at byte 512"},
	{strings.Repeat(`{"":`, esjson.MaxDepth) + "[]" + strings.Repeat("}", esjson.MaxDepth), "nested too deep"},
	{"[" + strings.Repeat("1e-320,", 300) + "0]", "extreme exponents"}, {"[1]\x00", "unexpected byte at byte 3"}, {"[1\x00]", "unexpected byte at byte 2"},
}

func TestRefused(t *testing.T) {
	for _, c := range refused {
		got, err := esjson.Canonical(nil, []byte(c.text))
		if _, ok := errors.AsType[*esjson.SyntaxError](err); !ok || !strings.Contains(err.Error(), c.what) || got != nil {
			t.Errorf("Canonical(%.40q) = %q, %v; want %q", c.text, got, err, c.what)
		}
	}
	deep := strings.Repeat("[", esjson.MaxDepth) + strings.Repeat("]", esjson.MaxDepth)
	if _, err := esjson.Canonical(nil, []byte(deep)); err != nil {
		t.Error(err)
	}
}

func TestElements(t *testing.T) {
	got, err := esjson.Elements(nil, []byte(` [ ["a" , 1] , 2.50,"x" ] `), 3)
	if err != nil || len(got) != 3 || string(got[0]) != `["a" , 1]` || string(got[1]) != `2.50` || string(got[2]) != `"x"` {
		t.Errorf("%q, %v", got, err)
	}
	for _, text := range []string{`[1,2,3,4]`, `{}`, `[1,2`, `[1] 2`, `[1 2]`, ``, `5`} {
		if got, err := esjson.Elements(nil, []byte(text), 3); err == nil {
			t.Errorf("Elements(%s) = %q", text, got)
		}
	}
}

func TestMembers(t *testing.T) {
	var got []string
	err := esjson.Members([]byte(` { "a" : 1 , "b":[2, 3],"a":{} } `), func(key, value []byte) error {
		got = append(got, string(key), string(value))
		return nil
	})
	if want := []string{`"a"`, `1`, `"b"`, `[2, 3]`, `"a"`, `{}`}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v", got, err)
	}
	stop := errors.New("stop")
	if err := esjson.Members([]byte(`{"a":1}`), func(_, _ []byte) error { return stop }); !errors.Is(err, stop) {
		t.Error(err)
	}
	if err := esjson.Members([]byte(`[1]`), nil); err == nil {
		t.Error("an array was taken for an object")
	}
}

func TestStrings(t *testing.T) {
	for text, want := range map[string]string{
		`"\ud83d\ude00\/\b\f\n\r\t\"\\"`: "😀/\b\f\n\r\t\"\\", `"é"`: "é", `"\ud800x"`: "\xed\xa0\x80x",
		`"\ud83d\ud83d\ude00"`: "\xed\xa0\xbd😀", `"\udc00\u0041"`: "\xed\xb0\x80A", `"\ud800\n"`: "\xed\xa0\x80\n",
	} {
		if got := esjson.Unquote([]byte(text)); got != want {
			t.Errorf("Unquote(%s) = %q; want %q", text, got, want)
		}
	}
	for s, want := range map[string]string{
		"\xff": `"` + "\ufffd" + `"`, "\xed\xa0\xbd\xed\xb8\x80": `"😀"`, "a\xed\xa0\xbdb": `"a\ud83db"`, "\xed\xa0": `"` + "\ufffd\ufffd" + `"`,
	} {
		if got := string(esjson.AppendString(nil, s)); got != want {
			t.Errorf("AppendString(%q) = %s; want %s", s, got, want)
		}
	}
}

// TestCompare: by UTF-16 code units, in which U+1F600 comes before U+E000.
func TestCompare(t *testing.T) {
	ordered := []string{"", "A", "AB", "B", "a", "é", "퟿", "\xed\xa0\x80", "\xed\xa0\xbd", "😀", "😁", "\xed\xa1\x80", "\ue000", "\uffff", "\uffffa"}
	for i, a := range ordered {
		for j, b := range ordered {
			got, want := esjson.Compare("x"+a, "x"+b), 0
			if i < j {
				want = -1
			} else if i > j {
				want = 1
			}
			if got != want {
				t.Errorf("Compare(%q, %q) = %d; want %d", a, b, got, want)
			}
		}
	}
}

// goldens are the vectors that Node.js made.
func goldens(t testing.TB) (v struct {
	Vectors []struct{ Data, Line string }
	JSON    []struct{ Raw, Reserialised string }
}) {
	t.Helper()
	text, err := os.ReadFile("../../testdata/security.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	if len(v.Vectors) == 0 || len(v.JSON) == 0 {
		t.Fatal("no vectors")
	}
	return v
}

func TestGoldens(t *testing.T) {
	v := goldens(t)
	for _, g := range v.Vectors {
		for _, text := range []string{g.Data, g.Line} {
			if got, err := esjson.Canonical(nil, []byte(text)); err != nil || string(got) != text {
				t.Errorf("Canonical(%s) = %s, %v", text, got, err)
			}
			// What is not in its own spelling comes back to it.
			spaced := strings.ReplaceAll(text, ",", " ,\t")
			if strings.ContainsAny(text, "<\\") {
				continue
			}
			if got, err := esjson.Canonical(nil, []byte(spaced)); err != nil || string(got) != text {
				t.Errorf("Canonical(%s) = %s, %v", spaced, got, err)
			}
		}
	}
	for _, g := range v.JSON {
		got, err := esjson.Canonical(nil, []byte(g.Raw))
		if g.Raw == "1e999" {
			if err == nil {
				t.Errorf("%s was taken, as %s", g.Raw, got)
			}
			continue
		}
		if err != nil || string(got) != g.Reserialised {
			t.Errorf("Canonical(%s) = %s, %v; want %s", g.Raw, got, err, g.Reserialised)
		}
	}
}

// TestNode compares with Node.js itself, in one process.
func TestNode(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("Node.js is not installed: nothing to compare with")
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	var texts []string
	for _, c := range changed {
		texts = append(texts, c[0])
	}
	texts = append(texts, same...)
	for range 4000 {
		texts = append(texts, randomText(rnd, 0))
	}
	cmd := exec.CommandContext(t.Context(), node, "-e", `
		const lines = require('fs').readFileSync(0, 'utf8').split('\n').slice(0, -1)
		for (const l of lines) console.log(JSON.stringify(JSON.parse(JSON.parse(l))))`)
	var in bytes.Buffer
	for _, text := range texts {
		quoted, _ := json.Marshal(text)
		in.Write(append(quoted, '\n'))
	}
	cmd.Stdin, cmd.Stderr = &in, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	if len(want) != len(texts) {
		t.Fatalf("node answered %d lines to %d", len(want), len(texts))
	}
	for i, text := range texts {
		got, err := esjson.Canonical(nil, []byte(text))
		if err != nil || string(got) != want[i] {
			t.Errorf("Canonical(%s)\n = %s, %v;\nnode: %s", text, got, err, want[i])
		}
	}
}

func randomText(rnd *rand.Rand, depth int) string {
	space := []string{"", "", "", " ", "\t", " \r"}[rnd.IntN(6)]
	switch n := rnd.IntN(8); {
	case n < 3:
		return space + randomNumber(rnd)
	case n < 5 || depth > 4:
		return randomString(rnd) + space
	case n == 5:
		return []string{"true", "false", "null"}[rnd.IntN(3)] + space
	default:
		open, end := "[", "]"
		if n == 7 {
			open, end = "{", "}"
		}
		var parts []string
		for range rnd.IntN(12) {
			part := randomText(rnd, depth+1)
			if n == 7 {
				name := `"` + strconv.Itoa(rnd.IntN(20)) + `"`
				switch rnd.IntN(5) {
				case 0:
					name = randomString(rnd)
				case 1:
					name = `"` + strconv.FormatInt(1<<32-4+rnd.Int64N(8), 10) + `"`
				}
				part = name + space + ":" + part
			}
			parts = append(parts, part)
		}
		return open + space + strings.Join(parts, space+","+space) + end
	}
}

func randomNumber(rnd *rand.Rand) string {
	switch rnd.IntN(5) {
	case 0:
		return strconv.FormatFloat(1.79e12+rnd.Float64()*1e9, 'f', rnd.IntN(8), 64)
	case 1:
		return strconv.FormatInt(rnd.Int64()>>rnd.IntN(64), 10)
	case 2:
		return strconv.FormatInt(-rnd.Int64N(1000), 10) + []string{".0", "e0", "E+2", "e-9", ".50", ""}[rnd.IntN(6)]
	case 3:
		return strconv.FormatFloat(rnd.NormFloat64(), 'e', rnd.IntN(20), 64)
	}
	for {
		if f := math.Float64frombits(rnd.Uint64()); !math.IsNaN(f) && !math.IsInf(f, 0) {
			return strconv.FormatFloat(f, 'g', -1, 64)
		}
	}
}

func randomString(rnd *rand.Rand) string {
	pieces := []string{"a", "Z", "/", `\/`, `\n`, `\u0041`, `\u00e9`, "é", "😀", `\ud83d\ude00`, `\ud83d`, `\ude00`, `\uD800`,
		`\u0000`, `\u000B`, `\u000b`, `\u0008`, `\u007f`, "\x7f", "<", "&", "\u2028", `\u2029`, `\\`, `\"`, "'", "\ue000", "\uffff"}
	var b strings.Builder
	for range rnd.IntN(6) {
		b.WriteString(pieces[rnd.IntN(len(pieces))])
	}
	return `"` + b.String() + `"`
}

// TestCost: the worst of a mebibyte stays within its bounds.
func TestCost(t *testing.T) {
	fill := func(open, piece, end string) string {
		return open + strings.Repeat(piece, (1<<20-len(open)-len(end))/len(piece)) + end
	}
	var distinct strings.Builder
	for i := 0; distinct.Len() < 1<<20-20; i++ {
		distinct.WriteString(`"` + strconv.Itoa(1<<30-i) + `":0,`)
	}
	nest := strings.Repeat(`{"2":0,"1":`, esjson.MaxDepth-1)
	for name, text := range map[string]string{
		"arrays": fill("[", "[],", "0]"), "objects": fill("[", "{},", "0]"), "equal names": fill("{", `"1":0,`, `"1":1}`),
		"names": "{" + distinct.String() + `"x":0}`, "escapes": fill(`"`, `\ud800`, `"`), "digits": fill("", "9", ".5e-1048576"),
		"hard":      "[" + strings.Repeat("1.00000000000000011102230246251565404236316680908203125e-280,", 15) + "1e-320]",
		"denormals": fill("[", "1e-320,", "0]"), "near halves": fill("[", "1.00000000000000011102230246251565404236316680908203125,", "0]"),
		"deep": nest + `"` + fill("", "x", `"`)[len(nest)*2:] + strings.Repeat("}", esjson.MaxDepth-1),
		"open": fill("", "[", ""), "long names": fill("{", `"`+strings.Repeat("x", 500)+`":0,`, `"1":1}`),
	} {
		t.Run(name, func(t *testing.T) {
			dst := make([]byte, 0, 2<<20)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := time.Now()
			got, err := esjson.Canonical(dst, []byte(text))
			took := time.Since(start)
			runtime.ReadMemStats(&after)
			allocated := after.TotalAlloc - before.TotalAlloc
			t.Logf("%d bytes to %d, %v: %v, %d allocated", len(text), len(got), err, took, allocated)
			if took > 20*time.Second { // what is not proportional takes minutes; machines are busy
				t.Errorf("took %v", took)
			}
			if allocated > 64<<20 {
				t.Errorf("allocated %d bytes", allocated)
			}
		})
	}
}

func FuzzCanonical(f *testing.F) {
	for _, s := range same {
		f.Add([]byte(s))
	}
	for _, c := range changed {
		f.Add([]byte(c[0]))
	}
	for _, c := range refused {
		f.Add([]byte(c.text))
	}
	for _, g := range goldens(f).Vectors {
		f.Add([]byte(g.Line))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var got []byte
		var err error
		fuzztest.Alloc{PerByte: 64, Constant: 128 << 10}.Check(t, len(text), func() { got, err = esjson.Canonical(nil, text) })
		if err != nil {
			if len(got) > 0 {
				t.Fatalf("%q with error %v", got, err)
			}
			return
		}
		if !json.Valid(text) {
			t.Fatalf("encoding/json does not take %q", text)
		}
		// A number of three bytes, 1e9, may have 21 digits.
		if len(got) > 8*len(text)+8 {
			t.Fatalf("%d bytes turn into %d", len(text), len(got))
		}
		if again, err := esjson.Canonical(nil, got); err != nil || !bytes.Equal(again, got) {
			t.Fatalf("%s turns into %s, %v", got, again, err)
		}
		if canonical, _ := esjson.Check(text); canonical && !bytes.Equal(got, text) {
			t.Fatalf("%s is said to be what turns into %s", text, got)
		}
	})
}
