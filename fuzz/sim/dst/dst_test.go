package dst_test

import (
	"testing"
	"time"

	"github.com/hearsaynet/hearsay/fuzz/sim/dst"
	"github.com/hearsaynet/hearsay/replica"
)

// batches of seeds are played side by side.
const batches = 10

// TestSeeds plays the plans of some hundred seeds.
func TestSeeds(t *testing.T) {
	size := uint64(20)
	if dst.Racing {
		size = 3
	}
	for b := range uint64(batches) {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			for seed := b * size; seed < (b+1)*size; seed++ {
				if r := dst.Run(t, dst.NewPlan(seed), dst.Options{}); r.Failure != nil {
					t.Errorf("%v\nsee it again: go run ./fuzz/sim -n 1 -trace -seed %d", r.Failure, seed)
				}
			}
		})
	}
}

// TestReplay: a seed plays the same twice, to the frame. The Go scheduler's order of what
// happens at one instant shows in one seed of a hundred (see the package documentation),
// so a few may differ.
func TestReplay(t *testing.T) {
	seeds, most := uint64(40), 4
	if dst.Racing {
		seeds = 4
	}
	differ := 0
	for seed := range seeds {
		plan := dst.NewPlan(seed)
		a, b := dst.Run(t, plan, dst.Options{}), dst.Run(t, plan, dst.Options{})
		if a.Trace != b.Trace {
			differ++
		}
	}
	t.Logf("%d of %d seeds did not play the same twice", differ, seeds)
	if differ > most {
		t.Errorf("%d of %d seeds did not play the same twice, at most %d may", differ, seeds, most)
	}
}

// TestShrink: of a plan that fails little is left, and that fails the same way.
func TestShrink(t *testing.T) {
	early := dst.Options{Replica: func(c *replica.Config) { c.MaxSkew = 1000 * time.Hour }}
	for seed := range uint64(50) {
		plan := dst.NewPlan(seed)
		r := dst.Run(t, plan, early)
		if r.Failure == nil || len(plan.Kept()) < 10 {
			continue
		}
		less := dst.Shrink(t, plan, early, r.Failure.Rule)
		again := dst.Run(t, less, early)
		if again.Failure == nil || again.Failure.Rule != r.Failure.Rule {
			t.Errorf("seed %d failed with %v; what was left of it, with %v", seed, r.Failure, again.Failure)
		}
		if got := len(less.Kept()); got > 3 {
			t.Errorf("seed %d: %d ops are left of %d, want 3 at most:\n%v", seed, got, len(plan.Kept()), less)
		}
		return
	}
	t.Error("no seed fails with effects that come early")
}

// TestPlans: a plan follows from its seed, and what is not hostile joins all nodes, also
// without one of them, or it cannot be left out.
func TestPlans(t *testing.T) {
	for seed := range uint64(100) {
		p := dst.NewPlan(seed)
		if p.String() != dst.NewPlan(seed).String() {
			t.Errorf("seed %d makes two plans", seed)
		}
		if kept := p.Keep([]int{0, 2}).Kept(); len(kept) != 2 || kept[0] != 0 || kept[1] != 2 {
			t.Errorf("seed %d: kept ops %v, want 0 and 2", seed, kept)
		}
		if less, ok := p.Without(0); ok && less.Nodes[1].Gone {
			t.Errorf("seed %d: without node 0 node 1 is gone", seed)
		}
	}
}
