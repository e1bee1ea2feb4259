package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/hearsaynet/hearsay/fuzz/fuzztest"
	"github.com/hearsaynet/hearsay/replica/node"
)

func TestParsePair(t *testing.T) {
	for _, tt := range []struct{ line, key, value string }{
		{`{"key":"k","value":"v"}`, "k", "v"},
		{` { "value" : "v" , "key" : "k" } `, "k", "v"},
		{"{\"key\":\"k\",\"value\":\"v\"}\r", "k", "v"},
		{`{"key":"k","value":""}`, "k", ""},
		{`{"key":"k","value":null}`, "k", "null"},
		{`{"key":"k","value":true}`, "k", "true"},
		{`{"key":"k","value":-0.10e+400}`, "k", "-0.10e+400"},
		{`{"key":"k","value":{"b": 1, "a":[ ]}}`, "k", `{"b": 1, "a":[ ]}`},
		{`{"key":"k","value":"\u0000\n\"\\ud800"}`, "k", "\x00\n\"\\ud800"},
		{`{"key":"\ud83d\ude00","value":"😀\uD83D\uDE00"}`, "😀", "😀😀"},
		{`{"key":"k","value":"\ufffd"}`, "k", "\ufffd"},
		{`{"key":"k","value_base64":"/wo="}`, "k", "\xff\n"},
		{`{"key":"k","value_base64":""}`, "k", ""},
		{`{"key":"k","value":"v","author":"Qm","KEY":1,"Value":2}`, "k", "v"},
		{`{"\u006bey":"k","value":"v"}`, "k", "v"},
		{`{"key":"k","value":"v","expires":"2027-01-31T18:00:00.5+01:00"}`, "k", "v"},
	} {
		p, err := parsePair([]byte(tt.line))
		if err != nil || p.Key != tt.key || string(p.Value) != tt.value {
			t.Errorf("%s: %q = %q, %v; want %q = %q", tt.line, p.Key, p.Value, err, tt.key, tt.value)
		}
	}
}

func TestParsePairRefuses(t *testing.T) {
	for line, says := range map[string]string{
		``:                                                             "cut short",
		`{"key":"k","value":"v"`:                                       "cut short",
		`{"key":"k","value":`:                                          "cut short",
		`["key","value"]`:                                              "not a JSON object",
		`"key"`:                                                        "not a JSON object",
		`{"key":"k" "value":"v"}`:                                      "not a JSON object",
		`{"key":"k","value":tru}`:                                      "not a JSON object",
		`{"key":"k","value":01}`:                                       "not a JSON object",
		`{"key":"k","value":"v"}{}`:                                    "something stands after",
		`{"key":"k","value":"v"} x`:                                    "something stands after",
		`{"value":"v"}`:                                                `no "key"`,
		`{"key":"k"}`:                                                  `no "value"`,
		`{"key":null,"value":"v"}`:                                     "want a JSON string",
		`{"key":["k"],"value":"v"}`:                                    "want a JSON string",
		`{"key":"","value":"v"}`:                                       "is empty",
		`{"key":"k","value":1,"value":2}`:                              "twice",
		`{"key":"k","key":"k","value":2}`:                              "twice",
		`{"key":"k","value":1,"\u006bey":""}`:                          "twice",
		`{"key":"k","value":null,"value":2}`:                           "twice",
		`{"key":"k","value":"\ud83d"}`:                                 "surrogate",
		`{"key":"k","value":"\ude00\ud83d"}`:                           "surrogate",
		`{"key":"k","value":"\\\ud83d\\"}`:                             "surrogate",
		`{"key":"\udfff","value":""}`:                                  "surrogate",
		"{\"key\":\"k\",\"value\":\"\xff\"}":                           "not UTF-8",
		`{"key":"k","value_base64":"/w"}`:                              "not base64",
		`{"key":"k","value_base64":"/x=="}`:                            "not base64",
		`{"key":"k","value_base64":5}`:                                 "want a JSON string",
		`{"key":"k","value":"","value_base64":""}`:                     "both",
		`{"key":"k","value":"","expires":null}`:                        `"expires": want a JSON string`,
		`{"key":"k","value":"","expires":5}`:                           `"expires": want a JSON string`,
		`{"key":"k","value":"","expires":"tomorrow"}`:                  `"expires": want a time`,
		`{"key":"k","value":"","expires":"0001-01-01T00:00:00Z"}`:      `"expires": want a time`,
		`{"key":"k","value":"","expires":"1970-01-01T00:30:00+01:00"}`: `"expires": want a time`,
		`{"key":"k","value":"","expires":"2262-01-01T00:00:00Z"}`:      `"expires": want a time`,
		`{"key":"k","value":"` + strings.Repeat("v", maxPair-8) + `","expires":"2027-01-31T18:00:00Z"}`: "at most 65525",
		`{"key":"` + strings.Repeat("k", 1025) + `","value":""}`:                                        "at most 1024",
		`{"key":"k","value":"` + strings.Repeat("v", maxPair) + `"}`:                                    "at most 65533",
		`{"key":"k","value":` + strings.Repeat("[", 20000) + `}`:                                        "not a JSON object",
		`{"key":"k","value":"v","more":` + strings.Repeat("[", 200) + `}`:                               "not a JSON object",
	} {
		p, err := parsePair([]byte(line))
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%.60s: %v, %v; want an error that says %q", line, p, err, says)
		}
	}
}

// TestRecord: what dump prints is what load reads, for any bytes.
func TestRecord(t *testing.T) {
	at := time.Date(2026, 11, 21, 5, 0, 0, 120, time.FixedZone("", 3600))
	for _, value := range []string{"", "v", "<&>\u2028\x00\x7f\u202e", "\xff", "a\xc3", strings.Repeat("😀", 99)} {
		b, err := json.Marshal(newRecord(node.Value{Key: "k\n", Value: []byte(value), Seq: 7, Time: at, Expires: at}))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(b), `"seq":7,"time":"2026-11-21T04:00:00.000000120Z","expires":"2026-11-21T04:00:00.000000120Z"}`) {
			t.Errorf("%s", b)
		}
		if p, err := parsePair(b); err != nil || p.Key != "k\n" || string(p.Value) != value || !p.Expires.Equal(at) {
			t.Errorf("%q came back as %q, %v", value, p.Value, err)
		}
		shown := escapeJSON(string(b))
		if p, err := parsePair([]byte(shown)); err != nil || string(p.Value) != value {
			t.Errorf("%q came back from a terminal as %q, %v", value, p.Value, err)
		}
	}
}

func FuzzParsePair(f *testing.F) {
	fuzztest.Decoder[node.Pair]{
		Corpus: "ndjson", Decode: parsePair, Loose: true,
		Alloc: fuzztest.Alloc{PerByte: 64, Constant: 128 << 10}, // a field of a few bytes has its own copy
		Encode: func(p node.Pair) ([]byte, error) {
			return json.Marshal(newRecord(node.Value{Key: p.Key, Value: p.Value, Expires: p.Expires}))
		},
		Check: func(t *testing.T, _ []byte, p node.Pair) {
			if !utf8.ValidString(p.Key) || p.Key == "" || len(p.Key)+len(p.Value) > maxPair {
				t.Fatalf("%q = %q", p.Key, p.Value)
			}
		},
	}.Fuzz(f)
}

// FuzzLines reads lines of at most 32 bytes; those that are longer are passed over.
func FuzzLines(f *testing.F) {
	read := func(b []byte) (lines [][]byte, long error) {
		for l := newLineReader(bytes.NewReader(b), 32); ; {
			line, err := l.next()
			switch {
			case errors.Is(err, io.EOF):
				return lines, long
			case err != nil:
				long = err
			default:
				lines = append(lines, line)
			}
		}
	}
	fuzztest.Decoder[[][]byte]{
		Corpus: "lines", Errors: []error{errLineTooLong}, Loose: true,
		Alloc: fuzztest.Alloc{PerByte: 256, Constant: 128 << 10}, // a line of one byte, its end, has a slice
		Decode: func(b []byte) ([][]byte, error) {
			lines, long := read(b)
			if long != nil {
				return nil, long
			}
			return lines, nil
		},
		Encode: func(lines [][]byte) ([]byte, error) { return bytes.Join(append(lines, nil), []byte("\n")), nil },
		Check: func(t *testing.T, b []byte, lines [][]byte) {
			if all := bytes.TrimSuffix(b, []byte("\n")); len(b) > 0 && !bytes.Equal(bytes.Join(lines, []byte("\n")), all) {
				t.Fatalf("%q is read as %q", b, lines)
			}
		},
	}.Fuzz(f)
}

func TestLineReader(t *testing.T) {
	long := strings.Repeat("x", 100_000)
	for _, tt := range []struct {
		text string
		want []string // "!" for a line that is too long
	}{
		{"", nil},
		{"\n", []string{""}},
		{"a", []string{"a"}},
		{"a\n\nb\r\n", []string{"a", "", "b\r"}},
		{strings.Repeat("y", 10) + "\n" + strings.Repeat("z", 11) + "\nlast", []string{strings.Repeat("y", 10), "!", "last"}},
		{strings.Repeat("y", 10), []string{strings.Repeat("y", 10)}},
		{strings.Repeat("y", 11), []string{"!"}},
		{long + "\n" + long, []string{"!", "!"}},
	} {
		l := newLineReader(strings.NewReader(tt.text), 10)
		var got []string
		for {
			line, err := l.next()
			if errors.Is(err, io.EOF) {
				break
			}
			switch {
			case errors.Is(err, errLineTooLong):
				line = []byte("!")
			case err != nil:
				t.Fatal(err)
			}
			if got = append(got, string(line)); len(got) != l.number {
				t.Errorf("line %d is numbered %d", len(got), l.number)
			}
		}
		if strings.Join(got, "|") != strings.Join(tt.want, "|") || len(got) != len(tt.want) {
			t.Errorf("%.30q: %q, want %q", tt.text, got, tt.want)
		}
	}
}
