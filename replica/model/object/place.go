package object

import (
	"maps"
	"slices"
)

// place is a name that a change comes by, and what stood there before it. Places are kept
// as a tree, not by their paths, of which a short change may touch many long ones. A nil
// place keeps nothing.
type place struct {
	below   map[string]*place
	was     standing // if touched
	touched bool
}

func (p *place) child(name string) *place {
	if p == nil {
		return nil
	}
	c := p.below[name]
	if c == nil {
		if p.below == nil {
			p.below = make(map[string]*place)
		}
		c = new(place)
		p.below[name] = c
	}
	return c
}

// touch is called before what stands at n, which is at p, is changed.
func (p *place) touch(n *node) {
	if p != nil && !p.touched {
		p.touched, p.was = true, n.standing()
	}
}

// each calls f for the places below p, which is at path, that were touched: what stood
// there, and what does now that n is there.
func (p *place) each(path string, n *node, f func(path string, before, now standing)) {
	if p == nil {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(p.below)) {
		c, at := p.below[name], below(path, name)
		var m *node
		if n != nil {
			m = n.members.find(name)
		}
		if c.touched {
			f(at, c.was, m.standing())
		}
		c.each(at, m, f)
	}
}
