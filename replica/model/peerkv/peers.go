package peerkv

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/internal/expiry"
	"github.com/hearsaynet/hearsay/replica/model/internal/order"
	"github.com/hearsaynet/hearsay/replica/model/internal/setting"
	"github.com/hearsaynet/hearsay/replica/model/internal/table"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// record is an author's last change of a key. It never changes.
type record struct {
	text    string // the author's id, the key and the value, in one allocation
	peer    *peer
	time    uint64
	seq     uint64
	expires uint64 // ns since the Unix epoch, 0: never
	hash    wire.Hash
	size    uint16 // of the key
	deleted bool
	dropped bool // the value, which had expired
}

const idSize = len(keys.NodeID{})

// newRecord makes what u, whose change is c, says. Nothing of u.Change is kept: it is a
// part of a run of up to 1 MiB.
func newRecord(p *peer, u *replica.Update, c *change) *record {
	var text strings.Builder
	text.Grow(idSize + len(c.Key) + len(c.Value))
	text.Write(u.Author[:])
	text.Write(c.Key)
	text.Write(c.Value)
	return &record{
		text: text.String(), peer: p, time: u.Time, seq: u.Seq, hash: u.Hash,
		expires: c.Expires, size: uint16(len(c.Key)), deleted: c.Op == setting.Delete,
	}
}

// bare returns r without its value.
func (r *record) bare() *record {
	b := *r
	b.text, b.dropped = strings.Clone(r.id()), true
	return &b
}

func (r *record) id() string    { return r.text[:idSize+int(r.size)] } // of author and key
func (r *record) key() string   { return r.text[idSize:][:r.size] }
func (r *record) value() string { return r.text[idSize+int(r.size):] }

// Compare implements order.Item.
func (r *record) Compare(o *record) int { return cmp.Compare(r.key(), o.key()) }

// over reports whether r is a set whose time has come.
func (r *record) over(now uint64) bool { return r.dropped || r.expires != 0 && r.expires <= now }

// shown reports whether readers see r, which is nil for a key that has none.
func (r *record) shown(now clock) bool {
	return r != nil && !r.deleted && (r.expires == 0 || !r.over(now()))
}

// entry returns what r, which must have a value, says.
func (r *record) entry() Entry {
	return Entry{
		Ref: wire.Ref{Author: r.peer.author, Seq: r.seq, Hash: r.hash},
		Key: r.key(), Value: []byte(r.value()), Time: r.time, Expires: r.expires,
	}
}

// clock returns the time in ns since the Unix epoch.
type clock func() uint64

// peer is one author.
type peer struct {
	author keys.NodeID
	name   string // the author's id as text
	values order.Tree[*record]
}

// peers is the changes that count. One goroutine at a time writes, to due without mu.
type peers struct {
	records *table.Table[*record] // by record.id
	due     expiry.Queue[string]
	size    atomic.Int64 // keys that have a value

	mu       sync.Mutex // guards the fields below
	byAuthor map[keys.NodeID]*peer
}

func newPeers() *peers {
	return &peers{records: table.New[*record](), due: expiry.NewQueue[string](), byAuthor: make(map[keys.NodeID]*peer)}
}

// get returns the record of an author's key, nil if there is none.
func (s *peers) get(author keys.NodeID, key string) *record {
	if len(key) > MaxKey {
		return nil
	}
	var room [idSize + MaxKey]byte
	r, _ := s.records.GetBytes(append(append(room[:0], author[:]...), key...))
	return r
}

// counted reports whether r is a value, as far as the watchers have been told.
func (s *peers) counted(r *record) bool {
	return r != nil && !r.deleted && (r.expires == 0 || s.due.Has(r.id()))
}

// apply makes u's change, unless the author made a later one, and returns what watchers
// are to be told.
func (s *peers) apply(u *replica.Update, c *change, now clock) (e event, changed bool) {
	var room [idSize + MaxKey]byte
	before, _ := s.records.GetBytes(append(append(room[:0], u.Author[:]...), c.Key...))
	if before != nil && before.seq > u.Seq {
		return event{}, false
	}
	was := s.counted(before)
	r := newRecord(s.peer(u.Author), u, c)
	over := r.expires != 0 && r.over(now())
	if over {
		r = r.bare()
	}
	if was && before.expires != 0 {
		s.due.Remove(before.id()) // also where r's id takes its place, whose bytes are with another value
	}
	if r.expires != 0 && !over {
		s.due.Set(r.id(), r.expires)
	}
	is := !r.deleted && !over
	s.put(r, was, is)
	return newEvent(before, r, was, is), true
}

// peer returns an author, which it makes known.
func (s *peers) peer(author keys.NodeID) *peer {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.byAuthor[author]
	if p == nil {
		p = &peer{author: author, name: author.String()}
		s.byAuthor[author] = p
	}
	return p
}

// put files r, which was a value before and is one now, or not.
func (s *peers) put(r *record, was, is bool) {
	s.records.Put(r.id(), r)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case is:
		r.peer.values.Set(r)
	case was:
		r.peer.values.Delete(r)
	}
	switch {
	case is && !was:
		s.size.Add(1)
	case was && !is:
		s.size.Add(-1)
	}
}

// expire takes some of the values away whose time has come, and returns what watchers are
// to be told.
func (s *peers) expire(now uint64) (events []event) {
	for range sweepBatch {
		id, ok := s.due.Due(now)
		if !ok {
			break
		}
		r, _ := s.records.Get(id)
		left := r.bare()
		s.put(left, true, false)
		events = append(events, newEvent(r, left, true, false))
	}
	return events
}

// list returns an author's values, bytewise by key, as they are now.
func (s *peers) list(author keys.NodeID) order.Tree[*record] {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.byAuthor[author]; p != nil {
		return p.values.Share()
	}
	return order.Tree[*record]{}
}

// view is an author's values at one moment.
type view struct {
	author keys.NodeID
	values order.Tree[*record]
}

// all returns everybody's values, by author, as they are at one moment.
func (s *peers) all() []view {
	s.mu.Lock()
	views := make([]view, 0, len(s.byAuthor))
	for id, p := range s.byAuthor {
		views = append(views, view{id, p.values.Share()})
	}
	s.mu.Unlock()
	slices.SortFunc(views, func(a, b view) int { return a.author.Compare(b.author) })
	return views
}

// difference returns what is different from old, by author and key: what has a value in
// one of the two only, or values written by different updates.
func (s *peers) difference(old *peers) (events []event) {
	for id, r := range s.records.All() {
		before, _ := old.records.Get(id)
		was, is := old.counted(before), s.counted(r)
		if was != is || is && r.hash != before.hash {
			events = append(events, newEvent(before, r, was, is))
		}
	}
	for id, r := range old.records.All() {
		if _, ok := s.records.Get(id); !ok && old.counted(r) {
			events = append(events, newEvent(r, nil, true, false))
		}
	}
	slices.SortFunc(events, func(a, b event) int { return cmp.Compare(a.id(), b.id()) })
	return events
}
