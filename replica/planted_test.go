package replica_test

import (
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/hearsaynet/hearsay/fuzz/sim/dst"
	"github.com/hearsaynet/hearsay/replica"
)

// TestPlanted shows that the simulator looks: it finds each defect that is planted into
// the replicas within a bounded number of seeds.
func TestPlanted(t *testing.T) {
	const most = 200
	for _, name := range slices.Sorted(maps.Keys(replica.TestOnlyPlant)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for seed := range uint64(most) {
				r := dst.Run(t, dst.NewPlan(seed), dst.Options{Replica: replica.TestOnlyPlant[name]})
				if r.Failure != nil {
					t.Logf("found by seed %d: %v", seed, r.Failure)
					return
				}
			}
			t.Errorf("%d seeds have not found it", most)
		})
	}
}

var _ sync.Mutex
