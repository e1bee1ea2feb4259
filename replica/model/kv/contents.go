package kv

import (
	"iter"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/internal/expiry"
	"github.com/hearsaynet/hearsay/replica/model/internal/table"
)

// records is where the changes that count are kept. One goroutine at a time writes.
type records interface {
	get(key string) (*record, error) // nil if there is none
	getBytes(key []byte) (*record, error)
	put(key string, r *record) error
	remove(key string)
	all() iter.Seq2[string, *record]
	// sorted returns the records that keep asks for, bytewise by key, as they are at one
	// moment; beside an error, some of them.
	sorted(keep func(key string, r *record) bool) ([]item, error)
	retire() // nobody writes any more, and who reads is to look elsewhere
}

// item is a key with its record.
type item = table.Item[*record]

// contents is the changes that count, by key. All but records and the counts belongs to
// the one who writes.
type contents struct {
	rules   *Config
	records records
	failed  error // why there is nothing to keep records in
	due     expiry.Queue[string]
	limit   *limit // nil if there is no cap
	events  []event

	live    atomic.Int64 // keys that have a value
	size    atomic.Int64 // keys that have a record
	bytes   atomic.Int64 // by cost
	evicted atomic.Uint64
}

func newContents(rules *Config, rs records) *contents {
	t := &contents{rules: rules, records: rs, due: expiry.NewQueue[string]()}
	if rules.MaxBytes > 0 || rules.MaxKeys > 0 {
		t.limit = newLimit()
	}
	return t
}

// counted reports whether r, the record of key, is a value, as far as the watchers have
// been told.
func (t *contents) counted(key string, r *record) bool {
	return r != nil && !r.deleted && (r.expires == 0 || t.due.Has(key))
}

// apply gives the change's key to u if that is the last of its changes, and notes what
// watchers are to be told.
func (t *contents) apply(u *replica.Update, c change, now clock) (changed bool, err error) {
	if t.failed != nil {
		return false, t.failed
	}
	if t.limit.forgot(u) {
		return false, nil
	}
	before, err := t.records.getBytes(c.Key)
	if err != nil {
		return false, err
	}
	resolve := t.rules.Resolve
	if before != nil && resolve == nil && !before.losesTo(u, t.rules.testOnly) {
		return false, nil
	}
	key, r := newRecord(u, c)
	if before != nil && resolve != nil && !resolves(resolve, key, before, r) {
		return false, nil
	}
	over := r.expires != 0 && r.over(now())
	if over {
		key, r = t.spent(key, r)
	}
	if r.deleted && t.rules.testOnly.deleteForgets {
		t.records.remove(key)
	} else if err := t.records.put(key, r); err != nil {
		return false, err
	}
	t.note(key, before, r, over, u.Author == t.rules.self)
	return true, nil
}

// spent returns what is kept of r, whose time has come, and under which key: not the
// value, unless the caller's resolve may ask for it; all of it where a backend keeps it.
func (t *contents) spent(key string, r *record) (string, *record) {
	switch {
	case t.rules.Backend != nil:
		return key, r
	case t.rules.Resolve != nil:
		left := *r
		left.expired = true
		return key, &left
	}
	return strings.Clone(key), r.bare()
}

// note keeps account of a record that has replaced another.
func (t *contents) note(key string, before, r *record, over, local bool) {
	was := t.counted(key, before)
	if r.expires != 0 && !over {
		t.due.Set(key, r.expires)
	} else if t.due.Len() > 0 {
		t.due.Remove(key)
	}
	is := !r.deleted && !over
	t.account(key, before, r, was, is)
	if was || is {
		e := event{key: key, local: local}
		if was {
			e.before = before
		}
		if is {
			e.now = r
		} else if over {
			e.why = expired
		}
		t.events = append(t.events, e)
	}
	t.evict()
}

// account counts what changes when a key's record, nil if it has none, becomes another.
func (t *contents) account(key string, before, r *record, was, is bool) {
	switch {
	case was && !is:
		t.live.Add(-1)
	case is && !was:
		t.live.Add(1)
	}
	var size, bytes int64
	if before != nil {
		size, bytes = size-1, bytes-before.cost(key)
	}
	if r != nil {
		size, bytes = size+1, bytes+r.cost(key)
	}
	t.size.Add(size)
	t.bytes.Add(bytes)
	if t.limit != nil && r != nil {
		t.limit.order.Set(key, r)
	}
}

// expire takes the values away whose time has come, some at a time, and notes them.
func (t *contents) expire(now uint64) error {
	for range sweepBatch {
		key, ok := t.due.Due(now)
		if !ok {
			return nil
		}
		if err := t.expireKey(key); err != nil {
			t.live.Add(-1)
			return err
		}
	}
	return nil
}

func (t *contents) expireKey(key string) error {
	r, err := t.records.get(key)
	if err != nil {
		return err
	}
	key, left := t.spent(key, r)
	if left != r {
		if err := t.records.put(key, left); err != nil {
			return err
		}
	}
	t.account(key, r, left, true, false)
	t.events = append(t.events, event{key: key, before: r, why: expired})
	return nil
}

// sorted returns the keys that have a value, bytewise.
func (t *contents) sorted(now clock) ([]item, error) {
	at := now()
	still := func() uint64 { return at }
	return t.records.sorted(func(_ string, r *record) bool { return r.shown(still) })
}

// difference notes what is different from old: the keys that have a value in one of the
// two only, or whose values were written by different updates, bytewise.
func (t *contents) difference(old *contents) error {
	var changed []string
	for k, r := range t.records.all() {
		before, err := old.records.get(k)
		if err != nil {
			return err
		}
		was, is := old.counted(k, before), t.counted(k, r)
		if was != is || is && r.hash != before.hash {
			changed = append(changed, k)
		}
	}
	for k, r := range old.records.all() {
		now, err := t.records.get(k)
		if err != nil {
			return err
		}
		if now == nil && old.counted(k, r) {
			changed = append(changed, k)
		}
	}
	slices.Sort(changed)
	for _, k := range changed {
		if err := t.differ(old, k); err != nil {
			return err
		}
	}
	return nil
}

// differ notes that a key is different in old.
func (t *contents) differ(old *contents, key string) error {
	before, err := old.records.get(key)
	if err != nil {
		return err
	}
	r, err := t.records.get(key)
	if err != nil {
		return err
	}
	e := event{key: key}
	if old.counted(key, before) {
		e.before = before
	}
	switch {
	case t.counted(key, r):
		e.now = r
	case r != nil && !r.deleted:
		e.why = expired
	case r == nil && t.limit.below(before):
		e.why = evicted
	}
	e.local = r != nil && r.author == t.rules.self
	t.events = append(t.events, e)
	return nil
}

// memory keeps records in memory.
type memory struct{ *table.Table[*record] }

func newMemory() memory { return memory{table.New[*record]()} }

func (m memory) get(key string) (*record, error) {
	r, _ := m.Get(key)
	return r, nil
}

func (m memory) getBytes(key []byte) (*record, error) {
	r, _ := m.GetBytes(key)
	return r, nil
}

func (m memory) put(key string, r *record) error {
	m.Put(key, r)
	return nil
}

func (m memory) remove(key string)               { m.Delete(key) }
func (m memory) all() iter.Seq2[string, *record] { return m.All() }
func (m memory) retire()                         {}

func (m memory) sorted(keep func(key string, r *record) bool) ([]item, error) {
	return m.Sorted(keep), nil
}
