package kv

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/bmatcuk/doublestar/v4"
)

// ErrBadGlob is wrapped by Watch's error for a pattern that is none.
var ErrBadGlob = errors.New("bad pattern")

// Change is one change of a key, or, with Lost, none.
type Change struct {
	Key   string
	Old   *Entry // nil if there was no value
	New   *Entry // nil if there is none now
	Local bool   // by the own author
	// Lost is, in a Change with nothing else in it, how many changes the reader has
	// missed here because it was too slow. It should read the map again.
	Lost uint64
}

// Watch returns the changes from now on of the keys that match glob, until ctx ends
// or the Map is closed; then the channel is closed. A reader that falls
// Config.WatchBuffer changes behind loses some, and is told so by Change.Lost.
//
// In glob, * stands for any characters but '/', ** as a whole path element for any
// number of them, ? for one character, [a-z] for a class, {a,b} for alternatives, and
// "" for every key. Whoever watches first and lists the map afterwards misses
// nothing. After a rebuild, as when an author's key was withdrawn, the changes are the
// differences.
func (m *Map) Watch(ctx context.Context, glob string) (<-chan Change, error) {
	if !doublestar.ValidatePattern(glob) {
		return nil, fmt.Errorf("kv: watch: %w %q", ErrBadGlob, glob)
	}
	w := &watcher{
		glob: glob, most: m.watchBuffer,
		out: make(chan Change), wake: make(chan struct{}, 1),
	}
	if !m.model.watches.add(ctx, w) {
		return nil, ErrClosed
	}
	return w.out, nil
}

// hub hands changes to the watchers and never waits for one.
type hub struct {
	some  atomic.Int32 // len(watchers)
	tasks sync.WaitGroup

	mu       sync.Mutex // guards the fields below
	watchers map[*watcher]struct{}
	ended    chan struct{} // made with the first watcher
	closed   bool
}

func (h *hub) add(ctx context.Context, w *watcher) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return false
	}
	if h.watchers == nil {
		h.watchers = make(map[*watcher]struct{})
		h.ended = make(chan struct{})
	}
	h.watchers[w] = struct{}{}
	h.some.Add(1)
	ended := h.ended
	h.tasks.Go(func() {
		defer close(w.out)
		w.pump(ctx, ended)
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.watchers, w)
		h.some.Add(-1)
	})
	return true
}

// close ends all watchers and waits for them.
func (h *hub) close() {
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

func (h *hub) watched() bool { return h.some.Load() > 0 }

func (h *hub) tell(key string, before, now *record, local bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tellLocked(key, before, now, local)
}

func (h *hub) tellLocked(key string, before, now *record, local bool) {
	if !before.live() && !now.live() {
		return
	}
	for w := range h.watchers {
		if w.glob == "" || doublestar.MatchUnvalidated(w.glob, key) {
			c := Change{Key: key, Local: local}
			if before.live() {
				c.Old = new(before.entry(key))
			}
			if now.live() {
				c.New = new(now.entry(key))
			}
			w.push(c)
		}
	}
}

// watcher is one reader of changes.
type watcher struct {
	glob string
	most int
	out  chan Change
	wake chan struct{}

	mu    sync.Mutex // guards the fields below
	queue []Change
	lost  uint64 // missed behind the last of queue
}

func (w *watcher) push(c Change) {
	w.mu.Lock()
	if w.lost > 0 && len(w.queue) < w.most {
		w.queue = append(w.queue, Change{Lost: w.lost})
		w.lost = 0
	}
	if len(w.queue) < w.most {
		w.queue = append(w.queue, c)
	} else {
		w.lost++
	}
	w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

func (w *watcher) pop() (c Change, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case len(w.queue) > 0:
		c = w.queue[0]
		w.queue[0] = Change{} // the array behind lives on
		w.queue = w.queue[1:]
	case w.lost > 0:
		c.Lost, w.lost = w.lost, 0
	default:
		return Change{}, false
	}
	return c, true
}

// pump hands the queue to the reader.
func (w *watcher) pump(ctx context.Context, ended <-chan struct{}) {
	for {
		c, ok := w.pop()
		if !ok {
			select {
			case <-w.wake:
				continue
			case <-ctx.Done():
			case <-ended:
			}
			return
		}
		select {
		case w.out <- c:
		case <-ctx.Done():
			return
		case <-ended:
			return
		}
	}
}
