package doc_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/doc"
	"github.com/hearsaynet/hearsay/replica/model/internal/livetest"
)

func mount(t *testing.T, n *livetest.Node) *doc.Doc {
	return livetest.MustMount[*doc.Doc](t)(doc.Mount(n.Replica, "", doc.Config{}))
}

func TestTwoReplicas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, ctx := livetest.NewNode(t, "alice", "bob"), livetest.NewNode(t, "bob", "alice"), t.Context()
		ours, theirs := mount(t, a), mount(t, b)
		seq := must[*doc.Sequence](t)(ours.Sequence(doc.Where("list", 1), ""))
		other := must[*doc.Sequence](t)(theirs.Sequence(doc.Where("list", 1), ""))
		same := func() {
			t.Helper()
			synctest.Wait()
			if got, want := dump(theirs), dump(ours); got != want || rows(seq) != rows(other) {
				t.Fatalf("alice has\n%s%s\nbob has\n%s%s", want, rows(seq), got, rows(other))
			}
		}
		must[any](t)(ours.Set(ctx, "both", fields{"x": "alice", "a": 1}))
		must[any](t)(theirs.Set(ctx, "both", fields{"x": "bob", "b": 2})) // in the same nanosecond
		for i := range 5 {
			for _, s := range []*doc.Sequence{seq, other} {
				if _, _, err := s.Push(ctx, fields{"n": i}); err != nil {
					t.Fatal(err)
				}
			}
		}
		livetest.Join(t, a, b)
		same()
		r, _ := ours.Get("both")
		if x, ok := r.Get("x"); !ok || !slices.Contains([]string{`"alice"`, `"bob"`}, string(x.Value)) || seq.Len() != 10 {
			t.Errorf("%s; %s", text(r), rows(seq))
		}
		for _, name := range []string{"a", "b"} {
			if _, ok := r.Get(name); !ok {
				t.Errorf("%q is gone: %s", name, text(r))
			}
		}
		time.Sleep(time.Second)
		must[any](t)(ours.Delete(ctx, "both"))
		must[any](t)(seq.Move(ctx, 0, 9))
		must[any](t)(other.Remove(ctx, 5))
		same()
		time.Sleep(time.Second)
		must[any](t)(theirs.Set(ctx, "both", fields{"b": 3}))
		same()
		if r, _ := ours.Get("both"); text(r) != `both{"b":3}` {
			t.Errorf("after a delete: %s", text(r))
		}
		// Without alice, what she deleted is back.
		b.Admitted.Remove(a.Author.ID())
		time.Sleep(time.Minute)
		if r, _ := theirs.Get("both"); text(r) != `both{"b":3,"x":"bob"}` || other.Len() > 5 {
			t.Errorf("without alice bob has %s; %s", text(r), rows(other))
		}
		b.Admitted.Add(a.Author.Key())
		time.Sleep(time.Minute)
		same()
		theirs.Close()
		again := mount(t, b)
		if dump(again) != dump(ours) {
			t.Errorf("mounted again bob has\n%s", dump(again))
		}
	})
}

func TestAdd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, ctx := mount(t, livetest.NewNode(t, "alice")), t.Context()
		one, ref, err := d.Add(ctx, fields{"x": 1})
		if err != nil {
			t.Fatal(err)
		}
		two, _, err := d.Add(ctx, nil)
		if err != nil || one == two || len(one) != 26 || d.Len() != 2 {
			t.Errorf("%q, %q, %v", one, two, err)
		}
		r, ok := d.Get(one)
		if f, _ := r.Get("x"); !ok || f.Ref != ref {
			t.Errorf("%s, %v", text(r), ok)
		}
	})
}

func TestErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, ctx := livetest.NewNode(t, "alice"), t.Context()
		if _, err := doc.Mount(n.Replica, "", doc.Config{WatchBuffer: -1}); err == nil {
			t.Error("mounted with a negative buffer")
		}
		d := mount(t, n)
		if _, err := doc.Mount(n.Replica, doc.DefaultChannel, doc.Config{}); err == nil {
			t.Error("mounted twice on one channel")
		}
		for name, tt := range map[string]struct {
			err, want error
		}{
			"no row": {second(d.Set(ctx, "", nil)), doc.ErrBadName}, "bad value": {second(d.Set(ctx, "r", fields{"x": func() {}})), doc.ErrBadValue},
			"long delete": {second(d.Delete(ctx, strings.Repeat("r", 256))), doc.ErrBadName}, "bad glob": {second(d.Watch(ctx, "[")), doc.ErrBadGlob},
			"64 KiB": {second(d.Set(ctx, "r", fields{"x": strings.Repeat("x", 64<<10)})), replica.ErrTooLarge},
		} {
			if !errors.Is(tt.err, tt.want) || !strings.HasPrefix(tt.err.Error(), "doc: ") {
				t.Errorf("%s: %v, want %v", name, tt.err, tt.want)
			}
		}
		must[any](t)(d.Set(ctx, "r", nil))
		s := must[*doc.Set](t)(d.Select(doc.Query{}))
		changes := must[<-chan doc.MemberChange](t)(s.Watch(ctx))
		d.Close()
		if _, ok := <-changes; ok {
			t.Error("a set's watcher goes on after Close")
		}
		late := must[*doc.Set](t)(d.Select(doc.Query{}))
		for name, err := range map[string]error{
			"Set": second(d.Set(ctx, "r", nil)), "Watch": second(d.Watch(ctx, "")), "a set's Watch": second(s.Watch(ctx)), "a later set's Watch": second(late.Watch(ctx)),
		} {
			if !errors.Is(err, doc.ErrClosed) {
				t.Errorf("%s after Close: %v", name, err)
			}
		}
		if d.Len() != 1 || s.Len() != 1 || late.Len() != 1 {
			t.Error("what it held is gone")
		}
	})
}

// TestWatch: a change says what was, what is and who; a slow reader is told what it missed.
func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, ctx := livetest.NewNode(t, "alice"), t.Context()
		d := livetest.MustMount[*doc.Doc](t)(doc.Mount(n.Replica, "", doc.Config{WatchBuffer: 2}))
		s := must[*doc.Set](t)(d.Select(doc.Where("x", 1)))
		changes := must[<-chan doc.Change](t)(d.Watch(ctx, "r*"))
		members := must[<-chan doc.MemberChange](t)(s.Watch(ctx))
		show := func(r *doc.Row) string {
			if r == nil {
				return "-"
			}
			return text(*r)
		}
		var got []string
		step := func() {
			for _, c := range livetest.Drain(changes) {
				got = append(got, fmt.Sprintf("%s > %s %v", show(c.Old), show(c.New), c.Local))
			}
			for _, c := range livetest.Drain(members) {
				got = append(got, fmt.Sprintf("%d %s > %d %s %v", c.From, show(c.Old), c.To, show(c.New), c.Local))
			}
		}
		must[any](t)(d.Set(ctx, "q", fields{"x": 1}))
		must[any](t)(d.Set(ctx, "r", fields{"x": 1}))
		step()
		must[any](t)(d.Set(ctx, "r", fields{"y": 1}))
		step()
		must[any](t)(d.Set(ctx, "r", fields{"x": 2}))
		must[any](t)(d.Delete(ctx, "r"))
		step()
		want := []string{
			`- > r{"x":1} true`, `-1 - > 0 q{"x":1} true`, `-1 - > 1 r{"x":1} true`,
			`r{"x":1} > r{"x":1,"y":1} true`, `1 r{"x":1} > 1 r{"x":1,"y":1} true`,
			`r{"x":1,"y":1} > r{"x":2,"y":1} true`, `r{"x":2,"y":1} > - true`, `1 r{"x":1,"y":1} > -1 - true`,
		}
		if !slices.Equal(got, want) {
			t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		for i := range 8 {
			must[any](t)(d.Set(ctx, "r", fields{"x": 1, "i": i}))
			synctest.Wait() // the first is in its hand
		}
		told, more := livetest.Drain(changes), livetest.Drain(members)
		if len(told) != 4 || told[3] != (doc.Change{Lost: 5}) || len(more) != 4 || more[3] != (doc.MemberChange{Lost: 5}) {
			t.Errorf("%d and %d changes, the last %+v and %+v", len(told), len(more), told[len(told)-1], more[len(more)-1])
		}
	})
}

// TestWhereReadsOnce: what a row says in a field that many Sets ask for is read once, and
// not at each change of the row.
func TestWhereReadsOnce(t *testing.T) {
	d, model := doc.Detached(keys.NodeID{}, 1)
	for i := range 10 {
		must[*doc.Set](t)(d.Select(doc.Where("kind", i)))
	}
	value := "[" + strings.Repeat("{},", 300) + "{}]"
	livetest.Apply(t, model, set("a", 1, 1, "r", fields{"kind": json.RawMessage(value)}))
	seq := uint64(1)
	allocs := testing.AllocsPerRun(100, func() {
		seq++
		livetest.Apply(t, model, set("a", seq, seq, "r", fields{"other": 1}))
	})
	if allocs > 100 {
		t.Errorf("%v allocations for a small change", allocs)
	}
	livetest.Apply(t, model, set("a", seq+1, seq+1, "r", fields{"kind": 3}))
	if n := must[*doc.Set](t)(d.Select(doc.Where("kind", 3.0))).Len(); n != 1 {
		t.Errorf("%d rows", n)
	}
	d.Close()
}
