package manifest

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	mounting "github.com/hearsaynet/hearsay/replica/model/internal/mount"
	"github.com/hearsaynet/hearsay/replica/model/internal/twin"
	"github.com/hearsaynet/hearsay/replica/model/internal/watch"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// DefaultChannel is where a Manifest is mounted unless told otherwise.
const DefaultChannel = "manifest"

// ErrClosed is wrapped by the errors of a Manifest that has been closed.
var ErrClosed = mounting.ErrClosed

// ErrReserved is wrapped by Add's error for a channel that no list can mount.
var ErrReserved = errors.New("reserved channel")

// ErrBadGlob is wrapped by Watch's error for a pattern that is none, or whose {} make more
// than 256 patterns.
var ErrBadGlob = watch.ErrBadGlob

// Kind mounts a model on a channel of a replica. It is called from a goroutine of the
// Manifest's, one at a time; while it runs nothing else is mounted or closed.
type Kind func(r *replica.Replica, channel string) (Mounted, error)

// Config tunes a Manifest. The zero value of each field works.
type Config struct {
	// Kinds are the models that the list may have mounted here, by the names that it has
	// for them. Nil: nothing is mounted.
	Kinds map[string]Kind
	// Reserved are channels that are not mounted from the list, as those that the program
	// mounts itself. The manifest's own is one anyway.
	Reserved []string
	// MaxMounts bounds what is mounted. Default 64.
	MaxMounts int
	// WatchBuffer is how many changes wait for a slow watcher. Default 1024.
	WatchBuffer int
}

func (c *Config) check() error {
	if c.MaxMounts < 0 {
		return fmt.Errorf("manifest: Config.MaxMounts is %d", c.MaxMounts)
	}
	if c.WatchBuffer < 0 {
		return fmt.Errorf("manifest: Config.WatchBuffer is %d", c.WatchBuffer)
	}
	for name, kind := range c.Kinds {
		if err := checkName("kind", name, MaxKind); err != nil {
			return fmt.Errorf("manifest: Config.Kinds: %w", err)
		}
		if kind == nil {
			return fmt.Errorf("manifest: Config.Kinds has no function for %q", name)
		}
	}
	if c.MaxMounts == 0 {
		c.MaxMounts = DefaultMaxMounts
	}
	if c.WatchBuffer == 0 {
		c.WatchBuffer = DefaultWatchBuffer
	}
	return nil
}

// Entry is a channel of the list, the update that put it there, and what became of it
// here.
type Entry struct {
	wire.Ref        // the update
	Channel  string // UTF-8, 1 to 64 bytes
	Kind     string // UTF-8, 1 to 64 bytes
	Time     uint64 // ns since the Unix epoch, as the author dated it
	State    State
	Model    Mounted // if Running: what Config.Kinds returned. The Manifest closes it.
	Err      error   // if Failed
}

// Change is one change of a channel of the list, or, with Lost, none. When a channel has
// been mounted, or could not be, Old and New are of one update and differ in their State.
type Change struct {
	Channel string
	Old     *Entry // nil if it was not on the list
	New     *Entry // nil if it is not any more
	Local   bool   // by the own author
	// Lost is, in a Change with nothing else in it, how many changes the reader has
	// missed here because it was too slow. It should read the list again.
	Lost uint64
}

// Manifest is the list of one channel of a replica, and what is mounted by it. It is safe
// for concurrent use. Close it before the replica.
type Manifest struct {
	channel     *mounting.Channel
	watchBuffer int
	model       *model
}

// Mount folds what the replica has of a channel, "" for "manifest", into a Manifest,
// which follows from then on. What the list names is mounted soon after; see Settle.
func Mount(r *replica.Replica, channel string, cfg Config) (*Manifest, error) {
	if channel == "" {
		channel = DefaultChannel
	}
	if err := cfg.check(); err != nil {
		return nil, err
	}
	m := newManifest(r, r.Self(), channel, cfg)
	var err error
	if m.channel, err = mounting.Open(DefaultChannel, r, channel, m.model); err != nil {
		return nil, err
	}
	m.start()
	return m, nil
}

// newManifest takes a Config that has been checked.
func newManifest(r *replica.Replica, self keys.NodeID, channel string, cfg Config) *Manifest {
	k := &keeper{
		replica: r, kinds: cfg.Kinds, most: cfg.MaxMounts, reserved: map[string]bool{channel: true},
		wake: make(chan struct{}, 1), stop: make(chan struct{}), passed: make(chan struct{}), mounts: make(map[string]*mount),
	}
	for _, name := range cfg.Reserved {
		k.reserved[name] = true
	}
	k.model = &model{
		self: self, state: twin.New(newList), keeper: k,
		watches: watch.New(event.change, func(n uint64) Change { return Change{Lost: n} }),
	}
	k.model.listed.Store(1)
	return &Manifest{channel: new(mounting.Channel), watchBuffer: cfg.WatchBuffer, model: k.model}
}

func (m *Manifest) start() { m.model.keeper.done.Go(m.model.keeper.run) }

// Close closes what is mounted by the list, unmounts the Manifest and ends its watchers.
// What it holds can still be read.
func (m *Manifest) Close() {
	m.channel.Close()
	k := m.model.keeper
	k.mu.Lock()
	if !k.stopped() {
		close(k.stop)
	}
	k.mu.Unlock()
	k.done.Wait()
	m.model.watches.Close()
}

// Add puts a channel on the list, or changes its kind, and returns when that is signed,
// durable and applied; it is mounted soon after. The error for names that cannot be wraps
// ErrBadName, for a channel that this replica would not mount ErrReserved. A kind that
// this replica does not know may be listed for others.
func (m *Manifest) Add(ctx context.Context, channel, kind string) (wire.Ref, error) {
	if m.model.keeper.reserved[channel] {
		return wire.Ref{}, fmt.Errorf("manifest: %w %q", ErrReserved, channel)
	}
	return m.write(ctx, change{opAdd, channel, kind})
}

// Remove takes a channel off the list. It counts against every older Add, also one that
// has not arrived yet, and so writes an update whether the channel is listed or not. What
// was written to the channel stays in the topic.
func (m *Manifest) Remove(ctx context.Context, channel string) (wire.Ref, error) {
	return m.write(ctx, change{op: opRemove, channel: channel})
}

func (m *Manifest) write(ctx context.Context, c change) (wire.Ref, error) {
	b, err := encode(c)
	if err != nil {
		return wire.Ref{}, fmt.Errorf("manifest: %w", err)
	}
	return m.channel.WriteOne(ctx, b)
}

// Get returns a channel of the list, if it is on it.
func (m *Manifest) Get(channel string) (Entry, bool) {
	r := m.model.state.Now().get(channel)
	if !r.listed() {
		return Entry{}, false
	}
	return *r.entry(m.model.keeper.status(r)), true
}

// All returns the list, bytewise by channel, as it is when the iteration begins.
func (m *Manifest) All() iter.Seq[Entry] {
	return func(yield func(Entry) bool) {
		for _, it := range m.model.state.Now().sorted() {
			if !yield(*it.Record.entry(m.model.keeper.status(it.Record))) {
				return
			}
		}
	}
}

// Settle returns when what is listed now has been mounted, as far as it can be.
func (m *Manifest) Settle(ctx context.Context) error {
	k := m.model.keeper
	for listed := m.model.listed.Load(); ; {
		k.mu.Lock()
		kept, passed := k.kept, k.passed
		k.mu.Unlock()
		if kept >= listed {
			return nil
		}
		select {
		case <-passed:
		case <-k.stop:
			return fmt.Errorf("manifest: %w", ErrClosed)
		case <-ctx.Done():
			return fmt.Errorf("manifest: %w", context.Cause(ctx))
		}
	}
}

// Watch returns the changes from now on of the channels that match glob, until ctx ends or
// the Manifest is closed; then the channel is closed. A reader that falls
// Config.WatchBuffer changes behind loses some, and is told so by Change.Lost.
//
// In glob, * stands for any characters but '/', ** as a whole path element for any number
// of them, ? for one character, [a-z] for a class, {a,b} for alternatives, and "" for
// every channel. Whoever watches first and reads the list afterwards misses nothing but
// that a channel has become Excess or is not any more. What was told may be taken back:
// after a rebuild, as when an author's key was withdrawn or a fork of it was proved, the
// changes are the differences.
func (m *Manifest) Watch(ctx context.Context, glob string) (<-chan Change, error) {
	matches, err := watch.Glob(glob)
	if err != nil {
		return nil, fmt.Errorf("manifest: watch: %w", err)
	}
	changes := m.model.watches.Watch(ctx, m.watchBuffer, func(e event) bool { return matches(e.channel()) })
	if changes == nil {
		return nil, fmt.Errorf("manifest: %w", ErrClosed)
	}
	return changes, nil
}

// event is a change of a channel.
type event struct {
	before, now *record // one of them is listed
	was, is     status
	local       bool
}

func (e event) channel() string {
	if e.now != nil {
		return e.now.channel
	}
	return e.before.channel
}

func (e event) change() Change {
	return Change{Channel: e.channel(), Old: e.before.entry(e.was), New: e.now.entry(e.is), Local: e.local}
}

// entry returns what r says, nil if the channel is not on the list.
func (r *record) entry(s status) *Entry {
	if !r.listed() {
		return nil
	}
	return &Entry{Ref: r.ref, Channel: r.channel, Kind: r.kind, Time: r.time, State: s.state, Model: s.model, Err: s.err}
}
