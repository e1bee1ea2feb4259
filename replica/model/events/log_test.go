package events_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/events"
	"github.com/hearsaynet/hearsay/replica/model/internal/livetest"
)

// node is a replica with a log.
type node struct {
	*livetest.Node
	log *events.Log
}

// newNode is for a synctest bubble.
func newNode(t *testing.T, name string, admitted ...string) *node {
	t.Helper()
	n := &node{Node: livetest.NewNode(t, name, admitted...)}
	n.log = livetest.MustMount[*events.Log](t)(events.Mount(n.Replica, "", events.Config{}))
	return n
}

func (n *node) publish(t *testing.T, name string, data ...string) {
	t.Helper()
	var all [][]byte
	for _, d := range data {
		all = append(all, []byte(d))
	}
	refs, err := n.log.PublishMany(t.Context(), name, all...)
	if err != nil || len(refs) != len(data) {
		t.Fatalf("%d refs, %v", len(refs), err)
	}
}

func TestTwoReplicas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newNode(t, "alice", "bob"), newNode(t, "bob", "alice")
		a.publish(t, "x", "a1", "a2")
		time.Sleep(time.Second)
		b.publish(t, "x", "b1")
		b.publish(t, "y", "b2")
		followed := follow(t.Context(), b.log, "x")
		synctest.Wait()
		livetest.Join(t, a.Node, b.Node)
		synctest.Wait()
		for who, l := range map[string]*events.Log{"alice": a.log, "bob": b.log} {
			if got := data(replay(l, "")); got != "a1 a2 b1 b2" {
				t.Errorf("%s replays %q", who, got)
			}
		}
		a.publish(t, "x", "a3")
		if got := followed.all(); got != "b1 a1 a2 a3" {
			t.Errorf("bob followed %q", got)
		}

		b.Admitted.Remove(a.Author.ID())
		synctest.Wait()
		if got := data(replay(b.log, "")); got != "b1 b2" {
			t.Errorf("after alice was withdrawn bob replays %q", got)
		}
		b.publish(t, "x", "b3")
		b.Admitted.Add(a.Author.Key())
		synctest.Wait()
		if got := data(replay(b.log, "x")); got != "a1 a2 b1 a3 b3" {
			t.Errorf("after alice was admitted again bob replays %q", got)
		}
		if got := followed.all(); got != "b1 a1 a2 a3 b3" {
			t.Errorf("bob followed %q", got)
		}

		// A log mounted later reads the same from the store.
		want := data(replay(b.log, ""))
		b.log.Close()
		<-followed.done
		again, err := events.Mount(b.Replica, "", events.Config{})
		if err != nil {
			t.Fatal(err)
		}
		defer again.Close()
		if got := data(replay(again, "")); got != want {
			t.Errorf("mounted again it replays %q, want %q", got, want)
		}
	})
}

func TestPublishErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t, "alice")
		if _, err := events.Mount(n.Replica, "events", events.Config{}); err == nil {
			t.Error("mounted twice on one channel")
		}
		for _, name := range []string{"", strings.Repeat("n", 256), "\xff", "a\tb"} {
			if _, err := n.log.Publish(t.Context(), name, nil); !errors.Is(err, events.ErrBadName) {
				t.Errorf("name %.9q: %v, want ErrBadName", name, err)
			}
		}
		if _, err := n.log.Publish(t.Context(), "x", make([]byte, 64<<10)); !errors.Is(err, replica.ErrTooLarge) {
			t.Errorf("64 KiB of data: %v, want ErrTooLarge", err)
		}
		if _, err := n.log.PublishMany(t.Context(), "x", make([][]byte, 257)...); err == nil {
			t.Error("published 257 events at once")
		}
		if _, err := n.log.PublishMany(t.Context(), "x"); err == nil {
			t.Error("published no event")
		}
		if n.log.Len() != 0 {
			t.Errorf("the log is %q", data(replay(n.log, "")))
		}
		n.publish(t, "x", "1")
		n.log.Close()
		if _, err := n.log.Publish(t.Context(), "x", nil); !errors.Is(err, events.ErrClosed) {
			t.Errorf("Publish after Close: %v", err)
		}
		if got := data(replay(n.log, "")); got != "1" {
			t.Errorf("after Close it replays %q", got)
		}
	})
}
