package watch

import (
	"errors"
	"fmt"

	"github.com/bmatcuk/doublestar/v4"
)

// MaxBranches bounds the ways through the alternatives of a pattern, which are tried one
// after another while updates wait, for names that anybody may have made up.
const MaxBranches = 256

// ErrBadGlob is wrapped by Glob's error for a pattern that is none, or has alternatives
// for more than MaxBranches ways.
var ErrBadGlob = errors.New("bad pattern")

// Glob returns what tells whether a name matches pattern, in which * stands for any
// characters but '/', ** as a whole path element for any number of them, ? for one
// character, [a-z] for a class, {a,b} for alternatives, and "" for every name. To match
// takes O(len(name) * len(pattern)) for each of the ways.
func Glob(pattern string) (func(name string) bool, error) {
	if !doublestar.ValidatePattern(pattern) {
		return nil, fmt.Errorf("%w %q", ErrBadGlob, pattern)
	}
	if branches(pattern) > MaxBranches {
		return nil, fmt.Errorf("%w %q: its {} make more than %d patterns", ErrBadGlob, pattern, MaxBranches)
	}
	if pattern == "" || pattern == "**" {
		return func(string) bool { return true }, nil
	}
	return func(name string) bool { return doublestar.MatchUnvalidated(pattern, name) }, nil
}

// branches returns how many ways there are through the alternatives of a pattern, or a
// greater number above MaxBranches: the product, also where one stands inside another, and
// 2 for {} with one way, so that there are few of those too.
func branches(pattern string) int {
	n := 1
	var open []int // the alternatives so far of each { that is open
	for i := 0; i < len(pattern) && n <= MaxBranches; i++ {
		switch pattern[i] {
		case '\\':
			i++
		case '[':
			for i++; i < len(pattern) && pattern[i] != ']'; i++ {
				if pattern[i] == '\\' {
					i++
				}
			}
		case '{':
			open = append(open, 1)
		case ',':
			if len(open) > 0 {
				open[len(open)-1]++
			}
		case '}':
			if last := len(open) - 1; last >= 0 {
				n *= max(2, open[last])
				open = open[:last]
			}
		}
	}
	return n
}
