package kv

import (
	"cmp"
	"strings"

	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// Update is a set or a delete of a key, as Config.Resolve compares it and a Backend keeps
// it.
type Update struct {
	wire.Ref        // the update
	Key      string // UTF-8, 1 to 1024 bytes
	Value    string // any bytes; "" for a delete
	Time     uint64 // ns since the Unix epoch, as the author dated it
	Expires  uint64 // ns since the Unix epoch; 0: never
	Deleted  bool
}

// LastWriterWins orders updates by (time, author, hash). It is what a Map does unless it
// is told otherwise.
func LastWriterWins(a, b Update) int {
	return cmp.Or(cmp.Compare(a.Time, b.Time), a.Author.Compare(b.Author), strings.Compare(string(a.Hash[:]), string(b.Hash[:])))
}

// StrictOrder orders updates by (time, value, author, hash), so that of two values that
// were written in one nanosecond the greater counts, bytewise, whoever wrote it. A delete
// has the least value.
func StrictOrder(a, b Update) int {
	return cmp.Or(cmp.Compare(a.Time, b.Time), strings.Compare(a.Value, b.Value), LastWriterWins(a, b))
}

// losesTo reports whether u comes after r in the order of LastWriterWins.
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

// before reports whether r comes before o in the order of LastWriterWins.
func (r *record) before(o *record) bool {
	return r.losesTo(&replica.Update{Ref: o.ref(), Time: o.time}, testOnly{})
}

// resolves reports whether r counts and not old, by the caller's resolve. What that calls
// equal is in the order of LastWriterWins, so that any weak order makes a strict one.
func resolves(resolve func(a, b Update) int, key string, old, r *record) bool {
	a, b := r.update(key), old.update(key)
	return cmp.Or(resolve(a, b), LastWriterWins(a, b)) > 0
}
