package replica_test

import (
	"testing"

	"github.com/hearsaynet/hearsay/fuzz/sim/dst"
	"github.com/hearsaynet/hearsay/replica"
)

// TestPlanted: the simulator finds each defect that is planted into replicas.
func TestPlanted(t *testing.T) {
	dst.Find(t, replica.TestOnlyPlant, 150, func(plant func(*replica.Config)) dst.Options {
		return dst.Options{Replica: plant}
	})
}
