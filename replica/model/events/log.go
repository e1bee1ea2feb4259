package events

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/internal/mount"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// DefaultChannel is where a Log is mounted unless told otherwise.
const DefaultChannel = "events"

// ErrClosed is wrapped by the errors of a Log that has been closed.
var ErrClosed = mount.ErrClosed

// Config tunes a Log. The zero value of each field works.
type Config struct {
	// Log receives the panics of listeners. Nil discards.
	Log *slog.Logger
}

// Event is one event and the update that published it. It belongs to the caller.
type Event struct {
	wire.Ref        // the update
	Name     string // UTF-8 without control characters, 1 to 255 bytes
	Data     []byte // never nil
	Time     uint64 // ns since the Unix epoch, as the author dated it
	Until    uint64 // ns since the Unix epoch, from which on nobody is told of it; 0: for ever
}

// Log is the log of one channel of a replica. It is safe for concurrent use. Close it
// before the replica.
type Log struct {
	channel *mount.Channel
	model   *model
	self    keys.NodeID
	now     func() time.Time
	log     *slog.Logger
	panics  atomic.Uint64

	ctx       context.Context // of the listeners
	cancel    context.CancelFunc
	listeners sync.WaitGroup
	mu        sync.Mutex // guards closed
	closed    bool
}

// Mount folds what the replica has of a channel, "" for "events", into a Log, which
// follows from then on.
func Mount(r *replica.Replica, channel string, cfg Config) (*Log, error) {
	l := newLog(r.Self(), r.Now, cfg)
	c, err := mount.Open(DefaultChannel, r, channel, l.model)
	if err != nil {
		l.Close()
		return nil, err
	}
	l.channel = c
	return l, nil
}

// newLog returns a log without a channel.
func newLog(self keys.NodeID, now func() time.Time, cfg Config) *Log {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	l := &Log{channel: &mount.Channel{}, model: newModel(now), self: self, now: now, log: cfg.Log}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	return l
}

// Close unmounts the Log. It ends listeners when their handlers return, and waits for
// that, so no handler may call it; and followers when they have taken what there is.
// What the Log holds can still be read.
func (l *Log) Close() {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.channel.Close()
	l.cancel()
	l.model.line.Close()
	l.listeners.Wait()
}

// Publish appends an event, and returns when it is signed, durable and in the log. The
// name takes 1 to 255 bytes of UTF-8 without control characters, else the error wraps
// ErrBadName; name, data and Overhead together are bound by replica.Config.MaxChange.
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
	return l.publish(ctx, name, 0, data)
}

// PublishFor is PublishMany for events that nobody is told of any more, nowhere, when a
// duration from now has passed. Its end is signed with them; it comes for each reader by
// its own clock. They take OverheadFor instead of Overhead, and are stored and passed
// on as all others are.
func (l *Log) PublishFor(ctx context.Context, name string, d time.Duration, data ...[]byte) ([]wire.Ref, error) {
	now := l.now().UnixNano()
	if d <= 0 || int64(d) > wire.MaxInteger-now {
		return nil, fmt.Errorf("events: duration %v is not positive, or ends behind the year 2262", d)
	}
	return l.publish(ctx, name, uint64(now+int64(d)), data)
}

func (l *Log) publish(ctx context.Context, name string, until uint64, data [][]byte) ([]wire.Ref, error) {
	if len(data) > wire.MaxEntries {
		return nil, fmt.Errorf("events: %d events in one call (1 to %d)", len(data), wire.MaxEntries)
	}
	changes := make([][]byte, len(data))
	for i, d := range data {
		var err error
		if changes[i], err = encode(name, until, d); err != nil {
			return nil, fmt.Errorf("events: %w", err)
		}
	}
	return l.channel.Write(ctx, changes...)
}

// Len returns the number of events.
func (l *Log) Len() int { return l.model.line.Len() }

// From is where a reader of the log begins. Its zero value is the beginning; of several
// fields each says what is left out.
type From struct {
	// After leaves out the events up to a clock, as replica.Replica.Clock gave it, or as
	// the Refs of the events that were handled make one. What is behind it is all that
	// was not there then, whatever its date, but for events that were parked when their
	// author's clock passed them. Events that are there are told by their dates, which
	// an author need not give in the order of Seq: a clock made while they were told may
	// leave some of them out, one made behind them all does not.
	After replica.Clock
	// Since leaves out events that are dated before it.
	Since time.Time
	// Last leaves out all but the last so many of those that are there. 0: none.
	Last int
}

// choose returns the selection that pattern and from make.
func choose(pattern string, from From) (selection, error) {
	matches, err := compile(pattern)
	if err != nil {
		return selection{}, err
	}
	if from.Last < 0 {
		return selection{}, fmt.Errorf("events: From.Last is %d", from.Last)
	}
	s := selection{After: maps.Clone(from.After), Last: from.Last} // the caller may go on with its clock
	switch {
	case from.Since.After(time.Unix(0, wire.MaxInteger)):
		s.Since = wire.MaxInteger + 1
	case from.Since.After(time.Unix(0, 0)):
		s.Since = uint64(from.Since.UnixNano())
	}
	if matches != nil {
		s.Wants = func(e *entry) bool { return matches(e.Value.name()) }
	}
	return s, nil
}

// Replay returns the events that match a pattern and are there when the iteration
// begins, by (time, author, hash), the own author's as well. For patterns, see the
// package; "" is every event. The error wraps ErrBadPattern.
func (l *Log) Replay(pattern string, from From) (iter.Seq[Event], error) {
	s, err := choose(pattern, from)
	if err != nil {
		return nil, err
	}
	return exported(l.model.line.Entries(s)), nil
}

// Follow is Replay, and then every further event as it is applied, each exactly once,
// until ctx ends or the Log is closed. An event that arrives late comes when it
// arrives, whatever its date; one that is taken back later, as when its author's key is
// withdrawn, has been yielded all the same, and does not come again if it counts again
// (but for the oldest, where more than 131,072 are taken back). However slow the reader
// is, it misses nothing but what has ended meanwhile, and holds up nobody; what it has
// not read yet, and has not ended, stays in memory.
func (l *Log) Follow(ctx context.Context, pattern string, from From) (iter.Seq[Event], error) {
	s, err := choose(pattern, from)
	if err != nil {
		return nil, err
	}
	return exported(l.model.line.Follow(ctx, s)), nil
}

func exported(entries iter.Seq[*entry]) iter.Seq[Event] {
	return func(yield func(Event) bool) {
		for e := range entries {
			if !yield(export(e)) {
				return
			}
		}
	}
}
