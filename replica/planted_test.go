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
	dst.Find(t, planted, 150, late)
}

// late plants a model of a kind that passes over what is late.
func late(kind string) dst.Options {
	return dst.Options{
		Replica: func(c *replica.Config) { replica.PlantLate(c, kind) },
		Only:    func(p dst.Plan) bool { return slices.Contains(p.Models, kind) },
	}
}

// TestPlantedShrunk: of a plan that shows a defect of order, or of a session one way,
// little is left.
func TestPlantedShrunk(t *testing.T) {
	for name, test := range map[string]struct {
		options dst.Options
		most    int // ops
	}{
		"slave tells": {dst.Options{Replica: replica.TestOnlyPlant["slave tells"]}, 1},
		"late value":  {late("value"), 5},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			plan, rule := dst.FirstFailing(t, 150, test.options)
			less := dst.Shrink(t, plan, test.options, rule)
			if got := len(less.Kept()); got > test.most {
				t.Errorf("%d ops are left of %d, want %d at most:\n%v", got, len(plan.Kept()), test.most, less)
			}
		})
	}
}
