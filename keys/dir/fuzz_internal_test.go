package dir

import (
	"bytes"
	"testing"

	"github.com/hearsaynet/hearsay/fuzz/fuzztest"
	"github.com/hearsaynet/hearsay/keys"
)

// FuzzParse reads any file of a directory: every line is a key, a problem or neither.
func FuzzParse(f *testing.F) {
	fuzztest.Seed(f, "public-file", func(text []byte) error {
		if _, problems := parse("ada.pub", text); len(problems) > 0 {
			return problems[0]
		}
		return nil
	})
	f.Fuzz(func(t *testing.T, text []byte) {
		var all []keys.PublicKey
		var problems []*Problem
		// A line of a word is a problem of 200 bytes.
		fuzztest.Alloc{PerByte: 256, Constant: 128 << 10}.Check(t, len(text), func() { all, problems = parse("ada.pub", text) })
		if lines := bytes.Count(text, []byte("\n")) + 1; len(all)+len(problems) > lines || len(all)+len(problems) == 0 {
			t.Fatalf("%d keys and %d problems in %d lines", len(all), len(problems), lines)
		}
		for _, k := range all {
			if back, err := parse(k.ID().String()+".pub", []byte(k.String())); len(err) > 0 || len(back) != 1 || back[0] != k {
				t.Fatalf("%v reads back as %v, %v", k, back, err)
			}
		}
	})
}
