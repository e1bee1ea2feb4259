package doc

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"iter"

	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/internal/mount"
	"github.com/hearsaynet/hearsay/replica/model/internal/watch"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// DefaultChannel is where a Doc is mounted unless told otherwise.
const DefaultChannel = "doc"

var (
	// ErrClosed is wrapped by the errors of a Doc or Set that has been closed.
	ErrClosed = mount.ErrClosed
	// ErrBadGlob is wrapped by Watch's error for a pattern that is none.
	ErrBadGlob = watch.ErrBadGlob
	// ErrRange is wrapped by the errors about an index that a Sequence does not have.
	ErrRange = errors.New("no such index")
	// ErrNotFound is wrapped by the errors about a row that is not in a Sequence.
	ErrNotFound = errors.New("no such row")
)

// Config tunes a Doc. The zero value of each field works.
type Config struct {
	// WatchBuffer is how many changes, with 64 MiB of rows at most, wait for a slow
	// watcher. Default 1024.
	WatchBuffer int
}

// Doc is the rows of one channel of a replica. It is safe for concurrent use. Close it
// before the replica.
type Doc struct {
	channel     *mount.Channel
	watchBuffer int
	model       *model
}

// Mount folds what the replica has of a channel, "" for "doc", into a Doc, which follows
// from then on.
func Mount(r *replica.Replica, channel string, cfg Config) (*Doc, error) {
	buffer, err := watch.Buffer(DefaultChannel, cfg.WatchBuffer)
	if err != nil {
		return nil, err
	}
	d := &Doc{watchBuffer: buffer, model: newModel(r.Self())}
	if d.channel, err = mount.Open(DefaultChannel, r, channel, d.model); err != nil {
		return nil, err
	}
	return d, nil
}

// Close unmounts the Doc, and closes its Sets and Sequences, also those that come later.
// What they hold can still be read.
func (d *Doc) Close() {
	d.channel.Close()
	d.model.watches.Close()
	m := d.model
	m.mu.Lock()
	m.closed = true
	var sets []*Set
	m.followers.all(func(s *Set) { sets = append(sets, s) })
	m.mu.Unlock()
	for _, s := range sets {
		s.Close()
	}
}

// Set writes fields of a row, which comes into being by that, and leaves its other fields
// alone. It returns when that is signed, durable and applied. The row's name takes 1 to 255
// bytes of UTF-8 and so do those of fields, else the error wraps ErrBadName; a value that
// is no JSON or is deeper than 64 wraps ErrBadValue; all together is bound by
// replica.Config.MaxChange.
func (d *Doc) Set(ctx context.Context, row string, fields Fields) (wire.Ref, error) {
	c, err := SetChange(row, fields)
	if err != nil {
		return wire.Ref{}, err
	}
	return d.channel.WriteOne(ctx, c)
}

// Add is Set of a row with a new name, of 26 letters and digits.
func (d *Doc) Add(ctx context.Context, fields Fields) (row string, ref wire.Ref, err error) {
	row = rand.Text()
	ref, err = d.Set(ctx, row, fields)
	return row, ref, err
}

// Delete takes a row away, with all that was written to it before. What is set later, also
// by somebody who has not seen that it is gone, is there again without the rest. Delete
// counts against every older Set, also one that has not arrived yet, and so writes an
// update whether the row exists or not.
func (d *Doc) Delete(ctx context.Context, row string) (wire.Ref, error) {
	c, err := DeleteChange(row)
	if err != nil {
		return wire.Ref{}, err
	}
	return d.channel.WriteOne(ctx, c)
}

// Get returns a row, if it exists.
func (d *Doc) Get(row string) (Row, bool) {
	r, ok := d.model.state.Now().rows.Get(row)
	if !ok || !r.live() {
		return Row{}, false
	}
	return Row{r}, true
}

// Len returns the number of rows.
func (d *Doc) Len() int { return int(d.model.state.Now().live.Load()) }

// Rows returns the rows, bytewise by name, as they are when the iteration begins. It takes
// 24 bytes for each row while it lasts, and writers do not wait for it.
func (d *Doc) Rows() iter.Seq[Row] {
	return func(yield func(Row) bool) {
		live := func(_ string, r *record) bool { return r.live() }
		for _, it := range d.model.state.Now().rows.Sorted(live) {
			if !yield(Row{it.Record}) {
				return
			}
		}
	}
}

// Change is one change of a row, or, with Lost, none.
type Change struct {
	Row   string
	Old   *Row // nil if it did not exist
	New   *Row // nil if it does not exist now
	Local bool // by the own author
	// Lost is, in a Change with nothing else in it, how many changes the reader has
	// missed here because it was too slow. It should read the rows again.
	Lost uint64
}

// Watch returns the changes from now on of the rows whose names match glob, until ctx ends
// or the Doc is closed; then the channel is closed. A reader that falls Config.WatchBuffer
// changes behind loses some, and is told so by Change.Lost.
//
// In glob, * stands for any characters but '/', ** as a whole path element for any number
// of them, ? for one character, [a-z] for a class, {a,b} for alternatives, and "" for every
// row. Whoever watches first and lists the rows afterwards misses nothing. What was told
// can be retracted: after a rebuild, as when an author's key was withdrawn or its history
// cut, the changes are the differences, in no order.
func (d *Doc) Watch(ctx context.Context, glob string) (<-chan Change, error) {
	matches, err := watch.Glob(glob)
	if err != nil {
		return nil, fmt.Errorf("doc: watch: %w", err)
	}
	changes := d.model.watches.Watch(ctx, d.watchBuffer, func(e event) bool { return matches(e.id) })
	if changes == nil {
		return nil, fmt.Errorf("doc: %w", ErrClosed)
	}
	return changes, nil
}

// event is a change of a row.
type event struct {
	id       string
	old, now *record
	local    bool
}

func (e event) shows() bool { return e.old.live() || e.now.live() }

// Held implements watch.Holder.
func (e event) Held() int { return held(e.old, e.now) }

func (e event) change() Change {
	c := Change{Row: e.id, Local: e.local}
	if e.old.live() {
		c.Old = &Row{e.old}
	}
	if e.now.live() {
		c.New = &Row{e.now}
	}
	return c
}
