package keys

import (
	"context"
	"errors"
	"maps"
	"sync"
)

// ErrUnknown is a keystore's final answer: this id is not admitted. Any other
// error of a Lookup means that the keystore is unavailable, and is tried again.
var ErrUnknown = errors.New("keys: node id is not admitted")

// ErrExpired is wrapped by a Lookup's error when the keystore is unavailable because
// what it knows has expired: what it said before must not be used any more.
var ErrExpired = errors.New("keys: what the keystore knows has expired")

// Keystore answers who is admitted. It is never trusted for authenticity: a key
// that it returns is checked against the id.
type Keystore interface {
	// Lookup returns the key of an admitted id. The error wraps ErrUnknown when the
	// id is not admitted. It may block; ctx ends it. Safe for concurrent use.
	Lookup(ctx context.Context, id NodeID) (PublicKey, error)
}

// Notifier is a Keystore that says when the admitted set has moved.
type Notifier interface {
	// Changed returns a channel that is closed at the next change.
	Changed() <-chan struct{}
}

// Lister is a Keystore that can name all the ids it admits.
type Lister interface {
	List(ctx context.Context) ([]NodeID, error)
}

// Memory is a Keystore in memory. Its zero value admits nobody.
type Memory struct {
	mu      sync.RWMutex // guards admit, changed
	admit   map[NodeID]PublicKey
	changed chan struct{}
}

// NewMemory admits the given keys.
func NewMemory(admitted ...PublicKey) *Memory {
	m := &Memory{}
	for _, k := range admitted {
		m.Add(k)
	}
	return m
}

// Add admits k.
func (m *Memory) Add(k PublicKey) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.admit == nil {
		m.admit = make(map[NodeID]PublicKey)
	}
	m.admit[k.ID()] = k
	m.notifyLocked()
}

// Remove withdraws id.
func (m *Memory) Remove(id NodeID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.admit, id)
	m.notifyLocked()
}

func (m *Memory) notifyLocked() {
	if m.changed != nil {
		close(m.changed)
		m.changed = nil
	}
}

// Lookup implements Keystore.
func (m *Memory) Lookup(_ context.Context, id NodeID) (PublicKey, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	k, ok := m.admit[id]
	if !ok {
		return PublicKey{}, ErrUnknown
	}
	return k, nil
}

// List implements Lister.
func (m *Memory) List(context.Context) ([]NodeID, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	ids := make([]NodeID, 0, len(m.admit))
	for id := range maps.Keys(m.admit) {
		ids = append(ids, id)
	}
	return ids, nil
}

// Changed implements Notifier.
func (m *Memory) Changed() <-chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.changed == nil {
		m.changed = make(chan struct{})
	}
	return m.changed
}
