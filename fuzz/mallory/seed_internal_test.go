package mallory

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/hearsaynet/hearsay/replica/wire"
)

// TestSeed: the same frames meet the same fate under one seed, and another under another.
func TestSeed(t *testing.T) {
	for name, begin := range map[string]func(*pipe) step{
		"drop": drops, "reorder": reorders, "duplicate": duplicates, "hang-up": hangsUp,
		"corrupt-bit": corrupts(flipsBit), "corrupt-field": corrupts(changesField), "corrupt-length": corrupts(changesLength),
	} {
		one, same, other := fate(begin, 1), fate(begin, 1), fate(begin, 2)
		if one != same {
			t.Errorf("%s: one seed, two fates", name)
		}
		if one == other {
			t.Errorf("%s: two seeds, one fate", name)
		}
	}
}

// fate returns what becomes of 200 frames.
func fate(begin func(*pipe) step, seed uint64) string {
	p := &pipe{rnd: rand.New(rand.NewPCG(seed, 1))}
	s := begin(p)
	var out strings.Builder
	for i := range 200 {
		f := wire.Frame{Type: wire.FrameType(2 + i%6), Handle: 1, Body: []byte(strings.Repeat(fmt.Sprint(i), 40))}
		for _, m := range s(&message{Frame: f}) {
			fmt.Fprintf(&out, "%v %x %x %t\n", m.Type, m.Body, m.raw, m.last)
		}
	}
	return out.String()
}
