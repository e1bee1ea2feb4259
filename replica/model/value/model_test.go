package value_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/internal/livetest"
	"github.com/hearsaynet/hearsay/replica/model/value"
)

func set(author string, seq, time uint64, v string) replica.Update {
	return livetest.Update(author, seq, time, value.SetChange([]byte(v)))
}

// dump writes the history, oldest first.
func dump(v *value.Value) string {
	var lines []string
	for _, e := range v.History() {
		lines = append(lines, line(e))
	}
	return strings.Join(lines, "\n")
}

func line(e value.Entry) string {
	return fmt.Sprintf("%s %q/%d %d %x", e.Value, e.Author[2:4], e.Seq, e.Time, e.Hash[:4])
}

func get(v *value.Value) string {
	if e, ok := v.Get(); ok {
		return string(e.Value)
	}
	return "none"
}

func TestLastWriterWins(t *testing.T) {
	for _, tt := range []struct {
		name    string
		updates []replica.Update
		want    string
	}{
		{"nothing", nil, "none"},
		{"the later time", []replica.Update{set("a", 1, 10, "old"), set("b", 1, 11, "new")}, "new"},
		{"not the higher seq", []replica.Update{set("a", 1, 11, "dated later"), set("a", 2, 10, "dated earlier")}, "dated later"},
		{"at the same time, the higher author", []replica.Update{set("a", 1, 10, "a"), set("b", 1, 10, "b")}, "b"},
		{"an empty value", []replica.Update{set("a", 1, 10, "old"), set("a", 2, 11, "")}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for range 2 {
				v, model := value.Detached(keys.NodeID{}, 1, 1)
				livetest.Apply(t, model, tt.updates...)
				if got := get(v); got != tt.want {
					t.Errorf("got %q, want %q", got, tt.want)
				}
				slices.Reverse(tt.updates)
			}
		})
	}
}

// TestHistory: the last n are kept, in one order, whatever the order of arrival.
func TestHistory(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var us []replica.Update
	for i := range uint64(40) {
		us = append(us, set(string(rune('a'+i%3)), i/3+1, rng.Uint64N(12), fmt.Sprint(i)))
	}
	sorted := slices.Clone(us)
	slices.SortFunc(sorted, func(a, b replica.Update) int {
		if a.Before(&b) {
			return -1
		}
		return 1
	})
	for _, n := range []int{1, 2, 7, 39, 40, 41} {
		for range 20 {
			v, model := value.Detached(keys.NodeID{}, n, 1)
			rng.Shuffle(len(us), func(i, j int) { us[i], us[j] = us[j], us[i] })
			for i, u := range us {
				before := dump(v)
				changed, err := model.ApplyUpdate(u)
				if err != nil || changed != (dump(v) != before) {
					t.Fatalf("update %d: changed is %v (%v)", i, changed, err)
				}
			}
			var want []string
			for _, u := range sorted[max(0, len(sorted)-n):] {
				want = append(want, line(value.Entry{Ref: u.Ref, Value: u.Change[1:], Time: u.Time}))
			}
			if got := dump(v); got != strings.Join(want, "\n") {
				t.Fatalf("the last %d are\n%s\nwant\n%s", n, got, strings.Join(want, "\n"))
			}
			if e, ok := v.Get(); !ok || line(e) != want[len(want)-1] {
				t.Errorf("Get returns %s, want %s", line(e), want[len(want)-1])
			}
		}
	}
}

func TestHostileChanges(t *testing.T) {
	v, model := value.Detached(keys.NodeID{}, 4, 1)
	livetest.Apply(t, model, set("a", 1, 1, "v"))
	before := dump(v)
	for _, change := range []string{"", "\x00value", "\x02value", "{}", "\xff"} {
		changed, err := model.ApplyUpdate(livetest.Update("a", 2, 2, []byte(change)))
		if changed || !errors.Is(err, value.ErrMalformed) || dump(v) != before {
			t.Errorf("%q: %v, %v; now %s", change, changed, err, dump(v))
		}
	}
}

func TestRebuild(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, late := set("a", 1, 1, "of a"), set("b", 1, 2, "of b"), set("a", 2, 3, "late")
		v, model := value.Detached(a.Author, 2, 16)
		changes, err := v.Watch(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		livetest.Apply(t, model, a, b)
		before := dump(v)
		model.Reset()
		livetest.Apply(t, model, a)
		if got := dump(v); got != before {
			t.Errorf("during the rebuild: %s", got)
		}
		model.Rebuilt()
		if get(v) != "of a" {
			t.Errorf("after the rebuild: %s", dump(v))
		}
		model.Rebuilt() // without a Reset
		livetest.Rebuild(t, model, a)
		livetest.Rebuild(t, model)
		livetest.Apply(t, model, late)
		var got []string
		for _, c := range livetest.Drain(changes) {
			text := func(e *value.Entry) string {
				if e == nil {
					return "-"
				}
				return string(e.Value)
			}
			got = append(got, fmt.Sprintf("%s>%s %v", text(c.Old), text(c.New), c.Local))
		}
		want := []string{"->of a true", "of a>of b false", "of b>of a true", "of a>- false", "->late true"}
		if !slices.Equal(got, want) {
			t.Errorf("told %q, want %q", got, want)
		}
		v.Close()
	})
}

func TestSlowWatcher(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v, model := value.Detached(keys.NodeID{}, 20, 2)
		changes, err := v.Watch(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for i := range uint64(10) {
			livetest.Apply(t, model, set("a", i+1, i+1, "v"))
			synctest.Wait()
		}
		livetest.Apply(t, model, set("b", 1, 0, "not the last: not told"))
		got := livetest.Drain(changes)
		if len(got) != 4 || got[3] != (value.Change{Lost: 7}) {
			t.Errorf("told %d changes, %+v", len(got), got)
		}
		v.Close()
		if _, err := v.Watch(t.Context()); !errors.Is(err, value.ErrClosed) {
			t.Errorf("Watch after Close: %v", err)
		}
	})
}

// TestValuesBelongToTheCaller: what comes out can be written to, and the change that
// came in can be reused.
func TestValuesBelongToTheCaller(t *testing.T) {
	v, model := value.Detached(keys.NodeID{}, 2, 1)
	u := set("a", 1, 1, "value")
	livetest.Apply(t, model, u)
	clear(u.Change)
	e, _ := v.Get()
	clear(e.Value)
	clear(v.History()[0].Value)
	if get(v) != "value" {
		t.Errorf("the value is now %q", get(v))
	}
}

// TestConcurrentUse is for the race detector.
func TestConcurrentUse(t *testing.T) {
	v, model := value.Detached(keys.NodeID{}, 8, 4)
	changes, err := v.Watch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
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
			all := v.History()
			if !slices.IsSortedFunc(all, func(a, b value.Entry) int { return int(a.Time) - int(b.Time) }) {
				t.Errorf("out of order: %v", all)
			}
		}
	})
	for i := range uint64(2000) {
		livetest.Apply(t, model, set("a", i+1, i+1, "v"))
		if i%500 == 499 {
			livetest.Rebuild(t, model, set("a", 1, 1, "v"))
		}
	}
	close(done)
	v.Close()
	readers.Wait()
}
