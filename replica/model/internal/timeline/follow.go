package timeline

import (
	"context"
	"iter"
	"maps"
	"slices"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
)

// Selection says which entries a reader gets. Its zero value is all.
type Selection[Value any] struct {
	After replica.Clock            // those behind it
	Since uint64                   // those dated at or after it
	Last  int                      // of those that are there, the last so many; 0: all
	New   bool                     // of those that are there, none
	Wants func(*Entry[Value]) bool // those that it says; nil: all
}

func (s *Selection[Value]) takes(e *Entry[Value]) bool {
	return e.Time >= s.Since && e.Seq > s.After[e.Author].Seq && (s.Wants == nil || s.Wants(e))
}

// Entries returns those that are there when the iteration begins and have not ended
// when they are yielded, by (time, author, hash).
func (l *Line[Value]) Entries(s Selection[Value]) iter.Seq[*Entry[Value]] {
	return func(yield func(*Entry[Value]) bool) { l.each(l.read(), &s, yield) }
}

// each reports whether yield wants more.
func (l *Line[Value]) each(of *dated[Value], s *Selection[Value], yield func(*Entry[Value]) bool) (more bool) {
	if s.New {
		return true
	}
	if s.Last > 0 {
		for _, e := range slices.Backward(l.last(of, s)) {
			if !l.ended(e) && !yield(e) {
				return false
			}
		}
		return true
	}
	for e := range of.since(s.Since) {
		if s.takes(e) && !l.ended(e) && !yield(e) {
			return false
		}
	}
	return true
}

// last returns the last s.Last entries, the last first.
func (l *Line[Value]) last(of *dated[Value], s *Selection[Value]) (last []*Entry[Value]) {
	last = make([]*Entry[Value], 0, min(s.Last, of.len(), 128)) // a filter may leave few
	for e := range of.backward() {
		if len(last) == s.Last || e.Time < s.Since {
			break
		}
		if s.takes(e) && !l.ended(e) {
			last = append(last, e)
		}
	}
	return last
}

// Author returns an author's entries that are there when the iteration begins, by seq.
// The line must have authors.
func (l *Line[Value]) Author(author keys.NodeID) iter.Seq[*Entry[Value]] {
	return func(yield func(*Entry[Value]) bool) {
		l.mu.Lock()
		of := l.state.Now().of(author)
		l.mu.Unlock()
		for e := range of.From(0) {
			if !l.ended(e.Entry) && !yield(e.Entry) {
				return
			}
		}
	}
}

// Authors returns the authors of the entries that are there when the iteration begins,
// by id. The line must have authors.
func (l *Line[Value]) Authors() iter.Seq[keys.NodeID] {
	return func(yield func(keys.NodeID) bool) {
		l.mu.Lock()
		authors := slices.Collect(maps.Keys(l.state.Now().byAuthor))
		l.mu.Unlock()
		slices.SortFunc(authors, keys.NodeID.Compare)
		for _, id := range authors {
			if !yield(id) {
				return
			}
		}
	}
}

// Get returns the entry of an author and seq, nil if there is none. The line must have
// authors.
func (l *Line[Value]) Get(author keys.NodeID, seq uint64) *Entry[Value] {
	l.mu.Lock()
	e := l.state.Now().at(author, seq)
	l.mu.Unlock()
	if e == nil || l.ended(e) {
		return nil
	}
	return e
}

// Follower gets every entry that comes since it was made, once, until it leaves.
type Follower[Value any] struct {
	line  *Line[Value]
	past  *dated[Value] // what was there
	at    *cell[Value]
	since uint64 // how many rebuilds there were before it
}

// Join returns a follower from now on. It must Leave.
func (l *Line[Value]) Join() *Follower[Value] {
	l.mu.Lock()
	defer l.mu.Unlock()
	return &Follower[Value]{l, l.read(), l.feed.join(), l.feed.rebuilds}
}

// Leave makes the line forget f.
func (f *Follower[Value]) Leave() {
	f.line.mu.Lock()
	defer f.line.mu.Unlock()
	f.line.feed.leave(f.at)
}

// All yields what was there when f was made, and then what has come since, as it comes,
// until ctx ends or the line is closed. It can be called once.
func (f *Follower[Value]) All(ctx context.Context, s Selection[Value]) iter.Seq[*Entry[Value]] {
	return func(yield func(*Entry[Value]) bool) {
		if f.was(ctx, &s, yield) {
			f.coming(ctx, &s, yield)
		}
	}
}

// was yields what was there, and reports whether yield wants more.
func (f *Follower[Value]) was(ctx context.Context, s *Selection[Value], yield func(*Entry[Value]) bool) bool {
	past := f.past
	f.past = nil // is not held any longer than this takes
	return f.line.each(past, s, func(e *Entry[Value]) bool { return ctx.Err() == nil && yield(e) })
}

func (f *Follower[Value]) coming(ctx context.Context, s *Selection[Value], yield func(*Entry[Value]) bool) {
	for ctx.Err() == nil {
		e, more := f.take()
		switch {
		case e != nil:
			if s.takes(e) && !f.line.ended(e) && !yield(e) {
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

// take returns the next entry; if there is none yet, a channel that is closed when
// there may be one; and if none will come, neither.
func (f *Follower[Value]) take() (*Entry[Value], <-chan struct{}) {
	l := f.line
	l.mu.Lock()
	defer l.mu.Unlock()
	for f.at.next != nil {
		e, since := f.at.Entry, f.at.since
		f.at = l.feed.pass(f.at)
		if e != nil && f.since >= since {
			return e, nil
		}
	}
	if l.feed.closed {
		return nil, nil
	}
	if l.feed.more == nil {
		l.feed.more = make(chan struct{})
	}
	return nil, l.feed.more
}

// Follow is All of a follower that joins when the iteration begins.
func (l *Line[Value]) Follow(ctx context.Context, s Selection[Value]) iter.Seq[*Entry[Value]] {
	return func(yield func(*Entry[Value]) bool) {
		f := l.Join()
		defer f.Leave()
		f.All(ctx, s)(yield)
	}
}
