package kv

import (
	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/internal/twin"
	"github.com/hearsaynet/hearsay/replica/model/internal/watch"
)

// model is the replica's side of a Map.
type model struct {
	self    keys.NodeID
	state   *twin.Twin[contents]
	watches *watch.Hub[event, Change]
}

func newModel(self keys.NodeID, planted testOnly) *model {
	return &model{
		self:    self,
		state:   twin.New(func() *contents { return newContents(planted) }),
		watches: watch.New(event.change, func(n uint64) Change { return Change{Lost: n} }),
	}
}

// ApplyUpdate implements replica.Model.
func (m *model) ApplyUpdate(u replica.Update) (changed bool, err error) {
	c, err := parseChange(u.Change)
	if err != nil {
		return false, err
	}
	t, seen := m.state.Fold()
	key, before, now := t.apply(&u, c)
	if now == before {
		return false, nil
	}
	if e := m.event(key, before, now); seen && m.watches.Watched() && e.shows() {
		m.watches.Tell(e)
	}
	return true, nil
}

func (m *model) event(key string, before, now *record) event {
	return event{key, before, now, now != nil && now.author == m.self}
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
		var changed []string
		if m.watches.Watched() {
			changed = now.difference(old)
		}
		m.state.Rebuilt()
		for _, key := range changed {
			tell(m.event(key, old.get(key), now.get(key)))
		}
	})
}
