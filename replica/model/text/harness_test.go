package text_test

import (
	"math/rand/v2"
	"testing"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/internal/livetest"
	"github.com/hearsaynet/hearsay/replica/model/text"
)

// pen is an author at a model without a replica.
type pen struct {
	*text.Text
	model text.Model
	name  string
	id    keys.NodeID
	seq   uint64
}

func newPen(author string) *pen {
	id := livetest.Update(author, 1, 1, nil).Author
	t, model := text.Detached(id, 1024)
	return &pen{Text: t, model: model, name: author, id: id}
}

// replace makes an update of a time and applies it.
func (p *pen) replace(t testing.TB, time uint64, at, n int, s string) replica.Update {
	t.Helper()
	p.seq++
	u := livetest.Update(p.name, p.seq, time, text.Writer{Text: p.Text}.Replace(at, n, s))
	livetest.Apply(t, p.model, u)
	return u
}

// threeAtOnce returns what three authors type in so many characters, one an update, each at
// a place of its own and seeing the others' 100 at a time.
func threeAtOnce(t testing.TB, chars int) (us []replica.Update, pens []*pen) {
	rng := rand.New(rand.NewPCG(3, 4))
	at := make([]int, 3)
	for _, name := range []string{"ada", "ben", "cyd"} {
		pens = append(pens, newPen(name))
	}
	time := uint64(0)
	for len(us) < chars {
		round := make([][]replica.Update, len(pens))
		for i, p := range pens {
			if len(us)%1000 == 0 {
				at[i] = rng.IntN(p.Len() + 1)
			}
			at[i] = min(at[i], p.Len())
			for range min(100, chars-len(us)) {
				time++
				u := p.replace(t, time, at[i], 0, string(rune('a'+rng.IntN(26))))
				at[i]++
				us, round[i] = append(us, u), append(round[i], u)
			}
		}
		for i, p := range pens {
			for k, news := range round {
				if k != i {
					livetest.Apply(t, p.model, news...)
				}
			}
		}
	}
	return us, pens
}
