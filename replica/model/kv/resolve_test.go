package kv_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/kv"
)

// TestStrictOrder: of what was written in one nanosecond the greater value counts, in any
// order of arrival, and whoever wrote it.
func TestStrictOrder(t *testing.T) {
	set, del := kv.MustSet, kv.MustDelete
	for _, tt := range []struct {
		name      string
		a, b      replica.Update
		last, win string
	}{
		{"the later time", update("a", 1, 11, set("k", "1")), update("b", 1, 10, set("k", "2")), "1", "1"},
		{"the greater value", update("a", 1, 10, set("k", "2")), update("b", 1, 10, set("k", "1")), "1", "2"},
		{"bytewise", update("a", 1, 10, set("k", "9")), update("b", 1, 10, set("k", "10")), "10", "9"},
		{"a set before a delete", update("a", 1, 10, set("k", "v")), update("b", 1, 10, del("k")), "none", "v"},
		{"of equal values the higher author's", update("a", 1, 10, set("k", "")), update("b", 1, 10, del("k")), "none", "none"},
	} {
		for _, us := range [][]replica.Update{{tt.a, tt.b}, {tt.b, tt.a}} {
			for want, cfg := range map[*string]kv.Config{&tt.last: {}, &tt.win: {Resolve: kv.StrictOrder}} {
				m, model := kv.DetachedWith(keys.NodeID{}, cfg, time.Now)
				apply(t, model, us...)
				got := "none"
				if e, ok := m.Get("k"); ok {
					got = string(e.Value)
				}
				if got != *want {
					t.Errorf("%s: with resolve %v %q counts, want %q", tt.name, cfg.Resolve != nil, got, *want)
				}
			}
		}
	}
}

// TestResolveSeesUpdates: a resolve is told all that an update says.
func TestResolveSeesUpdates(t *testing.T) {
	var seen []string
	m, model := kv.DetachedWith(keys.NodeID{}, kv.Config{Resolve: func(a, b kv.Update) int {
		for _, u := range []kv.Update{a, b} {
			seen = append(seen, fmt.Sprintf("%s=%s by %s/%d at %d until %d %v", u.Key, u.Value, u.Author[2:3], u.Seq, u.Time, u.Expires, u.Deleted))
		}
		return 1
	}}, time.Now)
	defer m.Close()
	one, two := update("a", 1, 10, kv.MustSetUntil("k", "v", 1)), update("b", 7, 9, kv.MustDelete("k"))
	apply(t, model, one, two)
	want := "k= by b/7 at 9 until 0 true; k=v by a/1 at 10 until 1 false"
	if got := strings.Join(seen, "; "); got != want {
		t.Errorf("it was asked of\n%s\nwant\n%s", got, want)
	}
}

// TestResolveExpired: a value that has expired still counts as what it was.
func TestResolveExpired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, model := kv.DetachedWith(keys.NodeID{}, kv.Config{Resolve: byLength}, time.Now)
		defer m.Close()
		apply(t, model, update("a", 1, 1, kv.MustSetUntil("k", "long", in(time.Second))))
		time.Sleep(time.Minute)
		apply(t, model, update("a", 2, 2, kv.MustSetUntil("came too late", "long", 1)))
		for _, key := range []string{"k", "came too late"} {
			apply(t, model, update("b", 1, 3, kv.MustSet(key, "new")))
			if e, ok := m.Get(key); ok {
				t.Errorf("%s: %q comes before a longer value that has expired", key, e.Value)
			}
		}
	})
}

// TestResolveFails: a resolve that panics takes the effect of the update at hand and of no
// other, and is explained; one that is no order gives some state.
func TestResolveFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNodeWith(t, kv.Config{Resolve: func(a, b kv.Update) int {
			if a.Value == "bad" {
				panic("no such value")
			}
			return 1
		}}, "alice")
		notices := n.Notices(t.Context())
		n.set(t, "k", "v")
		n.set(t, "k", "bad")
		n.set(t, "l", "w")
		n.set(t, "k", "w")
		if n.get("k") != "w" || n.get("l") != "w" {
			t.Errorf("the map has %v", contents(n.kv))
		}
		synctest.Wait()
		ignored := 0
		for range 4 {
			if notice := <-notices; notice.Kind == replica.Ignored {
				ignored++
				if notice.Ref.Seq != 2 || !strings.Contains(notice.Reason, "no such value") {
					t.Errorf("%+v", notice)
				}
			}
		}
		if ignored != 1 {
			t.Errorf("%d updates were ignored, want the one whose resolve panics", ignored)
		}
	})
}
