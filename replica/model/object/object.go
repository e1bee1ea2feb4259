package object

import (
	"context"
	"fmt"
	"iter"

	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/internal/mount"
	"github.com/hearsaynet/hearsay/replica/model/internal/watch"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// DefaultChannel is where an Object is mounted unless told otherwise.
const DefaultChannel = "object"

// ErrClosed is wrapped by the errors of an Object that has been closed.
var ErrClosed = mount.ErrClosed

// Config tunes an Object. The zero value of each field works.
type Config struct {
	// WatchBuffer is how many changes, with 64 MiB of values at most, wait for a slow
	// watcher. Default 1024.
	WatchBuffer int
}

// Entry is what stands at a path and the update that put it there. It belongs to the
// caller.
type Entry struct {
	wire.Ref        // the update; of an object the newest that set anything in it, zero for a root without any
	Path     string // a JSON Pointer (RFC 6901), "" for the root
	JSON     []byte // as the package documentation spells it
	Time     uint64 // ns since the Unix epoch, as the author dated it
}

// Op is one write: of a value, or, if that is nil, a remove.
type Op struct {
	Path  string // a JSON Pointer (RFC 6901)
	Value []byte // JSON in any spelling
}

// NewChange returns the change that makes writes, 1 to 256, in their order, for programs
// that sign runs themselves. The error wraps ErrBadPath or ErrBadValue.
func NewChange(ops ...Op) ([]byte, error) {
	writes := make([]write, len(ops))
	for i, o := range ops {
		names, err := parsePath(o.Path)
		if err != nil {
			return nil, fmt.Errorf("object: %w", badWrite(len(ops), i, err))
		}
		writes[i] = write{op: opRemove, names: names}
		if o.Value == nil {
			continue
		}
		writes[i].op = opSet
		if writes[i].value, err = canonical(o.Value, len(names)); err != nil {
			return nil, fmt.Errorf("object: %w", badWrite(len(ops), i, err))
		}
	}
	b, err := encode(writes)
	if err != nil {
		return nil, fmt.Errorf("object: %w", err)
	}
	return b, nil
}

// Object is the object of one channel of a replica. It is safe for concurrent use. Close
// it before the replica.
type Object struct {
	channel     *mount.Channel
	watchBuffer int
	model       *model
}

// Mount folds what the replica has of a channel, "" for "object", into an Object, which
// follows from then on.
func Mount(r *replica.Replica, channel string, cfg Config) (*Object, error) {
	buffer, err := watch.Buffer(DefaultChannel, cfg.WatchBuffer)
	if err != nil {
		return nil, err
	}
	o := &Object{watchBuffer: buffer, model: newModel(r.Self())}
	if o.channel, err = mount.Open(DefaultChannel, r, channel, o.model); err != nil {
		return nil, err
	}
	return o, nil
}

// Close unmounts the Object and ends its watchers. What it holds can still be read.
func (o *Object) Close() {
	o.channel.Close()
	o.model.watches.Close()
}

// Set replaces what stands at a path, which is a JSON Pointer (RFC 6901) like /a/b, "" for
// the whole object, with a JSON value, and returns when that is signed, durable and
// applied. What stands above becomes an object if it is none. The error for a bad path
// wraps ErrBadPath, for a bad value ErrBadValue; both together are bound by
// replica.Config.MaxChange.
func (o *Object) Set(ctx context.Context, path string, value []byte) (wire.Ref, error) {
	if value == nil {
		return wire.Ref{}, fmt.Errorf("object: %w: no JSON", ErrBadValue)
	}
	return o.Write(ctx, Op{path, value})
}

// Remove takes away what stands at a path and below; at "", all there is. It counts
// against everything older, also what has not arrived yet, and so writes an update whether
// something stands there or not.
func (o *Object) Remove(ctx context.Context, path string) (wire.Ref, error) {
	return o.Write(ctx, Op{Path: path})
}

// Write makes 1 to 256 writes in one update: readers see all of them or none.
func (o *Object) Write(ctx context.Context, ops ...Op) (wire.Ref, error) {
	c, err := NewChange(ops...)
	if err != nil {
		return wire.Ref{}, err
	}
	return o.channel.WriteOne(ctx, c)
}

// Get returns what stands at a path, which may be a whole branch; at "", the whole object.
func (o *Object) Get(path string) (Entry, bool) {
	n := o.find(path)
	if n == nil {
		return Entry{}, false
	}
	return n.entry(path), true
}

// find returns the node of a path, nil if nothing stands there.
func (o *Object) find(path string) *node {
	names, err := parsePath(path)
	if err != nil {
		return nil
	}
	return o.model.state.Now().root.Load().at(names)
}

// entry returns what stands at n, with all that is in it.
func (n *node) entry(path string) Entry {
	e := Entry{Path: path, JSON: n.appendJSON(nil)}
	if n.claim != nil {
		e.Ref, e.Time = n.claim.ref, n.claim.time
	}
	return e
}

func (n *node) appendJSON(dst []byte) []byte {
	if !n.isObject() {
		return append(dst, n.value...)
	}
	dst = append(dst, '{')
	comma := false
	n.members.each(func(m *node) bool {
		if comma {
			dst = append(dst, ',')
		}
		comma = true
		dst = m.appendJSON(append(appendString(dst, m.name), ':'))
		return true
	})
	return append(dst, '}')
}

// Keys returns the names in the object at a path, bytewise, as they are when the iteration
// begins; none, where no object stands. A name with / or ~ needs Path to be a part of one.
func (o *Object) Keys(path string) iter.Seq[string] {
	return func(yield func(string) bool) {
		if n := o.find(path); n != nil {
			n.members.each(func(m *node) bool { return yield(m.name) })
		}
	}
}

// Each returns what stands at a path and below it that is no object, and empty objects,
// names bytewise, as all of it is when the iteration begins. No writer waits for it.
func (o *Object) Each(path string) iter.Seq[Entry] {
	return func(yield func(Entry) bool) {
		if n := o.find(path); n != nil {
			n.leaves(path, yield)
		}
	}
}

func (n *node) leaves(path string, yield func(Entry) bool) bool {
	leaf := true
	if !n.members.each(func(m *node) bool {
		leaf = false
		return m.leaves(below(path, m.name), yield)
	}) {
		return false
	}
	return !leaf || path == "" || yield(n.entry(path))
}

// Snapshot returns the whole object as JSON, as it is at one moment: "{}" before anything
// is set. Names are bytewise in order, so that replicas with the same state return the
// same bytes.
func (o *Object) Snapshot() []byte { return o.model.state.Now().root.Load().appendJSON(nil) }

// MarshalJSON implements json.Marshaler: it returns Snapshot.
func (o *Object) MarshalJSON() ([]byte, error) { return o.Snapshot(), nil }
