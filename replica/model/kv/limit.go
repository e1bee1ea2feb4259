package kv

import (
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/internal/keyheap"
)

// limit is what a cap on memory needs: the records in the order of LastWriterWins, and the
// newest that is not kept any more.
type limit struct {
	order *keyheap.Heap[string, *record]
	floor *record // nil before something was evicted
}

func newLimit() *limit { return &limit{order: keyheap.New[string]((*record).before)} }

// forgot reports whether u is not newer than what has been evicted. It would be the least
// of all that is kept, however much room there is now, and its key's newer update may be
// forgotten.
func (l *limit) forgot(u *replica.Update) bool {
	return l != nil && l.floor != nil && !l.floor.losesTo(u, testOnly{})
}

// below is forgot for a record.
func (l *limit) below(r *record) bool {
	return l != nil && l.floor != nil && r != nil && !l.floor.before(r)
}

// cost is what a record takes, in bytes, as Config.MaxBytes counts it.
func (r *record) cost(key string) int64 {
	n := int64(recordCost + len(key) + len(r.value))
	if r.expires != 0 && !r.expired {
		n += expiryCost
	}
	return n
}

func (t *contents) full() bool {
	return t.rules.MaxBytes > 0 && t.bytes.Load() > t.rules.MaxBytes ||
		t.rules.MaxKeys > 0 && t.size.Load() > int64(t.rules.MaxKeys)
}

// evict takes out the least records until the rest is within the cap.
func (t *contents) evict() {
	if t.limit == nil {
		return
	}
	for t.full() {
		key, r, ok := t.limit.order.First()
		if !ok {
			return
		}
		was := t.counted(key, r)
		t.limit.order.Remove(key)
		t.due.Remove(key)
		t.records.remove(key)
		t.account(key, r, nil, was, false)
		t.limit.floor = r.bare()
		if was {
			t.evicted.Add(1)
			t.events = append(t.events, event{key: key, before: r, why: evicted})
		}
	}
}
