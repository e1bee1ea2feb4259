package kv

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/internal/mount"
	"github.com/hearsaynet/hearsay/replica/model/internal/setting"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// DefaultChannel is where a Map is mounted unless told otherwise.
const DefaultChannel = "kv"

// ErrClosed is wrapped by the errors of a Map that has been closed.
var ErrClosed = mount.ErrClosed

// Config tunes a Map. The zero value of each field works.
type Config struct {
	// WatchBuffer is how many changes, with 64 MiB of values at most, wait for a slow
	// watcher. Default 1024.
	WatchBuffer int
	// Resolve says which of two updates of a key counts: the greater one, by a result
	// above 0 if that is a, below if it is b. It must order any updates of a key, always
	// in the same way, by nothing but what they say, and alike on every replica; those
	// that it calls equal are in the order of LastWriterWins. If it panics the update
	// at hand has no effect. kvtest.CheckOrder tests one. Default LastWriterWins.
	Resolve func(a, b Update) int
	// Backend makes what keeps the state, one at Mount and one for each rebuild. Nil:
	// memory.
	Backend func() (Backend, error)
	// MaxBytes bounds the memory of what is kept here, in bytes, by this account: for each
	// key, deleted and expired ones included, 352, the key and the value, and 96 more if
	// it expires. While the replica rebuilds there may be twice as much. At least 4 MiB.
	// Default: no bound.
	//
	// What was written last, by (time, author, hash), is kept. Older keys are evicted, from
	// this Map only: no other replica, no store and no peer notices. Nothing that is as
	// old as what was evicted is shown again before a rebuild or mount, whenever it comes.
	MaxBytes int64
	// MaxKeys bounds the keys, deleted and expired ones included, in the same way: those
	// are shown that have a value among the MaxKeys that were written last, in whatever
	// order they came. Default: no bound.
	MaxKeys int
	// Log receives what an operator should know. Nil discards.
	Log *slog.Logger

	self     keys.NodeID
	testOnly testOnly
}

func (c *Config) check() error {
	if c.WatchBuffer == 0 {
		c.WatchBuffer = DefaultWatchBuffer
	}
	capped := c.MaxBytes != 0 || c.MaxKeys != 0
	switch {
	case c.WatchBuffer < 0:
		return fmt.Errorf("kv: Config.WatchBuffer is %d", c.WatchBuffer)
	case c.MaxKeys < 0:
		return fmt.Errorf("kv: Config.MaxKeys is %d", c.MaxKeys)
	case c.MaxBytes != 0 && c.MaxBytes < MinMaxBytes:
		return fmt.Errorf("kv: Config.MaxBytes is %d, at least %d", c.MaxBytes, MinMaxBytes)
	case capped && c.Resolve != nil:
		return errors.New("kv: Config.Resolve does not go with MaxBytes or MaxKeys: what is evicted is the oldest, which may be what counts")
	case capped && c.Backend != nil:
		return errors.New("kv: Config.Backend does not go with MaxBytes or MaxKeys: they bound memory")
	}
	return nil
}

// Entry is a key's value and the update that set it. It belongs to the caller.
type Entry struct {
	wire.Ref        // the update
	Key      string // UTF-8, 1 to 1024 bytes
	Value    []byte // never nil
	Time     uint64 // ns since the Unix epoch, as the author dated it
	Expires  uint64 // ns since the Unix epoch; 0: never
}

// Pair is a key and the value that it is set to.
type Pair struct {
	Key     string
	Value   []byte
	Expires time.Time // as in SetUntil; zero: never
}

// Map is the map of one channel of a replica. It is safe for concurrent use. Close it
// before the replica.
type Map struct {
	channel *mount.Channel
	model   *model
}

// Mount folds what the replica has of a channel, "" for "kv", into a Map, which
// follows from then on.
func Mount(r *replica.Replica, channel string, cfg Config) (*Map, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	cfg.self = r.Self()
	m := &Map{model: newModel(cfg, r.Now)}
	var err error
	if m.channel, err = mount.Open(DefaultChannel, r, channel, m.model); err != nil {
		m.model.close()
		return nil, err
	}
	if fault := m.model.fault.Load(); fault != nil {
		m.Close()
		return nil, *fault
	}
	return m, nil
}

// Close unmounts the Map and ends its watchers. What it holds in memory can still be
// read; a Backend is closed.
func (m *Map) Close() {
	m.channel.Close()
	m.model.close()
}

// Set gives key a value, and returns when that is signed, durable and applied. The
// key takes 1 to 1024 bytes of UTF-8, else the error wraps ErrBadKey; key and value
// together are bound by replica.Config.MaxChange.
func (m *Map) Set(ctx context.Context, key string, value []byte) (wire.Ref, error) {
	return m.one(ctx, change{Op: setting.Set, Key: []byte(key), Value: value})
}

// SetUntil is Set of a value that is not shown from a time on, by each replica's own
// clock. No older value comes back then. A time that has passed takes key's value away
// at once; the error for one before 1970 or after 2262 wraps ErrBadExpiry.
func (m *Map) SetUntil(ctx context.Context, key string, value []byte, expires time.Time) (wire.Ref, error) {
	c, err := setting.Until(key, value, expires)
	if err != nil {
		return wire.Ref{}, fmt.Errorf("kv: %w", err)
	}
	return m.one(ctx, c)
}

// SetTTL is SetUntil a time after now, by the replica's clock. The error for a ttl that is
// not above 0 wraps ErrBadExpiry.
func (m *Map) SetTTL(ctx context.Context, key string, value []byte, ttl time.Duration) (wire.Ref, error) {
	c, err := setting.For(key, value, m.model.now(), ttl)
	if err != nil {
		return wire.Ref{}, fmt.Errorf("kv: %w", err)
	}
	return m.one(ctx, c)
}

// Delete takes key's value away. It counts against every older Set, also one that has
// not arrived yet, and so writes an update whether the key has a value or not.
func (m *Map) Delete(ctx context.Context, key string) (wire.Ref, error) {
	return m.one(ctx, change{Op: setting.Delete, Key: []byte(key)})
}

func (m *Map) one(ctx context.Context, c change) (wire.Ref, error) {
	b, err := encode(c)
	if err != nil {
		return wire.Ref{}, err
	}
	return m.channel.WriteOne(ctx, b)
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
		if changes[i], err = p.encode(); err != nil {
			return nil, fmt.Errorf("kv: pair %d: %w", i, err)
		}
	}
	return m.channel.Write(ctx, changes...)
}

func (p *Pair) encode() ([]byte, error) {
	c := change{Op: setting.Set, Key: []byte(p.Key), Value: p.Value}
	if !p.Expires.IsZero() {
		var err error
		if c, err = setting.Until(p.Key, p.Value, p.Expires); err != nil {
			return nil, err
		}
	}
	return setting.Encode(c)
}

// Get returns key's value, if it has one.
func (m *Map) Get(key string) (Entry, bool) {
	r := m.model.get(key)
	if !r.shown(m.model.clock) {
		return Entry{}, false
	}
	return r.entry(key), true
}

// Len returns the number of keys that have a value. A value that expires is counted for a
// moment longer.
func (m *Map) Len() int { return int(m.model.state.Now().live.Load()) }

// Keys returns the keys that have a value, bytewise, as they are when the iteration
// begins.
func (m *Map) Keys() iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, it := range m.model.sorted() {
			if !yield(it.Key) {
				return
			}
		}
	}
}

// All returns keys and values, bytewise by key, as they are when the iteration
// begins. It takes 24 bytes for each key while it lasts, and writers do not
// wait for it; with a Backend, it takes their values as well. maps.Collect(m.All()) is a
// copy of the map.
func (m *Map) All() iter.Seq2[string, Entry] {
	return func(yield func(string, Entry) bool) {
		for _, it := range m.model.sorted() {
			if !yield(it.Key, it.Record.entry(it.Key)) {
				return
			}
		}
	}
}

// Stats says what a Map holds and what went wrong.
type Stats struct {
	Keys    int    // that have a value
	Records int    // and those that were deleted or have expired
	Bytes   int64  // of the records, as Config.MaxBytes counts them
	Evicted uint64 // values that MaxBytes and MaxKeys took out, since Mount or the last rebuild
	Faults  uint64 // errors of Config.Backend
	Fault   error  // the newest of them
}

// Stats returns what the Map holds now.
func (m *Map) Stats() Stats {
	t := m.model.state.Now()
	s := Stats{
		Keys: int(t.live.Load()), Records: int(t.size.Load()), Bytes: t.bytes.Load(),
		Evicted: t.evicted.Load(), Faults: m.model.faults.Load(),
	}
	if fault := m.model.fault.Load(); fault != nil {
		s.Fault = *fault
	}
	return s
}
