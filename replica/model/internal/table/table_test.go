package table

import (
	"fmt"
	"iter"
	"slices"
	"sync"
	"testing"
)

func all(string, string) bool { return true }

// TestListingIsOneMoment writes to every key while listings are under way.
func TestListingIsOneMoment(t *testing.T) {
	const n = 2000
	tab := New[string]()
	write := func(value string) {
		for i := range n {
			tab.Put(fmt.Sprint("key ", i), value)
		}
	}
	hold := func() func() map[string]int {
		next, stop := iter.Pull2(tab.All())
		_, first, _ := next()
		return func() map[string]int {
			defer stop()
			values := map[string]int{first: 1}
			for {
				_, v, ok := next()
				if !ok {
					return values
				}
				values[v]++
			}
		}
	}
	write("first")
	first := hold()
	write("second")
	second := hold()
	write("third")
	tab.Delete("key 0")
	tab.Put("new", "fourth")
	if got := first(); len(got) != 1 || got["first"] != n {
		t.Errorf("the first listing has %v", got)
	}
	if got := second(); len(got) != 1 || got["second"] != n {
		t.Errorf("the second listing has %v", got)
	}
	items := tab.Sorted(all)
	if len(items) != n || tab.Len() != n || items[n-1] != (Item[string]{"new", "fourth"}) || items[0].Key != "key 1" {
		t.Errorf("then there are %d keys, %v to %v", len(items), items[0], items[len(items)-1])
	}
	for range tab.All() {
		break
	}
	if tab.listing != 0 {
		t.Error("a listing was not ended")
	}
}

func TestGet(t *testing.T) {
	tab := New[string]()
	if _, ok := tab.Get("k"); ok {
		t.Error("an empty table has a key")
	}
	tab.Delete("k")
	tab.Put("k", "1")
	tab.Put("k", "2")
	if r, ok := tab.Get("k"); !ok || r != "2" || tab.Len() != 1 {
		t.Errorf("got %q, %v, of %d keys", r, ok, tab.Len())
	}
	if r, ok := tab.GetBytes([]byte("k")); !ok || r != "2" {
		t.Errorf("by bytes: %q, %v", r, ok)
	}
	tab.Delete("k")
	if _, ok := tab.Get("k"); ok || tab.Len() != 0 {
		t.Errorf("a deleted key is there, of %d", tab.Len())
	}
}

// TestConcurrentUse is for the race detector.
func TestConcurrentUse(t *testing.T) {
	tab := New[string]()
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				tab.Get("k7")
				tab.GetBytes([]byte("k8"))
				tab.Len()
				items := tab.Sorted(all)
				if !slices.IsSortedFunc(items, func(a, b Item[string]) int { return compare(a.Key, b.Key) }) {
					t.Error("not in order")
				}
			}
		})
	}
	for i := range 20_000 {
		tab.Put(fmt.Sprint("k", i%300), "v")
		if i%7 == 0 {
			tab.Delete(fmt.Sprint("k", i%11))
		}
	}
	close(stop)
	readers.Wait()
}

func compare(a, b string) int {
	if a < b {
		return -1
	}
	return 1
}

// TestCopiedOnce: while somebody lists the table, a write to a key copies its shard once,
// and not again.
func TestCopiedOnce(t *testing.T) {
	tab := New[string]()
	for i := range 100_000 {
		tab.Put(fmt.Sprint(i), "v")
	}
	next, stop := iter.Pull2(tab.All())
	defer stop()
	next()
	if allocs := testing.AllocsPerRun(100, func() { tab.Put("7", "w") }); allocs > 1 {
		t.Errorf("a write takes %v allocations", allocs)
	}
}
