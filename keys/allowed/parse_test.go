package allowed_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hearsaynet/hearsay/fuzz/fuzztest"
	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/keys/allowed"
	"github.com/hearsaynet/hearsay/keys/internal/keytest"
)

func TestParseNumbersLines(t *testing.T) {
	k := keytest.Recorded(t, "ed25519")
	lines, problems := allowed.Parse([]byte("\n# x\nada "+k.String()+"\nbob\n  bob "+k.String()), time.UTC)
	if len(lines) != 2 || lines[0].Number != 3 || lines[1].Number != 5 || lines[1].Principals[0] != "bob" {
		t.Errorf("lines: %+v", lines)
	}
	if len(problems) != 1 || problems[0].Line != 4 {
		t.Errorf("problems: %v", problems)
	}
}

// TestPatternsTakeBoundedTime would run for years with a matcher that tries every way.
func TestPatternsTakeBoundedTime(t *testing.T) {
	k := keytest.Recorded(t, "ed25519")
	path := filepath.Join(t.TempDir(), "signers")
	keytest.Put(t, path, strings.Repeat("a*", 4000)+"b "+k.String()+"\n")
	f, err := allowed.Open(path, allowed.Options{Principal: strings.Repeat("a", 8000)})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	keytest.WantUnknown(t, f, k)
}

func FuzzParse(f *testing.F) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		berlin = time.UTC
	}
	fuzztest.Seed(f, "allowed-signers", func(text []byte) error {
		if _, problems := allowed.Parse(text, berlin); len(problems) > 0 {
			return problems[0]
		}
		return nil
	})
	f.Fuzz(func(t *testing.T, text []byte) {
		var lines []allowed.Line
		var problems []*allowed.Problem
		// A line of a word is a problem of 200 bytes.
		fuzztest.Alloc{PerByte: 256, Constant: 128 << 10}.Check(t, len(text), func() { lines, problems = allowed.Parse(text, berlin) })
		if all := strings.Count(string(text), "\n") + 1; len(lines)+len(problems) > all {
			t.Fatalf("%d lines and %d problems from %d lines", len(lines), len(problems), all)
		}
		for _, l := range lines {
			if l.Key.IsZero() || len(l.Principals) == 0 || l.Number < 1 {
				t.Fatalf("a line without its parts: %+v", l)
			}
			if again, err := keys.ParsePublicKey(l.Key.Wire()); err != nil || again != l.Key {
				t.Fatalf("a key that is none: %v", err)
			}
			w := l.Window
			if !w.After.IsZero() && !w.Before.IsZero() && !w.After.Before(w.Before) {
				t.Fatalf("a window that ends before it starts: %v", w)
			}
		}
		for _, p := range problems {
			if p.Err == nil || p.Line < 1 {
				t.Fatalf("a problem of nothing: %+v", p)
			}
		}
	})
}
