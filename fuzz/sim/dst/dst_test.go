package dst_test

import (
	"testing"

	"github.com/hearsaynet/hearsay/fuzz/sim/dst"
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
