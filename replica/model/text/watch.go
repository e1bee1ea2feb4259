package text

import (
	"context"
	"fmt"

	"github.com/hearsaynet/hearsay/keys"
)

// Edit is one change of the text that is shown: at a place, some characters go, and others
// come. Or, with Lost, none.
type Edit struct {
	At       int    // in characters, in the text as it was before
	Deleted  string // what was there
	Inserted string // what is there instead
	// Author is who wrote the update that made the edit, zero after a rebuild. It need not be
	// who wrote the text: text moves when that on which it hangs arrives.
	Author keys.NodeID
	Local  bool // by the own author
	// Version is that of the text behind the update that made the edit, or that part of it:
	// who has read a later one, or the same, has it already. See Snapshot.
	Version uint64
	// Lost is, in an Edit with nothing else in it but perhaps the Version, how many edits are
	// not told here, because the reader was too slow or they are too long. It should read the
	// text again.
	Lost uint64
}

// Watch returns the edits from now on, until ctx ends or the Text is closed; then the
// channel is closed. A reader that falls Config.WatchBuffer edits behind loses some, and is
// told so by Edit.Lost.
//
// Who watches first, takes a Snapshot then, and skips the edits up to its version has all of
// the text, and again with another Snapshot after each Lost. After a rebuild, as when an
// author's key was withdrawn, one edit tells the difference.
func (t *Text) Watch(ctx context.Context) (<-chan Edit, error) {
	edits := t.model.watches.Watch(ctx, t.watchBuffer, func(event) bool { return true })
	if edits == nil {
		return nil, fmt.Errorf("text: %w", ErrClosed)
	}
	return edits, nil
}

// event is what the watchers are told.
type event struct{ Edit }

// Held implements watch.Holder.
func (e event) Held() int { return len(e.Deleted) + len(e.Inserted) }
