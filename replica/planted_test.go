package replica_test

import (
	"slices"
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

// TestPlantedLate: the simulator finds a model of any kind that depends on the order in
// which updates come.
func TestPlantedLate(t *testing.T) {
	planted := make(map[string]string)
	for _, kind := range dst.Kinds() {
		planted[kind] = kind
	}
	dst.Find(t, planted, 150, func(kind string) dst.Options {
		return dst.Options{
			Replica: func(c *replica.Config) { replica.PlantLate(c, kind) },
			Only:    func(p dst.Plan) bool { return slices.Contains(p.Models, kind) },
		}
	})
}
