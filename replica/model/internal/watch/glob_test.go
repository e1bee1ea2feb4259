package watch_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/hearsaynet/hearsay/replica/model/internal/watch"
)

func TestGlob(t *testing.T) {
	for _, tc := range []struct {
		pattern string
		yes, no string // names, separated by spaces
	}{
		{"", "a a/b", ""},
		{"**", "a a/b", ""},
		{"a/*", "a/b a/", "a a/b/c"},
		{"a/**", "a a/b a/b/c", "b ab"},
		{"{a,b}/?[x-z]", "a/1x b/2z", "c/1x a/1w a/x"},
		{"a{b,{c,d}e}", "ab ace ade", "a ac abe"},
		{`\*`, "*", "a"},
		{"{a[,}],b}", "a, a} b", "a ]"},
		{"{" + strings.Repeat("a,", watch.MaxBranches-1) + "b}", "a b", "c"},
		{"[" + strings.Repeat("{", 40) + "]" + strings.Repeat(`\{`, 40), "{" + strings.Repeat("{", 40), "{"},
	} {
		matches, err := watch.Glob(tc.pattern)
		if err != nil {
			t.Fatal(err)
		}
		for name := range strings.FieldsSeq(tc.yes) {
			if !matches(name) {
				t.Errorf("%q does not match %q", tc.pattern, name)
			}
		}
		for name := range strings.FieldsSeq(tc.no) {
			if matches(name) {
				t.Errorf("%q matches %q", tc.pattern, name)
			}
		}
	}
}

// TestGlobRefused: besides what is no pattern, those are refused that a name can keep busy:
// the first takes 2^40 steps for a name of 40 times a, the last a call for each brace.
func TestGlobRefused(t *testing.T) {
	for _, pattern := range []string{
		strings.Repeat("{a,a}", 40) + "b",
		strings.Repeat("{a[}],a}", 40) + "b",
		strings.Repeat(`{a\},a}`, 40) + "b",
		"{" + strings.Repeat("a,", watch.MaxBranches) + "b}",
		strings.Repeat("{a,", 9) + strings.Repeat("}", 9),
		strings.Repeat("{}", 10_000),
		strings.Repeat("{", 10_000) + strings.Repeat("}", 10_000),
		"[", "{a", "a\\",
	} {
		if _, err := watch.Glob(pattern); !errors.Is(err, watch.ErrBadGlob) {
			t.Errorf("%.20q: %v, want ErrBadGlob", pattern, err)
		}
	}
}
