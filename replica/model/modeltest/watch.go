package modeltest

import (
	"fmt"
	"slices"
	"testing/synctest"

	"pgregory.net/rapid"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
)

// watchers: what they are told makes the state, whoever is admitted, withdrawn and cut.
func (k Kit) watchers(t *rapid.T) {
	if k.open(t).Watch == nil {
		return
	}
	h := drawHistory(t, k)
	type round struct {
		counts   []replica.Update
		replayed int
	}
	var rounds []round
	for range 3 {
		us := interleave(t, drawCounts(t, h.updates))
		rounds = append(rounds, round{us, rapid.IntRange(0, len(us)).Draw(t, "replayed")})
	}
	rapid.SyncTest(t, func(t *rapid.T) {
		s := k.open(t)
		copied := s.Watch()
		check := func(when string) {
			t.Helper()
			synctest.Wait()
			if got, want := copied(), s.State(); got != want {
				t.Fatalf("what a watcher was told does not make what readers see, %s.%s\nAll updates:\n%s", when, differ(got, want), h)
			}
		}
		check("of the empty model")
		for i, r := range rounds {
			s.Model.Reset()
			s.apply(t, r.counts[:r.replayed/2]...) // a rebuild may be given up for the next
			s.rebuild(t, r.counts[:r.replayed]...)
			check(fmt.Sprintf("behind rebuild %d, of\n%s", i+1, list(r.counts[:r.replayed])))
			for _, u := range r.counts[r.replayed:] {
				s.applyOne(t, u)
				check(fmt.Sprintf("behind rebuild %d of %d updates and then %s", i+1, r.replayed, describe(u)))
			}
		}
	})
}

// drawCounts draws which updates count: of each author the first ones, none, or all.
func drawCounts(t *rapid.T, us []replica.Update) []replica.Update {
	last := make(map[keys.NodeID]uint64)
	for i, a := range cast {
		if n := len(of(us, a.ID())); n > 0 {
			last[a.ID()] = uint64(rapid.SampledFrom([]int{0, n, n, rapid.IntRange(0, n).Draw(t, "cut")}).Draw(t, "counts of "+names[i]))
		}
	}
	return slices.DeleteFunc(slices.Clone(us), func(u replica.Update) bool { return u.Seq > last[u.Author] })
}
