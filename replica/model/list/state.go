package list

import (
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
	all     order.Tree[byID] // also what is removed, or not inserted yet
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
	for i := range ops {
		o, at := &ops[i], stamp{by, uint16(i)}
		id := o.id
		if o.op == opInsert {
			id = ElementID{u.Author, u.Seq, at.index}
		}
		old, known := c.all.Get(byID{&element{id: id}})
		if !known {
			old.element = &element{id: id}
		}
		now := old.after(o, at)
		if now == old.element {
			continue
		}
		changed = true
		c.all.Set(byID{now})
		c.show(old.element, now, tell)
	}
	return changed
}

// show puts now in the place of old, for readers; either may be nil or not visible.
func (c *contents) show(old, now *element, tell func(event)) {
	if !old.visible() && !now.visible() {
		return
	}
	c.version++
	e := event{old: old, now: now, from: -1, to: -1, version: c.version}
	if !old.visible() {
		e.old = nil
	} else if tell != nil {
		e.from, _ = c.shown.Rank(byPlace{old})
	}
	if !now.visible() {
		e.now = nil
	}
	if e.old != nil && (e.now == nil || old.place != now.place) {
		c.shown.Delete(byPlace{old})
	}
	if e.now != nil {
		c.shown.Set(byPlace{now})
	}
	if tell == nil {
		return
	}
	if e.now != nil {
		e.to, _ = c.shown.Rank(byPlace{now})
	}
	tell(e)
}

// differences tells how to make now of c, which is changed meanwhile.
func (c *contents) differences(now *contents, tell func(event)) {
	for e := range c.all.From(0) {
		if e.visible() {
			if other, _ := now.all.Get(e); !other.element.visible() {
				c.show(e.element, nil, tell)
			}
		}
	}
	for e := range now.shown.From(0) {
		old, _ := c.all.Get(byID(e))
		if !old.element.visible() || !old.same(e.element) {
			c.show(old.element, e.element, tell)
		}
	}
}
