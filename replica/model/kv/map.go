package kv

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync/atomic"

	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// DefaultChannel is where a Map is mounted unless told otherwise.
const DefaultChannel = "kv"

// ErrClosed is returned by the methods of a Map that has been closed.
var ErrClosed = errors.New("kv: closed")

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
	replica     *replica.Replica
	channel     string
	watchBuffer int
	model       *model
	unmount     func()
	closed      atomic.Bool
}

// Mount folds what the replica has of a channel, "" for "kv", into a Map, which
// follows from then on.
func Mount(r *replica.Replica, channel string, cfg Config) (*Map, error) {
	if channel == "" {
		channel = DefaultChannel
	}
	if cfg.WatchBuffer < 0 {
		return nil, fmt.Errorf("kv: Config.WatchBuffer is %d", cfg.WatchBuffer)
	}
	if cfg.WatchBuffer == 0 {
		cfg.WatchBuffer = DefaultWatchBuffer
	}
	m := &Map{replica: r, channel: channel, watchBuffer: cfg.WatchBuffer, model: newModel(r.Self(), cfg.testOnly)}
	var err error
	if m.unmount, err = r.Mount(channel, m.model); err != nil {
		return nil, fmt.Errorf("kv: %w", err)
	}
	return m, nil
}

// Close unmounts the Map and ends its watchers. What it holds can still be read.
func (m *Map) Close() {
	m.closed.Store(true)
	m.unmount()
	m.model.watches.close()
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
	refs, err := m.write(ctx, c)
	if err != nil {
		return wire.Ref{}, err
	}
	return refs[0], nil
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
	return m.write(ctx, changes...)
}

func (m *Map) write(ctx context.Context, changes ...[]byte) ([]wire.Ref, error) {
	if m.closed.Load() {
		return nil, ErrClosed
	}
	refs, err := m.replica.LocalUpdates(ctx, m.channel, changes...)
	if err != nil {
		return nil, fmt.Errorf("kv: %w", err)
	}
	return refs, nil
}

// Get returns key's value, if it has one.
func (m *Map) Get(key string) (Entry, bool) {
	r := m.model.get(key)
	if !r.live() {
		return Entry{}, false
	}
	return r.entry(key), true
}

// Len returns the number of keys that have a value.
func (m *Map) Len() int { return m.model.size() }

// Keys returns the keys that have a value, bytewise, as they are when the iteration
// begins.
func (m *Map) Keys() iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, it := range m.model.list() {
			if !yield(it.key) {
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
		for _, it := range m.model.list() {
			if !yield(it.key, it.entry(it.key)) {
				return
			}
		}
	}
}
