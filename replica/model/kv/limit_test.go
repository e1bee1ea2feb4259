package kv_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/internal/livetest"
	"github.com/hearsaynet/hearsay/replica/model/kv"
)

// sized is updates of few keys and of values of up to 2 kB.
func sized(rng *rand.Rand) (us []replica.Update) {
	for i := range uint64(200) {
		key := fmt.Sprintf("k%d", rng.IntN(30))
		value := strings.Repeat("v", rng.IntN(2000))
		change := kv.MustSet(key, value)
		switch rng.IntN(6) {
		case 0:
			change = kv.MustDelete(key)
		case 1:
			change = kv.MustSetUntil(key, value, in(time.Duration(rng.IntN(3000))*time.Millisecond))
		}
		us = append(us, update(string(rune('a'+rng.IntN(3))), i+1, uint64(rng.IntN(300)), change))
	}
	return us
}

// TestMaxBytes: after each update the cap holds, and what is shown is a part of what is
// shown without one. (That of MaxKeys it is exactly the newest is in
// TestStateIsAFunctionOfTheSet.)
func TestMaxBytes(t *testing.T) {
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 0))
	for range 10 {
		synctest.Test(t, func(t *testing.T) {
			most := int64(1000 + rng.IntN(20_000))
			m, model := kv.DetachedWith(keys.NodeID{}, kv.Config{MaxBytes: most, WatchBuffer: 1 << 16}, time.Now)
			defer m.Close()
			all, allModel := kv.Detached(keys.NodeID{}, 1)
			defer all.Close()
			changes := watch(t, m, "")
			us := sized(rng)
			for i, u := range us {
				apply(t, model, u)
				apply(t, allModel, u)
				if rng.IntN(4) == 0 {
					time.Sleep(100 * time.Millisecond)
				}
				synctest.Wait()
				whole := contents(all)
				part := contents(m)
				if s := m.Stats(); s.Bytes > most || s.Keys != len(part) || s.Records < s.Keys {
					t.Fatalf("seed %d: after %d updates %+v of at most %d bytes, %d keys", seed, i+1, s, most, len(part))
				}
				for k, line := range part {
					if whole[k] != line {
						t.Fatalf("seed %d: after %d updates %q is shown, without a cap %q", seed, i+1, line, whole[k])
					}
				}
			}
			if copied := replay(t, livetest.Drain(changes)); !maps.Equal(copied, contents(m)) {
				t.Errorf("seed %d: the watcher's copy is %v, the map %v", seed, copied, contents(m))
			}
			// Nothing that is as old as what was evicted is shown again, whatever room there is.
			before := m.Stats()
			if before.Evicted == 0 {
				return
			}
			apply(t, model, update("z", 1, 0, kv.MustSet("late", "")))
			if _, ok := m.Get("late"); ok || m.Stats() != before {
				t.Errorf("seed %d: an update that is older than all that is kept is shown", seed)
			}
		})
	}
}

// TestAccount checks what records count as, in bytes, as Config.MaxBytes has it.
func TestAccount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, model := kv.DetachedWith(keys.NodeID{}, kv.Config{MaxBytes: 1 << 30}, time.Now)
		defer m.Close()
		for i, step := range []struct {
			change []byte
			want   int64
		}{
			{kv.MustSet("k", "value"), 352 + 1 + 5},
			{kv.MustSet("key", ""), 352 + 1 + 5 + 352 + 3},
			{kv.MustDelete("key"), 352 + 1 + 5 + 352 + 3},
			{kv.MustSet("k", "v"), 352 + 1 + 1 + 352 + 3},
			{kv.MustSetUntil("k", "value", in(time.Second)), 352 + 1 + 5 + 96 + 352 + 3},
			{nil, 352 + 1 + 352 + 3}, // it has expired
			{kv.MustSetUntil("k", "value", 1), 352 + 1 + 352 + 3},
		} {
			if step.change == nil {
				time.Sleep(time.Second)
				synctest.Wait()
			} else {
				apply(t, model, update("a", uint64(i+1), uint64(i+1), step.change))
			}
			if got := m.Stats().Bytes; got != step.want {
				t.Errorf("step %d: %d bytes, want %d", i, got, step.want)
			}
		}
	})
}

// TestEviction looks at what is said of one.
func TestEviction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		m, model := kv.DetachedWith(keys.NodeID{}, kv.Config{MaxKeys: 2, WatchBuffer: 100, Log: slog.New(slog.NewTextHandler(&log, nil))}, time.Now)
		defer m.Close()
		changes := watch(t, m, "")
		for _, step := range []struct {
			u    replica.Update
			told string
			keys string
		}{
			{update("a", 1, 10, kv.MustSet("1", "v")), "1: - > v", "1"},
			{update("a", 2, 11, kv.MustSet("2", "v")), "2: - > v", "1 2"},
			{update("a", 3, 12, kv.MustSet("3", "v")), "3: - > v; 1: v > - evicted", "2 3"},
			{update("b", 1, 9, kv.MustSet("4", "too old")), "", "2 3"},
			{update("b", 2, 10, kv.MustSet("1", "as old")), "1: - > as old; 1: as old > - evicted", "2 3"},
			{update("b", 3, 13, kv.MustDelete("3")), "3: v > -", "2"},
			{update("b", 4, 9, kv.MustSet("1", "too old")), "", "2"},
			{update("b", 5, 14, kv.MustSet("1", "new")), "1: - > new; 2: v > - evicted", "1"},
			{update("b", 6, 15, kv.MustSet("5", "new")), "5: - > new", "1 5"}, // the delete of 3 goes
			{update("a", 4, 12, kv.MustSet("3", "undead")), "", "1 5"},
			{update("a", 5, 16, kv.MustSet("1", "v")), "1: new > v", "1 5"},
			{update("a", 6, 17, kv.MustSetUntil("6", "v", 1)), "5: new > - evicted", "1"},
		} {
			changed, err := model.ApplyUpdate(step.u)
			if err != nil || changed != (step.told != "") && step.u.Seq != 6 {
				t.Errorf("%q by %q: changed %v, %v", step.u.Change[3:], step.u.Author[2:3], changed, err)
			}
			if got := strings.Join(told(changes), "; "); got != step.told {
				t.Errorf("%q: watchers are told %q, want %q", step.u.Change[3:], got, step.told)
			}
			if got := strings.Join(slices.Collect(m.Keys()), " "); got != step.keys {
				t.Errorf("%q: the keys are %q, want %q", step.u.Change[3:], got, step.keys)
			}
		}
		if s := m.Stats(); s.Evicted != 4 || s.Records != 2 {
			t.Errorf("%+v, want 4 evicted and 2 records", s)
		}
		if n := strings.Count(log.String(), "the map is full"); n != 3 { // 1, 2, 4
			t.Errorf("it is logged %d times:\n%s", n, &log)
		}
	})
}

// TestEvictedComesBack: when those who filled the map do not count any more, what they
// evicted is shown again.
func TestEvictedComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		m, model := kv.DetachedWith(keys.NodeID{}, kv.Config{MaxKeys: 10, WatchBuffer: 100, Log: slog.New(slog.NewTextHandler(&log, nil))}, time.Now)
		defer m.Close()
		good := update("a", 1, 1, kv.MustSet("good", "v"))
		apply(t, model, good)
		for i := range uint64(20) {
			apply(t, model, update("flood", i+1, i+2, kv.MustSet(fmt.Sprint(i), "")))
		}
		if _, ok := m.Get("good"); ok {
			t.Error("the oldest key is still shown")
		}
		livetest.Rebuild(t, model, good)
		if got := slices.Collect(m.Keys()); !slices.Equal(got, []string{"good"}) || m.Stats().Evicted != 0 {
			t.Errorf("without the flood the keys are %q; %+v", got, m.Stats())
		}
		changes := watch(t, m, "")
		var us []replica.Update
		for i := range uint64(20) {
			us = append(us, update("flood", i+1, i+2, kv.MustSet(fmt.Sprint(i), "")))
		}
		livetest.Rebuild(t, model, append(us, good)...)
		if got := told(changes); len(got) != 11 || !slices.Contains(got, "good: v > - evicted") {
			t.Errorf("with the flood it tells %q", got)
		}
		if n := strings.Count(log.String(), "the map is full"); n != 4+1 { // 1, 2, 4, 8; and again
			t.Errorf("it is logged %d times:\n%s", n, &log)
		}
	})
}

// TestFloodIsBounded: however many keys are set, deleted and made to expire, the memory
// that they take is what MaxBytes says.
func TestFloodIsBounded(t *testing.T) {
	const most = kv.MinMaxBytes
	m, model := kv.DetachedWith(keys.NodeID{}, kv.Config{MaxBytes: most}, time.Now)
	defer m.Close()
	took := heapOf(t, func() {
		n := uint64(0)
		for range 10_000 {
			for _, change := range [][]byte{
				kv.MustSet(fmt.Sprint("set ", n), "some value"),
				kv.MustDelete(fmt.Sprint("deleted ", n)),
				kv.MustSetUntil(fmt.Sprint("until ", n), "", 1<<62),
			} {
				n++
				apply(t, model, update("flood", n, n, change))
			}
		}
	})
	s := m.Stats()
	if s.Bytes > most || s.Bytes < most*9/10 || s.Evicted < 10_000 {
		t.Errorf("%+v, of at most %d bytes", s, most)
	}
	if took > most {
		t.Errorf("%d records take %d bytes, and count as %d", s.Records, took, s.Bytes)
	}
	t.Logf("%d records take %d bytes, and count as %d", s.Records, took, s.Bytes)
}

// TestOverwritesFreeMemory: a key that is written again holds nothing of what it was.
func TestOverwritesFreeMemory(t *testing.T) {
	m, model := kv.DetachedWith(keys.NodeID{}, kv.Config{MaxBytes: 1 << 30}, time.Now)
	defer m.Close()
	large := strings.Repeat("v", 64<<10)
	took := heapOf(t, func() {
		for i := range uint64(400) {
			apply(t, model, update("a", i+1, i, kv.MustSetUntil(fmt.Sprint(i), large, 1<<62)))
		}
		for i := range uint64(400) {
			apply(t, model, update("b", i+1, i, kv.MustSetUntil(fmt.Sprint(i), "small", 1<<62)))
		}
	})
	if took > 1<<20 {
		t.Errorf("400 small values take %d bytes", took)
	}
}

func TestConfigRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t, "alice")
		inMemory := func() (kv.Backend, error) { return &backend{}, nil }
		for name, cfg := range map[string]kv.Config{
			"negative buffer":           {WatchBuffer: -1},
			"negative keys":             {MaxKeys: -1},
			"negative bytes":            {MaxBytes: -1},
			"too few bytes":             {MaxBytes: kv.MinMaxBytes - 1},
			"resolve and a cap":         {Resolve: kv.StrictOrder, MaxKeys: 1},
			"resolve and another cap":   {Resolve: kv.StrictOrder, MaxBytes: 1 << 30},
			"a backend and a cap":       {Backend: inMemory, MaxKeys: 1},
			"a backend and another cap": {Backend: inMemory, MaxBytes: 1 << 30},
		} {
			if m, err := kv.Mount(n.Replica, "other", cfg); err == nil || m != nil || !strings.HasPrefix(err.Error(), "kv: Config.") {
				t.Errorf("%s: %v", name, err)
			}
		}
		m, err := kv.Mount(n.Replica, "other", kv.Config{MaxBytes: kv.MinMaxBytes, MaxKeys: 1})
		if err != nil {
			t.Fatal(err)
		}
		m.Close()
	})
}
