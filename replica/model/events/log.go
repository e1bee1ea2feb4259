package events

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync/atomic"

	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// DefaultChannel is where a Log is mounted unless told otherwise.
const DefaultChannel = "events"

// ErrClosed is returned by the methods of a Log that has been closed.
var ErrClosed = errors.New("events: closed")

// Config tunes a Log. There is nothing to tune yet.
type Config struct{}

// Event is one event and the update that published it. It belongs to the caller.
type Event struct {
	wire.Ref        // the update
	Name     string // UTF-8 without control characters, 1 to 255 bytes
	Data     []byte // never nil
	Time     uint64 // ns since the Unix epoch, as the author dated it
}

// Log is the log of one channel of a replica. It is safe for concurrent use. Close it
// before the replica.
type Log struct {
	replica *replica.Replica
	channel string
	model   *model
	unmount func()
	closed  atomic.Bool
}

// Mount folds what the replica has of a channel, "" for "events", into a Log, which
// follows from then on.
func Mount(r *replica.Replica, channel string, _ Config) (*Log, error) {
	if channel == "" {
		channel = DefaultChannel
	}
	l := &Log{replica: r, channel: channel, model: newModel()}
	var err error
	if l.unmount, err = r.Mount(channel, l.model); err != nil {
		return nil, fmt.Errorf("events: %w", err)
	}
	return l, nil
}

// Close unmounts the Log and ends its followers when they have taken what there is.
// What it holds can still be read.
func (l *Log) Close() {
	l.closed.Store(true)
	l.unmount()
	l.model.close()
}

// Publish appends an event, and returns when it is signed, durable and in the log. The
// name takes 1 to 255 bytes of UTF-8 without control characters, else the error wraps
// ErrBadName; name and data together are bound by replica.Config.MaxChange.
func (l *Log) Publish(ctx context.Context, name string, data []byte) (wire.Ref, error) {
	refs, err := l.PublishMany(ctx, name, data)
	if err != nil {
		return wire.Ref{}, err
	}
	return refs[0], nil
}

// PublishMany is Publish for 1 to 256 events of one name, which stay in order under
// one signature, and are stored together or not at all; together they must fit a run
// (wire.RunRoom).
func (l *Log) PublishMany(ctx context.Context, name string, data ...[]byte) ([]wire.Ref, error) {
	if l.closed.Load() {
		return nil, ErrClosed
	}
	if err := checkName([]byte(name)); err != nil {
		return nil, fmt.Errorf("events: %w", err)
	}
	if len(data) > wire.MaxEntries {
		return nil, fmt.Errorf("events: %d events in one call (1 to %d)", len(data), wire.MaxEntries)
	}
	changes := make([][]byte, len(data))
	for i, d := range data {
		changes[i] = encode(name, d)
	}
	refs, err := l.replica.LocalUpdates(ctx, l.channel, changes...)
	if err != nil {
		return nil, fmt.Errorf("events: %w", err)
	}
	return refs, nil
}

// Len returns the number of events.
func (l *Log) Len() int { return len(l.model.list()) }

// Replay returns the events of one name, "" for all, that are there when the iteration
// begins, by (time, author, hash).
func (l *Log) Replay(name string) iter.Seq[Event] {
	return func(yield func(Event) bool) {
		for _, e := range snapshot(l.model.list(), name) {
			if !yield(e.export()) {
				return
			}
		}
	}
}

// Follow is Replay, and then every further event as it is applied, each exactly once,
// until ctx ends or the Log is closed. An event that arrives late comes when it
// arrives, whatever its date; one that is taken back later, as when its author's key is
// withdrawn, has been yielded all the same. However slow the reader is, it misses
// nothing and holds up nobody.
func (l *Log) Follow(ctx context.Context, name string) iter.Seq[Event] {
	return func(yield func(Event) bool) {
		events, f := l.model.follow()
		defer f.leave()
		for _, e := range snapshot(events, name) {
			if ctx.Err() != nil || !yield(e.export()) {
				return
			}
		}
		for ctx.Err() == nil {
			e, more := f.take()
			switch {
			case e != nil:
				if (name == "" || e.name == name) && !yield(e.export()) {
					return
				}
				continue
			case more == nil:
				return
			}
			select {
			case <-more:
			case <-ctx.Done():
			}
		}
	}
}
