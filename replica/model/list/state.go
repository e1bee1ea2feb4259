package list

import (
	"runtime"

	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/internal/order"
	"github.com/hearsaynet/hearsay/replica/model/internal/view"
)

// state is a function of the set of updates applied.
type state struct {
	contents
	views view.View[contents]
}

// contents is a state as readers see it.
type contents struct {
	all     order.Tree[*slot] // also of what is removed, or not inserted yet
	shown   order.Tree[byPlace]
	version uint64
}

func (s *state) share() *contents {
	return &contents{s.all.Share(), s.shown.Share(), s.version}
}

func (s *state) read() *contents { return s.views.Read(s.share) }

// apply does ops, and tells of each element that readers now see otherwise.
func (c *contents) apply(u *replica.Update, ops []operation, tell func(event)) (changed bool) {
	by := &origin{u.Ref, u.Time}
	touched := make([]*slot, 0, len(ops))
	for i := range ops {
		o, at := &ops[i], stamp{by, uint16(i)}
		id := o.id
		if o.op == opInsert {
			id = ElementID{u.Author, u.Seq, at.index}
		}
		s := c.slot(id)
		if s == nil {
			s = &slot{id: id}
			c.all.Set(s)
		}
		old := s.now
		if old == nil {
			old = &element{slot: s}
		}
		if now := old.after(o, at); now != nil {
			s.now = now
			touched = append(touched, s)
			c.show(old, now, tell)
		}
	}
	for _, s := range touched {
		s.seen.Store(s.now)
	}
	return len(touched) > 0
}

// slot returns that of an element, nil if there is none.
func (c *contents) slot(id ElementID) *slot {
	s, _ := c.all.Search(func(s *slot) int { return s.id.compare(&id) })
	return s
}

// find returns an element that is visible now, or nil.
func (c *contents) find(id ElementID) *element {
	if s := c.slot(id); s != nil {
		if e := s.seen.Load(); e.visible() {
			return e
		}
	}
	return nil
}

// index returns an element that is visible now, or nil, with a state that has it.
func (s *state) index(id ElementID) (e *element, c *contents, at int) {
	for {
		c = s.read()
		if e = c.find(id); e == nil {
			return nil, c, 0
		}
		if at, ok := c.shown.Rank(byPlace{e}); ok {
			return e, c, at
		}
		runtime.Gosched() // the change that moves it has not been shared yet
	}
}

// show puts now in the place of old, for readers; either may be nil or not visible.
func (c *contents) show(old, now *element, tell func(event)) {
	if !old.visible() && !now.visible() {
		return
	}
	c.version++
	var e event
	var before, after *byPlace
	if old.visible() {
		e.old, before = old, &byPlace{old}
	}
	if now.visible() {
		e.now, after = now, &byPlace{now}
	}
	e.from, e.to = c.shown.Exchange(before, after, tell != nil)
	if e.version = c.version; tell != nil {
		tell(e)
	}
}

// differences tells how to make now of c, which is changed meanwhile.
func (c *contents) differences(now *contents, tell func(event)) {
	before := c.shown
	for e := range before.From(0) {
		if now.find(e.id) == nil {
			c.show(e.element, nil, tell)
		}
	}
	for e := range now.shown.From(0) {
		old := c.find(e.id)
		if !old.visible() || !old.same(e.element) {
			c.show(old, e.element, tell)
		}
	}
}
