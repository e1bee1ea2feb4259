package feed

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/internal/mount"
	"github.com/hearsaynet/hearsay/replica/model/internal/watch"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// DefaultChannel is where a Feed is mounted unless told otherwise.
const DefaultChannel = "feed"

var (
	// ErrClosed is wrapped by the errors of a Feed that has been closed.
	ErrClosed = mount.ErrClosed
	// ErrNotOwn is wrapped by Remove's error for an item of another author.
	ErrNotOwn = errors.New("not an item of the own author")
	// ErrNotFound is wrapped by Remove's error for an item that is not there.
	ErrNotFound = errors.New("no such item")
)

// Config tunes a Feed. The zero value of each field works.
type Config struct {
	// WatchBuffer is how many changes, with 64 MiB of values at most, wait for a slow
	// watcher. Default 1024.
	WatchBuffer int
}

// Item is one item and the update that pushed it. It belongs to the caller.
type Item struct {
	wire.Ref        // the update
	Data     []byte // never nil
	Time     uint64 // ns since the Unix epoch, as the author dated it
}

// Feed is the feeds of one channel of a replica. It is safe for concurrent use. Close it
// before the replica.
type Feed struct {
	channel     *mount.Channel
	model       *model
	watchBuffer int
}

// Mount folds what the replica has of a channel, "" for "feed", into a Feed, which
// follows from then on.
func Mount(r *replica.Replica, channel string, cfg Config) (*Feed, error) {
	buffer, err := watch.Buffer(DefaultChannel, cfg.WatchBuffer)
	if err != nil {
		return nil, err
	}
	f := &Feed{watchBuffer: buffer, model: newModel(r.Self())}
	if f.channel, err = mount.Open(DefaultChannel, r, channel, f.model); err != nil {
		return nil, err
	}
	return f, nil
}

// Close unmounts the Feed and ends its watchers, and its followers when they have taken
// what there is. What it holds can still be read.
func (f *Feed) Close() {
	f.channel.Close()
	f.model.watches.Close()
	f.model.line.Close()
}

// Push appends an item to the own author's feed, and returns when it is signed, durable
// and there. Item and Overhead together are bound by replica.Config.MaxChange.
func (f *Feed) Push(ctx context.Context, item []byte) (wire.Ref, error) {
	return f.channel.WriteOne(ctx, encodePush(item))
}

// PushMany is Push for 1 to 256 items, which stay in order under one signature, and are
// stored together or not at all; together they must fit a run (wire.RunRoom).
func (f *Feed) PushMany(ctx context.Context, items ...[]byte) ([]wire.Ref, error) {
	if len(items) > wire.MaxEntries {
		return nil, fmt.Errorf("feed: %d items in one call (1 to %d)", len(items), wire.MaxEntries)
	}
	changes := make([][]byte, len(items))
	for i, item := range items {
		changes[i] = encodePush(item)
	}
	return f.channel.Write(ctx, changes...)
}

// Remove takes an item of the own author out of its feed, everywhere and for ever, and
// returns when that is signed, durable and done. The error wraps ErrNotOwn for an item of
// another author, and ErrNotFound for one that is not there, also because it has been
// removed or is parked; nothing is written then.
func (f *Feed) Remove(ctx context.Context, item wire.Ref) (wire.Ref, error) {
	if item.Author != f.model.self {
		return wire.Ref{}, fmt.Errorf("feed: remove %d of %v: %w", item.Seq, item.Author, ErrNotOwn)
	}
	if e := f.model.line.Get(item.Author, item.Seq); e == nil || e.Ref != item {
		return wire.Ref{}, fmt.Errorf("feed: remove %d: %w", item.Seq, ErrNotFound)
	}
	return f.channel.WriteOne(ctx, encodeRemove(item.Seq))
}

// Get returns the item that an author's update pushed, false if there is none.
func (f *Feed) Get(author keys.NodeID, seq uint64) (Item, bool) {
	e := f.model.line.Get(author, seq)
	if e == nil {
		return Item{}, false
	}
	return export(e), true
}

// Len returns the number of items of all authors.
func (f *Feed) Len() int { return f.model.line.Len() }

// Authors returns the authors that have items when the iteration begins, by id.
func (f *Feed) Authors() iter.Seq[keys.NodeID] { return f.model.line.Authors() }

// Author returns one author's items that are there when the iteration begins, by seq.
func (f *Feed) Author(id keys.NodeID) iter.Seq[Item] { return exported(f.model.line.Author(id)) }

// All returns the items of all authors that are there when the iteration begins, by
// (time, author, hash).
func (f *Feed) All() iter.Seq[Item] { return exported(f.model.line.Entries(selection{})) }

// Newest returns the last n of All, the newest last.
func (f *Feed) Newest(n int) iter.Seq[Item] { return exported(f.model.line.Entries(newest(n))) }

// Follow is All, and then every further item as it is applied, until ctx ends or the
// Feed is closed. An item that arrives late comes when it arrives, whatever its date; one
// that is removed or taken back later has been yielded all the same, and comes again if
// its removal is taken back (or if it counts again itself, but only the oldest where more
// than 131,072 were taken back). However slow the reader is, it misses nothing but what
// has been removed meanwhile, and holds up nobody; what it has not read yet, and was not
// removed, stays in memory.
func (f *Feed) Follow(ctx context.Context) iter.Seq[Item] {
	return exported(f.model.line.Follow(ctx, selection{}))
}

// Tail is Follow that begins with the last n, 0 for what comes from now on.
func (f *Feed) Tail(ctx context.Context, n int) iter.Seq[Item] {
	return exported(f.model.line.Follow(ctx, newest(n)))
}

func newest(n int) selection { return selection{Last: max(n, 0), New: n <= 0} }

func exported(entries iter.Seq[*entry]) iter.Seq[Item] {
	return func(yield func(Item) bool) {
		for e := range entries {
			if !yield(export(e)) {
				return
			}
		}
	}
}

// Change is an item that came or went, or, with Lost, none.
type Change struct {
	Item    Item
	Removed bool // by its author, or with its author's key or a cut
	Local   bool // of the own author
	// Lost is, in a Change with nothing else in it, how many changes the reader has
	// missed here because it was too slow. It should read the feed again.
	Lost uint64
}

// Watch returns the changes from now on, until ctx ends or the Feed is closed; then the
// channel is closed. A reader that falls Config.WatchBuffer changes behind loses some, and
// is told so by Change.Lost. Whoever watches first and reads the feed afterwards misses
// nothing. After a rebuild, as when an author's key was withdrawn, the changes are the
// differences: an item that comes back so is as one that is new. The error wraps
// ErrClosed.
func (f *Feed) Watch(ctx context.Context) (<-chan Change, error) {
	changes := f.model.watches.Watch(ctx, f.watchBuffer, func(event) bool { return true })
	if changes == nil {
		return nil, fmt.Errorf("feed: watch: %w", ErrClosed)
	}
	return changes, nil
}
