package keyheap_test

import (
	"cmp"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/hearsaynet/hearsay/replica/model/internal/keyheap"
)

// TestHeap does the same to a heap and to a map.
func TestHeap(t *testing.T) {
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 0))
	type priority struct{ first, second int }
	before := func(a, b priority) bool {
		return cmp.Or(cmp.Compare(a.first, b.first), cmp.Compare(a.second, b.second)) < 0
	}
	h := keyheap.New[int](before)
	want := make(map[int]priority)
	for i := range 3_000 {
		key := rng.IntN(200)
		_, has := want[key]
		if h.Has(key) != has {
			t.Fatalf("seed %d: Has(%d) is %v", seed, key, !has)
		}
		if rng.IntN(3) == 0 {
			if h.Remove(key) != has {
				t.Fatalf("seed %d: Remove(%d) is %v", seed, key, !has)
			}
			delete(want, key)
		} else {
			want[key] = priority{rng.IntN(50), i}
			h.Set(key, want[key])
		}
		least := slices.SortedFunc(maps.Keys(want), func(a, b int) int {
			if before(want[a], want[b]) {
				return -1
			}
			return 1
		})
		key, p, ok := h.First()
		if h.Len() != len(want) || ok != (len(want) > 0) || ok && (key != least[0] || p != want[key]) {
			t.Fatalf("seed %d: after %d steps %d keys, the first is %d of %v, %v; want %v", seed, i, h.Len(), key, p, ok, least)
		}
	}
	for len(want) > 0 {
		key, _, _ := h.First()
		h.Remove(key)
		delete(want, key)
	}
	if _, _, ok := h.First(); ok || h.Len() != 0 {
		t.Error("an empty heap has a first")
	}
}
