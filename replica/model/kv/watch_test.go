package kv_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/model/internal/livetest"
	"github.com/hearsaynet/hearsay/replica/model/kv"
)

func watch(t testing.TB, m *kv.Map, glob string) <-chan kv.Change {
	t.Helper()
	changes, err := m.Watch(t.Context(), glob)
	if err != nil {
		t.Fatal(err)
	}
	return changes
}

func TestWatchGlob(t *testing.T) {
	names := []string{"a", "ab", "a/b", "a/b/c", "b", "ä", "*"}
	for _, tt := range []struct {
		glob string
		want []string
	}{
		{"", names},
		{"**", names},
		{"*", []string{"a", "ab", "b", "ä", "*"}},
		{"a*", []string{"a", "ab"}},
		{"a/**", []string{"a", "a/b", "a/b/c"}},
		{"a/*", []string{"a/b"}},
		{"?", []string{"a", "b", "ä", "*"}},
		{"[ab]", []string{"a", "b"}},
		{"{b,a/b}", []string{"a/b", "b"}},
		{`\*`, []string{"*"}},
		{"none", nil},
	} {
		t.Run(tt.glob, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, model := kv.Detached(keys.NodeID{}, 16)
				changes := watch(t, m, tt.glob)
				for i, key := range names {
					apply(t, model, update("a", uint64(i+1), uint64(i+1), kv.MustSet(key, "")))
				}
				var got []string
				for _, c := range livetest.Drain(changes) {
					got = append(got, c.Key)
				}
				if !slices.Equal(got, tt.want) {
					t.Errorf("got %q, want %q", got, tt.want)
				}
				m.Close()
			})
		})
	}
}

func TestWatchBadGlob(t *testing.T) {
	m, _ := kv.Detached(keys.NodeID{}, 1)
	for _, glob := range []string{"[", "[]", "{a", "a}", `\`} {
		if ch, err := m.Watch(t.Context(), glob); !errors.Is(err, kv.ErrBadGlob) || ch != nil {
			t.Errorf("%q: %v, want ErrBadGlob", glob, err)
		}
	}
}

// TestWatchChanges looks at what a change says.
func TestWatchChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one, two := update("a", 1, 10, kv.MustSet("k", "1")), update("b", 1, 11, kv.MustSet("k", "2"))
		m, model := kv.Detached(two.Author, 16)
		changes := watch(t, m, "")
		apply(t, model, one, two,
			update("a", 2, 9, kv.MustSet("k", "too old")),
			update("a", 3, 12, kv.MustDelete("k")),
			update("a", 4, 13, kv.MustDelete("k")),
			update("b", 2, 14, kv.MustSet("k", "3")))
		livetest.Rebuild(t, model)
		var got []string
		for _, c := range livetest.Drain(changes) {
			text := func(e *kv.Entry) string {
				if e == nil {
					return "-"
				}
				return string(e.Value)
			}
			got = append(got, fmt.Sprintf("%s: %s > %s %v", c.Key, text(c.Old), text(c.New), c.Local))
		}
		want := []string{"k: - > 1 false", "k: 1 > 2 true", "k: 2 > - false", "k: - > 3 true", "k: 3 > - false"}
		if !slices.Equal(got, want) {
			t.Errorf("got %q\nwant %q", got, want)
		}
		m.Close()
	})
}

// TestWatchRebuild: what a rebuild changes is told bytewise by key.
func TestWatchRebuild(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, model := kv.Detached(keys.NodeID{}, 1000)
		var want []string
		for i := range uint64(100) {
			key := fmt.Sprintf("key %02d", i)
			apply(t, model, update("a", i+1, i+1, kv.MustSet(key, "")))
			if i != 50 {
				want = append(want, key)
			}
		}
		changes := watch(t, m, "")
		livetest.Rebuild(t, model, update("a", 51, 51, kv.MustSet("key 50", "")), update("b", 1, 1, kv.MustSet("key 00", "other")))
		var got []string
		for _, c := range livetest.Drain(changes) {
			got = append(got, c.Key)
		}
		if !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
		m.Close()
	})
}

func TestSlowWatcher(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const buffer = 10
		m, model := kv.Detached(keys.NodeID{}, buffer)
		slow, other := watch(t, m, ""), watch(t, m, "key 1")
		seq := uint64(0)
		set := func(n int) {
			for range n {
				seq++
				apply(t, model, update("a", seq, seq, kv.MustSet(fmt.Sprint("key ", seq), "")))
			}
		}
		set(1)
		synctest.Wait() // the watcher holds one in its hand
		set(buffer + 5)
		got := livetest.Drain(slow)
		if len(got) != 1+buffer+1 || got[buffer].Key != "key 11" || got[buffer+1] != (kv.Change{Lost: 5}) {
			t.Fatalf("got %d changes, at the end %+v; want 11 and Lost 5", len(got), got[len(got)-1])
		}
		// The loss is told where it happened, when reading goes on before the queue is empty.
		set(1)
		synctest.Wait()
		set(buffer + 3)
		<-slow
		<-slow
		<-slow
		synctest.Wait() // one more in its hand, and room for three
		set(1)
		got = livetest.Drain(slow)
		last := got[len(got)-1]
		if len(got) != 8+2 || got[8] != (kv.Change{Lost: 3}) || last.Key != fmt.Sprint("key ", seq) {
			t.Errorf("got %d changes, at the end %+v and %+v", len(got), got[len(got)-2], last)
		}
		if got := livetest.Drain(other); len(got) != 1 {
			t.Errorf("the other watcher got %d changes, want 1", len(got))
		}
		m.Close()
	})
}

func TestWatchEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, model := kv.Detached(keys.NodeID{}, 1)
		ctx, cancel := context.WithCancel(t.Context())
		cancelled, err := m.Watch(ctx, "")
		if err != nil {
			t.Fatal(err)
		}
		closed := watch(t, m, "")
		set := func(seq uint64) { apply(t, model, update("a", seq, seq, kv.MustSet("k", ""))) }
		set(1) // both have one to hand over
		cancel()
		synctest.Wait()
		if _, ok := <-cancelled; ok {
			t.Error("a watcher goes on after its context")
		}
		set(2)
		if got := livetest.Drain(closed); len(got) != 2 {
			t.Errorf("the other watcher got %d changes, want 2", len(got))
		}
		set(3)
		m.Close()
		if _, ok := <-closed; ok {
			t.Error("a watcher goes on after Close")
		}
		if _, err := m.Watch(t.Context(), ""); !errors.Is(err, kv.ErrClosed) {
			t.Errorf("Watch after Close: %v", err)
		}
		m.Close()
	})
}

// TestWatchLargeValues: a watcher that does not read keeps few values of a key that others
// write on and on, however many changes may wait for it.
func TestWatchLargeValues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, model := kv.Detached(keys.NodeID{}, 1000)
		defer m.Close()
		changes := watch(t, m, "")
		value := strings.Repeat("v", 4<<20)
		const writes = 20
		for i := range uint64(writes) {
			apply(t, model, update("a", i+1, i+1, kv.MustSet("k", value)))
		}
		all := livetest.Drain(changes)
		if told, lost := len(all)-1, all[len(all)-1].Lost; told > 10 || lost != uint64(writes-told) {
			t.Errorf("told %d of %d changes, and that %d are lost", told, writes, lost)
		}
	})
}
