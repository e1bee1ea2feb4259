package peerkv

import (
	"sync"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/internal/expiry"
	"github.com/hearsaynet/hearsay/replica/model/internal/twin"
	"github.com/hearsaynet/hearsay/replica/model/internal/watch"
)

// model is the replica's side of a Map.
type model struct {
	self    keys.NodeID
	now     func() time.Time
	state   *twin.Twin[peers]
	watches *watch.Hub[event, Change]
	timer   *expiry.Timer

	writing sync.Mutex // held by the replica's calls and by what expires: who writes to the state
}

func newModel(self keys.NodeID, now func() time.Time) *model {
	m := &model{
		self: self, now: now, state: twin.New(newPeers),
		watches: watch.New(func(e event) Change { return e.change(self) }, func(n uint64) Change { return Change{Lost: n} }),
	}
	m.timer = expiry.NewTimer(now, m.expire)
	return m
}

// clock is the replica's, in ns since the Unix epoch.
func (m *model) clock() uint64 { return expiry.Nanos(m.now()) }

// ApplyUpdate implements replica.Model.
func (m *model) ApplyUpdate(u replica.Update) (changed bool, err error) {
	c, err := parseChange(u.Change)
	if err != nil {
		return false, err
	}
	m.writing.Lock()
	defer m.writing.Unlock()
	s, seen := m.state.Fold()
	e, changed := s.apply(&u, &c, m.clock)
	if !seen || !changed {
		return changed, nil
	}
	if e.shows() && m.watches.Watched() {
		m.watches.Tell(e)
	}
	if c.Expires != 0 {
		m.timer.Plan(s.due.Next())
	}
	return true, nil
}

// expire takes away some of what is over, and returns when to come again.
func (m *model) expire(now uint64) (next uint64) {
	m.writing.Lock()
	defer m.writing.Unlock()
	s := m.state.Now()
	events := s.expire(now)
	if m.watches.Watched() {
		for _, e := range events {
			m.watches.Tell(e)
		}
	}
	return s.due.Next()
}

// Reset implements replica.Model.
func (m *model) Reset() {
	m.writing.Lock()
	defer m.writing.Unlock()
	m.state.Reset()
}

// Rebuilt implements replica.Rebuilder: the watchers hear what is different.
func (m *model) Rebuilt() {
	m.writing.Lock()
	defer m.writing.Unlock()
	old, now := m.state.Now(), m.state.Next()
	if now == nil {
		return
	}
	for at := m.clock(); now.due.Next() <= at; {
		now.expire(at) // nobody has seen it there
	}
	m.watches.Together(func(tell func(event)) {
		var events []event
		if m.watches.Watched() {
			events = now.difference(old)
		}
		m.state.Rebuilt()
		for _, e := range events {
			tell(e)
		}
	})
	m.timer.Plan(now.due.Next())
}
