package object

import (
	"context"
	"fmt"

	"github.com/hearsaynet/hearsay/replica/model/internal/watch"
)

// ErrBadGlob is wrapped by Watch's error for a pattern that is none, or whose {} make more
// than 256 patterns.
var ErrBadGlob = watch.ErrBadGlob

// Change is one change of what stands at a path, or, with Lost, none. Of an object it
// tells that it is one from now on, or is one no more; members have changes of their own.
type Change struct {
	Path  string // a JSON Pointer
	Old   *Entry // nil if nothing stood there; JSON is nil for an object
	New   *Entry // nil if nothing stands there now; JSON is nil for an object
	Local bool   // by the own author
	// Lost is, in a Change with nothing else in it, how many changes the reader has
	// missed here because it was too slow. It should read the object again.
	Lost uint64
}

// Watch returns the changes from now on at the paths that match glob, until ctx ends or
// the Object is closed; then the channel is closed. A reader that falls
// Config.WatchBuffer changes behind loses some, and is told so by Change.Lost.
//
// glob is matched with the path as a JSON Pointer: * stands for any characters but '/',
// ** as a whole path element for any number of them, ? for one character, [a-z] for a
// class, {a,b} for alternatives, and "" for every path. So /a/** is for a and all below.
// Whoever watches first and reads the object afterwards misses nothing. What was told may
// be taken back: after a rebuild, as when an author's key was withdrawn or a fork of it
// was proved, the changes are the differences.
func (o *Object) Watch(ctx context.Context, glob string) (<-chan Change, error) {
	matches, err := watch.Glob(glob)
	if err != nil {
		return nil, fmt.Errorf("object: watch: %w", err)
	}
	changes := o.model.watches.Watch(ctx, o.watchBuffer, func(e event) bool { return matches(e.path) })
	if changes == nil {
		return nil, fmt.Errorf("object: %w", ErrClosed)
	}
	return changes, nil
}

// event is a change of what stands at a path.
type event struct {
	path        string
	before, now standing
	local       bool
}

// shows reports whether there is a difference.
func (e event) shows() bool {
	if e.before.object() || e.now.object() {
		return !e.before.object() || !e.now.object()
	}
	return e.before.claim != e.now.claim && (e.before.claim == nil || e.now.claim == nil || e.before.claim.before(e.now.claim) || e.now.claim.before(e.before.claim))
}

var _ watch.Holder = event{}

// Held implements watch.Holder.
func (e event) Held() int { return len(e.path) + len(e.before.value) + len(e.now.value) }

func (e event) change() Change {
	return Change{Path: e.path, Old: e.before.entry(e.path), New: e.now.entry(e.path), Local: e.local}
}

// entry returns what stands there, nil if nothing does.
func (s standing) entry(path string) *Entry {
	if s.claim == nil {
		return nil
	}
	e := &Entry{Ref: s.claim.ref, Path: path, Time: s.claim.time}
	if s.value != "" {
		e.JSON = []byte(s.value)
	}
	return e
}
