package events

import (
	"errors"
	"strings"
	"testing"
)

func TestPatterns(t *testing.T) {
	for _, tt := range []struct{ pattern, yes, no string }{
		{"", "a a.b a/b", ""},
		{"**", "a a.b a/b a..b", ""},
		{"a", "a", "b a.b aa A"},
		{"*", "a aa a/b", "a.b"},
		{"*.*", "a.b", "a a.b.c"},
		{"a.*", "a.b a.bb a. a.b/c", "a a.b.c b.a"},
		{"a.**", "a a.b a.b.c", "b ab b.a"},
		{"**.c", "c a.c a.b.c", "a.c.b cc"},
		{"a.**.z", "a.z a.b.z a.b.c.z", "a z a.b"},
		{"a**", "a ab", "a.b"},
		{`a.\*.*`, "a.*.b", "a.b.c"},
		{"a?c", "abc a/c aßc", "a.c ac abbc"},
		{"a.[bc]", "a.b a.c a.[bc]", "a.d"},
		{"{a,b.c}.d", "a.d b.c.d", "b.d c.d"},
		{`a\.b`, "a.b", "a/b"},
		{`a\*`, "a*", "ab"},
		{"a/*", "a/b a/b/c", "a.b"},
		{"constructor", "constructor", "constructors"},
		{"*", "error dispose _update constructor __proto__ *", ""},
	} {
		matches, err := compile(tt.pattern)
		if err != nil {
			t.Errorf("%q: %v", tt.pattern, err)
			continue
		}
		for name := range strings.FieldsSeq(tt.yes) {
			if matches != nil && !matches(name) {
				t.Errorf("%q does not match %q", tt.pattern, name)
			}
		}
		for name := range strings.FieldsSeq(tt.no) {
			if matches == nil || matches(name) {
				t.Errorf("%q matches %q", tt.pattern, name)
			}
		}
	}
	for _, pattern := range []string{"a[", "{a", `a\`, "*" + strings.Repeat("a", MaxPattern), strings.Repeat("{a,a}", 40) + "b"} {
		if _, err := compile(pattern); !errors.Is(err, ErrBadPattern) {
			t.Errorf("%.9q: %v, want ErrBadPattern", pattern, err)
		}
	}
	// A pattern without a wildcard is a name, whatever else stands in it.
	if matches, err := compile("a]}"); err != nil || !matches("a]}") {
		t.Errorf("a name: %v", err)
	}
}

// TestPatternCost: what hostile names cost a pattern grows with their length, and no
// faster than by the pattern's.
func TestPatternCost(t *testing.T) {
	matches, err := compile(strings.Repeat("**.*a.", 100) + "b")
	if err != nil {
		t.Fatal(err)
	}
	for range 100 {
		if matches(strings.Repeat("a.", 127) + "c") {
			t.Error("matches")
		}
	}
}
