package dst

import (
	"encoding/binary"
	"hash/fnv"
	"math/rand/v2"
)

// fate is a random number in [0, n) that depends on the seed and on what is asked, and
// not on what was asked before.
func fate(n int, seed uint64, about ...any) int {
	if n <= 1 {
		return 0
	}
	return int(fateBits(seed, about...) % uint64(n))
}

func fateBits(seed uint64, about ...any) uint64 {
	h := fnv.New64a()
	var b [8]byte
	put := func(v uint64) {
		binary.BigEndian.PutUint64(b[:], v)
		h.Write(b[:])
	}
	put(seed)
	for _, a := range about {
		switch a := a.(type) {
		case int:
			put(uint64(a))
		case uint64:
			put(a)
		case string:
			put(uint64(len(a)))
			h.Write([]byte(a))
		default:
			panic("dst: fate of a strange thing")
		}
	}
	return rand.NewPCG(h.Sum64(), seed).Uint64()
}

// dice is a sequence of random numbers.
type dice struct{ *rand.Rand }

func newDice(seed, use uint64) dice { return dice{rand.New(rand.NewPCG(seed, use))} }

// in reports true p times in a hundred.
func (d dice) in(p int) bool { return d.IntN(100) < p }

// between returns a number in [low, high].
func (d dice) between(low, high int) int { return low + d.IntN(high-low+1) }
