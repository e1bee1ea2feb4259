package object

import (
	"slices"
	"strings"
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
	if seen {
		s.last++ // what nobody can see needs no copies
	}
	root := s.root.Load()
	f := fold{edit: s.last}
	var touched *touches
	if seen && m.watches.Watched() {
		touched = &touches{seen: make(map[string]struct{})}
		f.touched = touched.add
	}
	for i := range writes {
		f.stamp = newStamp(&u, i)
		root = f.apply(root, &writes[i])
	}
	s.root.Store(root)
	if touched != nil {
		m.tell(touched, root, u.Author == m.self)
	}
	return f.changed, nil
}

// tell hands the watchers what is different, by path.
func (m *model) tell(touched *touches, root *node, local bool) {
	slices.SortFunc(touched.list, func(a, b touch) int { return strings.Compare(a.path, b.path) })
	for _, t := range touched.list {
		if e := (event{t.path, t.before, t.at.in(root).standing(), local}); e.shows() {
			m.watches.Tell(e)
		}
	}
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
			d := difference{func(at *place, before, now *node) {
				is := now.standing()
				if e := (event{at.pointer(), before.standing(), is, is.claim.by(m.self)}); e.shows() {
					tell(e)
				}
			}}
			d.members(&place{}, old.root.Load(), now.root.Load())
		}
	})
}

// touches are the places that a change has touched, and what stood there before it.
type touches struct {
	seen map[string]struct{}
	list []touch
}

type touch struct {
	path   string
	at     *place
	before standing
}

func (t *touches) add(at *place, was *node) {
	path := at.pointer()
	if _, again := t.seen[path]; !again && path != "" { // the root is an object for ever
		t.seen[path] = struct{}{}
		t.list = append(t.list, touch{path, at, was.standing()})
	}
}

// difference walks through two trees.
type difference struct {
	tell func(at *place, before, now *node) // nil: nothing stands there
}

// members compares what is below two nodes, of which one may be nil.
func (d difference) members(at *place, old, now *node) {
	before, after := old.list(), now.list()
	for len(before) > 0 || len(after) > 0 {
		var a, b *node
		if len(after) == 0 || len(before) > 0 && before[0].name <= after[0].name {
			a = before[0]
		}
		if len(before) == 0 || len(after) > 0 && after[0].name <= before[0].name {
			b = after[0]
		}
		if a != nil {
			before = before[1:]
		}
		if b != nil {
			after = after[1:]
		}
		name := ""
		if a != nil {
			name = a.name
		} else {
			name = b.name
		}
		d.tell(at.child(name), a, b)
		d.members(at.child(name), a, b)
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
