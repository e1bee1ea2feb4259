package kv_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/internal/livetest"
	"github.com/hearsaynet/hearsay/replica/model/kv"
)

// in is a time from now in a bubble, as changes have it.
func in(d time.Duration) uint64 { return uint64(time.Now().Add(d).UnixNano()) }

// told describes changes.
func told(changes <-chan kv.Change) (all []string) {
	text := func(e *kv.Entry) string {
		if e == nil {
			return "-"
		}
		return string(e.Value)
	}
	for _, c := range livetest.Drain(changes) {
		var s strings.Builder
		s.WriteString(fmt.Sprintf("%s: %s > %s", c.Key, text(c.Old), text(c.New)))
		for name, is := range map[string]bool{" expired": c.Expired, " evicted": c.Evicted, " local": c.Local} {
			if is {
				s.WriteString(name)
			}
		}
		all = append(all, s.String())
	}
	return all
}

// TestExpiry looks at one key of which values expire, at what readers see and at what
// watchers are told.
func TestExpiry(t *testing.T) {
	set, until, del := kv.MustSet, kv.MustSetUntil, kv.MustDelete
	type step struct {
		sleep  time.Duration
		change []byte // nil: none
		late   bool   // older than all before
		get    string // "" for no value
		told   string
	}
	for name, steps := range map[string]func() []step{
		"it expires": func() []step {
			return []step{
				{change: until("k", "v", in(time.Minute)), get: "v", told: "k: - > v"},
				{sleep: time.Minute - 1, get: "v"},
				{sleep: 1, told: "k: v > - expired"},
				{sleep: time.Hour},
				{change: set("k", "w"), get: "w", told: "k: - > w"},
			}
		},
		"nothing older comes back": func() []step {
			return []step{
				{change: set("k", "old"), get: "old", told: "k: - > old"},
				{change: until("k", "new", in(time.Second)), get: "new", told: "k: old > new"},
				{sleep: time.Second, told: "k: new > - expired"},
				{change: set("k", "late"), late: true},
				{change: until("k", "late", in(time.Hour)), late: true},
			}
		},
		"it comes too late": func() []step {
			return []step{
				{change: set("k", "old"), get: "old", told: "k: - > old"},
				{change: until("k", "new", in(0)), told: "k: old > - expired"},
				{change: until("k", "newer", 1)},
				{change: del("k")},
			}
		},
		"it is set again before": func() []step {
			return []step{
				{change: until("k", "1", in(time.Second)), get: "1", told: "k: - > 1"},
				{change: until("k", "2", in(time.Minute)), get: "2", told: "k: 1 > 2"},
				{sleep: 2 * time.Second, get: "2"},
				{change: until("k", "3", in(3*time.Second)), get: "3", told: "k: 2 > 3"},
				{sleep: time.Second, told: "k: 3 > - expired"},
				{change: until("k", "4", in(time.Minute)), get: "4", told: "k: - > 4"},
				{change: set("k", "5"), get: "5", told: "k: 4 > 5"},
				{sleep: time.Hour, get: "5"},
			}
		},
		"it is deleted before": func() []step {
			return []step{
				{change: until("k", "v", in(time.Second)), get: "v", told: "k: - > v"},
				{change: del("k"), told: "k: v > -"},
				{sleep: time.Hour},
			}
		},
		"at the end of time": func() []step {
			return []step{
				{change: until("k", "v", 1<<63-1), get: "v", told: "k: - > v"},
				{sleep: 20 * 24 * time.Hour, get: "v"},
			}
		},
		"nothing expires": func() []step {
			return []step{
				{change: until("k", "", in(time.Second)), get: "(empty)", told: "k: - > "},
				{sleep: time.Second, told: "k:  > - expired"},
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, model := kv.Detached(keys.NodeID{}, 100)
				defer m.Close()
				changes := watch(t, m, "")
				for i, s := range steps() {
					time.Sleep(s.sleep)
					if s.change != nil {
						u := update("a", uint64(i+1), uint64(i+100), s.change)
						if s.late {
							u.Time = 1
						}
						apply(t, model, u)
					}
					got := strings.Join(told(changes), "; ")
					if got != s.told {
						t.Errorf("step %d: watchers are told %q, want %q", i, got, s.told)
					}
					e, ok := m.Get("k")
					value := string(e.Value)
					if ok && value == "" {
						value = "(empty)"
					}
					if value != s.get || ok != (s.get != "") {
						t.Errorf("step %d: the value is %q, want %q", i, value, s.get)
					}
					if n := len(dump(m)); m.Len() != n || ok != (n == 1) {
						t.Errorf("step %d: %d keys are listed, and Len is %d", i, n, m.Len())
					}
				}
			})
		})
	}
}

// TestExpiryByEachClock: replicas whose clocks differ have the same state, of which each
// shows what its own clock says.
func TestExpiryByEachClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newNode(t, "alice", "bob"), newNode(t, "bob", "alice")
		b.Ahead.Add(int64(time.Minute))
		join(t, a, b)
		changes := watch(t, b.kv, "")
		if _, err := a.kv.SetTTL(t.Context(), "ttl", []byte("v"), 90*time.Second); err != nil {
			t.Fatal(err)
		}
		if _, err := a.kv.SetUntil(t.Context(), "until", []byte("v"), a.Now().Add(2*time.Minute)); err != nil {
			t.Fatal(err)
		}
		if _, err := a.kv.SetMany(t.Context(), []kv.Pair{{Key: "pair", Expires: a.Now().Add(time.Hour)}, {Key: "ever"}}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if e, ok := b.kv.Get("ttl"); !ok || e.Expires != uint64(a.Now().Add(90*time.Second).UnixNano()) {
			t.Fatalf("bob has %+v, %v", e, ok)
		}
		expect := func(n *node, want ...string) {
			t.Helper()
			synctest.Wait()
			slices.Sort(want)
			if got := slices.Collect(n.kv.Keys()); !slices.Equal(got, want) || n.kv.Len() != len(want) {
				t.Errorf("after %v the keys are %q (%d), want %q", time.Since(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)), got, n.kv.Len(), want)
			}
		}
		expect(a, "ttl", "until", "pair", "ever")
		expect(b, "ttl", "until", "pair", "ever")
		told(changes)
		time.Sleep(30 * time.Second)
		expect(a, "ttl", "until", "pair", "ever")
		expect(b, "until", "pair", "ever")
		if got := told(changes); !slices.Equal(got, []string{"ttl: v > - expired"}) {
			t.Errorf("bob's watcher is told %q", got)
		}
		time.Sleep(time.Minute)
		expect(a, "until", "pair", "ever")
		expect(b, "pair", "ever")
		time.Sleep(30 * time.Second)
		expect(a, "pair", "ever")
		time.Sleep(time.Hour)
		expect(a, "ever")
		expect(b, "ever")
		if sa, sb := a.kv.Stats(), b.kv.Stats(); sa != sb || sa.Records != 4 || sa.Keys != 1 {
			t.Errorf("alice has %+v, bob %+v", sa, sb)
		}
	})
}

func TestExpiryErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t, "alice")
		for _, ttl := range []time.Duration{0, -time.Second, 1<<63 - 1} {
			if _, err := n.kv.SetTTL(t.Context(), "k", nil, ttl); !errors.Is(err, kv.ErrBadExpiry) {
				t.Errorf("a TTL of %v: %v", ttl, err)
			}
		}
		for _, at := range []time.Time{{}, time.Unix(-1, 0), time.Unix(0, 0), time.Date(2263, 1, 1, 0, 0, 0, 0, time.UTC), time.Unix(1<<62, 0), time.Unix(-18446743000, 0), time.Unix(18446744100, 0)} { // the last two are 1970, 2^64 ns off
			if _, err := n.kv.SetUntil(t.Context(), "k", nil, at); !errors.Is(err, kv.ErrBadExpiry) {
				t.Errorf("until %v: %v", at, err)
			}
			if _, err := n.kv.SetMany(t.Context(), []kv.Pair{{Key: "k", Expires: at}}); !at.IsZero() && !errors.Is(err, kv.ErrBadExpiry) {
				t.Errorf("a pair until %v: %v", at, err)
			}
		}
		if _, err := n.kv.SetUntil(t.Context(), "", nil, time.Now()); !errors.Is(err, kv.ErrBadKey) {
			t.Errorf("an empty key: %v", err)
		}
		n.set(t, "gone", "v")
		if _, err := n.kv.SetUntil(t.Context(), "gone", []byte("w"), time.Unix(1, 0)); err != nil || n.get("gone") != "none" {
			t.Errorf("set until 1970: %q, %v", n.get("gone"), err)
		}
	})
}

// TestExpiryClockSet: a clock that is set ahead takes values away, and what was shown to
// have expired stays so when it is set back; what comes then is by the clock that is.
func TestExpiryClockSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t, "alice")
		set := func(key string) {
			t.Helper()
			if _, err := n.kv.SetTTL(t.Context(), key, []byte("v"), time.Hour); err != nil {
				t.Fatal(err)
			}
		}
		set("before")
		n.Ahead.Add(int64(2 * time.Hour))
		if got := n.get("before"); got != "none" || len(dump(n.kv)) != 0 {
			t.Errorf("with the clock ahead: %q, %v", got, dump(n.kv))
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if n.kv.Len() != 0 {
			t.Error("it is still counted a minute later")
		}
		n.Ahead.Add(-int64(2 * time.Hour))
		if got := n.get("before"); got != "none" || len(dump(n.kv)) != 0 {
			t.Errorf("with the clock back: %q, %v", got, dump(n.kv))
		}
		set("behind")
		if got := n.get("behind"); got != "v" || n.kv.Len() != 1 {
			t.Errorf("what was set with the clock back is %q, of %d", got, n.kv.Len())
		}
	})
}

// TestExpiryRebuild: a rebuild shows of what expires what its time says.
func TestExpiryRebuild(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, model := kv.Detached(keys.NodeID{}, 100)
		defer m.Close()
		us := []replica.Update{
			update("a", 1, 1, kv.MustSetUntil("soon", "v", in(time.Second))),
			update("a", 2, 2, kv.MustSetUntil("later", "v", in(time.Minute))),
			update("b", 1, 3, kv.MustSetUntil("later", "of b", in(time.Second))),
		}
		changes := watch(t, m, "")
		apply(t, model, us...)
		told(changes)
		time.Sleep(2 * time.Second)
		if got := told(changes); len(got) != 2 || m.Len() != 0 {
			t.Errorf("after 2 s %q is told, and there are %d keys", got, m.Len())
		}
		livetest.Rebuild(t, model, us[:2]...)
		if got := told(changes); !slices.Equal(got, []string{"later: - > v"}) || m.Len() != 1 {
			t.Errorf("the rebuild tells %q, and there are %d keys", got, m.Len())
		}
		livetest.Rebuild(t, model, us...)
		if got := told(changes); !slices.Equal(got, []string{"later: v > - expired"}) || m.Len() != 0 {
			t.Errorf("the other rebuild tells %q, and there are %d keys", got, m.Len())
		}
		livetest.Rebuild(t, model, us[:2]...)
		told(changes)
		model.Reset() // while it goes on, time does
		time.Sleep(time.Hour)
		if got := told(changes); !slices.Equal(got, []string{"later: v > - expired"}) {
			t.Errorf("amid a rebuild %q is told", got)
		}
		model.Rebuilt()
	})
}

// heapOf returns how much the heap has grown since a call before f, in bytes.
func heapOf(t testing.TB, f func()) int64 {
	t.Helper()
	live := func() int64 {
		runtime.GC()
		runtime.GC()
		var s runtime.MemStats
		runtime.ReadMemStats(&s)
		return int64(s.HeapAlloc)
	}
	before := live()
	f()
	return live() - before
}

// TestExpiredValuesGo: what has expired takes no room any more, but for its record.
func TestExpiredValuesGo(t *testing.T) {
	for name, cfg := range map[string]kv.Config{"no cap": {}, "capped": {MaxBytes: 1 << 30}} {
		synctest.Test(t, func(t *testing.T) {
			m, model := kv.DetachedWith(keys.NodeID{}, cfg, time.Now)
			value := string(bytes.Repeat([]byte("v"), 64<<10))
			took := heapOf(t, func() {
				for i := range uint64(200) {
					apply(t, model, update("a", i+1, i+1, kv.MustSetUntil(fmt.Sprint(i), value, in(time.Second))))
				}
			})
			if took < 200*64<<10 {
				t.Fatalf("%s: 200 values of 64 KiB take %d bytes", name, took)
			}
			check := func(when string, f func()) {
				t.Helper()
				took += heapOf(t, f)
				if s := m.Stats(); took > 1<<20 || s.Records != 200 || s.Keys != 0 || s.Bytes > 1<<20 {
					t.Errorf("%s: %s %d bytes are taken; %+v", name, when, took, s)
				}
			}
			check("when their time has come", func() {
				time.Sleep(time.Second)
				synctest.Wait()
			})
			check("when others have come too late", func() {
				for i := range uint64(200) {
					apply(t, model, update("b", i+1, i+1, kv.MustSetUntil(fmt.Sprint(i), value, 1)))
				}
			})
			m.Close()
		})
	}
}

// TestManyExpireAtOnce: more than are swept at a time, and the watcher hears of each.
func TestManyExpireAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 5000
		m, model := kv.Detached(keys.NodeID{}, 2*n)
		defer m.Close()
		changes := watch(t, m, "")
		for i := range uint64(n) {
			apply(t, model, update("a", i+1, i+1, kv.MustSetUntil(fmt.Sprint(i), "v", in(time.Second))))
		}
		time.Sleep(time.Second)
		got := livetest.Drain(changes)
		gone := map[string]bool{}
		for _, c := range got[n:] {
			if c.Expired && c.New == nil && string(c.Old.Value) == "v" {
				gone[c.Key] = true
			}
		}
		if len(got) != 2*n || len(gone) != n || m.Len() != 0 {
			t.Errorf("%d changes, of which %d keys expired; %d keys are left", len(got), len(gone), m.Len())
		}
	})
}

// TestExpiryConverges: whatever the clocks and the order, the records are the same, and so
// is what each shows as soon as their clocks agree.
func TestExpiryConverges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var us []replica.Update
		for i := range uint64(40) {
			us = append(us, update(string(rune('a'+i%3)), i/3+1, i*7%20, kv.MustSetUntil(fmt.Sprint("k", i%5), fmt.Sprint(i), in(time.Duration(i)*time.Second))))
		}
		var all []map[string]string
		for _, ahead := range []time.Duration{-time.Hour, 0, 10 * time.Second, time.Hour} {
			var clock atomic.Int64
			clock.Store(int64(ahead))
			m, model := kv.DetachedWith(keys.NodeID{}, kv.Config{}, func() time.Time { return time.Now().Add(time.Duration(clock.Load())) })
			defer m.Close()
			apply(t, model, us...)
			slices.Reverse(us)
			clock.Store(-int64(time.Hour))
			livetest.Rebuild(t, model, us...)
			all = append(all, contents(m))
		}
		for _, c := range all {
			if len(c) != 5 || !maps.Equal(c, all[0]) {
				t.Errorf("one has %v, another %v", c, all[0])
			}
		}
	})
}

// TestExpiredTravels: a peer that has an expired value passes it on all the same.
func TestExpiredTravels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newNode(t, "alice", "bob"), newNode(t, "bob", "alice")
		b.set(t, "k", "old")
		time.Sleep(time.Second)
		if _, err := a.kv.SetTTL(t.Context(), "k", []byte("new"), time.Second); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		join(t, a, b)
		synctest.Wait()
		if got := b.get("k"); got != "none" {
			t.Errorf("bob still shows %q, which a value that has expired has replaced", got)
		}
	})
}

// TestExpiryResolveClockSet: what watchers were told to be over, or came so, stays so when
// the clock is set back, also where its value is kept for Config.Resolve.
func TestExpiryResolveClockSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ahead atomic.Int64
		now := func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
		m, model := kv.DetachedWith(keys.NodeID{}, kv.Config{WatchBuffer: 8, Resolve: kv.StrictOrder}, now)
		defer m.Close()
		changes, err := m.Watch(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		ahead.Store(int64(time.Hour))
		livetest.Apply(t, model,
			livetest.Update("a", 1, 1, kv.MustSetUntil("k", "v", in(time.Minute))),
			livetest.Update("a", 2, 2, kv.MustSetUntil("l", "v", in(2*time.Hour))))
		ahead.Store(int64(3 * time.Hour))
		time.Sleep(time.Minute) // the timer looks at the clock again
		if got, want := strings.Join(told(changes), ", "), "l: - > v, l: v > - expired"; got != want {
			t.Errorf("told %q, want %q", got, want)
		}
		ahead.Store(0)
		for _, key := range []string{"k", "l"} {
			if e, ok := m.Get(key); ok {
				t.Errorf("%s is %q again", key, e.Value)
			}
		}
		if shown := len(slices.Collect(m.Keys())); shown != m.Len() {
			t.Errorf("%d keys, Len %d", shown, m.Len())
		}
	})
}
