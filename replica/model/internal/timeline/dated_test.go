package timeline

import (
	"iter"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/hearsaynet/hearsay/replica/wire"
)

type datedEntry = Entry[struct{}]

// TestDatedAgainstReference does the same to a dated and to a sorted slice. Copies stay as
// they are, whatever is written afterwards.
func TestDatedAgainstReference(t *testing.T) {
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 0))
	var d dated[struct{}]
	var want []*datedEntry
	type copied struct {
		got  *dated[struct{}]
		want []*datedEntry
	}
	copies := make([]copied, 4)
	for i := range copies {
		copies[i].got = d.share()
	}
	for step := range uint64(4000) {
		switch n := rng.IntN(100); {
		case n < 70: // mostly in order, some a little late, a few much
			late := []uint64{0, 0, 0, uint64(rng.IntN(20)), uint64(rng.IntN(4000))}[rng.IntN(5)]
			e := &datedEntry{Ref: wire.Ref{Seq: step + 1, Hash: wire.Hash{byte(step >> 8), byte(step)}}, Time: max(step, late) - late}
			if len(want) > 0 && n < 5 {
				e = new(*want[rng.IntN(len(want))])
			}
			i, has := slices.BinarySearchFunc(want, e, (*datedEntry).Compare)
			if d.add(e) == has {
				t.Fatalf("seed %d: step %d: add says %v", seed, step, !has)
			}
			if !has {
				want = slices.Insert(want, i, e)
			}
		case n < 90 && len(want) > 0:
			i := rng.IntN(len(want))
			if rng.IntN(2) == 0 {
				i = len(want) - 1 - i%min(len(want), 80) // one of the newest
			}
			e := want[i]
			if !d.remove(e) || d.remove(e) {
				t.Fatalf("seed %d: step %d: remove", seed, step)
			}
			want = slices.Delete(want, i, i+1)
		case n < 95:
			copies[rng.IntN(len(copies))] = copied{d.share(), slices.Clone(want)}
		}
		if step%1000 == 999 { // down to nothing, from the end
			for len(want) > 0 {
				last := len(want) - 1
				d.remove(want[last])
				want = want[:last]
			}
		}
		if step%16 == 0 {
			check(t, seed, rng, &d, want)
			c := copies[rng.IntN(len(copies))]
			check(t, seed, rng, c.got, c.want)
		}
	}
}

// check compares what is read of a dated with what it should hold.
func check(t *testing.T, seed uint64, rng *rand.Rand, d *dated[struct{}], want []*datedEntry) {
	t.Helper()
	same := func(what string, got iter.Seq[*datedEntry], want []*datedEntry) {
		t.Helper()
		if all := slices.Collect(got); !slices.Equal(all, want) {
			t.Fatalf("seed %d: %s: %d entries, want %d, or others", seed, what, len(all), len(want))
		}
	}
	if d.len() != len(want) {
		t.Fatalf("seed %d: len %d, want %d", seed, d.len(), len(want))
	}
	at := rng.IntN(len(want) + 1)
	same("from", d.from(at), want[at:])
	backward := slices.Clone(want)
	slices.Reverse(backward)
	same("backward", d.backward(), backward)
	time := uint64(rng.IntN(4000))
	first, _ := slices.BinarySearchFunc(want, &datedEntry{Time: time}, (*datedEntry).Compare)
	same("since", d.since(time), want[first:])
	if at < len(want) {
		if e, ok := d.get(new(*want[at])); !ok || e != want[at] {
			t.Fatalf("seed %d: get %v, %v", seed, e, ok)
		}
	}
	if e, ok := d.get(&datedEntry{Time: time}); ok { // no entry has seq 0
		t.Fatalf("seed %d: got %v", seed, e)
	}
}
