package value_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/internal/livetest"
	"github.com/hearsaynet/hearsay/replica/model/value"
)

func mount(t *testing.T, n *livetest.Node, history int) *value.Value {
	return livetest.MustMount[*value.Value](t)(value.Mount(n.Replica, "", value.Config{History: history}))
}

func TestTwoReplicas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := livetest.NewNode(t, "alice", "bob"), livetest.NewNode(t, "bob", "alice")
		ours, theirs := mount(t, a, 3), mount(t, b, 3)
		for _, v := range []*value.Value{ours, theirs} { // in the same nanosecond
			if _, err := v.Set(t.Context(), []byte("together")); err != nil {
				t.Fatal(err)
			}
		}
		livetest.Join(t, a, b)
		synctest.Wait()
		if dump(ours) != dump(theirs) || len(ours.History()) != 2 {
			t.Fatalf("alice has\n%s\nbob has\n%s", dump(ours), dump(theirs))
		}
		time.Sleep(time.Second)
		ref, err := ours.Set(t.Context(), []byte("new"))
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if e, ok := theirs.Get(); !ok || e.Ref != ref || string(e.Value) != "new" {
			t.Errorf("bob has %+v", e)
		}
		b.Admitted.Remove(a.Author.ID())
		time.Sleep(time.Second)
		if got := get(theirs); got != "together" || len(theirs.History()) != 1 {
			t.Errorf("without alice bob has\n%s", dump(theirs))
		}
		b.Admitted.Add(a.Author.Key())
		time.Sleep(time.Minute)
		ours.Close()
		again := mount(t, a, 3)
		if dump(ours) != dump(theirs) || dump(again) != dump(ours) {
			t.Errorf("alice has\n%s\nmounted again\n%s\nbob has\n%s", dump(ours), dump(again), dump(theirs))
		}
	})
}

func TestErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := livetest.NewNode(t, "alice")
		for _, cfg := range []value.Config{{History: -1}, {History: value.MaxHistory + 1}, {WatchBuffer: -1}} {
			if _, err := value.Mount(n.Replica, "", cfg); err == nil {
				t.Errorf("mounted with %+v", cfg)
			}
		}
		v := mount(t, n, 0)
		if _, err := value.Mount(n.Replica, value.DefaultChannel, value.Config{}); err == nil {
			t.Error("mounted twice on one channel")
		}
		if _, err := v.Set(t.Context(), make([]byte, 64<<10)); !errors.Is(err, replica.ErrTooLarge) {
			t.Errorf("a value of 64 KiB: %v", err)
		}
		if _, err := v.Set(t.Context(), []byte("v")); err != nil {
			t.Fatal(err)
		}
		v.Close()
		if _, err := v.Set(t.Context(), nil); !errors.Is(err, value.ErrClosed) || get(v) != "v" {
			t.Errorf("after Close: %v, the value is %q", err, get(v))
		}
	})
}
