package kv

import (
	"strings"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/internal/setting"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// record is the change of a key that counts. It never changes.
type record struct {
	value   string // one allocation with the key in the table
	time    uint64
	seq     uint64
	expires uint64 // 0: never
	author  keys.NodeID
	hash    wire.Hash
	deleted bool
	expired bool // it is over, whatever the clock says
}

// newRecord makes what u, whose change is c, says of a key.
func newRecord(u *replica.Update, c change) (key string, r *record) {
	// Nothing of u.Change is kept: it is a part of a run of up to 1 MiB.
	var both strings.Builder
	both.Grow(len(c.Key) + len(c.Value))
	both.Write(c.Key)
	both.Write(c.Value)
	return both.String()[:len(c.Key)], &record{
		value: both.String()[len(c.Key):], time: u.Time, seq: u.Seq, expires: c.Expires,
		author: u.Author, hash: u.Hash, deleted: c.Op == setting.Delete,
	}
}

func (r *record) ref() wire.Ref { return wire.Ref{Author: r.author, Seq: r.seq, Hash: r.hash} }

// bare returns r without its value, to put under a key that does not hold it either.
func (r *record) bare() *record {
	b := *r
	b.value, b.expired = "", true
	return &b
}

// over reports whether r is a set whose time has come.
func (r *record) over(now uint64) bool { return r.expired || r.expires != 0 && r.expires <= now }

// clock returns the time in ns since the Unix epoch.
type clock func() uint64

// shown reports whether readers see r, which is nil for a key that has none.
func (r *record) shown(now clock) bool {
	return r != nil && !r.deleted && (r.expires == 0 || !r.over(now()))
}

// entry returns what r, which must have a value, says of key.
func (r *record) entry(key string) Entry {
	return Entry{Ref: r.ref(), Key: key, Value: []byte(r.value), Time: r.time, Expires: r.expires}
}

func (r *record) update(key string) Update {
	return Update{Ref: r.ref(), Key: key, Value: r.value, Time: r.time, Expires: r.expires, Deleted: r.deleted}
}

func (u *Update) record() *record {
	return &record{
		value: u.Value, time: u.Time, seq: u.Seq, expires: u.Expires,
		author: u.Author, hash: u.Hash, deleted: u.Deleted,
	}
}
