package kv

import (
	"context"
	"fmt"

	"github.com/hearsaynet/hearsay/replica/model/internal/watch"
)

// ErrBadGlob is wrapped by Watch's error for a pattern that is none, or whose {} make more
// than 256 patterns.
var ErrBadGlob = watch.ErrBadGlob

// Change is one change of a key, or, with Lost, none.
type Change struct {
	Key   string
	Old   *Entry // nil if there was no value
	New   *Entry // nil if there is none now
	Local bool   // by the own author
	// Expired says that the value that counts has come to its time, and with it its key,
	// whose last value is Old.
	Expired bool
	// Evicted says that Config.MaxBytes or MaxKeys took the key out of this Map only.
	Evicted bool
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
	changes := m.model.watches.Watch(ctx, m.model.cfg.WatchBuffer, func(e event) bool { return matches(e.key) })
	if changes == nil {
		return nil, fmt.Errorf("kv: %w", ErrClosed)
	}
	return changes, nil
}

// event is a change of a key, of a value or to one, or of both.
type event struct {
	key         string
	before, now *record // nil if it is no value
	why         cause
	local       bool
}

// cause is why a key has no value any more, unless that was deleted.
type cause uint8

const (
	expired cause = iota + 1
	evicted
)

var _ watch.Holder = event{}

// Held implements watch.Holder.
func (e event) Held() (bytes int) {
	for _, r := range [...]*record{e.before, e.now} {
		if r != nil {
			bytes += len(e.key) + len(r.value)
		}
	}
	return bytes
}

func (e event) change() Change {
	c := Change{Key: e.key, Local: e.local, Expired: e.why == expired, Evicted: e.why == evicted}
	if e.before != nil {
		c.Old = new(e.before.entry(e.key))
	}
	if e.now != nil {
		c.New = new(e.now.entry(e.key))
	}
	return c
}
