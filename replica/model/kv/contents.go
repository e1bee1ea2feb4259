package kv

import (
	"slices"
	"sync/atomic"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/internal/table"
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

// contents is the changes that count, by key.
type contents struct {
	testOnly testOnly
	records  *table.Table[*record]
	live     atomic.Int64 // keys that are not deleted
}

func newContents(planted testOnly) *contents {
	return &contents{testOnly: planted, records: table.New[*record]()}
}

// get returns the record of a key, nil if there is none.
func (t *contents) get(key string) *record {
	r, _ := t.records.Get(key)
	return r
}

// apply gives key to u's change if that is the last of the two, and returns the
// record before, nil if there was none, and the record now.
func (t *contents) apply(u *replica.Update, c change) (key string, before, now *record) {
	before, _ = t.records.GetBytes(c.key)
	if before != nil && !before.losesTo(u, t.testOnly) {
		return "", before, before
	}
	// Nothing of u.Change is kept: it is a part of a run of up to 1 MiB.
	both := string(u.Change[len(u.Change)-len(c.key)-len(c.value):])
	key = both[:len(c.key)]
	now = &record{value: both[len(c.key):], time: u.Time, seq: u.Seq, author: u.Author, hash: u.Hash, deleted: c.op == opDelete}
	if now.deleted && t.testOnly.deleteForgets {
		t.records.Delete(key)
	} else {
		t.records.Put(key, now)
	}
	if before.live() {
		t.live.Add(-1)
	}
	if now.live() {
		t.live.Add(1)
	}
	return key, before, now
}

// item is a key with its record.
type item = table.Item[*record]

// sorted returns the keys that are not deleted, bytewise.
func (t *contents) sorted() []item {
	return t.records.Sorted(func(_ string, r *record) bool { return r.live() })
}

// difference returns the keys whose values were written by another update in t than
// in old, bytewise.
func (t *contents) difference(old *contents) []string {
	var changed []string
	for k, r := range t.records.All() {
		if before := old.get(k); r.live() != before.live() || r.live() && r.hash != before.hash {
			changed = append(changed, k)
		}
	}
	for k, r := range old.records.All() {
		if r.live() && t.get(k) == nil {
			changed = append(changed, k)
		}
	}
	slices.Sort(changed)
	return changed
}
