// Package watch hands the changes of a model to those who watch it, and waits for none
// of them: a watcher that is too slow loses changes, and is told how many and where.
package watch

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
)

// DefaultBuffer bounds the changes that wait for one slow watcher.
const DefaultBuffer = 1024

// Buffer returns how many events wait for a slow watcher of a model, given its
// Config.WatchBuffer, of which 0 is the default.
func Buffer(model string, n int) (int, error) {
	switch {
	case n < 0:
		return 0, fmt.Errorf("%s: Config.WatchBuffer is %d", model, n)
	case n == 0:
		return DefaultBuffer, nil
	}
	return n, nil
}

// MaxHeld bounds what the changes that wait for one slow watcher keep in memory, in bytes:
// some sixty of the largest updates. A single change is never too large.
const MaxHeld = 64 << 20

// Holder is an event that keeps values in memory that its model may have dropped.
type Holder interface{ Held() int } // bytes, about

// Hub hands events to watchers, who see them as changes. Events do not change once told.
type Hub[Event, Change any] struct {
	show func(Event) Change
	lost func(n uint64) Change

	some  atomic.Int32 // len(watchers)
	tasks sync.WaitGroup

	mu       sync.Mutex // guards the fields below
	watchers map[*watcher[Event]]struct{}
	ended    chan struct{} // made with the first watcher
	closed   bool
}

// New returns a hub. show makes, for each watcher anew, the change that an event is to
// it; lost, the one that says that n were missed.
func New[Event, Change any](show func(Event) Change, lost func(n uint64) Change) *Hub[Event, Change] {
	return &Hub[Event, Change]{show: show, lost: lost, watchers: make(map[*watcher[Event]]struct{})}
}

// Watch returns the changes that wants asks for, from now on, until ctx ends or the hub
// is closed; then the channel is closed. At most buffer events wait for the reader, which
// hold no more than MaxHeld. If the hub is closed already, it returns nil.
func (h *Hub[Event, Change]) Watch(ctx context.Context, buffer int, wants func(Event) bool) <-chan Change {
	w := &watcher[Event]{wants: wants, most: buffer, wake: make(chan struct{}, 1)}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil
	}
	if h.ended == nil {
		h.ended = make(chan struct{})
	}
	h.watchers[w] = struct{}{}
	h.some.Add(1)
	out, ended := make(chan Change), h.ended
	h.tasks.Go(func() {
		defer close(out)
		h.pump(ctx, w, out, ended)
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.watchers, w)
		h.some.Add(-1)
	})
	return out
}

// pump hands a watcher's queue to its reader.
func (h *Hub[Event, Change]) pump(ctx context.Context, w *watcher[Event], out chan<- Change, ended <-chan struct{}) {
	for {
		q, ok := w.pop()
		if !ok {
			select {
			case <-w.wake:
				continue
			case <-ctx.Done():
			case <-ended:
			}
			return
		}
		var c Change
		if q.lost > 0 {
			c = h.lost(q.lost)
		} else {
			c = h.show(q.event)
		}
		select {
		case out <- c:
		case <-ctx.Done():
			return
		case <-ended:
			return
		}
	}
}

// Watched reports whether there is a watcher, so that events need not be made for none.
func (h *Hub[Event, Change]) Watched() bool { return h.some.Load() > 0 }

// Tell hands an event to the watchers that want it.
func (h *Hub[Event, Change]) Tell(e Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tellLocked(e)
}

// Together calls f, which may tell several events; watchers come before all of them or
// behind, and so does what f does besides.
func (h *Hub[Event, Change]) Together(f func(tell func(Event))) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f(h.tellLocked)
}

func (h *Hub[Event, Change]) tellLocked(e Event) {
	q := queued[Event]{event: e, held: -1}
	for w := range h.watchers {
		if !w.wants(e) {
			continue
		}
		if q.held < 0 {
			q.held = held(e)
		}
		w.push(q)
	}
}

func held[Event any](e Event) int {
	if h, ok := any(e).(Holder); ok {
		return h.Held()
	}
	return 0
}

// Close ends all watchers and waits for them.
func (h *Hub[Event, Change]) Close() {
	h.mu.Lock()
	if !h.closed {
		h.closed = true
		if h.ended != nil {
			close(h.ended)
		}
	}
	h.mu.Unlock()
	h.tasks.Wait()
}

// watcher is one reader of changes.
type watcher[Event any] struct {
	wants func(Event) bool
	most  int
	wake  chan struct{}

	mu    sync.Mutex // guards the fields below
	queue []queued[Event]
	held  int    // bytes, by the events of queue
	lost  uint64 // missed behind the last of queue
}

// queued is an event, or how many were missed here.
type queued[Event any] struct {
	event Event
	held  int // bytes
	lost  uint64
}

func (w *watcher[Event]) push(q queued[Event]) {
	w.mu.Lock()
	if w.lost > 0 && w.hasRoomLocked(q) {
		w.queue = append(w.queue, queued[Event]{lost: w.lost})
		w.lost = 0
	}
	if w.hasRoomLocked(q) {
		w.queue = append(w.queue, q)
		w.held += q.held
	} else {
		w.lost++
	}
	w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

func (w *watcher[Event]) hasRoomLocked(q queued[Event]) bool {
	return len(w.queue) < w.most && (w.held == 0 || w.held+q.held <= MaxHeld)
}

func (w *watcher[Event]) pop() (q queued[Event], ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case len(w.queue) > 0:
		q = w.queue[0]
		w.queue[0] = queued[Event]{} // the array behind lives on
		w.queue = w.queue[1:]
		w.held -= q.held
	case w.lost > 0:
		q.lost, w.lost = w.lost, 0
	default:
		return q, false
	}
	return q, true
}
