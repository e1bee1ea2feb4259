package text

import (
	"strings"
	"unicode/utf8"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/internal/twin"
	"github.com/hearsaynet/hearsay/replica/model/internal/watch"
)

// model is the replica's side of a Text.
type model struct {
	self    keys.NodeID
	state   *twin.Twin[sequence]
	watches *watch.Hub[event, Edit]
}

func newModel(self keys.NodeID) *model {
	return &model{
		self:    self,
		state:   twin.New(newSequence),
		watches: watch.New(func(e event) Edit { return e.Edit }, func(n uint64) Edit { return Edit{Lost: n} }),
	}
}

// ApplyUpdate implements replica.Model.
func (m *model) ApplyUpdate(u replica.Update) (changed bool, err error) {
	c, err := parseChange(u.Change)
	if err != nil {
		return false, err
	}
	if u.Seq > maxSeq {
		return false, malformed("seq %d, at most %d", u.Seq, uint64(maxSeq))
	}
	for i := range c.authors() {
		if c.other(i) == u.Author {
			return false, malformed("author %d is its own", i+1)
		}
	}
	s, seen := m.state.Fold()
	if !seen {
		return s.apply(&u, &c), nil
	}
	m.watches.Together(func(tell func(event)) {
		if m.watches.Watched() {
			s.edits = &edits{version: s.version + 1}
		}
		changed = s.apply(&u, &c)
		s.edits.tell(tell, Edit{Author: u.Author, Local: u.Author == m.self})
		s.edits = nil
	})
	return changed, nil
}

// Reset implements replica.Model.
func (m *model) Reset() { m.state.Reset() }

// Rebuilt implements replica.Rebuilder: the watchers hear what is different.
func (m *model) Rebuilt() {
	m.watches.Together(func(tell func(event)) {
		old, now := m.state.Now(), m.state.Next()
		if now == nil {
			return
		}
		now.views.Change(now.share, func() { now.version += old.version + 1 })
		var e Edit
		if m.watches.Watched() {
			e = difference(old.text(), now.text())
		}
		e.Version = now.version
		m.state.Rebuilt()
		if e.Deleted != "" || e.Inserted != "" {
			tell(event{e})
		}
	})
}

// difference returns what makes one text of another: all between their common beginning
// and end.
func difference(old, now string) Edit {
	same := 0
	for same < min(len(old), len(now)) && old[same] == now[same] {
		same++
	}
	for same > 0 && (!starts(old, same) || !starts(now, same)) {
		same--
	}
	e := Edit{At: utf8.RuneCountInString(old[:same])}
	old, now = old[same:], now[same:]
	tail := 0
	for tail < min(len(old), len(now)) && old[len(old)-1-tail] == now[len(now)-1-tail] {
		tail++
	}
	for tail > 0 && (!starts(old, len(old)-tail) || !starts(now, len(now)-tail)) {
		tail--
	}
	e.Deleted, e.Inserted = strings.Clone(old[:len(old)-tail]), strings.Clone(now[:len(now)-tail])
	return e
}

// starts reports whether a character of s may begin at byte i.
func starts(s string, i int) bool { return i == len(s) || utf8.RuneStart(s[i]) }
