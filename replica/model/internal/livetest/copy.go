package livetest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Copy keeps a copy of what has keys, as modeltest.Subject.Watch wants it, until changes
// ends. read says of a change which key's value is shown otherwise, and how before and now,
// "" if not at all. The copy is all that is shown, by key, and the first change that does
// not fit, behind which it stands still.
func Copy[Change any](changes <-chan Change, read func(Change) (key, was, is string)) (copied func() string) {
	shown, wrong := make(map[string]string), ""
	go func() {
		for c := range changes {
			key, was, is := read(c)
			switch {
			case wrong != "":
			case was != shown[key]:
				wrong = fmt.Sprintf("%q changes from %q to %q, and was %q: %+v\n", key, was, is, shown[key], c)
			default:
				shown[key] = is
			}
		}
	}()
	return func() string {
		var b strings.Builder
		for _, key := range slices.Sorted(maps.Keys(shown)) {
			b.WriteString(shown[key])
		}
		return b.String() + wrong
	}
}

// CopyList is Copy of what has an order. read says of a change what it takes out and from
// where, and then what it puts in and where; an index is negative if there is nothing.
func CopyList[Change any](changes <-chan Change, read func(Change) (was string, from int, is string, to int)) (copied func() string) {
	var shown []string
	wrong := ""
	go func() {
		for c := range changes {
			if wrong != "" {
				continue
			}
			was, from, is, to := read(c)
			fits := (from >= 0 || to >= 0) && (was == "") == (from < 0) && (is == "") == (to < 0) && from < len(shown)
			if fits && from >= 0 {
				fits = shown[from] == was
				shown = slices.Delete(shown, from, from+1)
			}
			if fits = fits && to <= len(shown); fits && to >= 0 {
				shown = slices.Insert(shown, to, is)
			}
			if !fits {
				wrong = fmt.Sprintf("a change from %d (%q) to %d (%q): %+v\n", from, was, to, is, c)
			}
		}
	}()
	return func() string { return strings.Join(shown, "") + wrong }
}
