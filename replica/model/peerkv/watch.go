package peerkv

import (
	"cmp"
	"context"
	"fmt"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/model/internal/watch"
)

// ErrBadGlob is wrapped by Watch's error for a pattern that is none, or whose {} make more
// than 256 patterns.
var ErrBadGlob = watch.ErrBadGlob

// Change is one change of an author's key, or, with Lost, none.
type Change struct {
	Author keys.NodeID
	Key    string
	Old    *Entry // nil if there was no value
	New    *Entry // nil if there is none now
	Local  bool   // by the own author
	// Expired says that the value has come to its time: the last one is Old.
	Expired bool
	// Lost is, in a Change with nothing else in it, how many changes the reader has
	// missed here because it was too slow. It should read the maps again.
	Lost uint64
}

// Watch returns the changes from now on of the authors and the keys that match, until ctx
// ends or the Map is closed; then the channel is closed. A reader that falls
// Config.WatchBuffer changes behind loses some, and is told so by Change.Lost.
//
// author is an id in any form that keys.ParseNodeID takes, or a pattern for its text
// (Qm…), key a pattern for keys. In a pattern, * stands for any characters but '/', ** as
// a whole path element for any number of them, ? for one character, [a-z] for a class,
// {a,b} for alternatives, and "" for all. Whoever watches first and lists the maps
// afterwards misses nothing. What was told may be taken back: after a rebuild, as when an
// author's key was withdrawn or a fork of it was proved, the changes are the differences.
func (m *Map) Watch(ctx context.Context, author, key string) (<-chan Change, error) {
	ofAuthor, err := authorMatch(author)
	if err != nil {
		return nil, fmt.Errorf("peerkv: watch authors: %w", err)
	}
	matches, err := watch.Glob(key)
	if err != nil {
		return nil, fmt.Errorf("peerkv: watch keys: %w", err)
	}
	wants := func(e event) bool { return ofAuthor(e.peer) && matches(e.any().key()) }
	changes := m.model.watches.Watch(ctx, m.watchBuffer, wants)
	if changes == nil {
		return nil, fmt.Errorf("peerkv: %w", ErrClosed)
	}
	return changes, nil
}

func authorMatch(pattern string) (func(*peer) bool, error) {
	if id, err := keys.ParseNodeID(pattern); err == nil {
		return func(p *peer) bool { return p.author == id }, nil
	}
	matches, err := watch.Glob(pattern)
	if err != nil {
		return nil, err
	}
	return func(p *peer) bool { return matches(p.name) }, nil
}

// event is a change of a key, of a value or to one, or of both.
type event struct {
	peer        *peer
	before, now *record // nil if it is no value
	expired     bool    // before has come to its time, or was replaced by what had
}

// newEvent makes what a key's change from one record to another, nil for none, tells
// watchers, to whom it was a value before and is one now, or not.
func newEvent(before, now *record, was, is bool) event {
	var e event
	if was {
		e.peer, e.before = before.peer, before
		e.expired = !is && now != nil && !now.deleted
	}
	if is {
		e.peer, e.now = now.peer, now
	}
	return e
}

// shows reports whether there is anything to tell.
func (e event) shows() bool { return e.before != nil || e.now != nil }

// any returns one of the records.
func (e event) any() *record { return cmp.Or(e.now, e.before) }

func (e event) id() string { return e.any().id() }

var _ watch.Holder = event{}

// Held implements watch.Holder.
func (e event) Held() (bytes int) {
	for _, r := range [...]*record{e.now, e.before} {
		if r != nil {
			bytes += len(r.text)
		}
	}
	return bytes
}

func (e event) change(self keys.NodeID) Change {
	c := Change{Author: e.peer.author, Key: e.any().key(), Local: e.peer.author == self, Expired: e.expired}
	if e.before != nil {
		c.Old = new(e.before.entry())
	}
	if e.now != nil {
		c.New = new(e.now.entry())
	}
	return c
}
