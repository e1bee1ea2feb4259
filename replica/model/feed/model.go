package feed

import (
	"fmt"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/internal/timeline"
	"github.com/hearsaynet/hearsay/replica/model/internal/watch"
)

type (
	entry     = timeline.Entry[string]
	selection = timeline.Selection[string]
)

func export(e *entry) Item { return Item{Ref: e.Ref, Data: []byte(e.Value), Time: e.Time} }

// removed is what each author has removed, whether it has come or not, by seq.
type removed map[keys.NodeID]map[uint64]struct{}

// add reports whether it was not there.
func (r removed) add(author keys.NodeID, seq uint64) bool {
	if r.has(author, seq) {
		return false
	}
	if r[author] == nil {
		r[author] = make(map[uint64]struct{})
	}
	r[author][seq] = struct{}{}
	return true
}

func (r removed) has(author keys.NodeID, seq uint64) bool {
	_, there := r[author][seq]
	return there
}

// event is an item that came or went.
type event struct {
	*entry
	removed, local bool
}

var _ watch.Holder = event{}

// Held implements watch.Holder.
func (e event) Held() int { return len(e.Value) }

func (e event) change() Change {
	return Change{Item: export(e.entry), Removed: e.removed, Local: e.local}
}

// model is the replica's side of a Feed.
type model struct {
	self    keys.NodeID
	line    *timeline.Line[string]
	removed removed // nobody reads it but ApplyUpdate
	watches *watch.Hub[event, Change]
}

func newModel(self keys.NodeID) *model {
	return &model{
		self:    self,
		line:    timeline.New[string](time.Now, true), // no item has an end
		removed: make(removed),
		watches: watch.New(event.change, func(n uint64) Change { return Change{Lost: n} }),
	}
}

// ApplyUpdate implements replica.Model.
func (m *model) ApplyUpdate(u replica.Update) (changed bool, err error) {
	c, err := parseChange(u.Change)
	if err != nil {
		return false, err
	}
	if c.op == opRemove {
		if c.seq >= u.Seq {
			return false, fmt.Errorf("feed: %w: update %d removes item %d, which does not come before it", ErrMalformed, u.Seq, c.seq)
		}
		return m.removed.add(u.Author, c.seq) && m.remove(u.Author, c.seq), nil
	}
	if m.removed.has(u.Author, u.Seq) {
		return false, nil
	}
	e := &entry{Ref: u.Ref, Time: u.Time, Value: string(c.item)} // u.Change is a part of a run of up to 1 MiB
	added, seen := m.line.Add(e)
	if added && seen {
		m.tell(e, false)
	}
	return added, nil
}

func (m *model) remove(author keys.NodeID, seq uint64) bool {
	e, seen := m.line.Remove(author, seq)
	if e != nil && seen {
		m.tell(e, true)
	}
	return e != nil
}

func (m *model) tell(e *entry, removed bool) {
	if m.watches.Watched() {
		m.watches.Tell(event{e, removed, e.Author == m.self})
	}
}

// Reset implements replica.Model.
func (m *model) Reset() {
	m.line.Reset()
	clear(m.removed)
}

// Rebuilt implements replica.Rebuilder: the watchers hear what is different.
func (m *model) Rebuilt() {
	m.watches.Together(func(tell func(event)) {
		gone, added := m.line.Rebuilt()
		for _, e := range gone {
			tell(event{e, true, e.Author == m.self})
		}
		for _, e := range added {
			tell(event{e, false, e.Author == m.self})
		}
	})
}
