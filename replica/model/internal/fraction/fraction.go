// Package fraction makes positions between positions, so that an element of a sequence
// has a place of its own that depends on no other element (Greenspan, "Implementing
// Fractional Indexing", 2020; Weiss et al., "Logoot", ICDCS 2009).
//
// A key is 1 to 255 bytes, the last of which is not zero, and stands for the fraction
// 0.key in base 256; so keys order bytewise, and between any two that differ there are
// others, until they would be too long.
//
// Who appends, prepends, or goes on where it wrote last takes a small random step from the
// key there, so that such keys hardly grow; elsewhere a key is a random one of the gap's
// middle half (after Nédelec et al., "LSEQ", DocEng 2013, which chooses between the two by
// lot). So two authors who write at the same place at once get different keys, and what
// each wrote in a row stays together, with high probability.
package fraction

import "math/rand/v2"

const (
	// MaxKey bounds a key, in bytes: what a one-byte length holds.
	MaxKey = 255

	// room is how many keys a gap must have, for each that is wanted, before one of its
	// length is taken: two authors who choose at once choose the same once in 2^31.
	room = 1 << 32
	// ends is the length in bytes of the keys at the open ends, where 2^28 of them fit.
	ends = 6
	// stride bounds the step from the first or last key: two authors who append at once
	// choose the same once in 2^20.
	stride = 1 << 20
	// step bounds the step from a key to the next of the same hand, and steps is how many
	// of them a gap must have room for before one of its length is taken.
	step, steps = 16, 1 << 16

	full = 1 << 62 // a gap that is as good as endless
)

// Side says where in a gap keys are wanted.
type Side uint8

const (
	Anywhere Side = iota
	Left          // next to the left neighbour, which was written last
	Right         // next to the right neighbour, which was written last
)

// Valid reports whether key is one.
func Valid(key []byte) bool {
	return len(key) > 0 && len(key) <= MaxKey && key[len(key)-1] != 0
}

// Between returns n keys in ascending order between two valid keys, left and right; nil
// stands for the beginning and for the end. It returns nil if no n keys fit, as between
// equal ones. n is 1 to 2^16. It takes O(n + MaxKey) time.
func Between(left, right []byte, n int, side Side) [][]byte {
	return between(left, right, n, side, rand.Uint64N)
}

// between takes uniform(n), which returns a number in [0, n).
func between(left, right []byte, n int, side Side, uniform func(uint64) uint64) [][]byte {
	want := uint64(n) * room
	if side != Anywhere {
		want = uint64(n) * step * steps
	}
	least := 0
	if left == nil || right == nil {
		least = ends
	}
	length, gap := measure(left, right, want, least)
	if gap <= uint64(n) {
		return nil
	}
	first, pace := place(left, right, gap, uint64(n), side, uniform)
	keys := make([][]byte, n)
	for i := range keys {
		keys[i] = plus(left, length, first)
		first += 1 + uniform(pace)
	}
	return keys
}

// measure returns the least length, in bytes, at which the gap is want or more, or else
// MaxKey, and how many times 256^-length right is greater than left.
func measure(left, right []byte, want uint64, least int) (length int, gap uint64) {
	if right == nil {
		gap = 1 // right is 1.0
	}
	for length < MaxKey && (gap < want || length < least) {
		if gap < full>>8 { // else it stays too great to matter
			gap = gap*256 + digit(right, length) - digit(left, length)
		}
		if length++; gap > full {
			return length, 0 // right is less than left
		}
	}
	return length, gap
}

func digit(key []byte, i int) uint64 {
	if i < len(key) {
		return uint64(key[i])
	}
	return 0
}

// place chooses how far from left the first key is, and by how much each next one may
// be farther than the one before, at most.
func place(left, right []byte, gap, n uint64, side Side, uniform func(uint64) uint64) (first, pace uint64) {
	pace = min(step, (gap-1)/n)
	reach := pace * n // the keys take no more
	spare := gap - reach
	switch {
	case side == Left:
		return 1 + uniform(min(spare, step)), pace
	case side == Right:
		return spare - uniform(min(spare, step)), pace
	case right == nil && left != nil:
		return 1 + uniform(min(spare, stride)), pace
	case left == nil && right != nil:
		return spare - uniform(min(spare, stride)), pace
	}
	return 1 + spare/4 + uniform(spare/2+1), pace
}

// plus returns left, cut or filled up to length bytes, plus n times 256^-length.
func plus(left []byte, length int, n uint64) []byte {
	key := make([]byte, length)
	copy(key, left)
	for i := length - 1; n > 0 && i >= 0; i-- {
		n += uint64(key[i])
		key[i] = byte(n)
		n >>= 8
	}
	for length > 0 && key[length-1] == 0 {
		length--
	}
	return key[:length:length]
}
