package peerkv

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/internal/mount"
	"github.com/hearsaynet/hearsay/replica/model/internal/setting"
	"github.com/hearsaynet/hearsay/replica/model/internal/watch"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// DefaultChannel is where a Map is mounted unless told otherwise.
const DefaultChannel = "peerkv"

// ErrClosed is wrapped by the errors of a Map that has been closed.
var ErrClosed = mount.ErrClosed

// Config tunes a Map. The zero value of each field works.
type Config struct {
	// WatchBuffer is how many changes, with 64 MiB of values at most, wait for a slow
	// watcher. Default 1024.
	WatchBuffer int
}

// Entry is a key's value and the update that set it. It belongs to the caller.
type Entry struct {
	wire.Ref        // the update, and so the author whose key it is
	Key      string // UTF-8, 1 to 1024 bytes
	Value    []byte // never nil
	Time     uint64 // ns since the Unix epoch, as the author dated it
	Expires  uint64 // ns since the Unix epoch, 0: never
}

// Map is the maps of all authors in one channel of a replica. It is safe for concurrent
// use. Close it before the replica.
type Map struct {
	channel     *mount.Channel
	watchBuffer int
	model       *model
}

// Mount folds what the replica has of a channel, "" for "peerkv", into a Map, which
// follows from then on.
func Mount(r *replica.Replica, channel string, cfg Config) (*Map, error) {
	buffer, err := watch.Buffer(DefaultChannel, cfg.WatchBuffer)
	if err != nil {
		return nil, err
	}
	m := &Map{watchBuffer: buffer, model: newModel(r.Self(), r.Now)}
	if m.channel, err = mount.Open(DefaultChannel, r, channel, m.model); err != nil {
		m.model.timer.Stop()
		return nil, err
	}
	return m, nil
}

// Close unmounts the Map and ends its watchers. What it holds can still be read.
func (m *Map) Close() {
	m.channel.Close()
	m.model.timer.Stop()
	m.model.watches.Close()
}

// Set gives a key of the own author a value, and returns when that is signed, durable and
// applied. The key takes 1 to 1024 bytes of UTF-8, else the error wraps ErrBadKey; key and
// value together are bound by replica.Config.MaxChange.
func (m *Map) Set(ctx context.Context, key string, value []byte) (wire.Ref, error) {
	return m.write(ctx, change{Op: setting.Set, Key: []byte(key), Value: value})
}

// SetUntil is Set of a value that is not shown from a time on, by each replica's own
// clock. No older value comes back then. A time that has passed takes the key's value
// away at once; the error for one before 1970 or after 2262 wraps ErrBadExpiry.
func (m *Map) SetUntil(ctx context.Context, key string, value []byte, expires time.Time) (wire.Ref, error) {
	c, err := setting.Until(key, value, expires)
	if err != nil {
		return wire.Ref{}, fmt.Errorf("peerkv: %w", err)
	}
	return m.write(ctx, c)
}

// SetTTL is SetUntil a time after now, by the replica's clock. The error for a ttl that is
// not above 0 wraps ErrBadExpiry.
func (m *Map) SetTTL(ctx context.Context, key string, value []byte, ttl time.Duration) (wire.Ref, error) {
	c, err := setting.For(key, value, m.model.now(), ttl)
	if err != nil {
		return wire.Ref{}, fmt.Errorf("peerkv: %w", err)
	}
	return m.write(ctx, c)
}

// Delete takes the value of a key of the own author away. It writes an update whether the
// key has a value or not.
func (m *Map) Delete(ctx context.Context, key string) (wire.Ref, error) {
	return m.write(ctx, change{Op: setting.Delete, Key: []byte(key)})
}

func (m *Map) write(ctx context.Context, c change) (wire.Ref, error) {
	b, err := encode(c)
	if err != nil {
		return wire.Ref{}, err
	}
	return m.channel.WriteOne(ctx, b)
}

// Get returns the value of a key of the own author, if it has one.
func (m *Map) Get(key string) (Entry, bool) { return m.Remote(m.model.self, key) }

// Remote returns the value of a key of any author, if it has one.
func (m *Map) Remote(author keys.NodeID, key string) (Entry, bool) {
	r := m.model.state.Now().get(author, key)
	if !r.shown(m.model.clock) {
		return Entry{}, false
	}
	return r.entry(), true
}

// Len returns the number of keys that have a value, of all authors.
func (m *Map) Len() int { return int(m.model.state.Now().size.Load()) }

// Keys returns an author's keys that have a value, bytewise, as they are when the iteration
// begins.
func (m *Map) Keys(author keys.NodeID) iter.Seq[string] {
	return func(yield func(string) bool) {
		for r := range m.shown(m.model.state.Now().list(author)) {
			if !yield(r.key()) {
				return
			}
		}
	}
}

// Of returns an author's values, bytewise by key, as they are when the iteration begins.
func (m *Map) Of(author keys.NodeID) iter.Seq[Entry] {
	return func(yield func(Entry) bool) {
		for r := range m.shown(m.model.state.Now().list(author)) {
			if !yield(r.entry()) {
				return
			}
		}
	}
}

// Authors returns the authors who have a key with a value, in the order of their ids' bytes.
func (m *Map) Authors() iter.Seq[keys.NodeID] {
	return func(yield func(keys.NodeID) bool) {
		for _, v := range m.model.state.Now().all() {
			for range m.shown(v.values) {
				if !yield(v.author) {
					return
				}
				break
			}
		}
	}
}

// All returns everybody's values, by the bytes of the author's id and of the key, as they
// are when the iteration begins. No writer waits for it.
func (m *Map) All() iter.Seq[Entry] {
	return func(yield func(Entry) bool) {
		for _, v := range m.model.state.Now().all() {
			for r := range m.shown(v.values) {
				if !yield(r.entry()) {
					return
				}
			}
		}
	}
}

// shown returns what readers see of values.
func (m *Map) shown(values interface{ From(int) iter.Seq[*record] }) iter.Seq[*record] {
	now := m.model.clock()
	still := func() uint64 { return now }
	return func(yield func(*record) bool) {
		for r := range values.From(0) {
			if r.shown(still) && !yield(r) {
				return
			}
		}
	}
}
