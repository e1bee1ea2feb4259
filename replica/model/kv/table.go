package kv

import (
	"cmp"
	"hash/maphash"
	"maps"
	"slices"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// record is the change of a key that counts. It never changes.
type record struct {
	value   string // one allocation with the key in the table
	time    uint64
	seq     uint64
	author  keys.NodeID
	hash    wire.Hash
	deleted bool
}

func (r *record) ref() wire.Ref { return wire.Ref{Author: r.author, Seq: r.seq, Hash: r.hash} }

// losesTo reports whether u comes after r.
func (r *record) losesTo(u *replica.Update, planted testOnly) bool {
	if planted.lastArrival || planted.tieByArrival && r.time == u.Time {
		return planted.lastArrival
	}
	if r.time != u.Time {
		return r.time < u.Time
	}
	mine := replica.Update{Ref: r.ref(), Time: r.time}
	return mine.Before(u)
}

// live reports whether the key has a value.
func (r *record) live() bool { return r != nil && !r.deleted }

// entry returns what r, which must be live, says of key.
func (r *record) entry(key string) Entry {
	return Entry{Ref: r.ref(), Key: key, Value: []byte(r.value), Time: r.time}
}

// table is all keys. While it is being listed, a shard is copied before it is written
// to, so that listing holds up no writer.
type table struct {
	testOnly testOnly
	seed     maphash.Seed
	shards   [shards]shard
	live     int // keys that are not deleted
	// generation counts the listings begun, listing those that have not ended.
	generation uint64
	listing    int
}

// shard is the keys whose hash is alike.
type shard struct {
	records    map[string]*record
	generation uint64 // of the table, when records was last written or made
}

func newTable(planted testOnly) *table { return &table{seed: maphash.MakeSeed(), testOnly: planted} }

func (t *table) shard(key []byte) *shard {
	return &t.shards[maphash.Bytes(t.seed, key)%shards]
}

func (t *table) get(key string) *record {
	return t.shards[maphash.String(t.seed, key)%shards].records[key]
}

// apply gives key to u's change if that is the last of the two, and returns the
// record before, nil if there was none, and the record now.
func (t *table) apply(u *replica.Update, c change) (key string, before, now *record) {
	s := t.shard(c.key)
	before = s.records[string(c.key)]
	if before != nil && !before.losesTo(u, t.testOnly) {
		return "", before, before
	}
	// Nothing of u.Change is kept: it is a part of a run of up to 1 MiB.
	both := string(u.Change[len(u.Change)-len(c.key)-len(c.value):])
	key = both[:len(c.key)]
	now = &record{value: both[len(c.key):], time: u.Time, seq: u.Seq, author: u.Author, hash: u.Hash, deleted: c.op == opDelete}
	switch {
	case s.records == nil:
		s.records = make(map[string]*record)
	case t.listing > 0 && s.generation < t.generation:
		s.records = maps.Clone(s.records)
	}
	s.generation = t.generation
	s.records[key] = now
	if now.deleted && t.testOnly.deleteForgets {
		delete(s.records, key)
	}
	if before.live() {
		t.live--
	}
	if now.live() {
		t.live++
	}
	return key, before, now
}

// snapshot is a table's shards at one moment.
type snapshot [shards]map[string]*record

// begin starts a listing; end must follow.
func (t *table) begin() *snapshot {
	t.generation++
	t.listing++
	var s snapshot
	for i := range t.shards {
		s[i] = t.shards[i].records
	}
	return &s
}

func (t *table) end() { t.listing-- }

// item is a key with its record.
type item struct {
	key string
	*record
}

// sorted returns the keys that are not deleted, bytewise.
func (s *snapshot) sorted() []item {
	n := 0
	for _, m := range s {
		n += len(m)
	}
	items := make([]item, 0, n)
	for _, m := range s {
		for k, r := range m {
			if r.live() {
				items = append(items, item{k, r})
			}
		}
	}
	slices.SortFunc(items, func(a, b item) int { return cmp.Compare(a.key, b.key) })
	return items
}

// difference returns the keys whose values were written by another update in t than
// in old, bytewise.
func (t *table) difference(old *table) []string {
	var changed []string
	differ := func(a, b *record) bool {
		return a.live() != b.live() || a.live() && a.hash != b.hash
	}
	for i := range t.shards {
		for k, r := range t.shards[i].records {
			if differ(r, old.get(k)) {
				changed = append(changed, k)
			}
		}
	}
	for i := range old.shards {
		for k, r := range old.shards[i].records {
			if r.live() && t.get(k) == nil {
				changed = append(changed, k)
			}
		}
	}
	slices.Sort(changed)
	return changed
}
