package order

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
)

// item is ordered by key; value tells one from the other.
type item struct{ key, value int }

func (a *item) Compare(b *item) int { return cmp.Compare(a.key, b.key) }

// reference is the same set as a sorted slice.
type reference []*item

func (r reference) find(v *item) (int, bool) {
	return slices.BinarySearchFunc(r, v, (*item).Compare)
}

func (r *reference) set(v *item) {
	if i, ok := r.find(v); ok {
		(*r)[i] = v
	} else {
		*r = slices.Insert(*r, i, v)
	}
}

func (r *reference) delete(v *item) {
	if i, ok := r.find(v); ok {
		*r = slices.Delete(*r, i, i+1)
	}
}

// same fails unless all that can be read of the tree is as in want.
func same(t *testing.T, tree Tree[*item], want reference) {
	t.Helper()
	if tree.Len() != len(want) {
		t.Fatalf("%d items, want %d", tree.Len(), len(want))
	}
	if got := slices.Collect(tree.From(0)); !slices.Equal(got, want) {
		t.Fatal("From(0) differs")
	}
	for range 20 {
		probe := &item{key: rand.IntN(1 << 12)}
		i, found := want.find(probe)
		if rank, ok := tree.Rank(probe); rank != i || ok != found {
			t.Fatalf("Rank is %d, %v, want %d, %v", rank, ok, i, found)
		}
		v, ok := tree.Get(probe)
		if ok != found || found && v != want[i] {
			t.Fatalf("Get: %v, %v, want %v", v, ok, found)
		}
		v, ok = tree.Search(func(v *item) int { return v.Compare(probe) })
		if ok != found || found && v != want[i] {
			t.Fatalf("Search: %v, %v, want %v", v, ok, found)
		}
		if i < len(want) && tree.At(i) != want[i] {
			t.Fatalf("At(%d) is %v, want %v", i, tree.At(i), want[i])
		}
		if got := slices.Collect(tree.From(i)); !slices.Equal(got, want[i:]) {
			t.Fatalf("From(%d) differs", i)
		}
	}
}

// depth fails unless all leaves are equally deep and no node is too full or empty.
func (n *node[T]) depth(t *testing.T) int {
	if len(n.items) > maxItems || len(n.kids) > maxKids || n.empty() || len(n.items) > 0 && len(n.kids) > 0 {
		t.Fatalf("a node of %d items and %d kids", len(n.items), len(n.kids))
	}
	deep := 0
	for i, k := range n.kids {
		d := k.node.depth(t)
		if i > 0 && d != deep {
			t.Fatal("leaves are not equally deep")
		}
		deep = d
	}
	return deep + 1
}

// TestTree: the tree does what a sorted slice does, and copies stay as they were.
func TestTree(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	type copied struct {
		tree Tree[*item]
		want reference
	}
	var tree Tree[*item]
	var want reference
	var copies []copied
	for phase := range 12 {
		span := 1 << (2 + rnd.IntN(11))
		deletes := []int{0, 20, 50, 90}[phase%4]
		for range 3000 {
			v := &item{rnd.IntN(span), rnd.Int()}
			at, had := want.find(v)
			var before *item
			var got bool
			if rnd.IntN(100) < deletes {
				before, got = tree.Delete(v)
			} else {
				before, got = tree.Set(v)
			}
			if got != had || had && before != want[at] {
				t.Fatalf("before: %v, %v, want %v", before, got, had)
			}
			if _, is := tree.Get(v); is {
				want.set(v)
			} else {
				want.delete(v)
			}
			if rnd.IntN(500) == 0 {
				copies = append(copies, copied{tree.Share(), slices.Clone(want)})
			}
		}
		same(t, tree, want)
		if tree.root != nil {
			tree.root.depth(t)
		}
	}
	for _, c := range copies {
		same(t, c.tree, c.want)
		// A copy can be written to as well.
		c.tree.Set(&item{key: -1})
		c.tree.Delete(&item{key: 1})
	}
	same(t, tree, want)
	for len(want) > 0 {
		v := want[rnd.IntN(len(want))]
		tree.Delete(v)
		want.delete(v)
	}
	same(t, tree, want)
	if tree.root != nil {
		t.Error("an empty tree has a root")
	}
}

// TestInOrder: filled from either end, nodes are as full as promised.
func TestInOrder(t *testing.T) {
	const n = 10_000
	for name, key := range map[string]func(int) int{"ascending": func(i int) int { return i }, "descending": func(i int) int { return n - i }} {
		var tree Tree[*item]
		for i := range n {
			tree.Set(&item{key: key(i)})
		}
		if d := tree.root.depth(t); tree.Len() != n || d > 4 {
			t.Errorf("%s: %d items, %d deep", name, tree.Len(), d)
		}
	}
}

// TestSparse: what is left of many is not spread over many nodes.
func TestSparse(t *testing.T) {
	const n = 100_000
	var tree Tree[*item]
	for i := range n {
		tree.Set(&item{key: i})
	}
	for i := range n {
		if i%100 != 0 {
			tree.Delete(&item{key: i})
		}
	}
	leaves := 0
	var count func(*node[*item])
	count = func(nd *node[*item]) {
		if len(nd.kids) == 0 {
			leaves++
		}
		for _, k := range nd.kids {
			count(k.node)
		}
	}
	count(tree.root)
	if leaves > 2*n/100/(maxItems/2)+2 {
		t.Errorf("%d items in %d leaves", tree.Len(), leaves)
	}
}

// TestReadWhileWriting is for the race detector.
func TestReadWhileWriting(t *testing.T) {
	var tree Tree[*item]
	for i := range 1000 {
		tree.Set(&item{key: i})
	}
	var readers sync.WaitGroup
	for round := range 20 {
		shared := tree.Share()
		readers.Go(func() {
			n := 0
			for range shared.From(0) {
				n++
			}
			if n != shared.Len() || n != 1000-round {
				t.Errorf("%d items, want %d", n, 1000-round)
			}
		})
		tree.Set(&item{key: 999, value: round})
		tree.Delete(&item{key: round})
	}
	readers.Wait()
}

func BenchmarkTree(b *testing.B) {
	const n = 1_000_000
	var tree Tree[*item]
	perm := rand.New(rand.NewPCG(1, 1)).Perm(n)
	for _, i := range perm {
		tree.Set(&item{key: i})
	}
	for _, shared := range []bool{false, true} {
		b.Run(fmt.Sprintf("set/shared=%v", shared), func(b *testing.B) {
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				if shared {
					tree.Share()
				}
				tree.Set(&item{key: perm[i%n]})
				i++
			}
		})
	}
	b.Run("get", func(b *testing.B) {
		i, probe := 0, new(item)
		for b.Loop() {
			probe.key = perm[i%n]
			tree.Get(probe)
			i++
		}
	})
	b.Run("at", func(b *testing.B) {
		i := 0
		for b.Loop() {
			tree.At(perm[i%n])
			i++
		}
	})
	b.Run("rank", func(b *testing.B) {
		i, probe := 0, new(item)
		for b.Loop() {
			probe.key = perm[i%n]
			tree.Rank(probe)
			i++
		}
	})
}

// leaves returns how many leaves a node has.
func (n *node[T]) leaves() (leaves int) {
	if len(n.kids) == 0 {
		return 1
	}
	for _, k := range n.kids {
		leaves += k.node.leaves()
	}
	return leaves
}

// TestFilled: leaves are filled whatever the order in which items come, also when each is
// put between a full leaf and the one that came before.
func TestFilled(t *testing.T) {
	const n = 20_000
	for name, tc := range map[string]struct {
		key  func(i int) int
		most int // leaves
	}{
		"ascending":          {func(i int) int { return i }, n/maxItems + 1},
		"descending":         {func(i int) int { return -i }, 2 * n / maxItems},
		"between":            {func(i int) int { return (1 - i%2*2) * (n - i) }, 2 * n / maxItems},
		"in many places":     {func(i int) int { return i%200*n - i/200 }, 3 * n / maxItems},
		"behind full leaves": {behindFull(64, 0), 2 * n / maxItems},
		"behind a full node": {behindFull(1, maxKids-1), 2 * n / maxItems},
	} {
		var tree Tree[*item]
		for i := range n {
			tree.Set(&item{key: tc.key(i)})
		}
		tree.root.depth(t)
		if got := tree.root.leaves(); tree.Len() != n || got > tc.most {
			t.Errorf("%s: %d leaves for %d items, want at most %d", name, got, tree.Len(), tc.most)
		}
	}
}

// behindFull fills leaves, and then descends towards n of them in turn, from first on.
func behindFull(n, first int) func(i int) int {
	const full, step = 64 * maxItems, 1 << 20
	return func(i int) int {
		if i < full {
			return i/maxItems*step + i%maxItems
		}
		return (first+(i-full)%n)*step + step - 1 - i
	}
}

// TestCopiesWhileNodesMerge: a copy stays as it was when nodes that it shares become one.
func TestCopiesWhileNodesMerge(t *testing.T) {
	const n = 4 * maxItems
	var tree Tree[*item]
	var want reference
	for i := range n {
		v := &item{key: i}
		tree.Set(v)
		want.set(v)
	}
	for i := range n { // from the end, so that a leaf has none behind it to be merged with
		copied := tree.Share()
		tree.Delete(&item{key: n - 1 - i})
		same(t, copied, want)
		want.delete(&item{key: n - 1 - i})
		same(t, tree, want)
	}
}
