package text

import (
	"math/rand/v2"
	"testing"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/internal/livetest"
)

// written returns what honest authors write in one text, all seeing all, and the text.
func written(rng *rand.Rand, names []string, updates int) (us []replica.Update, s *sequence) {
	s = newSequence()
	seqs := make(map[string]uint64)
	for i := range updates {
		who := names[rng.IntN(len(names))]
		at := rng.IntN(s.len() + 1)
		e := newEncoder(testID(who))
		e.fill(s.pieces(testID(who), []replacement{{from: at, to: min(s.len(), at+rng.IntN(3)), text: "xyz"[:1+rng.IntN(3)]}}))
		seqs[who]++
		u := livetest.Update(who, seqs[who], uint64(i+1), e.change())
		c, err := parseChange(u.Change)
		if err != nil {
			panic(err)
		}
		s.apply(&u, &c)
		us = append(us, u)
	}
	return us, s
}

// shownIDs returns the characters that are shown, in order.
func shownIDs(s *sequence) (ids []charID) {
	for x := range s.between(0, s.len()) {
		for i := range int(x.n) {
			ids = append(ids, charID{x.span.author.id, x.place(i)})
		}
	}
	return ids
}

// TestOrderWithout: without as many authors as an insert has further anchors, what the
// others wrote stays in order.
func TestOrderWithout(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	names := []string{"a", "b", "c", "d", "e", "f"}
	for range 200 {
		us, whole := written(rng, names, 60)
		rng.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
		out := make(map[keys.NodeID]bool)
		for _, who := range names[:1+rng.IntN(MaxAnchors-1)] {
			out[testID(who)] = true
		}
		var rest []replica.Update
		for _, u := range us {
			if !out[u.Author] {
				rest = append(rest, u)
			}
		}
		rank := make(map[charID]int)
		for i, id := range shownIDs(fold(t, rest, false)) {
			rank[id] = i
		}
		last := -1
		for _, id := range shownIDs(whole) {
			r, ok := rank[id]
			if !out[id.author] && (!ok || r < last) {
				t.Fatalf("without %d authors character %v is at %d, behind one at %d", len(out), id, r, last)
			}
			last = max(last, r)
		}
	}
}
