package object

import (
	"sync/atomic"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/internal/twin"
	"github.com/hearsaynet/hearsay/replica/model/internal/watch"
)

// state is the object. Readers take its root, of which nothing changes.
type state struct {
	root atomic.Pointer[node]
	last edit // the writer's
}

func newState() *state {
	s := new(state)
	s.root.Store(new(node))
	return s
}

// model is the replica's side of an Object.
type model struct {
	self    keys.NodeID
	state   *twin.Twin[state]
	watches *watch.Hub[event, Change]
}

func newModel(self keys.NodeID) *model {
	return &model{
		self: self, state: twin.New(newState),
		watches: watch.New(event.change, func(n uint64) Change { return Change{Lost: n} }),
	}
}

// ApplyUpdate implements replica.Model.
func (m *model) ApplyUpdate(u replica.Update) (changed bool, err error) {
	writes, err := parseChange(u.Change)
	if err != nil {
		return false, err
	}
	s, seen := m.state.Fold()
	if !seen {
		return s.fold(&u, writes, nil), nil
	}
	s.last++ // what nobody can see needs no copies
	m.watches.Together(func(tell func(event)) {
		var touched *place
		if m.watches.Watched() {
			touched = new(place)
		}
		changed = s.fold(&u, writes, touched)
		touched.each("", s.root.Load(), func(path string, before, now standing) {
			if e := (event{path, before, now, u.Author == m.self}); e.shows() {
				tell(e)
			}
		})
	})
	return changed, nil
}

// fold makes the writes of one update, of which readers see all or none.
func (s *state) fold(u *replica.Update, writes []write, touched *place) (changed bool) {
	root, f := s.root.Load(), fold{edit: s.last, touched: touched}
	for i := range writes {
		f.stamp = newStamp(u, i)
		root = f.apply(root, &writes[i])
	}
	s.root.Store(root)
	return f.changed
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
		m.state.Rebuilt()
		if m.watches.Watched() {
			differences("", old.root.Load(), now.root.Load(), func(path string, before, now standing) {
				if e := (event{path, before, now, now.claim.by(m.self)}); e.shows() {
					tell(e)
				}
			})
		}
	})
}

// differences calls f for what stands below two nodes, of which one may be nil, at a path.
func differences(path string, old, now *node, f func(path string, before, now standing)) {
	before, after := old.list(), now.list()
	for len(before) > 0 || len(after) > 0 {
		var a, b *node
		if len(after) == 0 || len(before) > 0 && before[0].name <= after[0].name {
			a = before[0]
		}
		if len(before) == 0 || len(after) > 0 && after[0].name <= before[0].name {
			b = after[0]
		}
		name := ""
		if a != nil {
			name, before = a.name, before[1:]
		}
		if b != nil {
			name, after = b.name, after[1:]
		}
		at := below(path, name)
		f(at, a.standing(), b.standing())
		differences(at, a, b, f)
	}
}

// list returns the members of n at which something stands, bytewise by name.
func (n *node) list() (all []*node) {
	if n != nil {
		n.members.each(func(m *node) bool {
			all = append(all, m)
			return true
		})
	}
	return all
}

// standing is what stands at a place, and by which write.
type standing struct {
	claim *stamp // nil: nothing does
	value string // "" for an object
}

func (n *node) standing() standing {
	if n == nil {
		return standing{}
	}
	return standing{n.claim, n.value}
}

func (s standing) object() bool { return s.claim != nil && s.value == "" }
