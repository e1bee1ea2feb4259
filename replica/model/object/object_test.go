package object_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/internal/livetest"
	"github.com/hearsaynet/hearsay/replica/model/object"
)

func mount(t *testing.T, n *livetest.Node) *object.Object {
	return livetest.MustMount[*object.Object](t)(object.Mount(n.Replica, "", object.Config{}))
}

func watch(t *testing.T, o *object.Object, glob string) <-chan object.Change {
	t.Helper()
	changes, err := o.Watch(t.Context(), glob)
	if err != nil {
		t.Fatal(err)
	}
	return changes
}

// told writes what a watcher has been told.
func told(changes <-chan object.Change) (lines []string) {
	text := func(e *object.Entry) string {
		switch {
		case e == nil:
			return "-"
		case e.JSON == nil:
			return "{…}"
		}
		return string(e.JSON)
	}
	for _, c := range livetest.Drain(changes) {
		l := fmt.Sprintf("%s %s>%s", c.Path, text(c.Old), text(c.New))
		if c.Local {
			l += " local"
		}
		lines = append(lines, l)
	}
	return lines
}

func TestTwoReplicas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := livetest.NewNode(t, "alice", "bob"), livetest.NewNode(t, "bob", "alice")
		ours, theirs := mount(t, a), mount(t, b)
		for i, o := range []*object.Object{ours, theirs} { // in the same nanosecond
			if _, err := o.Set(t.Context(), fmt.Sprintf("/both/%d", i), []byte(`{"x":1}`)); err != nil {
				t.Fatal(err)
			}
			if _, err := o.Set(t.Context(), "/same", fmt.Append(nil, i)); err != nil {
				t.Fatal(err)
			}
		}
		livetest.Join(t, a, b)
		synctest.Wait()
		if string(ours.Snapshot()) != string(theirs.Snapshot()) || len(slices.Collect(ours.Keys("/both"))) != 2 {
			t.Fatalf("alice has %s\nbob has %s", ours.Snapshot(), theirs.Snapshot())
		}
		time.Sleep(time.Second)
		changes := watch(t, theirs, "/both/**")
		ref, err := ours.Write(t.Context(), object.Op{Path: "/both/0/x"}, object.Op{Path: "/both/0/y", Value: []byte("[ 2 ]")})
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if e, ok := theirs.Get("/both/0"); !ok || string(e.JSON) != `{"y":[2]}` || e.Ref != ref {
			t.Errorf("bob has %+v", e)
		}
		if _, err := theirs.Remove(t.Context(), "/both/1"); err != nil {
			t.Fatal(err)
		}
		b.Admitted.Remove(a.Author.ID())
		time.Sleep(time.Second)
		want := []string{"/both/0/x 1>-", "/both/0/y ->[2]", "/both/1 {…}>- local", "/both/1/x 1>- local", "/both/0 {…}>-", "/both/0/y [2]>-"}
		if got := told(changes); !slices.Equal(got, want) {
			t.Errorf("bob was told %q, want %q", got, want)
		}
		b.Admitted.Add(a.Author.Key())
		time.Sleep(time.Minute)
		theirs.Close()
		if again := mount(t, b); string(ours.Snapshot()) != string(again.Snapshot()) {
			t.Errorf("alice has %s\nbob has %s", ours.Snapshot(), again.Snapshot())
		}
	})
}

func TestWatch(t *testing.T) {
	for glob, want := range map[string][]string{
		"":   {"/a ->{…}", "/a/x ->1", "/a/y ->{…}", "/a/y/z ->2", "/a/x 1>3", "/a/y {…}>-", "/a/y/z 2>-", "/a {…}>4 local", "/a/x 3>- local", "/b ->{…} local", "/b/c ->{…} local"},
		"/a": {"/a ->{…}", "/a {…}>4 local"}, "/a/*": {"/a/x ->1", "/a/y ->{…}", "/a/x 1>3", "/a/y {…}>-", "/a/x 3>- local"},
		"/a/**": {"/a ->{…}", "/a/x ->1", "/a/y ->{…}", "/a/y/z ->2", "/a/x 1>3", "/a/y {…}>-", "/a/y/z 2>-", "/a {…}>4 local", "/a/x 3>- local"},
		"/*/?":  {"/a/x ->1", "/a/y ->{…}", "/a/x 1>3", "/a/y {…}>-", "/a/x 3>- local", "/b/c ->{…} local"}, "/none": nil,
	} {
		t.Run(glob, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := livetest.Update("b", 1, 30, object.Must(object.Op{Path: "/a", Value: []byte("4")}, object.Op{Path: "/b/c", Value: []byte("{}")}))
				o, model := object.Detached(b.Author, 100)
				changes := watch(t, o, glob)
				livetest.Apply(t, model, set(10, "/a", `{"x":1,"y":{"z":2}}`), set(20, "/a", `{"x":3}`), set(15, "/a/x", "5"), b)
				if got := told(changes); !slices.Equal(got, want) {
					t.Errorf("told %q\nwant %q", got, want)
				}
				o.Close()
			})
		})
	}
}

// TestRebuildTells: watchers hear what a rebuild has changed, by path.
func TestRebuildTells(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		by := func(author, path, value string) replica.Update {
			return livetest.Update(author, 1, 1, object.Must(object.Op{Path: path, Value: []byte(value)}))
		}
		a, b := by("a", "/x", `{"p":1,"q":1}`), by("b", "/x/q", "2")
		o, model := object.Detached(a.Author, 100)
		livetest.Apply(t, model, a, b)
		changes := watch(t, o, "")
		livetest.Rebuild(t, model, a)
		livetest.Rebuild(t, model, b)
		livetest.Rebuild(t, model, by("b", "/w", "3"))
		want := []string{"/x/q 2>1 local", "/x/p 1>-", "/x/q 1>2", "/w ->3", "/x {…}>-", "/x/q 2>-"}
		if got := told(changes); !slices.Equal(got, want) {
			t.Errorf("told %q\nwant %q", got, want)
		}
		o.Close()
	})
}

func TestErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := livetest.NewNode(t, "alice")
		if _, err := object.Mount(n.Replica, "", object.Config{WatchBuffer: -1}); err == nil {
			t.Error("mounted with a negative buffer")
		}
		o := mount(t, n)
		if _, err := object.Mount(n.Replica, object.DefaultChannel, object.Config{}); err == nil {
			t.Error("mounted twice on one channel")
		}
		_, path := o.Set(t.Context(), "a", []byte("1"))
		_, none := o.Set(t.Context(), "/a", nil)
		_, value := o.Set(t.Context(), "/a", []byte("x"))
		_, large := o.Set(t.Context(), "/a", slices.Concat([]byte(`"`), slices.Repeat([]byte("x"), 64<<10), []byte(`"`)))
		_, glob := o.Watch(t.Context(), "[")
		o.Close()
		_, closed := o.Remove(t.Context(), "/a")
		_, ended := o.Watch(t.Context(), "")
		for _, tt := range []struct{ got, want error }{
			{path, object.ErrBadPath}, {none, object.ErrBadValue}, {value, object.ErrBadValue}, {large, replica.ErrTooLarge},
			{glob, object.ErrBadGlob}, {closed, object.ErrClosed}, {ended, object.ErrClosed},
		} {
			if !errors.Is(tt.got, tt.want) {
				t.Errorf("got %v, want %v", tt.got, tt.want)
			}
		}
	})
}

func TestSlowWatcher(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, model := object.Detached(keys.NodeID{}, 2)
		changes := watch(t, o, "")
		livetest.Apply(t, model, set(1, "/a", `{"b":{"c":1,"d":2},"e":3}`))
		got := livetest.Drain(changes)
		if last := got[len(got)-1]; last.Lost == 0 || len(got)-1+int(last.Lost) != 5 {
			t.Errorf("told %+v", got)
		}
		o.Close()
	})
}
