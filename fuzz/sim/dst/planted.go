package dst

import (
	"maps"
	"slices"
	"testing"
)

// Find plays seeds with a defect planted, and fails t when none of the first most ones
// breaks a rule. The defects and what plants them come by name. With the race detector
// nothing is played: TestSeeds does, and the planted defects may race.
func Find[D any](t *testing.T, planted map[string]D, most uint64, plant func(D) Options) {
	for _, name := range slices.Sorted(maps.Keys(planted)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			FirstFailing(t, most, plant(planted[name]))
		})
	}
}

// FirstFailing returns the plan of the first seed below most that breaks a rule, and the
// rule. It fails t when there is none, and skips it with the race detector.
func FirstFailing(t *testing.T, most uint64, o Options) (Plan, string) {
	if racing {
		t.Skip("the race detector is on")
	}
	for seed := range most {
		p := NewPlan(seed)
		if o.Only != nil && !o.Only(p) {
			continue
		}
		if r := Run(t, p, o); r.Failure != nil {
			t.Logf("found after %d of at most %d seeds: %v", seed+1, most, r.Failure)
			return p, r.Failure.Rule
		}
	}
	t.Fatalf("%d seeds have not found it", most)
	return Plan{}, ""
}
