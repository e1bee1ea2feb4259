// Package table is a map of strings for a model: one goroutine writes, and readers wait
// neither for it nor for each other.
package table

import (
	"cmp"
	"hash/maphash"
	"iter"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
)

// shards bounds what a writer copies while somebody lists the table, and what it locks:
// a 256th of it.
const shards = 256

// Table is a map from strings. Any number of goroutines may read it; those that write
// must come one at a time.
type Table[Record any] struct {
	seed   maphash.Seed
	size   atomic.Int64
	shards [shards]shard[Record]

	mu sync.Mutex // held by a writer, and by a listing while it begins; guards the fields below
	// generation counts the listings begun, listing those that have not ended.
	generation uint64
	listing    int
}

// shard is the keys whose hash is alike.
type shard[Record any] struct {
	mu         sync.RWMutex // guards records; the writer reads it without
	records    map[string]Record
	generation uint64 // of the table, when records was last made or copied; the writer's
}

// New returns an empty table.
func New[Record any]() *Table[Record] {
	return &Table[Record]{seed: maphash.MakeSeed()}
}

// Get returns the record of a key.
func (t *Table[Record]) Get(key string) (Record, bool) {
	s := &t.shards[maphash.String(t.seed, key)%shards]
	s.mu.RLock()
	r, ok := s.records[key]
	s.mu.RUnlock()
	return r, ok
}

// GetBytes is Get for a key that need not be made a string.
func (t *Table[Record]) GetBytes(key []byte) (Record, bool) {
	s := &t.shards[maphash.Bytes(t.seed, key)%shards]
	s.mu.RLock()
	r, ok := s.records[string(key)]
	s.mu.RUnlock()
	return r, ok
}

// Len returns the number of keys.
func (t *Table[Record]) Len() int { return int(t.size.Load()) }

// Put gives key a record, which must not be changed afterwards.
func (t *Table[Record]) Put(key string, r Record) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.own(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	before := len(s.records)
	s.records[key] = r
	t.size.Add(int64(len(s.records) - before))
}

// Delete takes key away.
func (t *Table[Record]) Delete(key string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.own(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	before := len(s.records)
	delete(s.records, key)
	t.size.Add(int64(len(s.records) - before))
}

// own returns the shard of a key, with a map that no listing reads.
func (t *Table[Record]) own(key string) *shard[Record] {
	s := &t.shards[maphash.String(t.seed, key)%shards]
	var records map[string]Record
	switch {
	case s.records == nil:
		records = make(map[string]Record)
	case t.listing > 0 && s.generation < t.generation:
		records = maps.Clone(s.records)
	default:
		return s
	}
	s.generation = t.generation
	s.mu.Lock()
	s.records = records
	s.mu.Unlock()
	return s
}

// All returns the keys and records at the moment when the iteration begins, in no order.
// No writer waits for it.
func (t *Table[Record]) All() iter.Seq2[string, Record] {
	return func(yield func(string, Record) bool) {
		maps, end := t.begin()
		defer end()
		for _, m := range maps {
			for k, r := range m {
				if !yield(k, r) {
					return
				}
			}
		}
	}
}

// Item is a key with its record.
type Item[Record any] struct {
	Key    string
	Record Record
}

// Sorted returns the keys that keep asks for, bytewise, as they are at one moment.
func (t *Table[Record]) Sorted(keep func(key string, r Record) bool) []Item[Record] {
	items := make([]Item[Record], 0, t.Len())
	for k, r := range t.All() {
		if keep(k, r) {
			items = append(items, Item[Record]{k, r})
		}
	}
	slices.SortFunc(items, func(a, b Item[Record]) int { return cmp.Compare(a.Key, b.Key) })
	return items
}

// begin returns what the table holds now; end must be called.
func (t *Table[Record]) begin() (all *[shards]map[string]Record, end func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.generation++
	t.listing++
	all = new([shards]map[string]Record)
	for i := range t.shards {
		all[i] = t.shards[i].records
	}
	return all, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.listing--
	}
}
