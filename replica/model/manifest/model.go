package manifest

import (
	"slices"
	"strings"
	"sync/atomic"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/internal/table"
	"github.com/hearsaynet/hearsay/replica/model/internal/twin"
	"github.com/hearsaynet/hearsay/replica/model/internal/watch"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// record is the change of a channel that counts. It never changes.
type record struct {
	channel, kind string
	time          uint64
	ref           wire.Ref
	removed       bool
}

// before reports whether r comes before o.
func (r *record) before(o *record) bool {
	mine, other := replica.Update{Ref: r.ref, Time: r.time}, replica.Update{Ref: o.ref, Time: o.time}
	return mine.Before(&other)
}

// listed reports whether the channel is on the list; r is nil for one that never was.
func (r *record) listed() bool { return r != nil && !r.removed }

// list is the changes that count, by channel.
type list struct{ records *table.Table[*record] }

func newList() *list { return &list{table.New[*record]()} }

func (l *list) get(channel string) *record {
	r, _ := l.records.Get(channel)
	return r
}

// sorted returns the channels on the list, bytewise.
func (l *list) sorted() []table.Item[*record] {
	return l.records.Sorted(func(_ string, r *record) bool { return r.listed() })
}

// model is the replica's side of a Manifest.
type model struct {
	self    keys.NodeID
	state   *twin.Twin[list]
	watches *watch.Hub[event, Change]
	keeper  *keeper
	listed  atomic.Uint64 // counts the changes of what readers see
}

// ApplyUpdate implements replica.Model.
func (m *model) ApplyUpdate(u replica.Update) (changed bool, err error) {
	c, err := parseChange(u.Change)
	if err != nil {
		return false, err
	}
	l, seen := m.state.Fold()
	before := l.get(c.channel)
	now := &record{channel: c.channel, kind: c.kind, time: u.Time, ref: u.Ref, removed: c.op == opRemove}
	if before != nil && now.before(before) {
		return false, nil
	}
	if !seen {
		l.records.Put(c.channel, now)
		return true, nil
	}
	m.watches.Together(func(tell func(event)) {
		was := m.keeper.status(before)
		l.records.Put(c.channel, now)
		m.listed.Add(1)
		m.tell(tell, before, now, was)
	})
	m.keeper.look()
	return true, nil
}

// tell tells of a channel's change from one record to another; nil is none.
func (m *model) tell(tell func(event), before, now *record, was status) {
	if (before.listed() || now.listed()) && m.watches.Watched() {
		tell(event{before, now, was, m.keeper.status(now), now != nil && now.ref.Author == m.self})
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
		changed := now.difference(old)
		was := make([]status, len(changed))
		for i, channel := range changed {
			was[i] = m.keeper.status(old.get(channel))
		}
		m.state.Rebuilt()
		m.listed.Add(1)
		for i, channel := range changed {
			m.tell(tell, old.get(channel), now.get(channel), was[i])
		}
	})
	m.keeper.look()
}

// difference returns the channels of which another update counts than in old, bytewise.
func (l *list) difference(old *list) []string {
	var changed []string
	for channel, r := range l.records.All() {
		if before := old.get(channel); before == nil || before.ref != r.ref {
			changed = append(changed, channel)
		}
	}
	for channel := range old.records.All() {
		if l.get(channel) == nil {
			changed = append(changed, channel)
		}
	}
	slices.SortFunc(changed, strings.Compare)
	return changed
}
