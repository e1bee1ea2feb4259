package doc

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"iter"
	"strings"

	"github.com/hearsaynet/hearsay/replica/model/internal/fraction"
	"github.com/hearsaynet/hearsay/replica/model/internal/order"
	"github.com/hearsaynet/hearsay/replica/model/internal/table"
	"github.com/hearsaynet/hearsay/replica/model/internal/view"
	"github.com/hearsaynet/hearsay/replica/model/internal/watch"
)

// Set is the rows that match a Query, as they come, change and go. It is safe for
// concurrent use. Close it when it is not needed any more.
type Set struct {
	doc     *Doc
	query   Query
	sort    string // the field with the rows' positions, "" for the order of their names
	watches *watch.Hub[memberEvent, MemberChange]

	members // guarded by model.mu
	views   view.View[members]
}

// members are a Set's rows in order.
type members struct {
	rows    order.Tree[member]
	version uint64
}

func (s *Set) share() *members { return &members{s.rows.Share(), s.version} }

// member is a row in a Set.
type member struct {
	position string
	*record
}

// Compare orders members by their positions, and those of one position by name.
func (m member) Compare(o member) int {
	if c := strings.Compare(m.position, o.position); c != 0 {
		return c
	}
	return strings.Compare(m.id, o.id)
}

// nowhere is behind all positions.
var nowhere = strings.Repeat("\xff", fraction.MaxKey+1)

// member returns a row with its position in s.
func (s *Set) member(r *record) member {
	if s.sort == "" {
		return member{"", r}
	}
	return member{positionOf(r, s.sort), r}
}

// positionOf returns the position in a field: a JSON string of lower-case hexadecimal
// digits.
func positionOf(r *record, name string) string {
	f := r.field(name)
	if f == nil || len(f.value) > 2*fraction.MaxKey+2 {
		return nowhere
	}
	digits, quoted := strings.CutPrefix(f.value, `"`)
	digits, ended := strings.CutSuffix(digits, `"`)
	position, err := hex.DecodeString(digits)
	if !quoted || !ended || err != nil || !fraction.Valid(position) || hex.EncodeToString(position) != digits {
		return nowhere
	}
	return string(position)
}

func positionJSON(position []byte) json.RawMessage {
	return json.RawMessage(`"` + hex.EncodeToString(position) + `"`)
}

// Select returns the Set of the rows that match q. It looks at all rows once, and changes
// wait for it; from then on, at each one that changes. The error is about q.
func (d *Doc) Select(q Query) (*Set, error) { return d.follow(q, "") }

func (d *Doc) follow(q Query, sort string) (*Set, error) {
	if q.err != nil {
		return nil, fmt.Errorf("doc: select: %w", q.err)
	}
	s := &Set{
		doc: d, query: q, sort: sort,
		watches: watch.New(memberEvent.change, func(n uint64) MemberChange { return MemberChange{Lost: n} }),
	}
	m := d.model
	m.mu.Lock()
	defer m.mu.Unlock()
	s.rows = s.fill(m.state.Now().rows)
	if m.closed {
		s.watches.Close()
		return s, nil
	}
	m.followers.add(s)
	return s, nil
}

// fill returns those of all rows that match.
func (s *Set) fill(all *table.Table[*record]) (rows order.Tree[member]) {
	for _, r := range all.All() {
		if s.query.matches(r) {
			rows.Set(s.member(r))
		}
	}
	return rows
}

// Close ends the Set's watchers. The Set changes no more.
func (s *Set) Close() {
	m := s.doc.model
	m.mu.Lock()
	m.followers.remove(s)
	m.mu.Unlock()
	s.watches.Close()
}

// update follows the change of a row: model.mu is held.
func (s *Set) update(old, now *record, local bool) {
	var before, after *member
	if old.live() {
		if m := s.member(old); s.has(m) {
			before = &m
		}
	}
	if s.query.matches(now) {
		m := s.member(now)
		after = &m
	}
	if before == nil && after == nil {
		return
	}
	s.watches.Together(func(tell func(memberEvent)) {
		e := memberEvent{local: local}
		s.views.Change(s.share, func() { s.exchange(before, after, &e, s.watches.Watched()) })
		tell(e)
	})
}

func (s *members) has(m member) bool {
	_, ok := s.rows.Get(m)
	return ok
}

// exchange puts after in the place of before, either may be nil, and says so in e.
func (s *members) exchange(before, after *member, e *memberEvent, ranks bool) {
	s.version++
	e.version = s.version
	e.from, e.to = s.rows.Exchange(before, after, ranks)
	if before != nil {
		e.old = before.record
	}
	if after != nil {
		e.now = after.record
	}
}

// refill follows a rebuild: model.mu is held.
func (s *Set) refill(old, now *table.Table[*record]) {
	next := members{rows: s.fill(now)}
	s.watches.Together(func(tell func(memberEvent)) {
		var told []memberEvent
		mirror := *s.views.Read(s.share)
		if s.watches.Watched() {
			told = s.differences(&mirror, &next, old, now)
		}
		next.version = mirror.version + 1
		s.views.Change(s.share, func() { s.members = next })
		for _, e := range told {
			tell(e)
		}
	})
}

// differences returns how to make next of mirror, which is changed meanwhile.
func (s *Set) differences(mirror, next *members, old, now *table.Table[*record]) (told []memberEvent) {
	exchange := func(before, after *member) {
		var e memberEvent
		mirror.exchange(before, after, &e, true)
		told = append(told, e)
	}
	before := mirror.rows
	for m := range before.From(0) {
		if r, _ := now.Get(m.id); !r.live() || !next.has(s.member(r)) {
			exchange(&m, nil)
		}
	}
	for m := range next.rows.From(0) {
		var was *member
		if r, _ := old.Get(m.id); r.live() {
			if m := s.member(r); mirror.has(m) {
				was = &m
			}
		}
		if was == nil || !was.same(m.record) {
			exchange(was, &m)
		}
	}
	return told
}

// Snapshot returns the Set as it is now. It costs nothing.
func (s *Set) Snapshot() Snapshot { return Snapshot{s.views.Read(s.share)} }

// Len returns the number of rows.
func (s *Set) Len() int { return s.Snapshot().Len() }

// Rows returns the rows in order, as they are when the iteration begins.
func (s *Set) Rows() iter.Seq[Row] {
	return func(yield func(Row) bool) { s.Snapshot().Rows()(yield) }
}

// At returns the row at an index, if there is one.
func (s *Set) At(i int) (Row, bool) { return s.Snapshot().At(i) }

// Get returns the row with that name, if it is in the Set.
func (s *Set) Get(id string) (Row, bool) {
	r, ok := s.doc.model.state.Now().rows.Get(id)
	if !ok || !s.query.matches(r) {
		return Row{}, false
	}
	return Row{r}, true
}

// Index returns where the row with that name is, if it is in the Set.
func (s *Set) Index(id string) (at int, ok bool) {
	_, at, ok = s.locate(id)
	return at, ok
}

// locate returns where a row is, in a snapshot that has it.
func (s *Set) locate(id string) (c Snapshot, at int, ok bool) {
	m := s.doc.model
	c = s.Snapshot()
	r, _ := m.state.Now().rows.Get(id)
	if !r.live() {
		return c, 0, false
	}
	if at, ok = c.rows.Rank(s.member(r)); ok {
		return c, at, true
	}
	m.mu.Lock() // it may be changing
	defer m.mu.Unlock()
	if r, _ = m.state.Now().rows.Get(id); !r.live() {
		return c, 0, false
	}
	c = s.Snapshot()
	at, ok = c.rows.Rank(s.member(r))
	return c, at, ok
}

// Snapshot is a Set at one moment. It never changes.
type Snapshot struct{ *members }

// Version tells it from the Set's other snapshots: each is of a higher one than all
// before. It means nothing to another Set.
func (c Snapshot) Version() uint64 { return c.version }

// Len returns the number of rows.
func (c Snapshot) Len() int { return c.rows.Len() }

// At returns the row at an index, if there is one.
func (c Snapshot) At(i int) (Row, bool) {
	if i < 0 || i >= c.Len() {
		return Row{}, false
	}
	return Row{c.rows.At(i).record}, true
}

// Rows returns the rows in order.
func (c Snapshot) Rows() iter.Seq[Row] {
	return func(yield func(Row) bool) {
		for m := range c.rows.From(0) {
			if !yield(Row{m.record}) {
				return
			}
		}
	}
}

// MemberChange is one change of a Set, or, with Lost, none.
type MemberChange struct {
	Old *Row // nil if it was not in the Set
	New *Row // nil if it is not in the Set any more
	// From is the index before, and To the one after it; -1 without Old or New. Who
	// takes out what is at From and puts New in at To, change by change, has the Set.
	From, To int
	Version  uint64 // the Snapshot's that has this change, and none that comes later
	Local    bool   // by the own author
	// Lost is, in a MemberChange with nothing else in it, how many changes the reader has
	// missed here because it was too slow. It should take a Snapshot.
	Lost uint64
}

// Watch returns the changes from now on, until ctx ends or the Set or the Doc is closed;
// then the channel is closed. A reader that falls Config.WatchBuffer changes behind loses
// some, and is told so by MemberChange.Lost.
//
// Whoever watches first, takes a Snapshot afterwards and skips what its Version has misses
// nothing. What was told can be retracted: after a rebuild, as when an author's key was
// withdrawn or its history cut, the changes are the differences.
func (s *Set) Watch(ctx context.Context) (<-chan MemberChange, error) {
	changes := s.watches.Watch(ctx, s.doc.watchBuffer, func(memberEvent) bool { return true })
	if changes == nil {
		return nil, fmt.Errorf("doc: %w", ErrClosed)
	}
	return changes, nil
}

// memberEvent is a change of a row that was in a Set or is.
type memberEvent struct {
	old, now *record // nil if not in it
	from, to int
	version  uint64
	local    bool
}

// Held implements watch.Holder.
func (e memberEvent) Held() int { return held(e.old, e.now) }

func (e memberEvent) change() MemberChange {
	c := MemberChange{From: e.from, To: e.to, Version: e.version, Local: e.local}
	if e.old != nil {
		c.Old = &Row{e.old}
	}
	if e.now != nil {
		c.New = &Row{e.now}
	}
	return c
}
