package kv_test

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/internal/livetest"
	"github.com/hearsaynet/hearsay/replica/model/kv"
)

var (
	update = livetest.Update
	apply  = livetest.Apply
)

// dump lists the map as "key=value author/seq time".
func dump(m *kv.Map) []string {
	var lines []string
	for k, e := range m.All() {
		lines = append(lines, line(k, e))
	}
	return lines
}

func line(key string, e kv.Entry) string {
	return fmt.Sprintf("%s=%s %q/%d %d %x", key, e.Value, e.Author[2:4], e.Seq, e.Time, e.Hash[:4])
}

func TestLastWriterWins(t *testing.T) {
	set, del := kv.MustSet, kv.MustDelete
	for _, tt := range []struct {
		name    string
		updates []replica.Update
		want    map[string]string
	}{
		{"the later time", []replica.Update{update("a", 1, 10, set("k", "old")), update("b", 1, 11, set("k", "new"))}, map[string]string{"k": "new"}},
		{"not the higher seq", []replica.Update{update("a", 1, 11, set("k", "dated later")), update("a", 2, 10, set("k", "dated earlier"))}, map[string]string{"k": "dated later"}},
		{"at the same time, the higher author", []replica.Update{update("a", 1, 10, set("k", "a")), update("b", 1, 10, set("k", "b"))}, map[string]string{"k": "b"}},
		{"a delete", []replica.Update{update("a", 1, 10, set("k", "v")), update("b", 1, 11, del("k"))}, nil},
		{"an older set after a delete", []replica.Update{update("a", 1, 11, del("k")), update("b", 1, 10, set("k", "late"))}, nil},
		{"a newer set after a delete", []replica.Update{update("a", 1, 11, del("k")), update("b", 1, 12, set("k", "again"))}, map[string]string{"k": "again"}},
		{"a delete of nothing", []replica.Update{update("a", 1, 11, del("k"))}, nil},
		{"an empty value", []replica.Update{update("a", 1, 11, set("k", ""))}, map[string]string{"k": ""}},
		{"keys apart", []replica.Update{update("a", 1, 1, set("k", "1")), update("a", 2, 2, set("K", "2")), update("a", 3, 3, set("k\x00", "3"))}, map[string]string{"k": "1", "K": "2", "k\x00": "3"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, order := range []string{"as written", "backwards"} {
				m, model := kv.Detached(keys.NodeID{}, 1)
				if order == "backwards" {
					slices.Reverse(tt.updates)
				}
				apply(t, model, tt.updates...)
				got := map[string]string{}
				for k, e := range m.All() {
					got[k] = string(e.Value)
					if one, ok := m.Get(k); !ok || line(k, one) != line(k, e) {
						t.Errorf("%s: Get says %v, %v; All says %v", order, one, ok, e)
					}
				}
				if !maps.Equal(got, tt.want) {
					t.Errorf("%s: got %v, want %v", order, got, tt.want)
				}
				if m.Len() != len(tt.want) || !slices.Equal(slices.Collect(m.Keys()), slices.Sorted(maps.Keys(tt.want))) {
					t.Errorf("%s: %d keys %q, want those of %v", order, m.Len(), slices.Collect(m.Keys()), tt.want)
				}
			}
		})
	}
}

// TestAttack/tie: two authors, the same nanosecond, both orders of arrival.
func TestAttack(t *testing.T) {
	t.Run("tie", func(t *testing.T) {
		a, b := update("a", 7, 10, kv.MustSet("k", "of a")), update("b", 1, 10, kv.MustSet("k", "of b"))
		twice := update("b", 2, 10, kv.MustSet("k", "of b again")) // as a hostile author may
		winner := b
		if b.Before(&twice) {
			winner = twice
		}
		for _, order := range [][]replica.Update{{a, b, twice}, {twice, b, a}, {b, a, twice}, {b, twice, a}, {a, twice, b}, {twice, a, b}} {
			m, model := kv.Detached(keys.NodeID{}, 1)
			apply(t, model, order...)
			if e, _ := m.Get("k"); e.Hash != winner.Hash {
				t.Errorf("the value is %q, want that of seq %d of b", e.Value, winner.Seq)
			}
		}
	})
	t.Run("future", attackFuture)
}

func TestHostileChanges(t *testing.T) {
	event := append([]byte{5}, "hello world"...)
	for name, change := range map[string][]byte{
		"empty":               {},
		"op alone":            {1},
		"op 0":                []byte("\x00\x00\x01kv"),
		"op 4":                []byte("\x04\x00\x01k\x00\x00\x00\x00\x00\x00\x00\x01v"),
		"expiry cut short":    []byte("\x03\x00\x01k\x01\x02\x03\x04\x05\x06\x07"),
		"expiry of 0":         []byte("\x03\x00\x01k\x00\x00\x00\x00\x00\x00\x00\x00v"),
		"expiry of 2^63":      []byte("\x03\x00\x01k\x80\x00\x00\x00\x00\x00\x00\x00v"),
		"no key":              []byte("\x01\x00\x00value"),
		"key cut short":       []byte("\x01\x00\x09k"),
		"key of 60 kB":        append([]byte{1, 0xea, 0x60}, make([]byte, 60000)...),
		"key of 1025 bytes":   append([]byte{1, 4, 1}, make([]byte, 1025)...),
		"key not UTF-8":       []byte("\x01\x00\x02k\xffvalue"),
		"surrogate in key":    []byte("\x01\x00\x03\xed\xa0\x80value"),
		"delete with a value": []byte("\x02\x00\x01kvalue"),
		"an event":            event,
		"JSON":                []byte(`{"key":"k","value":"v"}`),
	} {
		t.Run(name, func(t *testing.T) {
			m, model := kv.Detached(keys.NodeID{}, 16)
			apply(t, model, update("a", 1, 1, kv.MustSet("k", "v")))
			before := dump(m)
			changed, err := model.ApplyUpdate(update("a", 2, 2, change))
			if changed || !errors.Is(err, kv.ErrMalformed) {
				t.Errorf("got %v, %v; want an error that wraps ErrMalformed", changed, err)
			}
			if got := dump(m); !slices.Equal(got, before) {
				t.Errorf("the map is %v, was %v", got, before)
			}
		})
	}
}

// TestReports checks what the replica is told of an update.
func TestReports(t *testing.T) {
	_, model := kv.Detached(keys.NodeID{}, 1)
	for _, tt := range []struct {
		u    replica.Update
		want bool
	}{
		{update("a", 1, 10, kv.MustSet("k", "v")), true},
		{update("b", 1, 9, kv.MustSet("k", "older")), false},
		{update("b", 2, 9, kv.MustDelete("k")), false},
		{update("a", 2, 11, kv.MustSet("k", "v")), true},
		{update("a", 3, 12, kv.MustDelete("k")), true},
	} {
		if got, err := model.ApplyUpdate(tt.u); got != tt.want || err != nil {
			t.Errorf("update %d of %q: changed %v, %v; want %v", tt.u.Seq, tt.u.Author[2:3], got, err, tt.want)
		}
	}
}

// history is updates of several authors that meet on few keys, few times and few values,
// of which some expire within 20 s of the bubble's beginning.
func history(rng *rand.Rand) []replica.Update {
	var us []replica.Update
	for a := range 4 {
		for seq := range rng.IntN(40) {
			key := fmt.Sprintf("k%d", rng.IntN(8))
			change := kv.MustSet(key, fmt.Sprintf("%c%d", 'a'+a, seq+1))
			switch rng.IntN(6) {
			case 0:
				change = kv.MustDelete(key)
			case 1, 2:
				expires := time.Now().Add(time.Duration(rng.IntN(20)) * time.Second)
				change = kv.MustSetUntil(key, fmt.Sprint(rng.IntN(9)), uint64(expires.UnixNano()))
			}
			us = append(us, update(string(rune('a'+a)), uint64(seq+1), uint64(rng.IntN(20)), change))
		}
	}
	return us
}

// interleave mixes the authors' updates, each author's in order.
func interleave(rng *rand.Rand, us []replica.Update) []replica.Update {
	by := make(map[keys.NodeID][]replica.Update)
	var turns []keys.NodeID
	for _, u := range us {
		by[u.Author] = append(by[u.Author], u)
		turns = append(turns, u.Author)
	}
	rng.Shuffle(len(turns), func(i, j int) { turns[i], turns[j] = turns[j], turns[i] })
	mixed := make([]replica.Update, 0, len(us))
	for _, id := range turns {
		mixed, by[id] = append(mixed, by[id][0]), by[id][1:]
	}
	return mixed
}

// parse reads a change as the package's documentation has it.
func parse(u replica.Update) kv.Update {
	n := 3 + int(binary.BigEndian.Uint16(u.Change[1:]))
	p := kv.Update{Ref: u.Ref, Time: u.Time, Key: string(u.Change[3:n]), Value: string(u.Change[n:]), Deleted: u.Change[0] == 2}
	if u.Change[0] == 3 {
		p.Expires, p.Value = binary.BigEndian.Uint64(u.Change[n:]), p.Value[8:]
	}
	return p
}

// rules is what a map is made of, and the slow way to make it.
type rules struct {
	kv.Config
	order func(a, b kv.Update) int
}

// winners returns the updates that count, the newest first.
func (r rules) winners(us []replica.Update) []kv.Update {
	last := map[string]kv.Update{}
	for _, u := range us {
		p := parse(u)
		if old, ok := last[p.Key]; !ok || r.order(old, p) < 0 {
			last[p.Key] = p
		}
	}
	newest := slices.SortedFunc(maps.Values(last), func(a, b kv.Update) int { return kv.LastWriterWins(b, a) })
	if r.MaxKeys > 0 && len(newest) > r.MaxKeys {
		newest = newest[:r.MaxKeys]
	}
	return newest
}

// reference is dump of a map that was made of us.
func (r rules) reference(us []replica.Update) []string {
	lines := []string{}
	for _, u := range r.winners(us) {
		if !u.Deleted && (u.Expires == 0 || u.Expires > uint64(time.Now().UnixNano())) {
			lines = append(lines, line(u.Key, kv.Entry{Ref: u.Ref, Value: []byte(u.Value), Time: u.Time}))
		}
	}
	slices.Sort(lines)
	return lines
}

// byLength is a weak order: of two values of one length the last writer's counts.
func byLength(a, b kv.Update) int { return cmp.Compare(len(a.Value), len(b.Value)) }

// anyRules are the maps that there are.
func anyRules() map[string]rules {
	inMemory := func() (kv.Backend, error) { return &backend{}, nil }
	lengthThenLast := func(a, b kv.Update) int { return cmp.Or(byLength(a, b), kv.LastWriterWins(a, b)) }
	return map[string]rules{
		"plain":                   {kv.Config{}, kv.LastWriterWins},
		"last writer wins":        {kv.Config{Resolve: kv.LastWriterWins}, kv.LastWriterWins},
		"strict order":            {kv.Config{Resolve: kv.StrictOrder}, kv.StrictOrder},
		"weak order":              {kv.Config{Resolve: byLength}, lengthThenLast},
		"backend":                 {kv.Config{Backend: inMemory}, kv.LastWriterWins},
		"backend, strict order":   {kv.Config{Backend: inMemory, Resolve: kv.StrictOrder}, kv.StrictOrder},
		"one key":                 {kv.Config{MaxKeys: 1}, kv.LastWriterWins},
		"three keys":              {kv.Config{MaxKeys: 3}, kv.LastWriterWins},
		"seven keys and no bytes": {kv.Config{MaxKeys: 7, MaxBytes: 1 << 40}, kv.LastWriterWins},
	}
}

// TestStateIsAFunctionOfTheSet folds the same updates in many interleavings, while time
// passes, with rebuilds in between that take some authors out, and a watcher who keeps a
// copy.
func TestStateIsAFunctionOfTheSet(t *testing.T) {
	for name, r := range anyRules() {
		t.Run(name, func(t *testing.T) {
			seed := rand.Uint64()
			rng := rand.New(rand.NewPCG(seed, 0))
			for range 50 {
				synctest.Test(t, func(t *testing.T) { r.fold(t, seed, rng) })
			}
		})
	}
}

func (r rules) fold(t *testing.T, seed uint64, rng *rand.Rand) {
	r.WatchBuffer = 1 << 16
	m, model := kv.DetachedWith(keys.NodeID{}, r.Config, time.Now)
	defer m.Close()
	changes := watch(t, m, "")
	us := history(rng)
	var counted []replica.Update
	out := map[keys.NodeID]bool{}
	check := func() {
		t.Helper()
		if rng.IntN(5) == 0 {
			time.Sleep(time.Duration(rng.IntN(1000)) * time.Millisecond)
		}
		synctest.Wait()
		if got, want := dump(m), r.reference(counted); !slices.Equal(got, want) || m.Len() != len(want) {
			t.Fatalf("seed %d: after %d updates the map has %d keys\n%s\nwant\n%s", seed, len(counted), m.Len(), strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
	for _, u := range interleave(rng, us) {
		if out[u.Author] {
			continue
		}
		apply(t, model, u)
		counted = append(counted, u)
		check()
		if rng.IntN(15) == 0 {
			out[u.Author] = true
			counted = slices.DeleteFunc(counted, func(c replica.Update) bool { return out[c.Author] })
			livetest.Rebuild(t, model, interleave(rng, counted)...)
			check()
		}
	}
	for _, u := range us { // all are admitted again
		if out[u.Author] {
			apply(t, model, u)
			counted = append(counted, u)
		}
	}
	check()
	// In any order at all: parked updates come when their time does.
	rng.Shuffle(len(us), func(i, j int) { us[i], us[j] = us[j], us[i] })
	livetest.Rebuild(t, model, us...)
	check()
	if copied := replay(t, livetest.Drain(changes)); !maps.Equal(copied, contents(m)) {
		t.Errorf("seed %d: the watcher's copy is %v, the map %v", seed, copied, contents(m))
	}
}

// contents returns the map's keys with what dump says of each.
func contents(m *kv.Map) map[string]string {
	all := make(map[string]string)
	for k, e := range m.All() {
		all[k] = line(k, e)
	}
	return all
}

// replay makes a map of changes, and checks that each starts where the one before
// ended.
func replay(t *testing.T, changes []kv.Change) map[string]string {
	t.Helper()
	describe := func(key string, e *kv.Entry) string {
		if e == nil {
			return ""
		}
		if e.Key != key {
			t.Errorf("a change of %q has an entry of %q", key, e.Key)
		}
		return line(key, *e)
	}
	all := make(map[string]string)
	for _, c := range changes {
		was, is := describe(c.Key, c.Old), describe(c.Key, c.New)
		if was != all[c.Key] {
			t.Errorf("Old is %q, the value was %q", was, all[c.Key])
		}
		if was == is {
			t.Errorf("a change of %q that changes nothing", c.Key)
		}
		if all[c.Key] = is; is == "" {
			delete(all, c.Key)
		}
	}
	return all
}

// TestRebuildIsNotSeen: readers see the state before until the rebuild is over.
func TestRebuildIsNotSeen(t *testing.T) {
	m, model := kv.Detached(keys.NodeID{}, 1)
	a, b := update("a", 1, 1, kv.MustSet("k", "of a")), update("b", 1, 2, kv.MustSet("k", "of b"))
	apply(t, model, a, b)
	before := dump(m)
	model.Reset()
	if got := dump(m); !slices.Equal(got, before) {
		t.Errorf("after Reset: %v", got)
	}
	apply(t, model, a)
	if got := dump(m); !slices.Equal(got, before) {
		t.Errorf("during the rebuild: %v", got)
	}
	model.Rebuilt()
	if e, ok := m.Get("k"); !ok || string(e.Value) != "of a" {
		t.Errorf("after the rebuild: %v, %v", e, ok)
	}
	model.Rebuilt() // without a Reset
	model.Reset()
	model.Rebuilt()
	if m.Len() != 0 {
		t.Errorf("a rebuild without updates leaves %v", dump(m))
	}
}

// TestValuesBelongToTheCaller: what comes out can be written to, and the change that
// came in can be reused.
func TestValuesBelongToTheCaller(t *testing.T) {
	m, model := kv.Detached(keys.NodeID{}, 1)
	u := update("a", 1, 1, kv.MustSet("k", "value"))
	apply(t, model, u)
	clear(u.Change)
	e, _ := m.Get("k")
	clear(e.Value)
	for _, e := range m.All() {
		clear(e.Value)
	}
	if e, ok := m.Get("k"); !ok || string(e.Value) != "value" {
		t.Errorf("the value is now %q, %v", e.Value, ok)
	}
	apply(t, model, update("a", 2, 2, kv.MustSet("empty", "")))
	if e, _ := m.Get("empty"); e.Value == nil || len(e.Value) != 0 {
		t.Errorf("an empty value is %v", e.Value)
	}
}

// TestConcurrentUse is for the race detector.
func TestConcurrentUse(t *testing.T) {
	m, model := kv.Detached(keys.NodeID{}, 4)
	ctx, stop := context.WithCancel(t.Context())
	var readers sync.WaitGroup
	for range 2 {
		changes, err := m.Watch(ctx, "k*")
		if err != nil {
			t.Fatal(err)
		}
		readers.Go(func() {
			for range changes {
			}
		})
		readers.Go(func() {
			for ctx.Err() == nil {
				m.Get("k1")
				m.Len()
				last := ""
				for k := range m.All() {
					if k <= last {
						t.Errorf("%q comes after %q", k, last)
					}
					last = k
				}
			}
		})
	}
	for i := range uint64(3000) {
		u := update("a", i+1, i+1, kv.MustSet(fmt.Sprintf("k%d", i%300), "v"))
		if i%1000 == 999 {
			livetest.Rebuild(t, model, u)
		}
		apply(t, model, u)
	}
	stop()
	readers.Wait()
	m.Close()
}
