package events

import (
	"errors"
	"fmt"
	"strings"

	"github.com/hearsaynet/hearsay/replica/model/internal/watch"
)

// ErrBadPattern is wrapped by the errors about patterns that are none, are longer than
// MaxPattern bytes, or whose {} make more than 256 patterns.
var ErrBadPattern = errors.New("bad pattern of event names")

// wildcards are what makes a name a pattern.
const wildcards = `*?[{\`

// IsPattern reports whether s as a pattern may match other names than s.
func IsPattern(s string) bool { return s == "" || strings.ContainsAny(s, wildcards) }

// compile returns what tells whether a name matches a pattern; nil: every name does.
func compile(pattern string) (func(name string) bool, error) {
	switch {
	case pattern == "" || pattern == "**":
		return nil, nil
	case len(pattern) > MaxPattern:
		return nil, fmt.Errorf("events: %w of %d bytes (0 to %d)", ErrBadPattern, len(pattern), MaxPattern)
	case !IsPattern(pattern):
		return func(name string) bool { return name == pattern }, nil
	}
	// A name's elements end at dots where those of a path do at slashes.
	matches, err := watch.Glob(swap(pattern))
	if err != nil {
		return nil, fmt.Errorf("events: %w: %q is none, or its {} make more than %d", ErrBadPattern, pattern, watch.MaxBranches)
	}
	// Most names differ before the first wildcard. A dot before it may be left out: a.** is a.
	prefix := strings.TrimRight(pattern[:strings.IndexAny(pattern, wildcards)], ".")
	return func(name string) bool {
		return strings.HasPrefix(name, prefix) && (name == pattern || matches(swap(name)))
	}, nil
}

// swap returns s with dots as slashes and slashes as dots.
func swap(s string) string {
	if !strings.ContainsAny(s, "./") {
		return s
	}
	b := []byte(s)
	for i, c := range b {
		switch c {
		case '.':
			b[i] = '/'
		case '/':
			b[i] = '.'
		}
	}
	return string(b)
}
