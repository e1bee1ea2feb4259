package kv_test

import (
	"testing"

	"github.com/hearsaynet/hearsay/fuzz/sim/dst"
	"github.com/hearsaynet/hearsay/replica/model/kv"
)

// TestPlanted: the simulator finds each defect that is planted into maps.
func TestPlanted(t *testing.T) {
	dst.Find(t, kv.TestOnlyPlant, 150, func(plant func(*kv.Config)) dst.Options {
		return dst.Options{Map: plant}
	})
}
