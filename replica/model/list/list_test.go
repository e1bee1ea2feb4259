package list_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/internal/livetest"
	"github.com/hearsaynet/hearsay/replica/model/list"
)

func mount(t *testing.T, n *livetest.Node) *list.List {
	return livetest.MustMount[*list.List](t)(list.Mount(n.Replica, "", list.Config{}))
}

// words splits text into values.
func words(text string) (all [][]byte) {
	for word := range strings.FieldsSeq(text) {
		all = append(all, []byte(word))
	}
	return all
}

// must fails the test on an error.
func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// TestEdits: what each method does, by index and by name.
func TestEdits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, ctx := mount(t, livetest.NewNode(t, "alice")), t.Context()
		step := func(err error, want string) {
			t.Helper()
			if err != nil || values(l) != want {
				t.Fatalf("%q, %v; want %q", values(l), err, want)
			}
			consistent(t, l)
		}
		ids, err := l.Append(ctx, words("b d")...)
		step(err, "b d")
		_, err = l.Insert(ctx, 1, words("c")...)
		step(err, "b c d")
		_, err = l.Insert(ctx, 0, words("a")...)
		step(err, "a b c d")
		_, err = l.InsertBefore(ctx, ids[1], words("x y")...)
		step(err, "a b c x y d")
		last, err := l.InsertAfter(ctx, ids[1], words("e")...)
		step(err, "a b c x y d e")
		_, err = l.Remove(ctx, 3, 2)
		step(err, "a b c d e")
		ref, err := l.Set(ctx, 2, []byte("C"))
		step(err, "a b C d e")
		if e, ok := l.Get(2); !ok || e.Ref != ref {
			t.Errorf("element 2 is %+v", e)
		}
		_, err = l.Move(ctx, 0, 4)
		step(err, "b C d e a")
		_, err = l.Move(ctx, 4, 0)
		step(err, "a b C d e")
		_, err = l.Move(ctx, 1, 2)
		step(err, "a C b d e")
		_, err = l.Move(ctx, 2, 2)
		step(err, "a C b d e")
		_, err = l.MoveBefore(ctx, last[0], ids[0])
		step(err, "a C e b d")
		_, err = l.MoveAfter(ctx, ids[0], ids[1])
		step(err, "a C e d b")
		_, err = l.RemoveElements(ctx, ids...)
		step(err, "a C e")
		_, err = l.SetElement(ctx, ids[0], []byte("again"))
		step(err, "a C e again")
		none, err := l.Append(ctx)
		step(err, "a C e again")
		refs, err := l.Remove(ctx, 4, 0)
		step(err, "a C e again")
		if none != nil || refs != nil {
			t.Errorf("nothing was written as %v, %v", none, refs)
		}
	})
}

func TestErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, ctx := livetest.NewNode(t, "alice"), t.Context()
		if _, err := list.Mount(n.Replica, "", list.Config{WatchBuffer: -1}); err == nil {
			t.Error("mounted with a negative buffer")
		}
		l := mount(t, n)
		if _, err := list.Mount(n.Replica, list.DefaultChannel, list.Config{}); err == nil {
			t.Error("mounted twice on one channel")
		}
		ids := must[[]list.ElementID](t)(l.Append(ctx, words("a b")...))
		gone := must[[]list.ElementID](t)(l.Append(ctx, words("c")...))[0]
		must[any](t)(l.RemoveElements(ctx, gone))
		for name, err := range map[string]error{
			"insert at -1": second(l.Insert(ctx, -1, nil)), "insert at 3": second(l.Insert(ctx, 3, nil)),
			"set 2": second(l.Set(ctx, 2, nil)), "set -1": second(l.Set(ctx, -1, nil)),
			"remove 2 of 1": second(l.Remove(ctx, 1, 2)), "remove -1": second(l.Remove(ctx, 1, -1)), "remove at 3": second(l.Remove(ctx, 3, 0)), "remove at -1": second(l.Remove(ctx, -1, 1)),
			"remove many": second(l.Remove(ctx, 1, 1<<62)),
			"move 2":      second(l.Move(ctx, 2, 0)), "move to 2": second(l.Move(ctx, 0, 2)),
		} {
			if !errors.Is(err, list.ErrRange) || !strings.Contains(err.Error(), "2") {
				t.Errorf("%s: %v, want ErrRange and the length", name, err)
			}
		}
		for name, err := range map[string]error{
			"insert before": second(l.InsertBefore(ctx, gone, nil)), "insert after": second(l.InsertAfter(ctx, gone, nil)),
			"move": second(l.MoveBefore(ctx, gone, ids[0])), "move before": second(l.MoveBefore(ctx, ids[0], gone)), "move after": second(l.MoveAfter(ctx, ids[0], list.ElementID{})),
		} {
			if !errors.Is(err, list.ErrNotFound) {
				t.Errorf("%s: %v, want ErrNotFound", name, err)
			}
		}
		if _, err := l.SetElement(ctx, list.ElementID{}, nil); !errors.Is(err, list.ErrBadID) {
			t.Errorf("set of nothing: %v, want ErrBadID", err)
		}
		if _, err := l.RemoveElements(ctx, ids[0], list.ElementID{Seq: 1}); !errors.Is(err, list.ErrBadID) {
			t.Errorf("remove of nothing: %v, want ErrBadID", err)
		}
		if _, err := l.Append(ctx, make([]byte, replica.DefaultMaxChange)); !errors.Is(err, replica.ErrTooLarge) {
			t.Errorf("a value of 64 KiB: %v", err)
		}
		if _, err := l.Append(ctx, make([][]byte, list.MaxOperations+1)...); err == nil {
			t.Error("65536 values in one call")
		}
		l.Close()
		if _, err := l.Append(ctx, nil); !errors.Is(err, list.ErrClosed) || values(l) != "a b" {
			t.Errorf("after Close: %v, %q", err, values(l))
		}
		if _, err := l.Watch(ctx); !errors.Is(err, list.ErrClosed) {
			t.Errorf("Watch after Close: %v", err)
		}
	})
}

func second[T any](_ T, err error) error { return err }

// TestMany: what does not fit one change goes into several that are stored together.
func TestMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, ctx := livetest.NewNode(t, "alice"), t.Context()
		l := mount(t, n)
		var all [][]byte
		for i := range 5000 {
			all = append(all, fmt.Appendf(nil, "%d", i))
		}
		all[17] = make([]byte, 40_000)
		ids := must[[]list.ElementID](t)(l.Append(ctx, all...))
		for i, id := range ids {
			if e, ok := l.Find(id); !ok || string(e.Value) != string(all[i]) {
				t.Fatalf("value %d is %q, %v", i, e.Value, ok)
			}
			if at, _ := l.Index(id); at != i {
				t.Fatalf("value %d is at %d", i, at)
			}
		}
		refs := must[any](t)(l.Remove(ctx, 10, 4980))
		if l.Len() != 20 || refs == nil {
			t.Errorf("%d elements are left", l.Len())
		}
	})
}

func TestTwoReplicas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, ctx := livetest.NewNode(t, "alice", "bob"), livetest.NewNode(t, "bob", "alice"), t.Context()
		ours, theirs := mount(t, a), mount(t, b)
		same := func() {
			t.Helper()
			synctest.Wait()
			if got, want := dump(theirs.Snapshot()), dump(ours.Snapshot()); got != want {
				t.Fatalf("alice has\n%sbob has\n%s", want, got)
			}
		}
		must[any](t)(ours.Append(ctx, words("start")...))
		var file bytes.Buffer
		must[any](t)(a.Export(ctx, &file, replica.ExportConfig{}))
		must[any](t)(b.Import(ctx, &file))
		// At once, in the same nanosecond: all is kept, and what each wrote stays together.
		for range 20 {
			must[any](t)(ours.Append(ctx, words("a1 a2")...))
			must[any](t)(theirs.Append(ctx, words("b")...))
		}
		livetest.Join(t, a, b)
		same()
		ones, others := strings.TrimSpace(strings.Repeat("a1 a2 ", 20)), strings.TrimSpace(strings.Repeat("b ", 20))
		if got := values(ours); got != "start "+ones+" "+others && got != "start "+others+" "+ones {
			t.Errorf("mixed: %q", got)
		}
		time.Sleep(time.Second)
		must[any](t)(ours.Remove(ctx, 2, 38+20))
		same()
		// Both move one element, and one sets it.
		first := must[[]list.ElementID](t)(ours.Append(ctx, words("x y z")...))
		same()
		must[any](t)(ours.Move(ctx, 3, 0))
		must[any](t)(theirs.Move(ctx, 3, 4))
		must[any](t)(theirs.SetElement(ctx, first[0], []byte("X")))
		same()
		if e, ok := ours.Find(first[0]); !ok || string(e.Value) != "X" || e.Ref.Author != b.Author.ID() {
			t.Errorf("x is %+v, %v", e, ok)
		}
		// Without bob, what he did is undone.
		a.Admitted.Remove(b.Author.ID())
		time.Sleep(time.Second)
		if got := values(ours); strings.Contains(got, "X") || strings.Contains(got, "b") || !strings.Contains(got, "x") {
			t.Errorf("without bob alice has %q", got)
		}
		a.Admitted.Add(b.Author.Key())
		time.Sleep(time.Minute)
		same()
		theirs.Close()
		again := mount(t, b)
		if dump(again.Snapshot()) != dump(ours.Snapshot()) {
			t.Errorf("mounted again bob has\n%s", dump(again.Snapshot()))
		}
	})
}

// TestWatch: a change says where, what and who; what a snapshot has is told by the version.
func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, ctx := livetest.NewNode(t, "alice", "bob"), livetest.NewNode(t, "bob", "alice"), t.Context()
		ours, theirs := mount(t, a), mount(t, b)
		livetest.Join(t, a, b)
		must[any](t)(ours.Append(ctx, words("a b c")...))
		synctest.Wait()
		changes := must[<-chan list.Change](t)(theirs.Watch(ctx))
		must[any](t)(theirs.Set(ctx, 1, []byte("B")))
		s := theirs.Snapshot()
		must[any](t)(ours.Move(ctx, 2, 0))
		must[any](t)(ours.Remove(ctx, 1, 1))
		must[any](t)(ours.Insert(ctx, 2, words("d")...))
		var got []string
		for _, c := range livetest.Drain(changes) {
			show := func(e *list.Element) string {
				if e == nil {
					return "-"
				}
				return string(e.Value)
			}
			got = append(got, fmt.Sprintf("%d %s > %d %s local=%v seen=%v", c.From, show(c.Old), c.To, show(c.New), c.Local, c.Version <= s.Version()))
		}
		want := []string{"1 b > 1 B local=true seen=true", "2 c > 0 c local=false seen=false", "1 a > -1 - local=false seen=false", "-1 - > 2 d local=false seen=false"}
		if !slices.Equal(got, want) {
			t.Errorf("got %q\nwant %q", got, want)
		}
	})
}

func TestSlowWatcher(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, ctx := livetest.NewNode(t, "alice"), t.Context()
		l := livetest.MustMount[*list.List](t)(list.Mount(n.Replica, "", list.Config{WatchBuffer: 2}))
		changes := must[<-chan list.Change](t)(l.Watch(ctx))
		must[any](t)(l.Append(ctx, nil))
		synctest.Wait() // one in its hand
		must[any](t)(l.Append(ctx, make([][]byte, 5)...))
		got := livetest.Drain(changes)
		if len(got) != 4 || got[3] != (list.Change{Lost: 3}) {
			t.Errorf("%d changes, the last %+v", len(got), got[len(got)-1])
		}
	})
}
