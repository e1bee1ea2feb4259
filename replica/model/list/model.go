package list

import (
	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/internal/twin"
	"github.com/hearsaynet/hearsay/replica/model/internal/watch"
)

// model is the replica's side of a List.
type model struct {
	self    keys.NodeID
	state   *twin.Twin[state]
	watches *watch.Hub[event, Change]
}

func newModel(self keys.NodeID) *model {
	return &model{
		self:    self,
		state:   twin.New(func() *state { return new(state) }),
		watches: watch.New(event.change, func(n uint64) Change { return Change{Lost: n} }),
	}
}

// ApplyUpdate implements replica.Model.
func (m *model) ApplyUpdate(u replica.Update) (changed bool, err error) {
	ops, err := parseChange(u.Change)
	if err != nil {
		return false, err
	}
	s, seen := m.state.Fold()
	if !seen {
		return s.apply(&u, ops, nil), nil
	}
	m.watches.Together(func(tell func(event)) {
		var told []event
		var note func(event)
		if m.watches.Watched() {
			note = func(e event) {
				e.local = u.Author == m.self
				told = append(told, e)
			}
		}
		s.views.Change(s.share, func() { changed = s.apply(&u, ops, note) })
		for _, e := range told {
			tell(e)
		}
	})
	return changed, nil
}

// Reset implements replica.Model.
func (m *model) Reset() { m.state.Reset() }

// Rebuilt implements replica.Rebuilder: the watchers hear what is different.
func (m *model) Rebuilt() {
	m.watches.Together(func(tell func(event)) {
		now := m.state.Next()
		if now == nil {
			return
		}
		old := *m.state.Now().read()
		var told []event
		if m.watches.Watched() {
			old.differences(&now.contents, func(e event) { told = append(told, e) })
		}
		now.version = old.version + 1 // when nobody looked, it may all be different
		m.state.Rebuilt()
		for _, e := range told {
			tell(e)
		}
	})
}
