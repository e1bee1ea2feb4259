package replica_test

import (
	"slices"
	"testing"
	"testing/synctest"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/internal/wiretest"
)

// waiting is a journal whose rebuilds wait.
type waiting struct {
	journal
	gate chan struct{} // nil: no rebuild waits
}

func (g *waiting) Reset() {
	g.journal.Reset()
	if g.gate != nil {
		<-g.gate
	}
}

// While the models are rebuilt, updates are taken in and cut, and all of it counts
// when the rebuild is over.
func TestNobodyWaitsForARebuild(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x, y, z := wiretest.NewAuthor("x"), wiretest.NewAuthor("y"), wiretest.NewAuthor("z")
		ks := keys.NewMemory(x.Key(), y.Key(), z.Key())
		p := open(t, "", func(c *replica.Config) { c.Verify, c.Keystore = nil, ks })
		model := &waiting{}
		if _, err := p.Mount("gated", model); err != nil {
			t.Fatal(err)
		}
		link := dial(t, p)
		runs := x.Chain(topic, x.Start(), 1, 1, 1)
		link.run(runs[0])
		link.run(y.Chain(topic, y.Start(), 3)...)
		link.run(z.Chain(topic, z.Start(), 1)...)
		synctest.Wait()
		model.gate = make(chan struct{})
		ks.Remove(z.ID())
		synctest.Wait()
		if s := p.Status().Rebuild; s == nil || !s.Running {
			t.Fatalf("the rebuild is %+v, want it running", s)
		}
		link.run(runs[1:]...)
		link.run(branch(y, "b", y.Start(), 1, 1)...)
		synctest.Wait()
		if got := p.Clock()[x.ID()].Seq; got != 3 {
			t.Errorf("x stands at %d while the models are rebuilt, want 3", got)
		}
		if got := p.proofs(t); !slices.Equal(got, []uint64{1}) {
			t.Errorf("y is cut at %v while the models are rebuilt, want 1", got)
		}
		close(model.gate)
		settle()
		for id, want := range map[keys.NodeID][]uint64{x.ID(): count(3), y.ID(): nil, z.ID(): nil} {
			if got := p.journal.of(id); !slices.Equal(got, want) {
				t.Errorf("%v: %v count, want %v", id, got, want)
			}
		}
	})
}
