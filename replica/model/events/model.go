package events

import (
	"cmp"
	"slices"
	"sync"

	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// event is one event of the log. It never changes.
type event struct {
	wire.Ref
	time uint64
	name string // one allocation with data
	data string
}

func (e *event) export() Event {
	return Event{Ref: e.Ref, Name: e.name, Data: []byte(e.data), Time: e.time}
}

// compare orders events by (time, author, hash).
func compare(a, b *event) int {
	if c := cmp.Compare(a.time, b.time); c != 0 {
		return c
	}
	x, y := replica.Update{Ref: a.Ref, Time: a.time}, replica.Update{Ref: b.Ref, Time: b.time}
	switch {
	case x.Before(&y):
		return -1
	case y.Before(&x):
		return 1
	}
	return 0
}

// cell is one place of the feed, which followers walk. The last cell is empty; what
// is behind all of them is garbage.
type cell struct {
	*event
	// since is, for an event that had been taken back, the number of the rebuild that
	// did so: who followed before then has had it.
	since uint64
	next  *cell
}

// model is the replica's side of a Log. While the replica rebuilds it, readers see
// the events before.
type model struct {
	mu        sync.Mutex // guards the fields below
	events    []*event   // in order of arrival; only appended to or replaced, so its part is a snapshot
	feed      *cell      // the empty cell at the end
	followers int
	more      chan struct{} // closed when the feed grows; nil if nobody waits
	closed    bool

	rebuilds uint64
	// back holds the events that followers may have had and that do not count now, with
	// the number of the rebuild that took them back.
	back map[wire.Ref]uint64
	next *rebuild // nil if none is going on
}

// rebuild is what a rebuild has made so far.
type rebuild struct {
	before map[wire.Ref]*event // events from before that have not come again
	events []*event
	added  []*event // those of events that were not there before
}

func newModel() *model { return &model{feed: &cell{}, back: make(map[wire.Ref]uint64)} }

// ApplyUpdate implements replica.Model.
func (m *model) ApplyUpdate(u replica.Update) (changed bool, err error) {
	name, data, err := parseChange(u.Change)
	if err != nil {
		return false, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if b := m.next; b != nil {
		e := b.before[u.Ref]
		if e == nil {
			e = newEvent(&u, len(name), len(data))
			b.added = append(b.added, e)
		}
		delete(b.before, u.Ref)
		b.events = append(b.events, e)
		return true, nil
	}
	e := newEvent(&u, len(name), len(data))
	m.events = append(m.events, e)
	m.feedLocked(e)
	return true, nil
}

// newEvent copies what u says: u.Change is a part of a run of up to 1 MiB.
func newEvent(u *replica.Update, name, data int) *event {
	both := string(u.Change[len(u.Change)-name-data:])
	return &event{Ref: u.Ref, time: u.Time, name: both[:name], data: both[name:]}
}

// feedLocked passes an event to the followers.
func (m *model) feedLocked(e *event) {
	since := m.back[e.Ref]
	delete(m.back, e.Ref)
	if m.followers == 0 {
		return
	}
	end := &cell{}
	m.feed.event, m.feed.since, m.feed.next = e, since, end
	m.feed = end
	m.wakeLocked()
}

func (m *model) wakeLocked() {
	if m.more != nil {
		close(m.more)
		m.more = nil
	}
}

// Reset implements replica.Model.
func (m *model) Reset() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.next = &rebuild{before: make(map[wire.Ref]*event, len(m.events))}
	for _, e := range m.events {
		m.next.before[e.Ref] = e
	}
}

// Rebuilt implements replica.Rebuilder.
func (m *model) Rebuilt() {
	m.mu.Lock()
	defer m.mu.Unlock()
	b := m.next
	if b == nil {
		return
	}
	m.next = nil
	m.rebuilds++
	m.events = b.events
	for _, e := range b.added {
		m.feedLocked(e)
	}
	if m.followers == 0 {
		clear(m.back)
		return
	}
	for ref := range b.before {
		m.back[ref] = m.rebuilds
	}
}

// snapshot returns the events of a name, "" for all, in the log's order.
func snapshot(events []*event, name string) []*event {
	var named []*event
	for _, e := range events {
		if name == "" || e.name == name {
			named = append(named, e)
		}
	}
	slices.SortFunc(named, compare)
	return named
}

func (m *model) list() []*event {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.events
}

// follower is one reader of the feed.
type follower struct {
	m     *model
	at    *cell
	since uint64 // how many rebuilds there were before it
}

// follow returns the events so far, and a follower of what comes then. leave must
// be called.
func (m *model) follow() ([]*event, *follower) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.followers++
	return m.events, &follower{m, m.feed, m.rebuilds}
}

func (f *follower) leave() {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	f.m.followers--
}

// take returns the next event; if there is none yet, a channel that is closed when
// there may be one; and if none will come, neither.
func (f *follower) take() (*event, <-chan struct{}) {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	for f.at.next != nil {
		c := f.at
		f.at = c.next
		if c.since == 0 || f.since >= c.since {
			return c.event, nil
		}
	}
	if f.m.closed {
		return nil, nil
	}
	if f.m.more == nil {
		f.m.more = make(chan struct{})
	}
	return nil, f.m.more
}

func (m *model) close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	m.wakeLocked()
}
