package kv

import (
	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
)

// Model is what a replica calls.
type Model interface {
	replica.Model
	replica.Rebuilder
}

// Detached returns a Map without a replica, and its model.
func Detached(self keys.NodeID, watchBuffer int) (*Map, Model) {
	m := newModel(self, testOnly{})
	return &Map{model: m, watchBuffer: watchBuffer, unmount: func() {}}, m
}

// Listing reports whether the live table believes that it is being listed.
func Listing(m *Map) bool {
	m.model.mu.Lock()
	defer m.model.mu.Unlock()
	return m.model.now.listing != 0
}

// HoldListing begins a listing that has not ended; finish returns its keys.
func HoldListing(m *Map) (finish func() []string) {
	m.model.mu.Lock()
	defer m.model.mu.Unlock()
	t := m.model.now
	s := t.begin()
	return func() (keys []string) {
		for _, it := range s.sorted() {
			keys = append(keys, it.key+"="+it.value)
		}
		m.model.mu.Lock()
		defer m.model.mu.Unlock()
		t.end()
		return keys
	}
}

// MustSet and MustDelete make changes of keys that are good.
func MustSet(key, value string) []byte { return must(SetChange(key, []byte(value))) }
func MustDelete(key string) []byte     { return must(encode(opDelete, key, nil)) }

func must(b []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return b
}

// TestOnlyPlant plants defects, by their names.
var TestOnlyPlant = map[string]func(*Config){
	"tie by arrival": func(c *Config) { c.testOnly.tieByArrival = true },
	"last arrival":   func(c *Config) { c.testOnly.lastArrival = true },
	"delete forgets": func(c *Config) { c.testOnly.deleteForgets = true },
}
