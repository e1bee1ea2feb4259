package kv

import (
	"context"
	"fmt"
	"iter"

	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/internal/mount"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// DefaultChannel is where a Map is mounted unless told otherwise.
const DefaultChannel = "kv"

// ErrClosed is wrapped by the errors of a Map that has been closed.
var ErrClosed = mount.ErrClosed

// Config tunes a Map. The zero value of each field works.
type Config struct {
	// WatchBuffer is how many changes wait for a slow watcher. Default 1024.
	WatchBuffer int

	testOnly testOnly
}

// Entry is a key's value and the update that set it. It belongs to the caller.
type Entry struct {
	wire.Ref        // the update
	Key      string // UTF-8, 1 to 1024 bytes
	Value    []byte // never nil
	Time     uint64 // ns since the Unix epoch, as the author dated it
}

// Pair is a key and the value that it is set to.
type Pair struct {
	Key   string
	Value []byte
}

// Map is the map of one channel of a replica. It is safe for concurrent use. Close it
// before the replica.
type Map struct {
	channel     *mount.Channel
	watchBuffer int
	model       *model
}

// Mount folds what the replica has of a channel, "" for "kv", into a Map, which
// follows from then on.
func Mount(r *replica.Replica, channel string, cfg Config) (*Map, error) {
	if cfg.WatchBuffer < 0 {
		return nil, fmt.Errorf("kv: Config.WatchBuffer is %d", cfg.WatchBuffer)
	}
	if cfg.WatchBuffer == 0 {
		cfg.WatchBuffer = DefaultWatchBuffer
	}
	m := &Map{watchBuffer: cfg.WatchBuffer, model: newModel(r.Self(), cfg.testOnly)}
	var err error
	if m.channel, err = mount.Open(DefaultChannel, r, channel, m.model); err != nil {
		return nil, err
	}
	return m, nil
}

// Close unmounts the Map and ends its watchers. What it holds can still be read.
func (m *Map) Close() {
	m.channel.Close()
	m.model.watches.Close()
}

// Set gives key a value, and returns when that is signed, durable and applied. The
// key takes 1 to 1024 bytes of UTF-8, else the error wraps ErrBadKey; key and value
// together are bound by replica.Config.MaxChange.
func (m *Map) Set(ctx context.Context, key string, value []byte) (wire.Ref, error) {
	return m.one(ctx, opSet, key, value)
}

// Delete takes key's value away. It counts against every older Set, also one that has
// not arrived yet, and so writes an update whether the key has a value or not.
func (m *Map) Delete(ctx context.Context, key string) (wire.Ref, error) {
	return m.one(ctx, opDelete, key, nil)
}

func (m *Map) one(ctx context.Context, o op, key string, value []byte) (wire.Ref, error) {
	c, err := encode(o, key, value)
	if err != nil {
		return wire.Ref{}, fmt.Errorf("kv: %w", err)
	}
	return m.channel.WriteOne(ctx, c)
}

// SetMany is Set for 1 to 256 pairs, under one signature and stored together or not
// at all; together they must fit a run (wire.RunRoom). Of pairs with the same key the
// last counts.
func (m *Map) SetMany(ctx context.Context, pairs []Pair) ([]wire.Ref, error) {
	if len(pairs) > wire.MaxEntries {
		return nil, fmt.Errorf("kv: %d pairs in one call (1 to %d)", len(pairs), wire.MaxEntries)
	}
	changes := make([][]byte, len(pairs))
	for i, p := range pairs {
		var err error
		if changes[i], err = encode(opSet, p.Key, p.Value); err != nil {
			return nil, fmt.Errorf("kv: pair %d: %w", i, err)
		}
	}
	return m.channel.Write(ctx, changes...)
}

// Get returns key's value, if it has one.
func (m *Map) Get(key string) (Entry, bool) {
	r := m.model.state.Now().get(key)
	if !r.live() {
		return Entry{}, false
	}
	return r.entry(key), true
}

// Len returns the number of keys that have a value.
func (m *Map) Len() int { return int(m.model.state.Now().live.Load()) }

// Keys returns the keys that have a value, bytewise, as they are when the iteration
// begins.
func (m *Map) Keys() iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, it := range m.model.state.Now().sorted() {
			if !yield(it.Key) {
				return
			}
		}
	}
}

// All returns keys and values, bytewise by key, as they are when the iteration
// begins. It takes 24 bytes for each key while it lasts, and writers do not
// wait for it.
func (m *Map) All() iter.Seq2[string, Entry] {
	return func(yield func(string, Entry) bool) {
		for _, it := range m.model.state.Now().sorted() {
			if !yield(it.Key, it.Record.entry(it.Key)) {
				return
			}
		}
	}
}
