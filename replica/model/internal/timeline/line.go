// Package timeline is a log that many authors write, by (time, author, hash), for a
// model: entries come in any order, mostly in that one, and can be taken out again.
// Readers iterate over what was there when they began, and followers then get every
// further entry. Neither holds up the writer, or waits for it longer than for one entry.
//
// To add, take out and look up takes O(log n) time for n entries, to begin an iteration
// O(1). An entry takes about 12 bytes besides itself, twice that with authors, and 60 more
// if it has an end.
package timeline

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/model/internal/expiry"
	"github.com/hearsaynet/hearsay/replica/model/internal/order"
	"github.com/hearsaynet/hearsay/replica/model/internal/twin"
)

// Line is the log. Add, Remove, Reset and Rebuilt are for the methods of replica.Model,
// which come one at a time; the others may be called by anybody. While the replica
// rebuilds, they see the log before.
type Line[Value any] struct {
	now   func() time.Time
	state *twin.Twin[entries[Value]]
	was   *dated[Value] // before the rebuild under way

	mu   sync.Mutex // guards what state points to, but for what read returns, and the fields below
	feed feed[Value]
	ends expiry.Queue[*Entry[Value]] // those that have an end

	next  atomic.Uint64 // the first end of ends, in ns since the Unix epoch; written with mu held
	timer *expiry.Timer // takes out what has ended
}

// sweepMost bounds for how long a sweep holds others up, in entries.
const sweepMost = 256

// New returns an empty line, whose entries end by the clock now. With authors, it can
// tell the entries of each.
func New[Value any](now func() time.Time, authors bool) *Line[Value] {
	l := &Line[Value]{now: now, ends: expiry.NewQueue[*Entry[Value]]()}
	l.state = twin.New(func() *entries[Value] {
		s := &entries[Value]{}
		if authors {
			s.byAuthor = make(map[keys.NodeID]*order.Tree[bySeq[Value]])
		}
		return s
	})
	l.next.Store(expiry.Never)
	l.timer = expiry.NewTimer(now, l.sweep)
	l.feed.init()
	return l
}

// ended reports whether e is there no more.
func (l *Line[Value]) ended(e *Entry[Value]) bool {
	return e.Until != 0 && e.Until <= expiry.Nanos(l.now())
}

// sweep takes some of what has ended out, and returns when the next ends.
func (l *Line[Value]) sweep(now uint64) (next uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for range sweepMost {
		e, due := l.ends.Due(now)
		if !due {
			break
		}
		l.feed.drop(e)
		l.state.Now().remove(e)
		if s := l.state.Next(); s != nil {
			s.remove(e)
		}
	}
	l.next.Store(l.ends.Next())
	return l.next.Load()
}

// Add puts an entry on the line, and reports whether it was not there and has not
// ended, and whether readers see it.
func (l *Line[Value]) Add(e *Entry[Value]) (added, seen bool) {
	if l.ended(e) {
		return false, false
	}
	if l.was != nil {
		if same, ok := l.was.get(e); ok {
			e = same // is kept once
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	s, seen := l.state.Fold()
	if !s.add(e) {
		return false, seen
	}
	if e.Until != 0 {
		l.ends.Set(e, e.Until)
		l.next.Store(l.ends.Next())
		l.timer.Plan(e.Until)
	}
	if seen {
		l.feed.push(e)
	}
	return true, seen
}

// Remove takes the entry of an author and seq out, and reports whether readers see that;
// nil if it is not there. The line must have authors.
func (l *Line[Value]) Remove(author keys.NodeID, seq uint64) (removed *Entry[Value], seen bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s, seen := l.state.Fold()
	if removed = s.at(author, seq); removed != nil {
		s.remove(removed)
		l.forgetEndsLocked(removed)
		l.feed.drop(removed)
		removed.removed = true
	}
	return removed, seen
}

// Reset begins a rebuild, again if one is under way.
func (l *Line[Value]) Reset() {
	l.was = l.read()
	var left []*Entry[Value] // of the one under way
	if s := l.state.Next(); s != nil {
		_, left = difference(l.was, s.read())
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.forgetEndsLocked(left...)
	l.state.Reset()
}

// Rebuilt ends a rebuild, and returns the differences, each by (time, author, hash).
func (l *Line[Value]) Rebuilt() (gone, added []*Entry[Value]) {
	if l.state.Next() == nil {
		return nil, nil
	}
	gone, added = difference(l.was, l.state.Next().read())
	gone = slices.DeleteFunc(gone, l.ended)
	l.was = nil
	l.mu.Lock()
	defer l.mu.Unlock()
	l.state.Rebuilt()
	l.forgetEndsLocked(gone...)
	l.feed.rebuilt(gone, added)
	return gone, added
}

func (l *Line[Value]) forgetEndsLocked(of ...*Entry[Value]) {
	for _, e := range of {
		l.ends.Remove(e)
	}
	l.next.Store(l.ends.Next())
}

// read returns what readers see, as it is now.
func (l *Line[Value]) read() *dated[Value] { return l.state.Now().read() }

// Len returns the number of entries.
func (l *Line[Value]) Len() int {
	for now := expiry.Nanos(l.now()); l.next.Load() <= now; {
		l.sweep(now)
	}
	return l.read().len()
}

// Close ends all followers when they have taken what there is.
func (l *Line[Value]) Close() {
	l.timer.Stop()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.feed.close()
}

// Followers returns how many there are, and the entries that are remembered as taken
// back for them.
func (l *Line[Value]) Followers() (followers, back int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.feed.followers, len(l.feed.back)
}
