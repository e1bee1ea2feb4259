package scuttlebutt

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"slices"

	"github.com/hearsaynet/hearsay/replica/scuttlebutt/internal/esjson"
)

// Model is the original's scuttlebutt/model: keys and values. A change is [key, value].
//
// The value with the greatest timestamp stands. Of two with the same timestamp the one
// of the greater source does (by UTF-16 code units); the original keeps the one that
// arrived last, so its own replicas may differ for ever.
type Model struct {
	Node
	store map[string]*entry // guarded by Node.mu
}

// Item is the value of a key, and whose it is.
type Item struct {
	Value     json.RawMessage // never nil; null is a deleted key
	Source    string
	Timestamp float64
}

// NewModel returns an empty Model.
func NewModel(cfg Config) (*Model, error) {
	m := &Model{store: make(map[string]*entry)}
	if err := m.init(cfg, m); err != nil {
		return nil, err
	}
	return m, nil
}

// Set sets key to value, which is JSON. The original's __proto__ is no key.
func (m *Model) Set(ctx context.Context, key string, value json.RawMessage) (Update, error) {
	change, err := SetChange(key, value)
	if err != nil {
		return Update{}, err
	}
	return m.LocalUpdate(ctx, change)
}

// SetChange returns the change that sets key.
func SetChange(key string, value json.RawMessage) (json.RawMessage, error) {
	return change(key, value)
}

// change returns [name, value, …].
func change(name string, values ...json.RawMessage) (json.RawMessage, error) {
	if name == proto {
		return nil, fmt.Errorf("%w: %s names nothing", ErrUnusable, proto)
	}
	b := esjson.AppendString([]byte{'['}, name)
	for _, v := range values {
		text, err := Canonical(v)
		if err != nil {
			return nil, err
		}
		b = append(append(b, ','), text...)
	}
	return append(b, ']'), nil
}

// Delete sets key to null, which is how the original deletes.
func (m *Model) Delete(ctx context.Context, key string) (Update, error) {
	return m.Set(ctx, key, json.RawMessage("null"))
}

// Get returns the value of key; not ok when there never was one, or it is deleted.
func (m *Model) Get(key string) (Item, bool) {
	m.mu.RLock()
	e := m.store[key]
	m.mu.RUnlock()
	if e == nil {
		return Item{}, false
	}
	item := e.item()
	return item, string(item.Value) != "null"
}

// Last returns the update that stands for key, which may delete it.
func (m *Model) Last(key string) (Update, bool) {
	m.mu.RLock()
	e := m.store[key]
	m.mu.RUnlock()
	if e == nil {
		return Update{}, false
	}
	return e.update(), true
}

// All yields the keys that have a value, in the order of their bytes.
func (m *Model) All() iter.Seq2[string, Item] {
	return func(yield func(string, Item) bool) {
		m.mu.RLock()
		store := maps.Clone(m.store)
		m.mu.RUnlock()
		for _, key := range slices.Sorted(maps.Keys(store)) {
			if item := store[key].item(); string(item.Value) != "null" && !yield(key, item) {
				return
			}
		}
	}
}

func (e *entry) item() Item {
	_, value, _ := KeyValue(e.change)
	return Item{Value: slices.Clone(value), Source: e.source, Timestamp: e.ts}
}

// KeyValue reads a change of a Model: an array whose first element names a key as in
// JavaScript (a string, or what String() makes of a number, a boolean or null); an
// absent value is null. The original ignores further elements, and so does this.
func KeyValue(change json.RawMessage) (key string, value json.RawMessage, ok bool) {
	parts, ok := arguments(change)
	if !ok {
		return "", nil, false
	}
	if key, ok = propertyKey(parts[0]); !ok {
		return "", nil, false
	}
	if len(parts) == 1 {
		return key, json.RawMessage("null"), true
	}
	return key, parts[1], true
}

// arguments reads an array that is not empty.
func arguments(change []byte) (parts [][]byte, ok bool) {
	if len(change) == 0 || change[0] != '[' {
		return nil, false
	}
	var room [2][]byte
	parts, err := esjson.Elements(room[:0], change, MaxLine)
	return parts, err == nil && len(parts) > 0
}

func (m *Model) place(e *entry) (key string, keep bool, gone *entry, err error) {
	key, _, ok := KeyValue(e.change)
	if !ok {
		return "", false, nil, ErrUnusable
	}
	gone = m.store[key]
	return key, gone == nil || inOrder(gone, e) < 0, gone, nil
}

func (m *Model) put(key string, e *entry) { m.store[key] = e }
