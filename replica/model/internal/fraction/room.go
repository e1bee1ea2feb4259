package fraction

import (
	"bytes"
	"sort"
)

const (
	// MaxMoved bounds the neighbours that Room moves aside.
	MaxMoved = 64
	// maxPassed bounds the items at the end of a sequence that Room passes by: to be as many
	// as that they take a megabyte, and passing them takes a few milliseconds.
	maxPassed = 4096
)

// Room returns n keys for what is to stand before item at of a sequence of length items,
// whose keys ascend and may be equal. If their neighbours leave no room, as those of a
// hostile author may, it returns new keys for some of them as well: keys are those of the
// items from low on up to at, of the n new ones, and of as many items from at on as are
// left. Where more than MaxMoved would have to move, the keys are the nearest ones behind or,
// if the sequence ends before there is room, the nearest ones before; equal ones, if there
// are none either. The keys are chosen by uniform(n), which returns a number in [0, n).
func Room(key func(i int) []byte, length, at, n int, side Side, uniform func(uint64) uint64) (keys [][]byte, low int) {
	around := func(i int) []byte {
		if i < 0 || i >= length {
			return nil
		}
		return key(i)
	}
	if keys := between(around(at-1), around(at), n, side, uniform); keys != nil {
		return keys, at
	}
	for span := 1; span <= MaxMoved; span *= 2 {
		low, high := max(0, at-span/2), min(length, at+span-span/2)
		if keys := between(around(low-1), around(high), n+high-low, Anywhere, uniform); keys != nil {
			return keys, low
		}
	}
	left := around(at - 1)
	if left == nil {
		left = around(at)
	}
	next := at + sort.Search(length-at, func(i int) bool { return bytes.Compare(key(at+i), left) > 0 })
	if keys := between(left, around(next), n, Anywhere, uniform); keys != nil {
		return keys, at
	}
	side = Left // what is put in next goes behind this
	for i := at - 1; i >= max(0, at-maxPassed); i-- {
		if i == 0 {
			side = Anywhere
		}
		if keys := between(around(i-1), key(i), n, side, uniform); keys != nil {
			return keys, at
		}
	}
	keys = make([][]byte, n)
	for i := range keys {
		keys[i] = left
	}
	return keys, at
}
