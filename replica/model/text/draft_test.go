package text

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/hearsaynet/hearsay/replica/model/internal/livetest"
)

// desk is a Text without a replica, to which several authors write.
type desk struct {
	*Text
	t    *testing.T
	seqs map[string]uint64
	time uint64
}

func newDesk(t *testing.T) *desk {
	txt, _ := Detached(testID("me"), 1)
	return &desk{Text: txt, t: t, seqs: make(map[string]uint64)}
}

// write applies pieces as an author's Text.write does.
func (d *desk) write(who string, pieces []piece) {
	for len(pieces) > 0 {
		e := newEncoder(testID(who))
		var cut bool
		pieces, cut = e.fill(pieces)
		d.time++
		d.seqs[who]++
		livetest.Apply(d.t, d.model, livetest.Update(who, d.seqs[who], d.time, e.change()))
		if cut {
			pieces[0].anchors = []charID{{testID(who), placeOf(d.seqs[who], e.chars-1)}}
		}
	}
}

// replace replaces a few characters somewhere.
func (d *desk) replace(rng *rand.Rand, n int, text string) {
	s := d.model.state.Now()
	who := []string{"me", "ann", "bob"}[rng.IntN(3)]
	at := rng.IntN(s.len() + 1)
	d.write(who, s.pieces(testID(who), []replacement{{from: at, to: min(s.len(), at+rng.IntN(n+1)), text: text}}))
}

// TestDraftAmongOthers: of a draft's version everything is there and in order, and all that
// was inserted since the draft began.
func TestDraftAmongOthers(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	words := func() string {
		if rng.IntN(300) == 0 {
			return strings.Repeat("long\nlines ß", 12_000)
		}
		var b strings.Builder
		for range 1 + rng.IntN(12) {
			b.WriteString([]string{"a", "b", "c", "\n", "ß", "word "}[rng.IntN(6)])
		}
		return b.String()
	}
	for range 200 {
		d := newDesk(t)
		for range rng.IntN(40) {
			d.replace(rng, 5, words())
		}
		draft := d.Draft()
		version := []rune(draft.String())
		for range rng.IntN(8) {
			at := rng.IntN(len(version) + 1)
			rest := string(version[min(len(version), at+rng.IntN(9)):])
			version = []rune(string(version[:at]) + words() + rest)
		}
		since := 0
		for range rng.IntN(10) {
			n := 1 + rng.IntN(3)
			d.replace(rng, 0, strings.Repeat("Z", n))
			since += n
		}
		d.write("me", draft.pieces(string(version)))
		d.model.state.Now().check(t)
		if got := d.String(); strings.Count(got, "Z") != since || strings.ReplaceAll(got, "Z", "") != string(version) {
			t.Fatalf("got %q, want %q and %d Z in it", got, string(version), since)
		}
	}
}
