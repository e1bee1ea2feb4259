package list

import (
	"errors"
	"iter"
	"sync"

	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/internal/mount"
	"github.com/hearsaynet/hearsay/replica/model/internal/watch"
)

// DefaultChannel is where a List is mounted unless told otherwise.
const DefaultChannel = "list"

var (
	// ErrClosed is wrapped by the errors of a List that has been closed.
	ErrClosed = mount.ErrClosed
	// ErrRange is wrapped by the errors about an index that the list does not have.
	ErrRange = errors.New("no such index")
	// ErrNotFound is wrapped by the errors about an element that is not in the list.
	ErrNotFound = errors.New("no such element")
)

// Config tunes a List. The zero value of each field works.
type Config struct {
	// WatchBuffer is how many changes, with 64 MiB of values at most, wait for a slow
	// watcher. Default 1024.
	WatchBuffer int
}

// List is the list of one channel of a replica. It is safe for concurrent use. Close it
// before the replica.
type List struct {
	channel     *mount.Channel
	watchBuffer int
	model       *model

	mu          sync.Mutex // guards the fields below
	first, last ElementID  // of what was inserted here last
}

// Mount folds what the replica has of a channel, "" for "list", into a List, which
// follows from then on.
func Mount(r *replica.Replica, channel string, cfg Config) (*List, error) {
	buffer, err := watch.Buffer(DefaultChannel, cfg.WatchBuffer)
	if err != nil {
		return nil, err
	}
	l := &List{watchBuffer: buffer, model: newModel(r.Self())}
	if l.channel, err = mount.Open(DefaultChannel, r, channel, l.model); err != nil {
		return nil, err
	}
	return l, nil
}

// Close unmounts the List and ends its watchers. What it holds can still be read.
func (l *List) Close() {
	l.channel.Close()
	l.model.watches.Close()
}

// Snapshot returns the list as it is now. It costs nothing.
func (l *List) Snapshot() Snapshot { return Snapshot{l.model.state.Now().read()} }

// Len returns the number of elements.
func (l *List) Len() int { return l.Snapshot().Len() }

// Get returns the element at an index, if there is one.
func (l *List) Get(at int) (Element, bool) { return l.Snapshot().Get(at) }

// Find returns the element with that name, if it is in the list.
func (l *List) Find(id ElementID) (Element, bool) {
	e := l.model.state.Now().read().find(id)
	if e == nil {
		return Element{}, false
	}
	return e.show(), true
}

// Index returns where the element with that name is, if it is in the list.
func (l *List) Index(id ElementID) (at int, ok bool) {
	e, _, at := l.model.state.Now().index(id)
	return at, e != nil
}

// All returns the elements in order, with their indexes, as they are when the iteration
// begins.
func (l *List) All() iter.Seq2[int, Element] {
	return func(yield func(int, Element) bool) { l.Snapshot().All()(yield) }
}

// Snapshot is a list at one moment. It never changes.
type Snapshot struct{ *contents }

// Version tells it from the List's other snapshots: each is of a higher one than all
// before. It means nothing to another List.
func (s Snapshot) Version() uint64 { return s.version }

// Len returns the number of elements.
func (s Snapshot) Len() int { return s.shown.Len() }

// Get returns the element at an index, if there is one.
func (s Snapshot) Get(at int) (Element, bool) {
	if at < 0 || at >= s.Len() {
		return Element{}, false
	}
	return s.shown.At(at).show(), true
}

// All returns the elements in order, with their indexes.
func (s Snapshot) All() iter.Seq2[int, Element] {
	return func(yield func(int, Element) bool) {
		i := 0
		for e := range s.shown.From(0) {
			if !yield(i, e.show()) {
				return
			}
			i++
		}
	}
}
