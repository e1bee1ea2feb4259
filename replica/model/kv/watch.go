package kv

import (
	"context"
	"fmt"

	"github.com/hearsaynet/hearsay/replica/model/internal/watch"
)

// ErrBadGlob is wrapped by Watch's error for a pattern that is none.
var ErrBadGlob = watch.ErrBadGlob

// Change is one change of a key, or, with Lost, none.
type Change struct {
	Key   string
	Old   *Entry // nil if there was no value
	New   *Entry // nil if there is none now
	Local bool   // by the own author
	// Lost is, in a Change with nothing else in it, how many changes the reader has
	// missed here because it was too slow. It should read the map again.
	Lost uint64
}

// Watch returns the changes from now on of the keys that match glob, until ctx ends
// or the Map is closed; then the channel is closed. A reader that falls
// Config.WatchBuffer changes behind loses some, and is told so by Change.Lost.
//
// In glob, * stands for any characters but '/', ** as a whole path element for any
// number of them, ? for one character, [a-z] for a class, {a,b} for alternatives, and
// "" for every key. Whoever watches first and lists the map afterwards misses
// nothing. After a rebuild, as when an author's key was withdrawn, the changes are the
// differences.
func (m *Map) Watch(ctx context.Context, glob string) (<-chan Change, error) {
	matches, err := watch.Glob(glob)
	if err != nil {
		return nil, fmt.Errorf("kv: watch: %w", err)
	}
	changes := m.model.watches.Watch(ctx, m.watchBuffer, func(e event) bool { return matches(e.key) })
	if changes == nil {
		return nil, fmt.Errorf("kv: %w", ErrClosed)
	}
	return changes, nil
}

// event is a change of a key, which at least one of the two records gives a value.
type event struct {
	key         string
	before, now *record
	local       bool
}

func (e event) shows() bool { return e.before.live() || e.now.live() }

func (e event) change() Change {
	c := Change{Key: e.key, Local: e.local}
	if e.before.live() {
		c.Old = new(e.before.entry(e.key))
	}
	if e.now.live() {
		c.New = new(e.now.entry(e.key))
	}
	return c
}
