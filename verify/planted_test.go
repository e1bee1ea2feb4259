package verify_test

import (
	"testing"

	"github.com/hearsaynet/hearsay/fuzz/sim/dst"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/verify"
)

// TestPlanted: the simulator finds each defect that is planted into verification.
func TestPlanted(t *testing.T) {
	dst.Find(t, verify.TestOnlyPlant, 150, func(plant func(*verify.Config)) dst.Options {
		return dst.Options{Replica: func(c *replica.Config) { plant(&c.Pipeline) }}
	})
}
