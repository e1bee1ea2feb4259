package value

import (
	"context"
	"fmt"

	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/internal/mount"
	"github.com/hearsaynet/hearsay/replica/model/internal/watch"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// DefaultChannel is where a Value is mounted unless told otherwise.
const DefaultChannel = "value"

// DefaultWatchBuffer bounds the changes that wait for one slow watcher.
const DefaultWatchBuffer = watch.DefaultBuffer

// ErrClosed is wrapped by the errors of a Value that has been closed.
var ErrClosed = mount.ErrClosed

// Config tunes a Value. The zero value of each field works.
type Config struct {
	// History is how many values are kept, the last one included. Default 1, at most
	// MaxHistory.
	History int
	// WatchBuffer is how many changes, with 64 MiB of values at most, wait for a slow
	// watcher. Default 1024.
	WatchBuffer int
}

func (c *Config) check() error {
	if c.History < 0 || c.History > MaxHistory {
		return fmt.Errorf("value: Config.History is %d (at most %d)", c.History, MaxHistory)
	}
	if c.WatchBuffer < 0 {
		return fmt.Errorf("value: Config.WatchBuffer is %d", c.WatchBuffer)
	}
	if c.History == 0 {
		c.History = 1
	}
	if c.WatchBuffer == 0 {
		c.WatchBuffer = DefaultWatchBuffer
	}
	return nil
}

// Entry is a value and the update that set it. It belongs to the caller.
type Entry struct {
	wire.Ref        // the update
	Value    []byte // never nil
	Time     uint64 // ns since the Unix epoch, as the author dated it
}

// Change is one change of the value, or, with Lost, none.
type Change struct {
	Old   *Entry // nil if there was no value
	New   *Entry // nil if there is none now, as when its author's key was withdrawn
	Local bool   // by the own author
	// Lost is, in a Change with nothing else in it, how many changes the reader has
	// missed here because it was too slow. It should read the value again.
	Lost uint64
}

// Value is the value of one channel of a replica. It is safe for concurrent use. Close it
// before the replica.
type Value struct {
	channel     *mount.Channel
	watchBuffer int
	model       *model
}

// Mount folds what the replica has of a channel, "" for "value", into a Value, which
// follows from then on.
func Mount(r *replica.Replica, channel string, cfg Config) (*Value, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	v := &Value{watchBuffer: cfg.WatchBuffer, model: newModel(r.Self(), cfg.History)}
	var err error
	if v.channel, err = mount.Open(DefaultChannel, r, channel, v.model); err != nil {
		return nil, err
	}
	return v, nil
}

// Close unmounts the Value and ends its watchers. What it holds can still be read.
func (v *Value) Close() {
	v.channel.Close()
	v.model.watches.Close()
}

// Set writes a value, and returns when that is signed, durable and applied. It is bound
// by replica.Config.MaxChange.
func (v *Value) Set(ctx context.Context, value []byte) (wire.Ref, error) {
	return v.channel.WriteOne(ctx, SetChange(value))
}

// Get returns the value, if there is one.
func (v *Value) Get() (Entry, bool) {
	if e := v.model.state.Now().last().entry(); e != nil {
		return *e, true
	}
	return Entry{}, false
}

// History returns the last Config.History values by (time, author, hash), the one that
// Get returns last.
func (v *Value) History() []Entry {
	all := v.model.state.Now().list()
	entries := make([]Entry, len(all))
	for i, r := range all {
		entries[i] = *r.entry()
	}
	return entries
}

// Watch returns the changes of the value from now on, until ctx ends or the Value is
// closed; then the channel is closed. A reader that falls Config.WatchBuffer changes
// behind loses some, and is told so by Change.Lost.
//
// Whoever watches first and reads the value afterwards misses nothing. A value that was
// told may be taken back: after a rebuild, as when an author's key was withdrawn or a
// fork of it was proved, the change is to what counts then.
func (v *Value) Watch(ctx context.Context) (<-chan Change, error) {
	changes := v.model.watches.Watch(ctx, v.watchBuffer, func(event) bool { return true })
	if changes == nil {
		return nil, fmt.Errorf("value: %w", ErrClosed)
	}
	return changes, nil
}
