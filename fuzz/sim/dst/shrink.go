package dst

import "testing"

// again is how often a smaller plan is tried before it is taken for one that does not fail:
// see the package documentation on what is not exact.
const again = 2

// Shrink looks for a smaller plan that breaks the same rule: fewer ops, then fewer nodes.
// It returns the plan as it came when that does not fail again.
func Shrink(t *testing.T, plan Plan, o Options, rule string) Plan {
	o.Trace = nil
	fails := func(p Plan) bool {
		for range again {
			if r := Run(t, p, o); r.Failure != nil && r.Failure.Rule == rule {
				return true
			}
		}
		return false
	}
	for smaller := true; smaller; {
		smaller = false
		for size := len(plan.Kept()); size > 0; size /= 2 {
			kept := plan.Kept()
			for at := 0; at < len(kept); {
				less := append(append([]int(nil), kept[:at]...), kept[min(at+size, len(kept)):]...)
				if p := plan.Keep(less); fails(p) {
					plan, kept, smaller = p, less, true
				} else {
					at += size
				}
			}
		}
		for i := range plan.Nodes {
			if p, ok := plan.Without(i); ok && fails(p) {
				plan, smaller = p, true
			}
		}
	}
	return plan
}
