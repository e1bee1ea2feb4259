package doc_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/model/doc"
	"github.com/hearsaynet/hearsay/replica/model/internal/livetest"
)

// names are the values of the field "n" in a Set, in order.
func names(s *doc.Set) string {
	var all []string
	for r := range s.Rows() {
		var n any
		if ok, err := r.Decode("n", &n); !ok || err != nil {
			n = r.ID()
		}
		all = append(all, fmt.Sprint(n))
	}
	return strings.Join(all, " ")
}

func TestSequence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, ctx := mount(t, livetest.NewNode(t, "alice")), t.Context()
		s := must[*doc.Sequence](t)(d.Sequence(doc.Where("list", "todo"), ""))
		other := must[*doc.Sequence](t)(d.Sequence(doc.Match(func(r doc.Row) bool { _, ok := r.Get("n"); return ok }), "place"))
		step := func(err error, want string) {
			t.Helper()
			if err != nil || names(s.Set) != want {
				t.Fatalf("%q, %v; want %q", names(s.Set), err, want)
			}
		}
		b, _, err := s.Push(ctx, fields{"n": "b"})
		step(err, "b")
		given := fields{"n": "d"}
		dd, ref, err := s.Push(ctx, given)
		step(err, "b d")
		if len(given) != 1 {
			t.Errorf("the caller's fields are now %v", given)
		}
		if r, ok := d.Get(dd); !ok {
			t.Error("a pushed row is not there")
		} else if f, ok := r.Get("list"); !ok || f.Ref != ref || string(f.Value) != `"todo"` {
			t.Errorf("its field is %s of %v, want that of %v", f.Value, f.Ref, ref)
		}
		_, _, err = s.Insert(ctx, 1, fields{"n": "c"})
		step(err, "b c d")
		_, _, err = s.Insert(ctx, 0, fields{"n": "a"})
		step(err, "a b c d")
		x, _, err := s.InsertBefore(ctx, dd, fields{"n": "x"})
		step(err, "a b c x d")
		_, _, err = s.InsertAfter(ctx, dd, fields{"n": "e"})
		step(err, "a b c x d e")
		_, err = s.Move(ctx, 3, 0)
		step(err, "x a b c d e")
		_, err = s.Move(ctx, 0, 5)
		step(err, "a b c d e x")
		_, err = s.Move(ctx, 1, 1)
		step(err, "a b c d e x")
		_, err = s.MoveBefore(ctx, x, b)
		step(err, "a x b c d e")
		_, err = s.MoveAfter(ctx, x, dd)
		step(err, "a b c d x e")
		_, err = s.Remove(ctx, 4)
		step(err, "a b c d e")
		if _, ok := d.Get(x); ok {
			t.Error("a removed row is still there")
		}
		// In another order at the same time; rows without a position come last, by name.
		for range 5 {
			must[any](t)(other.Move(ctx, 4, 0))
		}
		step(nil, "a b c d e")
		before := names(other.Set)
		must[any](t)(other.Move(ctx, 0, 4))
		if got := names(other.Set); got != before[2:]+" "+before[:1] {
			t.Errorf("%q after %q", got, before)
		}
		// Rows without a position.
		must[any](t)(d.Set(ctx, "~z", fields{"list": "todo", "n": "z"}))
		must[any](t)(d.Set(ctx, "~y", fields{"list": "todo", "n": "y", "_sort": "not a position"}))
		step(nil, "a b c d e y z")
		_, _, err = s.Push(ctx, fields{"n": "f"})
		step(err, "a b c d e f y z")
		_, err = s.MoveBefore(ctx, "~z", b)
		step(err, "a z b c d e f y")
		_, err = s.MoveAfter(ctx, b, "~y")
		step(err, "a z c d e f b y")
		if r, ok := s.At(0); !ok || r.ID() == "" {
			t.Errorf("At(0) is %v", r)
		}
		if _, ok := s.At(8); ok {
			t.Error("At(8) is there")
		}
		// A row that matches no more goes.
		must[any](t)(d.Set(ctx, b, fields{"list": "done"}))
		step(nil, "a z c d e f y")
		if _, ok := s.Index(b); ok {
			t.Error("a row that went has an index")
		}
		if _, ok := s.Get(b); ok {
			t.Error("a row that went is there")
		}
		s.Close()
		must[any](t)(d.Set(ctx, b, fields{"list": "todo"}))
		step(nil, "a z c d e f y")
	})
}

func TestSequenceErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, ctx := mount(t, livetest.NewNode(t, "alice")), t.Context()
		s := must[*doc.Sequence](t)(d.Sequence(doc.Query{}, ""))
		row, _, err := s.Push(ctx, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, _, low := s.Insert(ctx, -1, nil)
		_, _, high := s.Insert(ctx, 2, nil)
		for name, err := range map[string]error{
			"insert at -1": low, "insert at 2": high, "move 1": second(s.Move(ctx, 1, 0)), "move to 1": second(s.Move(ctx, 0, 1)), "remove 1": second(s.Remove(ctx, 1)),
		} {
			if !errors.Is(err, doc.ErrRange) || !strings.Contains(err.Error(), "of 1 rows") {
				t.Errorf("%s: %v, want ErrRange and the length", name, err)
			}
		}
		_, _, before := s.InsertBefore(ctx, "none", nil)
		_, _, after := s.InsertAfter(ctx, "none", nil)
		for name, err := range map[string]error{
			"insert before": before, "insert after": after, "move": second(s.MoveBefore(ctx, "none", row)), "move after": second(s.MoveAfter(ctx, row, "none")),
		} {
			if !errors.Is(err, doc.ErrNotFound) {
				t.Errorf("%s: %v, want ErrNotFound", name, err)
			}
		}
		if _, _, err := s.Push(ctx, fields{"": 1}); !errors.Is(err, doc.ErrBadName) {
			t.Errorf("a field without a name: %v", err)
		}
		if _, err := d.Sequence(doc.Query{}, strings.Repeat("s", 256)); !errors.Is(err, doc.ErrBadName) {
			t.Errorf("a long field: %v", err)
		}
	})
}

func second[T any](_ T, err error) error { return err }

// TestHostilePositions: rows that leave no room are moved aside.
func TestHostilePositions(t *testing.T) {
	end := strings.Repeat("ff", 255)
	synctest.Test(t, func(t *testing.T) {
		n := livetest.NewNode(t, "alice")
		d, ctx := mount(t, n), t.Context()
		s := must[*doc.Sequence](t)(d.Sequence(doc.Query{}, ""))
		for _, row := range []string{"a", "b", "c"} {
			must[any](t)(d.Set(ctx, row, fields{doc.DefaultSort: end, "n": row}))
		}
		if _, _, err := s.Insert(ctx, 1, fields{"n": "x"}); err != nil || names(s.Set) != "a x b c" {
			t.Errorf("%q, %v", names(s.Set), err)
		}
		if _, _, err := s.Push(ctx, fields{"n": "y"}); err != nil || names(s.Set) != "a x b c y" {
			t.Errorf("%q, %v", names(s.Set), err)
		}
		for _, row := range []string{"d", "e", "f"} {
			must[any](t)(d.Set(ctx, row, fields{doc.DefaultSort: end, "n": row}))
		}
		if _, err := s.MoveBefore(ctx, "d", "f"); err != nil || names(s.Set) != "a x b c y e d f" {
			t.Errorf("%q, %v", names(s.Set), err)
		}
		if _, err := s.MoveAfter(ctx, "e", "d"); err != nil || names(s.Set) != "a x b c y d e f" {
			t.Errorf("%q, %v", names(s.Set), err)
		}
	})
}

// TestMoveAmongEqual: the row that moves may be one of those that make room.
func TestMoveAmongEqual(t *testing.T) {
	start := strings.Repeat("00", 254) + "01"
	synctest.Test(t, func(t *testing.T) {
		d, ctx := mount(t, livetest.NewNode(t, "alice")), t.Context()
		s := must[*doc.Sequence](t)(d.Sequence(doc.Query{}, ""))
		for _, row := range []string{"a", "b", "c", "d"} {
			must[any](t)(d.Set(ctx, row, fields{doc.DefaultSort: start, "n": row}))
		}
		ref, err := s.MoveBefore(ctx, "c", "a")
		if err != nil || names(s.Set) != "c a b d" {
			t.Errorf("%q, %v", names(s.Set), err)
		}
		r, _ := d.Get("c")
		if f, _ := r.Get(doc.DefaultSort); f.Ref != ref {
			t.Errorf("its position is of %v, want %v", f.Ref, ref)
		}
	})
}

// TestPositionsStayShort: who goes on where it wrote last takes small steps.
func TestPositionsStayShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, ctx := mount(t, livetest.NewNode(t, "alice")), t.Context()
		s := must[*doc.Sequence](t)(d.Sequence(doc.Query{}, ""))
		for i := range 2 {
			if _, _, err := s.Push(ctx, fields{"n": i}); err != nil {
				t.Fatal(err)
			}
		}
		for i := range 200 { // forwards
			if _, _, err := s.Insert(ctx, 1+i, nil); err != nil {
				t.Fatal(err)
			}
		}
		for range 200 { // backwards, behind the first
			if _, _, err := s.Insert(ctx, 1, nil); err != nil {
				t.Fatal(err)
			}
		}
		for r := range s.Rows() {
			if f, _ := r.Get(doc.DefaultSort); len(f.Value) > 2+2*14 {
				t.Fatalf("a position of %d digits", len(f.Value)-2)
			}
		}
	})
}

// TestQueries: what a Where takes, and what a Match does that panics.
func TestQueries(t *testing.T) {
	d, model := doc.Detached(keys.NodeID{}, 1)
	long := strings.Repeat("x", doc.MaxMatch-1)
	livetest.Apply(t, model, set("a", 1, 1, "r", fields{"x": 1}), set("a", 2, 2, "s", fields{"x": long}), set("a", 3, 3, "t", nil))
	for name, q := range map[string]doc.Query{"no field": doc.Where("", 1), "bad value": doc.Where("x", func() {}), "long value": doc.Where("x", long)} {
		if s, err := d.Select(q); err == nil || s != nil || !strings.HasPrefix(err.Error(), "doc: select: ") {
			t.Errorf("%s: %v", name, err)
		}
		if s, err := d.Sequence(q, ""); err == nil || s != nil {
			t.Errorf("a sequence of %s: %v", name, err)
		}
	}
	s := must[*doc.Set](t)(d.Select(doc.Match(func(r doc.Row) bool {
		f, _ := r.Get("x")
		return f.Value[0] == '1' // out of range without x
	})))
	if got := rows(s); got != `r{"x":1}` {
		t.Errorf("got %s", got)
	}
	livetest.Apply(t, model, set("a", 4, 4, "r", fields{"x": nil}), set("a", 5, 5, "t", fields{"x": 12}))
	if got := rows(s); got != `t{"x":12}` {
		t.Errorf("then %s", got)
	}
	if s := must[*doc.Set](t)(d.Select(doc.Where("none", nil))); s.Len() != 0 {
		t.Errorf("without the field: %s", rows(s))
	}
	livetest.Apply(t, model, livetest.Update("b", 1, 9, []byte("\x01\x01n\x04none\x00\x00\x00\x04null")))
	if s := must[*doc.Set](t)(d.Select(doc.Where("none", nil))); s.Len() != 1 {
		t.Errorf("null: %s", rows(s))
	}
}
