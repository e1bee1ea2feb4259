package kv_test

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/internal/livetest"
	"github.com/hearsaynet/hearsay/replica/model/kv"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// node is a replica with a map.
type node struct {
	*livetest.Node
	kv *kv.Map
}

// newNode is for a synctest bubble, where time begins in the year 2000.
func newNode(t *testing.T, name string, admitted ...string) *node {
	t.Helper()
	return newNodeWith(t, kv.Config{}, name, admitted...)
}

func newNodeWith(t *testing.T, cfg kv.Config, name string, admitted ...string) *node {
	t.Helper()
	n := &node{Node: livetest.NewNode(t, name, admitted...)}
	n.kv = livetest.MustMount[*kv.Map](t)(kv.Mount(n.Replica, "", cfg))
	return n
}

func (n *node) set(t *testing.T, key, value string) {
	t.Helper()
	if _, err := n.kv.Set(t.Context(), key, []byte(value)); err != nil {
		t.Fatal(err)
	}
}

func (n *node) get(key string) string {
	e, ok := n.kv.Get(key)
	if !ok {
		return "none"
	}
	return string(e.Value)
}

func join(t *testing.T, a, b *node) { livetest.Join(t, a.Node, b.Node) }

func TestTwoReplicas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newNode(t, "alice", "bob"), newNode(t, "bob", "alice")
		a.set(t, "from/alice", "1")
		b.set(t, "from/bob", "2")
		a.set(t, "both", "of alice")
		b.set(t, "both", "of bob") // in the same nanosecond as the bubble's clock stands
		join(t, a, b)
		synctest.Wait()
		if !maps.Equal(contents(a.kv), contents(b.kv)) || a.kv.Len() != 3 {
			t.Fatalf("alice has %v\nbob has %v", contents(a.kv), contents(b.kv))
		}

		changes := watch(t, b.kv, "many/*")
		var pairs []kv.Pair
		for i := range wire.MaxEntries {
			pairs = append(pairs, kv.Pair{Key: "many/" + string(rune('a'+i%20)), Value: []byte{byte(i)}})
		}
		refs, err := a.kv.SetMany(t.Context(), pairs)
		if err != nil || len(refs) != len(pairs) {
			t.Fatalf("%d refs, %v", len(refs), err)
		}
		if _, err := a.kv.Delete(t.Context(), "many/a"); err != nil {
			t.Fatal(err)
		}
		got := livetest.Drain(changes)
		if len(got) != wire.MaxEntries+1 || got[0].Local || got[0].New.Ref != refs[0] || got[wire.MaxEntries].New != nil {
			t.Errorf("bob's watcher got %d changes", len(got))
		}
		if e, ok := b.kv.Get("many/t"); !ok || e.Value[0] != 19+20*11 || e.Ref != refs[19+20*11] {
			t.Errorf("many/t is %v, %v", e, ok)
		}
		if !maps.Equal(contents(a.kv), contents(b.kv)) || a.kv.Len() != 3+19 {
			t.Fatalf("alice has %v\nbob has %v", contents(a.kv), contents(b.kv))
		}

		// A map mounted later folds the same from the store.
		b.kv.Close()
		again, err := kv.Mount(b.Replica, "", kv.Config{})
		if err != nil {
			t.Fatal(err)
		}
		defer again.Close()
		if !maps.Equal(contents(a.kv), contents(again)) {
			t.Errorf("mounted again: %v", contents(again))
		}
	})
}

// TestWithdrawnAuthor: the watchers of a rebuilt map hear what became of it.
func TestWithdrawnAuthor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newNode(t, "alice", "bob"), newNode(t, "bob", "alice")
		b.set(t, "k", "of bob")
		b.set(t, "untouched", "")
		time.Sleep(time.Second)
		a.set(t, "k", "of alice")
		a.set(t, "hers", "")
		join(t, a, b)
		synctest.Wait()
		before := contents(b.kv)
		changes := watch(t, b.kv, "")

		b.Admitted.Remove(a.Self())
		got := livetest.Drain(changes)
		if len(got) != 2 || got[0].Key != "hers" || got[0].New != nil ||
			got[1].Key != "k" || string(got[1].Old.Value) != "of alice" || string(got[1].New.Value) != "of bob" || !got[1].Local {
			t.Errorf("withdrawn: %+v", got)
		}
		b.Admitted.Add(a.Author.Key())
		if got := livetest.Drain(changes); len(got) != 2 || !maps.Equal(before, contents(b.kv)) {
			t.Errorf("admitted again: %d changes, %v", len(got), contents(b.kv))
		}
	})
}

// attackFuture: an update dated ahead wins nothing before its time.
func attackFuture(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, b := newNode(t, "mallory", "bob"), newNode(t, "bob", "mallory")
		m.Ahead.Add(int64(10 * time.Minute))
		m.set(t, "k", "of tomorrow")
		b.set(t, "k", "of today")
		join(t, m, b)
		synctest.Wait()
		if got := b.get("k"); got != "of today" {
			t.Errorf("the value is %q before its time", got)
		}
		b.set(t, "k", "of today, again")
		if got := b.get("k"); got != "of today, again" {
			t.Errorf("the value is %q", got)
		}
		time.Sleep(7 * time.Minute)
		if got := b.get("k"); got != "of today, again" {
			t.Errorf("the value is %q after 7 minutes", got)
		}
		time.Sleep(3 * time.Minute)
		if got := b.get("k"); got != "of tomorrow" {
			t.Errorf("the value is %q at its time", got)
		}
	})
}

func TestWriteErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t, "alice")
		if _, err := kv.Mount(n.Replica, "kv", kv.Config{}); err == nil {
			t.Error("mounted twice on one channel")
		}
		if _, err := kv.Mount(n.Replica, "other", kv.Config{WatchBuffer: -1}); err == nil {
			t.Error("mounted with a negative buffer")
		}
		for name, tt := range map[string]struct {
			pairs []kv.Pair
			want  error
		}{
			"no pairs":        {nil, nil},
			"257 pairs":       {make([]kv.Pair, 257), nil},
			"one empty key":   {[]kv.Pair{{Key: "good"}, {}}, kv.ErrBadKey},
			"one long key":    {[]kv.Pair{{Key: strings.Repeat("k", 1025)}}, kv.ErrBadKey},
			"value too large": {[]kv.Pair{{Key: "good"}, {Key: "k", Value: make([]byte, 64<<10)}}, replica.ErrTooLarge},
		} {
			if refs, err := n.kv.SetMany(t.Context(), tt.pairs); err == nil || tt.want != nil && !errors.Is(err, tt.want) || refs != nil {
				t.Errorf("%s: %d refs, %v", name, len(refs), err)
			}
		}
		if _, err := n.kv.Set(t.Context(), "k\xff", nil); !errors.Is(err, kv.ErrBadKey) {
			t.Errorf("Set of a key that is not UTF-8: %v", err)
		}
		if _, err := n.kv.Delete(t.Context(), ""); !errors.Is(err, kv.ErrBadKey) {
			t.Errorf("Delete of an empty key: %v", err)
		}
		if n.kv.Len() != 0 {
			t.Errorf("the map holds %q", slices.Collect(n.kv.Keys()))
		}
		n.set(t, "k", "v")
		n.kv.Close()
		if _, err := n.kv.Set(t.Context(), "k", nil); !errors.Is(err, kv.ErrClosed) {
			t.Errorf("Set after Close: %v", err)
		}
		if n.get("k") != "v" {
			t.Error("what was there cannot be read after Close")
		}
	})
}
