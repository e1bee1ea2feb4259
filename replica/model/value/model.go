package value

import (
	"slices"
	"sync/atomic"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/internal/twin"
	"github.com/hearsaynet/hearsay/replica/model/internal/watch"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// record is one value. It never changes.
type record struct {
	update replica.Update // without its Change
	value  string
}

func (r *record) ref() wire.Ref { return r.update.Ref }

// entry returns what r says, nil if there is no r.
func (r *record) entry() *Entry {
	if r == nil {
		return nil
	}
	return &Entry{Ref: r.ref(), Value: []byte(r.value), Time: r.update.Time}
}

// state is the last values.
type state struct {
	most   int
	values atomic.Pointer[[]*record] // at most most of them, the last one last
}

func (s *state) list() []*record {
	if p := s.values.Load(); p != nil {
		return *p
	}
	return nil
}

// last returns the value that counts, nil if there is none.
func (s *state) last() *record {
	if all := s.list(); len(all) > 0 {
		return all[len(all)-1]
	}
	return nil
}

// apply puts a value into its place, unless there are enough behind it.
func (s *state) apply(u *replica.Update, value []byte) bool {
	all := s.list()
	at, _ := slices.BinarySearchFunc(all, u, func(r *record, u *replica.Update) int {
		if r.update.Before(u) {
			return -1
		}
		return 1
	})
	full := len(all) == s.most
	if at == 0 && full {
		return false
	}
	first := 0
	if full {
		first = 1
	}
	r := &record{update: *u, value: string(value)}
	r.update.Change, r.update.Channel = nil, ""
	all = slices.Concat(all[first:at], []*record{r}, all[at:])
	s.values.Store(&all)
	return true
}

// model is the replica's side of a Value.
type model struct {
	self    keys.NodeID
	state   *twin.Twin[state]
	watches *watch.Hub[event, Change]
}

func newModel(self keys.NodeID, history int) *model {
	return &model{
		self:    self,
		state:   twin.New(func() *state { return &state{most: history} }),
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
	before := s.last()
	if !s.apply(&u, c.value) {
		return false, nil
	}
	if e := m.event(before, s.last()); seen && e.shows() {
		m.watches.Tell(e)
	}
	return true, nil
}

func (m *model) event(before, now *record) event {
	return event{before, now, now != nil && now.update.Author == m.self}
}

// Reset implements replica.Model.
func (m *model) Reset() { m.state.Reset() }

// Rebuilt implements replica.Rebuilder: the watchers hear what is different.
func (m *model) Rebuilt() {
	m.watches.Together(func(tell func(event)) {
		before := m.state.Now().last()
		m.state.Rebuilt()
		if e := m.event(before, m.state.Now().last()); e.shows() {
			tell(e)
		}
	})
}

// event is a change of the value.
type event struct {
	before, now *record
	local       bool
}

func (e event) shows() bool {
	if e.before == nil || e.now == nil {
		return e.before != e.now
	}
	return e.before.ref() != e.now.ref()
}

var _ watch.Holder = event{}

// Held implements watch.Holder.
func (e event) Held() (bytes int) {
	for _, r := range [...]*record{e.before, e.now} {
		if r != nil {
			bytes += len(r.value)
		}
	}
	return bytes
}

func (e event) change() Change {
	return Change{Old: e.before.entry(), New: e.now.entry(), Local: e.local}
}
