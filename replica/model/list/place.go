package list

import "github.com/hearsaynet/hearsay/replica/model/internal/fraction"

// room returns positions for n elements before the one at index at, and the moves of
// neighbours that make room for them if there is none. uniform(n) returns a number in [0, n).
func (c *contents) room(at, n int, side fraction.Side, uniform func(uint64) uint64) (positions [][]byte, moves []operation) {
	key := func(i int) []byte { return []byte(c.shown.At(i).position) }
	keys, low := fraction.Room(key, c.shown.Len(), at, n, side, uniform)
	for i, k := range keys {
		switch item := low + i; {
		case item < at:
			moves = append(moves, operation{op: opMove, id: c.shown.At(item).id, position: k})
		case item < at+n:
			positions = append(positions, k)
		default:
			moves = append(moves, operation{op: opMove, id: c.shown.At(item - n).id, position: k})
		}
	}
	return positions, moves
}
