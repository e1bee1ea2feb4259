package peerkv_test

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/internal/livetest"
	"github.com/hearsaynet/hearsay/replica/model/peerkv"
)

func at(ns uint64) func() time.Time { return func() time.Time { return time.Unix(0, int64(ns)) } }

func detached() (*peerkv.Map, peerkv.Model) { return peerkv.Detached(keys.NodeID{}, 1, at(0)) }

func id(author string) keys.NodeID { return livetest.Update(author, 1, 1, nil).Author }

func line(e peerkv.Entry) string {
	return fmt.Sprintf("%q %s=%s %d %d %d %x\n", e.Author[2:4], e.Key, e.Value, e.Seq, e.Time, e.Expires, e.Hash[:4])
}

func dump(m *peerkv.Map) []string {
	var lines []string
	for e := range m.All() {
		lines = append(lines, line(e))
	}
	return lines
}

// texts lists the maps as "author key=value".
func texts(m *peerkv.Map) string {
	var lines []string
	for e := range m.All() {
		lines = append(lines, fmt.Sprintf("%s %s=%s", e.Author[2:3], e.Key, e.Value))
	}
	return strings.Join(lines, ", ")
}

func TestHighestSeqWins(t *testing.T) {
	set, del, u := peerkv.MustSet, peerkv.MustDelete, livetest.Update
	for _, tt := range []struct {
		name    string
		updates []replica.Update
		want    string
	}{
		{"authors apart", []replica.Update{u("a", 1, 10, set("k", "of a")), u("b", 1, 11, set("k", "of b"))}, "a k=of a, b k=of b"},
		{"the higher seq, whatever its time", []replica.Update{u("a", 1, 11, set("k", "1")), u("a", 2, 10, set("k", "2"))}, "a k=2"},
		{"a delete", []replica.Update{u("a", 1, 10, set("k", "1")), u("a", 2, 11, del("k"))}, ""},
		{"a delete by another", []replica.Update{u("a", 1, 10, set("k", "1")), u("b", 9, 99, del("k"))}, "a k=1"},
		{"a set after a delete", []replica.Update{u("a", 1, 10, del("k")), u("a", 2, 9, set("k", "2"))}, "a k=2"},
		{"an empty value", []replica.Update{u("a", 1, 10, set("k", ""))}, "a k="},
		{"keys apart", []replica.Update{u("a", 1, 1, set("k", "1")), u("a", 2, 2, set("k\x00", "2")), u("a", 3, 3, set("K", "3"))}, "a K=3, a k=1, a k\x00=2"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for range 2 {
				m, model := detached()
				livetest.Apply(t, model, tt.updates...)
				if got := texts(m); got != tt.want {
					t.Errorf("got %q, want %q", got, tt.want)
				}
				slices.Reverse(tt.updates)
			}
		})
	}
}

func TestReads(t *testing.T) {
	m, model := peerkv.Detached(id("a"), 1, at(0))
	livetest.Apply(t, model,
		livetest.Update("a", 1, 1, peerkv.MustSet("own", "1")),
		livetest.Update("b", 1, 2, peerkv.MustSet("z", "2")),
		livetest.Update("b", 2, 3, peerkv.MustSet("y", "3")),
		livetest.Update("c", 1, 4, peerkv.MustSet("gone", "")),
		livetest.Update("c", 2, 5, peerkv.MustDelete("gone")),
	)
	if e, ok := m.Get("own"); !ok || string(e.Value) != "1" || e.Author != id("a") || e.Seq != 1 {
		t.Errorf("Get: %+v, %v", e, ok)
	}
	if e, ok := m.Remote(id("b"), "y"); !ok || string(e.Value) != "3" || e.Seq != 2 || e.Time != 3 {
		t.Errorf("Remote: %+v, %v", e, ok)
	}
	for _, key := range []string{"own", "", strings.Repeat("k", 5000)} {
		if e, ok := m.Remote(id("b"), key); ok {
			t.Errorf("b has %+v", e)
		}
	}
	if got := slices.Collect(m.Keys(id("b"))); !slices.Equal(got, []string{"y", "z"}) {
		t.Errorf("the keys of b are %q", got)
	}
	if got := slices.Collect(m.Keys(id("d"))); got != nil {
		t.Errorf("the keys of nobody are %q", got)
	}
	if got := slices.Collect(m.Authors()); !slices.Equal(got, []keys.NodeID{id("a"), id("b")}) || m.Len() != 3 {
		t.Errorf("the authors are %v, with %d keys", got, m.Len())
	}
	for e := range m.Of(id("b")) {
		if e.Key != "y" {
			t.Errorf("the first of b is %+v", e)
		}
		break
	}
}

func TestHostileChanges(t *testing.T) {
	for name, change := range map[string][]byte{
		"empty":               {},
		"op alone":            {1},
		"op 0":                []byte("\x00\x00\x01kv"),
		"op 4":                []byte("\x04\x00\x01kv"),
		"no key":              []byte("\x01\x00\x00value"),
		"key cut short":       []byte("\x01\x00\x09k"),
		"key of 60 kB":        append([]byte{1, 0xea, 0x60}, make([]byte, 60000)...),
		"key not UTF-8":       []byte("\x01\x00\x02k\xffvalue"),
		"delete with a value": []byte("\x02\x00\x01kvalue"),
		"until cut short":     []byte("\x03\x00\x01k1234567"),
		"until 0":             []byte("\x03\x00\x01k\x00\x00\x00\x00\x00\x00\x00\x00v"),
		"JSON":                []byte(`{"key":"k","value":"v"}`),
	} {
		m, model := detached()
		livetest.Apply(t, model, livetest.Update("a", 1, 1, peerkv.MustSet("k", "v")))
		changed, err := model.ApplyUpdate(livetest.Update("a", 2, 2, change))
		if changed || !errors.Is(err, peerkv.ErrMalformed) || texts(m) != "a k=v" {
			t.Errorf("%s: got %v, %v; the maps are %s", name, changed, err, texts(m))
		}
	}
}

const now = 1000 // ns, at which half of the values that expire have

// history is updates of several authors on few keys and few times.
func history(rng *rand.Rand) (us []replica.Update) {
	for a := range 4 {
		for seq := range rng.IntN(40) {
			key, value := fmt.Sprintf("k%d", rng.IntN(8)), fmt.Sprintf("%c%d", 'a'+a, seq+1)
			change := peerkv.MustSet(key, value)
			switch rng.IntN(4) {
			case 0:
				change = peerkv.MustDelete(key)
			case 1:
				change = peerkv.MustSetUntil(key, value, now-10+rng.Uint64N(20))
			}
			us = append(us, livetest.Update(string(rune('a'+a)), uint64(seq+1), rng.Uint64N(20), change))
		}
	}
	return us
}

// reference folds updates the slow way.
func reference(us []replica.Update) (lines []string) {
	type key struct {
		author keys.NodeID
		key    string
	}
	last := map[key]replica.Update{}
	for _, u := range us {
		k := key{u.Author, string(u.Change[3:5])}
		if u.Seq > last[k].Seq {
			last[k] = u
		}
	}
	for _, u := range slices.SortedFunc(func(yield func(replica.Update) bool) {
		for _, u := range last {
			if !yield(u) {
				return
			}
		}
	}, func(a, b replica.Update) int {
		return cmp.Or(a.Author.Compare(b.Author), cmp.Compare(string(a.Change[3:5]), string(b.Change[3:5])))
	}) {
		e := peerkv.Entry{Ref: u.Ref, Key: string(u.Change[3:5]), Value: u.Change[5:], Time: u.Time}
		if u.Change[0] == 3 {
			for _, b := range u.Change[5:13] {
				e.Expires = e.Expires<<8 | uint64(b)
			}
			e.Value = u.Change[13:]
		}
		if u.Change[0] != 2 && (e.Expires == 0 || e.Expires > now) {
			lines = append(lines, line(e))
		}
	}
	return lines
}

// TestStateIsAFunctionOfTheSet folds the same updates in many orders, with rebuilds in
// between that take some authors out.
func TestStateIsAFunctionOfTheSet(t *testing.T) {
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 0))
	for range 200 {
		m, model := peerkv.Detached(keys.NodeID{}, 1, at(now))
		us := history(rng)
		rng.Shuffle(len(us), func(i, j int) { us[i], us[j] = us[j], us[i] })
		var counted []replica.Update
		for _, u := range us {
			before := dump(m)
			changed, err := model.ApplyUpdate(u)
			if err != nil {
				t.Fatal(err)
			}
			if !changed && !slices.Equal(before, dump(m)) {
				t.Fatalf("seed %d: an update that changes nothing does", seed)
			}
			counted = append(counted, u)
			if rng.IntN(15) == 0 {
				counted = slices.DeleteFunc(counted, func(c replica.Update) bool { return c.Author == u.Author })
				livetest.Rebuild(t, model, counted...)
			}
			if got, want := dump(m), reference(counted); !slices.Equal(got, want) || m.Len() != len(want) {
				t.Fatalf("seed %d: after %d updates the maps are\n%s\nwant\n%s", seed, len(counted), strings.Join(got, ""), strings.Join(want, ""))
			}
		}
		m.Close()
	}
}

// TestRebuildIsNotSeen: readers see the state before until the rebuild is over.
func TestRebuildIsNotSeen(t *testing.T) {
	m, model := detached()
	a, b := livetest.Update("a", 1, 1, peerkv.MustSet("k", "of a")), livetest.Update("b", 1, 2, peerkv.MustSet("k", "of b"))
	livetest.Apply(t, model, a, b)
	before := dump(m)
	model.Reset()
	livetest.Apply(t, model, a)
	if got := dump(m); !slices.Equal(got, before) {
		t.Errorf("during the rebuild: %v", got)
	}
	model.Rebuilt()
	if got := texts(m); got != "a k=of a" {
		t.Errorf("after the rebuild: %v", got)
	}
	model.Rebuilt() // without a Reset
	livetest.Rebuild(t, model)
	if m.Len() != 0 || dump(m) != nil {
		t.Errorf("a rebuild without updates leaves %v", dump(m))
	}
}

// TestListingIsOneMoment: what is written during an iteration is not in it.
func TestListingIsOneMoment(t *testing.T) {
	for name, list := range map[string]func(*peerkv.Map) iter.Seq[peerkv.Entry]{
		"All": (*peerkv.Map).All,
		"Of":  func(m *peerkv.Map) iter.Seq[peerkv.Entry] { return m.Of(id("a")) },
	} {
		m, model := detached()
		for i := range uint64(1000) {
			livetest.Apply(t, model, livetest.Update("a", i+1, 1, peerkv.MustSet(fmt.Sprintf("k%04d", i), "first")))
		}
		n, seq := 0, uint64(1000)
		for e := range list(m) {
			seq++
			livetest.Apply(t, model, livetest.Update("a", seq, 1, peerkv.MustSet(fmt.Sprintf("k%04d", 999-n), "second")))
			n++
			if string(e.Value) != "first" {
				t.Fatalf("%s: %s is %s", name, e.Key, e.Value)
			}
		}
		if n != 1000 {
			t.Errorf("%s: %d values", name, n)
		}
	}
}

// TestValuesBelongToTheCaller: what comes out can be written to, and the change that
// came in can be reused.
func TestValuesBelongToTheCaller(t *testing.T) {
	m, model := detached()
	u := livetest.Update("a", 1, 1, peerkv.MustSet("k", "value"))
	livetest.Apply(t, model, u)
	clear(u.Change)
	for e := range m.All() {
		clear(e.Value)
	}
	if got := texts(m); got != "a k=value" {
		t.Errorf("now %q", got)
	}
}

// TestConcurrentUse is for the race detector.
func TestConcurrentUse(t *testing.T) {
	m, model := detached()
	changes := watch(t, m, "", "k*")
	done := make(chan struct{})
	var readers sync.WaitGroup
	readers.Go(func() {
		for range changes {
		}
	})
	readers.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
			}
			m.Remote(id("a"), "k1")
			last := ""
			for k := range m.Keys(id("a")) {
				if k <= last {
					t.Errorf("%q comes after %q", k, last)
				}
				last = k
			}
			for range m.Authors() {
			}
		}
	})
	for i := range uint64(3000) {
		u := livetest.Update("a", i+1, i+1, peerkv.MustSet(fmt.Sprintf("k%d", i%300), "v"))
		if i%1000 == 999 {
			livetest.Rebuild(t, model, u)
			continue
		}
		livetest.Apply(t, model, u)
	}
	close(done)
	m.Close()
	readers.Wait()
}
