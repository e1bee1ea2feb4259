package kv

import (
	"sync"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
)

// model is the replica's side of a Map. While the replica rebuilds it, readers see
// the table before.
type model struct {
	self     keys.NodeID
	testOnly testOnly
	watches  hub // its lock comes before mu

	mu   sync.RWMutex // guards the fields below and what they point to
	now  *table
	next *table // what a rebuild has made so far, nil if there is none
}

func newModel(self keys.NodeID, planted testOnly) *model {
	return &model{self: self, testOnly: planted, now: newTable(planted)}
}

// ApplyUpdate implements replica.Model.
func (m *model) ApplyUpdate(u replica.Update) (changed bool, err error) {
	c, err := parseChange(u.Change)
	if err != nil {
		return false, err
	}
	key, before, now, live := m.fold(&u, c)
	if now == before {
		return false, nil
	}
	if live && m.watches.watched() {
		m.watches.tell(key, before, now, now.author == m.self)
	}
	return true, nil
}

// fold applies a change to the table under construction, or else to the live one.
func (m *model) fold(u *replica.Update, c change) (key string, before, now *record, live bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.now
	if m.next != nil {
		t = m.next
	}
	key, before, now = t.apply(u, c)
	return key, before, now, m.next == nil
}

// Reset implements replica.Model.
func (m *model) Reset() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.next = newTable(m.testOnly)
}

// Rebuilt implements replica.Rebuilder: the watchers hear what is different.
func (m *model) Rebuilt() {
	m.watches.mu.Lock()
	defer m.watches.mu.Unlock()
	// Only the methods of replica.Model write what mu guards, and they come one at a
	// time: this one may read it without holding up others.
	old, now := m.now, m.next
	if now == nil {
		return
	}
	var changed []string
	if len(m.watches.watchers) > 0 {
		changed = now.difference(old)
	}
	m.mu.Lock()
	m.now, m.next = now, nil
	m.mu.Unlock()
	for _, key := range changed {
		r := now.get(key)
		m.watches.tellLocked(key, old.get(key), r, r != nil && r.author == m.self)
	}
}

// get returns the record of a key, nil if there is none.
func (m *model) get(key string) *record {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.now.get(key)
}

func (m *model) size() int {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.now.live
}

// list returns all keys that have a value, bytewise, as they are at one moment.
func (m *model) list() []item {
	m.mu.Lock()
	t := m.now
	s := t.begin()
	m.mu.Unlock()
	defer func() {
		m.mu.Lock()
		t.end()
		m.mu.Unlock()
	}()
	return s.sorted()
}
