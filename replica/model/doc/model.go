package doc

import (
	"sync"
	"sync/atomic"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/internal/table"
	"github.com/hearsaynet/hearsay/replica/model/internal/twin"
	"github.com/hearsaynet/hearsay/replica/model/internal/watch"
)

// state is a function of the set of updates applied.
type state struct {
	rows *table.Table[*record] // also those that were deleted
	live atomic.Int64          // the others
}

func newState() *state { return &state{rows: table.New[*record]()} }

// apply returns the row before a change and after it, nil and nil if it does not count.
func (s *state) apply(u *replica.Update, c *change) (old, now *record) {
	old, ok := s.rows.GetBytes(c.row)
	if !ok {
		old = &record{id: string(c.row)}
	}
	if now = old.after(&origin{u.Ref, u.Time}, c); now == nil {
		return nil, nil
	}
	if old.live() {
		s.live.Add(-1)
	}
	if now.live() {
		s.live.Add(1)
	}
	s.rows.Put(now.id, now)
	return old, now
}

// model is the replica's side of a Doc.
type model struct {
	self    keys.NodeID
	state   *twin.Twin[state]
	watches *watch.Hub[event, Change]

	mu        sync.Mutex // held while rows and Sets change; guards the fields below
	followers followers
	closed    bool
}

func newModel(self keys.NodeID) *model {
	return &model{
		self:    self,
		state:   twin.New(newState),
		watches: watch.New(event.change, func(n uint64) Change { return Change{Lost: n} }),
	}
}

// ApplyUpdate implements replica.Model.
func (m *model) ApplyUpdate(u replica.Update) (changed bool, err error) {
	c, err := parseChange(u.Change)
	if err != nil {
		return false, err
	}
	s, seen := m.state.Fold()
	if !seen {
		_, now := s.apply(&u, &c)
		return now != nil, nil
	}
	old, now := m.applySeen(s, &u, &c)
	if now == nil {
		return false, nil
	}
	if e := (event{now.id, old, now, u.Author == m.self}); m.watches.Watched() && e.shows() {
		m.watches.Tell(e)
	}
	return true, nil
}

func (m *model) applySeen(s *state, u *replica.Update, c *change) (old, now *record) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if old, now = s.apply(u, c); now != nil && (old.live() || now.live()) {
		m.followers.each(old, now, func(s *Set) { s.update(old, now, u.Author == m.self) })
	}
	return old, now
}

// Reset implements replica.Model.
func (m *model) Reset() { m.state.Reset() }

// Rebuilt implements replica.Rebuilder: the watchers hear what is different.
func (m *model) Rebuilt() {
	m.watches.Together(func(tell func(event)) {
		old, now := m.state.Now(), m.state.Next()
		if now == nil {
			return
		}
		var told []event
		if m.watches.Watched() {
			told = differences(old.rows, now.rows)
		}
		m.showRebuilt(old, now)
		for _, e := range told {
			tell(e)
		}
	})
}

func (m *model) showRebuilt(old, now *state) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.state.Rebuilt()
	m.followers.all(func(s *Set) { s.refill(old.rows, now.rows) })
}

// differences returns the rows that readers see otherwise in now, in no order.
func differences(old, now *table.Table[*record]) (told []event) {
	for id, r := range old.All() {
		if other, _ := now.Get(id); r.live() && !r.same(other) {
			told = append(told, event{id: id, old: r, now: other})
		}
	}
	for id, r := range now.All() {
		if other, _ := old.Get(id); r.live() && !other.live() {
			told = append(told, event{id: id, now: r})
		}
	}
	return told
}
