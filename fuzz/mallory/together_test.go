package mallory_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/hearsaynet/hearsay/fuzz/mallory"
)

// alone are the attacks that take the place of a link, cost a test seconds, or need two
// links that nothing else closes.
var alone = []string{"equivocate", "mirror", "reflect", "noise", "tls-none", "tls-stolen", "tls-resumed", "half-open", "sybil",
	"flood-connections", "flood-lookups", "flood-authors", "flood-updates"}

// TestTogether has two to four attacks at a time, on one side or both, by seeds: 12 of
// them, and 600 with HEARSAY_LONG=1.
func TestTogether(t *testing.T) {
	seeds := uint64(12)
	if os.Getenv("HEARSAY_LONG") != "" {
		seeds = 600
	}
	var names []string
	for _, a := range mallory.Attacks() {
		if !slices.Contains(alone, a.Name) {
			names = append(names, a.Name)
		}
	}
	for seed := range seeds {
		rnd := rand.New(rand.NewPCG(seed, 0))
		var picked []string
		for _, i := range rnd.Perm(len(names))[:2+rnd.IntN(3)] {
			picked = append(picked, names[i])
		}
		toward, attacks := mallory.Toward(rnd.IntN(3)), strings.Join(picked, ",")
		t.Run(fmt.Sprintf("%d %s", seed, attacks), func(t *testing.T) {
			t.Parallel()
			s := newScene(t, toward, attacks, true)
			for i := range 10 {
				s.write(s.upstream, fmt.Sprint("of upstream ", i))
				s.write(s.caller, fmt.Sprint("of caller ", i))
			}
			s.converges()
		})
	}
}
