package list

import (
	"context"
	"fmt"

	"github.com/hearsaynet/hearsay/replica/model/internal/watch"
)

// Change is one change of the list, or, with Lost, none.
type Change struct {
	Old *Element // nil if it was not in the list
	New *Element // nil if it is not in the list any more
	// From is the index before, and To the one after it; -1 without Old or New. Who
	// takes out what is at From and puts New in at To, change by change, has the list.
	From, To int
	Version  uint64 // the Snapshot's that has this change, and none that comes later
	Local    bool   // by the own author
	// Lost is, in a Change with nothing else in it, how many changes the reader has
	// missed here because it was too slow. It should take a Snapshot.
	Lost uint64
}

// Watch returns the changes from now on, until ctx ends or the List is closed; then the
// channel is closed. A reader that falls Config.WatchBuffer changes behind loses some, and
// is told so by Change.Lost.
//
// Whoever watches first, takes a Snapshot afterwards and skips what its Version has misses
// nothing. What was told can be retracted: after a rebuild, as when an author's key was
// withdrawn or its history cut, the changes are the differences.
func (l *List) Watch(ctx context.Context) (<-chan Change, error) {
	changes := l.model.watches.Watch(ctx, l.watchBuffer, func(event) bool { return true })
	if changes == nil {
		return nil, fmt.Errorf("list: %w", ErrClosed)
	}
	return changes, nil
}

// event is a change of an element that was visible or is.
type event struct {
	old, now *element // nil if not visible
	from, to int
	version  uint64
	local    bool
}

var _ watch.Holder = event{}

// Held implements watch.Holder.
func (e event) Held() (bytes int) {
	for _, el := range [...]*element{e.old, e.now} {
		if el != nil {
			bytes += len(el.value) + len(el.position)
		}
	}
	return bytes
}

func (e event) change() Change {
	c := Change{From: e.from, To: e.to, Version: e.version, Local: e.local}
	if e.old != nil {
		c.Old = new(e.old.show())
	}
	if e.now != nil {
		c.New = new(e.now.show())
	}
	return c
}
