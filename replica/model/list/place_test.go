package list_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/internal/fraction"
	"github.com/hearsaynet/hearsay/replica/model/internal/livetest"
	"github.com/hearsaynet/hearsay/replica/model/list"
)

// crowd makes an update that inserts n elements at each position.
func crowd(n int, positions ...string) replica.Update {
	var ops []list.Op
	for _, p := range positions {
		for range n {
			ops = append(ops, list.Insert(p, "x"))
		}
	}
	return update("mallory", 1, 1, ops...)
}

// TestRoom: wherever a hostile author has left no room, a write finds some, or comes as
// close behind as can be.
func TestRoom(t *testing.T) {
	end, start := strings.Repeat("\xff", list.MaxPosition), strings.Repeat("\x00", list.MaxPosition-1)+"\x01"
	end1, start1 := end[1:]+"\xfe", start[:list.MaxPosition-1]+"\x02"
	for _, tt := range []struct {
		name    string
		crowd   replica.Update
		at      int
		want    int // where it comes
		most    int // moved
		atLeast int
		equal   bool // to other positions
	}{
		{"room", crowd(1, "\x10", "\x20"), 1, 1, 0, 0, false},
		{"after the end", crowd(1, end), 1, 1, 1, 1, false},
		{"after two at the end", crowd(1, end1, end), 2, 2, 2, 1, false},
		{"before the beginning", crowd(1, start), 0, 0, 1, 1, false},
		{"at the only two", crowd(1, start, start1), 1, 1, 2, 1, false},
		{"between equal ones", crowd(10, "\x80"), 5, 5, 16, 1, false},
		{"between equal ones at the end", crowd(10, end), 5, 5, 32, 5, false},
		{"before many equal ones at the end", crowd(1000, end), 0, 0, 0, 0, false},
		{"after many equal ones at the end", crowd(1000, end), 1000, 0, 0, 0, false},
		{"after more of them", crowd(5000, end), 5000, 5000, 0, 0, true},
		{"among many equal ones", crowd(1000, "\x80", "\x90"), 500, 1000, 0, 0, false},
		{"among many equal ones at the end", crowd(1000, "\x80", end), 1500, 1000, 0, 0, false},
		{"before many at the beginning", crowd(1000, start), 0, 1000, 0, 0, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l, model := list.Detached(keys.NodeID{}, 1)
			livetest.Apply(t, model, tt.crowd)
			positions, moves := list.Room(l.Snapshot(), tt.at, 2)
			n := list.Moves(moves)
			if n > tt.most || n < tt.atLeast || n > fraction.MaxMoved {
				t.Errorf("%d elements move, want %d to %d", n, tt.atLeast, tt.most)
			}
			before := ids(l.Snapshot())
			if tt.equal != slices.Contains(list.Positions(l.Snapshot()), positions[0]) && n == 0 {
				t.Errorf("the position is %q", positions[0])
			}
			change := append(moves, list.Encode(list.Insert(positions[0], "a"), list.Insert(positions[1], "b"))...)
			livetest.Apply(t, model, livetest.Update("alice", 1, 2, change))
			after := ids(l.Snapshot())
			if at := slices.Index(after, el("alice", 1, uint16(n))); at != tt.want || after[at+1] != el("alice", 1, uint16(n)+1) {
				t.Errorf("it came at %d, want %d; then %v", at, tt.want, after[at+1])
			} else if rest := slices.Delete(after, at, at+2); !slices.Equal(rest, before) {
				t.Error("the others are in another order")
			}
		})
	}
}

func ids(s list.Snapshot) (all []list.ElementID) {
	for _, e := range s.All() {
		all = append(all, e.ID)
	}
	return all
}

// TestCrowdedEnd: who appends behind a hostile end makes room once.
func TestCrowdedEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, m, ctx := livetest.NewNode(t, "alice", "mallory"), livetest.NewNode(t, "mallory"), t.Context()
		end := strings.Repeat("\xff", list.MaxPosition)
		must[any](t)(m.LocalUpdate(ctx, list.DefaultChannel, list.Encode(list.Insert(end, "end"))))
		l := mount(t, a)
		livetest.Join(t, a, m)
		synctest.Wait()
		for _, w := range words("a b c") {
			must[any](t)(l.Append(ctx, w))
		}
		if got := values(l); got != "end a b c" {
			t.Errorf("%q", got)
		}
		for _, p := range list.Positions(l.Snapshot()) {
			if len(p) > 8 {
				t.Errorf("a position of %d bytes", len(p))
			}
		}
	})
}

// TestAlwaysThere: two authors insert in turn at one place, until positions are as long as
// they may be and beyond: all comes where it was put.
func TestAlwaysThere(t *testing.T) {
	l, model := list.Detached(keys.NodeID{}, 1)
	livetest.Apply(t, model, update("a", 1, 1, list.Insert("\x10", "first"), list.Insert("\x20", "last")))
	moved := 0
	for seq := range uint64(3000) {
		positions, moves := list.Room(l.Snapshot(), 1, 1)
		n := list.Moves(moves)
		moved += n
		livetest.Apply(t, model, livetest.Update("b", seq+1, seq+2, append(bytes.Clone(moves), list.Encode(list.Insert(positions[0], "x"))...)))
		if at, ok := l.Index(el("b", seq+1, uint16(n))); at != 1 || !ok {
			t.Fatalf("insert %d is at %d, %v", seq, at, ok)
		}
	}
	t.Logf("%d moves", moved)
	if moved == 0 || moved > 10*3000 {
		t.Errorf("%d moves", moved)
	}
}

// TestManyAtTheEnd: elements that leave no room at the end stay there, and what others append
// is before them, in order, and has room in between: also when those are gone.
func TestManyAtTheEnd(t *testing.T) {
	l, model := list.Detached(keys.NodeID{}, 1)
	var us []replica.Update
	add := func(at int) (is int) {
		seq := uint64(len(us) + 1)
		positions, moves := list.Room(l.Snapshot(), at, 1)
		change := append(bytes.Clone(moves), list.Encode(list.Insert(positions[0], "x"))...)
		us = append(us, livetest.Update("b", seq, seq+2, change))
		livetest.Apply(t, model, us[len(us)-1])
		is, _ = l.Index(el("b", seq, uint16(list.Moves(moves))))
		return is
	}
	add(0)
	last := strings.Repeat("\xff", 254)
	livetest.Apply(t, model, crowd(1, last+"\xfe"), update("c", 1, 1, slices.Repeat([]list.Op{list.Insert(last+"\xff", "in the way")}, 2*fraction.MaxMoved)...))
	crowded := l.Len() - 1
	for i := range 300 {
		if is := add(l.Len()); is != i+1 {
			t.Fatalf("append %d is at %d of %d", i, is, l.Len())
		}
	}
	for _, p := range list.Positions(l.Snapshot())[:300] {
		if len(p) > 20 {
			t.Fatalf("a position of %d bytes", len(p))
		}
	}
	livetest.Rebuild(t, model, us...)
	if l.Len() != 301 || crowded != 2*fraction.MaxMoved+1 {
		t.Fatalf("%d elements, %d in the way", l.Len(), crowded)
	}
	if is := add(100); is != 100 {
		t.Errorf("inserted at 100, it is at %d", is)
	}
}
