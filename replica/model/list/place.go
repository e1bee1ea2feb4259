package list

import (
	"bytes"
	"sort"

	"github.com/hearsaynet/hearsay/replica/model/internal/fraction"
)

// position returns that of the element at an index, nil outside of the list.
func (c *contents) position(at int) []byte {
	if at < 0 || at >= c.shown.Len() {
		return nil
	}
	return []byte(c.shown.At(at).position)
}

// room returns positions for n elements before the one at index at, and the moves of
// neighbours that make room for them if there is none: another author may have put
// neighbours at the same position, or at the longest ones. Where more than maxMoved would
// have to move, the positions are the nearest ones behind.
func (c *contents) room(at, n int, side fraction.Side) (positions [][]byte, moves []operation) {
	if p := fraction.Between(c.position(at-1), c.position(at), n, side); p != nil {
		return p, nil
	}
	for span := 1; span <= maxMoved; span *= 2 {
		low, high := max(0, at-span/2), min(c.shown.Len(), at+span-span/2)
		p := fraction.Between(c.position(low-1), c.position(high), n+high-low, fraction.Anywhere)
		if p == nil {
			continue
		}
		for i := low; i < high; i++ {
			k := i - low
			if i >= at {
				k += n
			}
			moves = append(moves, operation{op: opMove, id: c.shown.At(i).id, position: p[k]})
		}
		return p[at-low : at-low+n], moves
	}
	return c.behind(at, n), nil
}

// behind returns positions for n elements as close behind index at as there is room. If
// the list ends before, they are equal to the last one there, and the elements come behind
// it because they are younger.
func (c *contents) behind(at, n int) [][]byte {
	left := c.position(at - 1)
	if left == nil {
		left = c.position(at)
	}
	rest := c.shown.Len() - at
	next := at + sort.Search(rest, func(i int) bool { return bytes.Compare(c.position(at+i), left) > 0 })
	if p := fraction.Between(left, c.position(next), n, fraction.Anywhere); p != nil {
		return p
	}
	p := make([][]byte, n)
	for i := range p {
		p[i] = left
	}
	return p
}
