package list_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/internal/livetest"
	"github.com/hearsaynet/hearsay/replica/model/list"
)

// values are the list's, joined by a space.
func values(l interface{ Snapshot() list.Snapshot }) string {
	var all []string
	for _, e := range l.Snapshot().All() {
		all = append(all, string(e.Value))
	}
	return strings.Join(all, " ")
}

// dump is all that readers can see of a list.
func dump(s list.Snapshot) string {
	var b strings.Builder
	for _, e := range s.All() {
		b.WriteString(line(e))
	}
	return b.String()
}

func line(e list.Element) string {
	return fmt.Sprintf("%q/%d/%d=%q %q/%d %d\n", e.ID.Author[2:4], e.ID.Seq, e.ID.Index, e.Value, e.Ref.Author[2:4], e.Ref.Seq, e.Time)
}

func update(author string, seq, time uint64, ops ...list.Op) replica.Update {
	return livetest.Update(author, seq, time, list.Encode(ops...))
}

// el names an element.
func el(author string, seq uint64, index uint16) list.ElementID {
	id := list.ElementID{Author: keys.NodeID{0x12, 0x20}, Seq: seq, Index: index}
	copy(id.Author[2:], author)
	return id
}

// TestMeaning folds updates as they are, and backwards.
func TestMeaning(t *testing.T) {
	insert, set, remove, move := list.Insert, list.Set, list.Remove, list.Move
	three := update("a", 1, 10, insert("\x10", "1"), insert("\x20", "2"), insert("\x30", "3"))
	first, second := el("a", 1, 0), el("a", 1, 1)
	for _, tt := range []struct {
		name    string
		updates []replica.Update
		want    string
	}{
		{"insert", []replica.Update{three}, "1 2 3"},
		{"in between", []replica.Update{three, update("b", 1, 5, insert("\x20\x01", "x"))}, "1 2 x 3"},
		{"equal positions, the later behind", []replica.Update{update("a", 1, 2, insert("\x10", "late")), update("b", 1, 1, insert("\x10", "early"))}, "early late"},
		{"equal positions and times, by author", []replica.Update{update("b", 1, 1, insert("\x10", "b")), update("a", 1, 1, insert("\x10", "a"))}, "a b"},
		{"equal positions in one change, by index", []replica.Update{update("b", 1, 1, insert("\x10", "x"), insert("\x10", "y"))}, "x y"},
		{"set", []replica.Update{three, update("b", 1, 11, set(second, "two"))}, "1 two 3"},
		{"set, dated before the insert", []replica.Update{three, update("b", 1, 1, set(second, "two"))}, "1 2 3"},
		{"set twice", []replica.Update{three, update("b", 1, 12, set(second, "late")), update("c", 1, 11, set(second, "early"))}, "1 late 3"},
		{"set twice in one change", []replica.Update{three, update("b", 1, 12, set(second, "early"), set(second, "late"))}, "1 late 3"},
		{"remove", []replica.Update{three, update("b", 1, 11, remove(second))}, "1 3"},
		{"remove, dated before the insert", []replica.Update{three, update("b", 1, 1, remove(second))}, "1 2 3"},
		{"remove before a set", []replica.Update{three, update("b", 1, 11, remove(second)), update("c", 1, 12, set(second, "back"))}, "1 back 3"},
		{"remove after a set", []replica.Update{three, update("b", 1, 12, remove(second)), update("c", 1, 11, set(second, "gone"))}, "1 3"},
		{"move", []replica.Update{three, update("b", 1, 11, move(first, "\x40"))}, "2 3 1"},
		{"move, dated before the insert", []replica.Update{three, update("b", 1, 1, move(first, "\x40"))}, "1 2 3"},
		{"moves at once: the last", []replica.Update{three, update("b", 1, 11, move(first, "\x40")), update("c", 1, 12, move(first, "\x28"))}, "2 1 3"},
		{"move and set at once: both", []replica.Update{three, update("b", 1, 11, move(first, "\x40")), update("c", 1, 11, set(first, "one"))}, "2 3 one"},
		{"move does not bring back", []replica.Update{three, update("b", 1, 11, remove(first)), update("c", 1, 12, move(first, "\x40"))}, "2 3"},
		{"moved while removed", []replica.Update{three, update("b", 1, 11, remove(first)), update("c", 1, 12, move(first, "\x40")), update("d", 1, 13, set(first, "back"))}, "2 3 back"},
		{"of what is not there", []replica.Update{three, update("b", 1, 11, set(el("z", 1, 0), "x"), move(el("z", 2, 0), "\x01"), remove(el("z", 3, 0)), set(el("a", 1, 3), "x"))}, "1 2 3"},
		{"of a set, not an insert", []replica.Update{three, update("b", 1, 11, set(second, "two"), insert("\x50", "4")), update("c", 1, 12, set(el("b", 1, 0), "x"), set(el("b", 1, 1), "four"))}, "1 two 3 four"},
		{"in advance, but for one date", []replica.Update{three, update("b", 1, 9, remove(first), set(second, "x"), move(second, "\x01")), update("c", 1, 11, set(second, "two"))}, "1 two 3"},
		{"of an own insert in the same change, before it", []replica.Update{three, update("b", 1, 11, remove(el("b", 1, 1)), insert("\x01", "0"))}, "0 1 2 3"},
		{"of an own insert in the same change", []replica.Update{three, update("b", 1, 11, insert("\x01", "0"), set(el("b", 1, 0), "zero"))}, "zero 1 2 3"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for range 2 {
				l, model := list.Detached(keys.NodeID{}, 1)
				livetest.Apply(t, model, tt.updates...)
				if got := values(l); got != tt.want {
					t.Errorf("got %q, want %q", got, tt.want)
				}
				consistent(t, l)
				slices.Reverse(tt.updates)
			}
		})
	}
}

// consistent fails unless all ways to read a list say the same.
func consistent(t testing.TB, l *list.List) {
	t.Helper()
	s := l.Snapshot()
	n := 0
	for i, e := range s.All() {
		got, ok := s.Get(i)
		found, ok2 := l.Find(e.ID)
		at, ok3 := l.Index(e.ID)
		if !ok || !ok2 || !ok3 || line(got) != line(e) || line(found) != line(e) || at != i {
			t.Errorf("element %d is %s; Get says %s, %v, Find %s, %v, Index %d, %v", i, line(e), line(got), ok, line(found), ok2, at, ok3)
		}
		n++
	}
	_, below := s.Get(-1)
	_, above := s.Get(n)
	if s.Len() != n || below || above {
		t.Errorf("%d elements, Len is %d; Get(-1) %v, Get(%d) %v", n, s.Len(), below, n, above)
	}
}

// TestRebuildIsNotSeen: readers see the state before until the rebuild is over.
func TestRebuildIsNotSeen(t *testing.T) {
	l, model := list.Detached(keys.NodeID{}, 1)
	a, b := update("a", 1, 1, list.Insert("\x10", "a")), update("b", 1, 2, list.Insert("\x20", "b"))
	livetest.Apply(t, model, a, b)
	before := l.Snapshot()
	model.Reset()
	livetest.Apply(t, model, a)
	if got := values(l); got != "a b" {
		t.Errorf("during the rebuild: %q", got)
	}
	model.Rebuilt()
	if got := values(l); got != "a" || l.Snapshot().Version() <= before.Version() {
		t.Errorf("after the rebuild: %q, version %d after %d", got, l.Snapshot().Version(), before.Version())
	}
	if before.Len() != 2 {
		t.Error("a snapshot has changed")
	}
	model.Rebuilt() // without a Reset
	model.Reset()
	model.Rebuilt()
	if l.Len() != 0 {
		t.Errorf("a rebuild without updates leaves %q", values(l))
	}
}

// TestOneChangeAtOnce: readers see a change whole.
func TestOneChangeAtOnce(t *testing.T) {
	l, model := list.Detached(keys.NodeID{}, 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for seq := range uint64(300) {
			model.ApplyUpdate(update("a", seq+1, seq+1, list.Insert("\x10", "x"), list.Insert("\x20", "y"), list.Insert("\x30", "z")))
		}
	}()
	for last := uint64(0); ; {
		s := l.Snapshot()
		if s.Len()%3 != 0 || s.Version() < last {
			t.Errorf("%d elements, version %d after %d", s.Len(), s.Version(), last)
		}
		last = s.Version()
		select {
		case <-done:
			return
		default:
		}
	}
}

// TestValuesBelongToTheCaller: what comes out can be written to, and the change that came
// in can be reused.
func TestValuesBelongToTheCaller(t *testing.T) {
	l, model := list.Detached(keys.NodeID{}, 1)
	u := update("a", 1, 1, list.Insert("\x10", "value"), list.Insert("\x20", ""))
	livetest.Apply(t, model, u)
	clear(u.Change)
	e, _ := l.Get(0)
	clear(e.Value)
	if got := values(l); got != "value " {
		t.Errorf("the values are now %q", got)
	}
	if e, _ := l.Get(1); e.Value == nil {
		t.Error("an empty value is nil")
	}
	if p := list.Positions(l.Snapshot()); p[0] != "\x10" || p[1] != "\x20" {
		t.Errorf("the positions are now %q", p)
	}
}

func TestHostileChanges(t *testing.T) {
	good := list.Encode(list.Insert("\x10", "value"))
	id := string(list.Encode(list.Remove(el("a", 1, 0)))[1:])
	for name, change := range map[string]string{
		"empty": "", "op 0": "\x00" + id, "op 5": "\x05" + id, "cut short": string(good[:len(good)-1]), "a byte after": string(good) + "\x01",
		"another author's kind of id": "\x03\x00" + id[1:], "seq 0": "\x03" + id[:34] + "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
		"a value of 4 GiB": "\x01\x01\x80\xff\xff\xff\xff", "no position": "\x01\x00\x00\x00\x00\x00", "position of 60 kB": "\x01" + strings.Repeat("\xff", 60000),
		"position that ends with zero": "\x01\x02\x80\x00\x00\x00\x00\x00", "too many": strings.Repeat("\x01\x01\x80\x00\x00\x00\x00", list.MaxOperations+1),
		"a good one first": string(good) + "\x07", "an event": "\x05hello world", "JSON": `{"0.5":"value"}`,
	} {
		t.Run(name, func(t *testing.T) {
			l, model := list.Detached(keys.NodeID{}, 16)
			livetest.Apply(t, model, update("a", 1, 1, list.Insert("\x10", "value")))
			before := dump(l.Snapshot())
			changed, err := model.ApplyUpdate(livetest.Update("a", 2, 2, []byte(change)))
			if changed || !errors.Is(err, list.ErrMalformed) {
				t.Errorf("got %v, %v; want an error that wraps ErrMalformed", changed, err)
			}
			if got := dump(l.Snapshot()); got != before {
				t.Errorf("the list is %s, was %s", got, before)
			}
		})
	}
	l, model := list.Detached(keys.NodeID{}, 16)
	most := bytes.Repeat([]byte("\x01\x01\x80\x00\x00\x00\x00"), list.MaxOperations)
	if changed, err := model.ApplyUpdate(livetest.Update("a", 1, 1, most)); !changed || err != nil || l.Len() != list.MaxOperations {
		t.Errorf("%d operations: %v, %v, %d elements", list.MaxOperations, changed, err, l.Len())
	}
}

// TestReports checks what the replica is told of an update.
func TestReports(t *testing.T) {
	_, model := list.Detached(keys.NodeID{}, 1)
	one := el("a", 1, 0)
	for i, tt := range []struct {
		u    replica.Update
		want bool
	}{
		{update("a", 1, 10, list.Insert("\x10", "v")), true},
		{update("b", 1, 20, list.Set(one, "w")), true},
		{update("b", 2, 19, list.Set(one, "older")), false},
		{update("b", 3, 19, list.Remove(one)), false},
		{update("b", 4, 19, list.Move(one, "\x20")), true},
		{update("b", 5, 18, list.Move(one, "\x30")), false},
		{update("b", 6, 18, list.Move(one, "\x30"), list.Remove(one), list.Insert("\x01", "")), true},
	} {
		if got, err := model.ApplyUpdate(tt.u); got != tt.want || err != nil {
			t.Errorf("%d: changed %v, %v; want %v", i, got, err, tt.want)
		}
	}
}

// TestConcurrentUse is for the race detector.
func TestConcurrentUse(t *testing.T) {
	l, model := list.Detached(keys.NodeID{}, 4)
	changes, err := l.Watch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	var readers sync.WaitGroup
	readers.Go(func() {
		for range changes {
		}
	})
	for range 2 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				s := l.Snapshot()
				for i, e := range s.All() {
					if got, ok := s.Get(i); got.ID != e.ID || !ok {
						t.Errorf("element %d is %v, %v", i, got, ok)
					}
					l.Find(e.ID)
					l.Index(e.ID)
				}
				l.Len()
			}
		})
	}
	rng := rand.New(rand.NewPCG(1, 1))
	for seq := range uint64(1000) {
		u := update("a", seq+1, seq+1, list.Insert(string([]byte{byte(1 + rng.IntN(255))}), "v"), list.Remove(el("a", uint64(rng.IntN(1000)), 0)), list.Move(el("a", uint64(rng.IntN(1000)), 0), "\x80"))
		if seq%300 == 299 {
			livetest.Rebuild(t, model, u)
			continue
		}
		model.ApplyUpdate(u) // an error if it is about element 0 of update 0
	}
	close(stop)
	l.Close()
	readers.Wait()
}

// TestIndexOfWhatMoves: an element that is in the list has an index at each moment.
func TestIndexOfWhatMoves(t *testing.T) {
	l, model := list.Detached(keys.NodeID{}, 1)
	livetest.Apply(t, model, update("a", 1, 1, list.Insert("\x80", "v")))
	done := make(chan struct{})
	go func() {
		defer close(done)
		for seq := range uint64(5_000) {
			model.ApplyUpdate(update("a", seq+2, seq+2, list.Move(el("a", 1, 0), string([]byte{byte(1 + seq%255)}))))
		}
	}()
	for moving := true; moving; {
		select {
		case <-done:
			moving = false
		default:
		}
		if at, ok := l.Index(el("a", 1, 0)); at != 0 || !ok {
			t.Fatalf("it is at %d, %v", at, ok)
		}
	}
}

// TestWatchMeanwhile: who begins to watch while a long change is applied, and takes a
// Snapshot then, misses nothing.
func TestWatchMeanwhile(t *testing.T) {
	var ops []list.Op
	for i := range 5000 {
		ops = append(ops, list.Insert(fmt.Sprintf("%04x", i+1), "x"))
	}
	long := update("a", 2, 2, ops...)
	for range 20 {
		l, model := list.Detached(keys.NodeID{}, 1<<16)
		livetest.Apply(t, model, update("a", 1, 1, list.Insert("\x10", "first")))
		l.Snapshot()
		started := make(chan struct{})
		var applying sync.WaitGroup
		applying.Go(func() {
			close(started)
			livetest.Apply(t, model, long)
		})
		<-started
		changes, err := l.Watch(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		s := l.Snapshot()
		applying.Wait()
		livetest.Apply(t, model, update("a", 3, 3, list.Insert("\x90", "last")))
		n := s.Len()
		for c := range changes {
			if c.Version > s.Version() {
				n++
			}
			if string(c.New.Value) == "last" {
				break
			}
		}
		if n != l.Len() {
			t.Errorf("the watcher knows of %d elements, the list has %d", n, l.Len())
		}
		l.Close()
	}
}
