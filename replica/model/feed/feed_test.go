package feed_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/feed"
	"github.com/hearsaynet/hearsay/replica/model/internal/livetest"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// push makes an item that is author and seq.
func push(author string, seq, time uint64) replica.Update {
	return livetest.Update(author, seq, time, feed.PushChange(fmt.Sprint(author, seq)))
}

func remove(author string, seq, time, item uint64) replica.Update {
	return livetest.Update(author, seq, time, feed.RemoveChange(item))
}

// items returns the items, separated by blanks.
func items(seq iter.Seq[feed.Item]) string {
	var all []string
	for it := range seq {
		all = append(all, string(it.Data))
	}
	return strings.Join(all, " ")
}

// told writes changes down.
func told(changes []feed.Change) string {
	var all []string
	for _, c := range changes {
		s := "+"
		if c.Removed {
			s = "-"
		}
		s += string(c.Item.Data)
		if c.Local {
			s += "!"
		}
		if c.Lost > 0 {
			s = fmt.Sprint("lost ", c.Lost)
		}
		all = append(all, s)
	}
	return strings.Join(all, " ")
}

func TestReads(t *testing.T) {
	f, model := feed.Detached(keys.NodeID{}, 1)
	defer f.Close()
	us := []replica.Update{push("b", 1, 3), push("b", 2, 6), push("a", 1, 4), push("a", 2, 2), push("a", 4, 9), remove("a", 5, 9, 1)}
	livetest.Apply(t, model, us...)
	for what, tt := range map[string]struct{ got, want string }{
		"All":               {items(f.All()), "a2 b1 b2 a4"},
		"Newest":            {items(f.Newest(2)), "b2 a4"},
		"Newest of more":    {items(f.Newest(9)), "a2 b1 b2 a4"},
		"Newest of none":    {items(f.Newest(0)), ""},
		"Newest of less":    {items(f.Newest(-1)), ""},
		"Author a":          {items(f.Author(us[2].Author)), "a2 a4"},
		"Author b":          {items(f.Author(us[0].Author)), "b1 b2"},
		"Author of nothing": {items(f.Author(keys.NodeID{})), ""},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: %q, want %q", what, tt.got, tt.want)
		}
	}
	if got := slices.Collect(f.Authors()); !slices.Equal(got, []keys.NodeID{us[2].Author, us[0].Author}) || f.Len() != 4 {
		t.Errorf("%d items of %v", f.Len(), got)
	}
	it, ok := f.Get(us[1].Author, 2)
	if !ok || it.Ref != us[1].Ref || it.Time != 6 || string(it.Data) != "b2" {
		t.Errorf("Get: %+v, %v", it, ok)
	}
	clear(it.Data)
	clear(us[1].Change)
	if it, _ := f.Get(us[1].Author, 2); string(it.Data) != "b2" {
		t.Errorf("the item is now %q", it.Data)
	}
	for _, seq := range []uint64{1, 3, 5} {
		if it, ok := f.Get(us[2].Author, seq); ok {
			t.Errorf("Get %d: %+v", seq, it)
		}
	}
}

// TestRemove: what an author removes goes, before and after it came, and once; what
// another author says is about its own items.
func TestRemove(t *testing.T) {
	f, model := feed.Detached(keys.NodeID{}, 1)
	defer f.Close()
	livetest.Apply(t, model, push("a", 1, 1), push("b", 1, 2), push("b", 2, 3))
	for _, tt := range []struct {
		name    string
		u       replica.Update
		changed bool
		want    string
	}{
		{"one", remove("a", 3, 4, 1), true, "b1 b2"},
		{"it again", remove("a", 4, 5, 1), false, "b1 b2"},
		{"before it comes", remove("a", 5, 6, 2), false, "b1 b2"},
		{"and it comes", push("a", 2, 1), false, "b1 b2"},
		{"with the seq of another's", remove("c", 3, 7, 1), false, "b1 b2"},
		{"another remove", remove("a", 6, 8, 3), false, "b1 b2"},
		{"the author's own", remove("b", 3, 9, 1), true, "b2"},
		{"and a push goes on", push("a", 7, 10), true, "b2 a7"},
	} {
		changed, err := model.ApplyUpdate(tt.u)
		if got := items(f.All()); err != nil || changed != tt.changed || got != tt.want {
			t.Errorf("%s: %q, changed %v, %v; want %q, %v", tt.name, got, changed, err, tt.want, tt.changed)
		}
	}
	for name, change := range map[string][]byte{
		"nothing": nil, "op 0": {0}, "op 3": {3, 0}, "remove of nothing": {2}, "remove cut short": feed.RemoveChange(1)[:8],
		"remove and a byte": append(feed.RemoveChange(1), 0), "remove of 0": feed.RemoveChange(0),
		"remove of itself": feed.RemoveChange(8), "remove of what is to come": feed.RemoveChange(9), "remove of 2^64-1": feed.RemoveChange(1<<64 - 1),
		"a set of kv": []byte("\x03\x00\x03keyvalue"),
	} {
		if changed, err := model.ApplyUpdate(livetest.Update("a", 8, 11, change)); changed || !errors.Is(err, feed.ErrMalformed) {
			t.Errorf("%s: %v, %v; want an error that wraps ErrMalformed", name, changed, err)
		}
	}
	if got := items(f.All()); got != "b2 a7" {
		t.Errorf("the feed is now %q", got)
	}
}

// TestRemoveAcrossRebuilds: an item comes back when its removal is cut off.
func TestRemoveAcrossRebuilds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a1, a2, gone := push("a", 1, 1), push("a", 2, 2), remove("a", 3, 3, 1)
		f, model := feed.Detached(a1.Author, 10)
		defer f.Close()
		changes, err := f.Watch(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		livetest.Apply(t, model, a1, a2, gone)
		if got, want := told(livetest.Drain(changes)), "+a1! +a2! -a1!"; got != want {
			t.Errorf("told %q, want %q", got, want)
		}
		livetest.Rebuild(t, model, a1, a2)
		if got := items(f.All()); got != "a1 a2" {
			t.Errorf("without the removal the feed is %q", got)
		}
		livetest.Rebuild(t, model, a1, gone)
		if got := items(f.All()); got != "" {
			t.Errorf("with the removal the feed is %q", got)
		}
		if got, want := told(livetest.Drain(changes)), "+a1! -a1! -a2!"; got != want {
			t.Errorf("the rebuilds told %q, want %q", got, want)
		}
		livetest.Apply(t, model, a2)
		if changed, err := model.ApplyUpdate(a1); changed || err != nil {
			t.Errorf("a removed item came: %v, %v", changed, err)
		}
	})
}

func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, model := feed.Detached(keys.NodeID{}, 2)
		changes, err := f.Watch(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		livetest.Apply(t, model, push("a", 1, 1))
		synctest.Wait()
		livetest.Apply(t, model, push("a", 2, 2), push("a", 3, 3), push("a", 4, 4), push("a", 5, 5))
		if got, want := told(livetest.Drain(changes)), "+a1 +a2 +a3 lost 2"; got != want {
			t.Errorf("told %q, want %q", got, want)
		}
		f.Close()
		if _, ok := <-changes; ok {
			t.Error("told something after Close")
		}
		if _, err := f.Watch(t.Context()); !errors.Is(err, feed.ErrClosed) {
			t.Errorf("Watch after Close: %v", err)
		}
	})
}

// reader follows a feed in a synctest bubble.
type reader struct {
	mu   sync.Mutex // guards seen
	seen []feed.Item
	done chan struct{}
}

func read(seq iter.Seq[feed.Item]) *reader {
	r := &reader{done: make(chan struct{})}
	go func() {
		defer close(r.done)
		for it := range seq {
			r.mu.Lock()
			r.seen = append(r.seen, it)
			r.mu.Unlock()
		}
	}()
	synctest.Wait()
	return r
}

func (r *reader) all() string {
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	return items(slices.Values(r.seen))
}

func TestFollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, model := feed.Detached(keys.NodeID{}, 1)
		livetest.Apply(t, model, push("a", 1, 2), push("b", 1, 1), push("a", 2, 3))
		ctx, cancel := context.WithCancel(t.Context())
		follow, tail, from := read(f.Follow(t.Context())), read(f.Tail(t.Context(), 2)), read(f.Tail(ctx, 0))
		livetest.Apply(t, model, push("b", 2, 0))
		synctest.Wait()
		livetest.Apply(t, model, remove("b", 3, 4, 2), push("b", 4, 4), remove("b", 5, 4, 4), push("a", 3, 5)) // b4 goes before it is read
		for who, tt := range map[string]struct{ got, want string }{
			"Follow":  {follow.all(), "b1 a1 a2 b2 a3"},
			"Tail 2":  {tail.all(), "a1 a2 b2 a3"},
			"Tail 0":  {from.all(), "b2 a3"},
			"All now": {items(f.All()), "b1 a1 a2 a3"},
		} {
			if tt.got != tt.want {
				t.Errorf("%s: %q, want %q", who, tt.got, tt.want)
			}
		}
		cancel()
		<-from.done
		livetest.Apply(t, model, push("a", 4, 6))
		f.Close()
		<-follow.done
		<-tail.done
		if got := follow.all(); got != "b1 a1 a2 b2 a3 a4" {
			t.Errorf("followed %q until Close", got)
		}
	})
}

// node is a replica with a feed.
type node struct {
	*livetest.Node
	feed *feed.Feed
}

func newNode(t *testing.T, name string, admitted ...string) *node {
	n := &node{Node: livetest.NewNode(t, name, admitted...)}
	n.feed = livetest.MustMount[*feed.Feed](t)(feed.Mount(n.Replica, "", feed.Config{}))
	return n
}

func (n *node) push(t *testing.T, data string) wire.Ref {
	t.Helper()
	ref, err := n.feed.Push(t.Context(), []byte(data))
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

func TestTwoReplicas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newNode(t, "alice", "bob"), newNode(t, "bob", "alice")
		livetest.Join(t, a.Node, b.Node)
		first := a.push(t, "a1")
		time.Sleep(time.Second)
		of := b.push(t, "b1")
		time.Sleep(time.Second)
		refs, err := a.feed.PushMany(t.Context(), []byte("a2"), []byte("a3"))
		if err != nil || len(refs) != 2 {
			t.Fatalf("%d refs, %v", len(refs), err)
		}
		synctest.Wait()
		same := func(want string) {
			t.Helper()
			synctest.Wait()
			for who, n := range map[string]*node{"alice": a, "bob": b} {
				if got := items(n.feed.All()); got != want {
					t.Errorf("%s has %q, want %q", who, got, want)
				}
			}
		}
		same("a1 b1 a2 a3")
		if _, err := a.feed.Remove(t.Context(), first); err != nil {
			t.Fatal(err)
		}
		same("b1 a2 a3")
		// Nothing is written of what cannot be removed.
		other := refs[0]
		other.Hash[0] ^= 1
		clock := a.Clock()[first.Author]
		for what, tt := range map[string]struct {
			ref  wire.Ref
			want error
		}{
			"of another": {of, feed.ErrNotOwn}, "removed": {first, feed.ErrNotFound}, "of another hash": {other, feed.ErrNotFound},
			"that is no item": {clock, feed.ErrNotFound}, "nothing": {wire.Ref{}, feed.ErrNotOwn},
		} {
			if _, err := a.feed.Remove(t.Context(), tt.ref); !errors.Is(err, tt.want) {
				t.Errorf("remove one %s: %v, want %v", what, err, tt.want)
			}
		}
		if got := a.Clock()[first.Author]; got != clock {
			t.Errorf("alice wrote up to %d", got.Seq)
		}

		b.Admitted.Remove(a.Author.ID())
		synctest.Wait()
		if got := items(b.feed.All()); got != "b1" {
			t.Errorf("after alice was withdrawn bob has %q", got)
		}
		b.Admitted.Add(a.Author.Key())
		same("b1 a2 a3")
		b.feed.Close()
		if _, err := b.feed.Push(t.Context(), nil); !errors.Is(err, feed.ErrClosed) {
			t.Errorf("Push after Close: %v", err)
		}
		again := livetest.MustMount[*feed.Feed](t)(feed.Mount(b.Replica, "", feed.Config{}))
		if got := items(again.All()); got != "b1 a2 a3" {
			t.Errorf("mounted again it has %q", got)
		}
	})
}

func TestMountErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(t, "alice")
		if _, err := feed.Mount(n.Replica, "feed", feed.Config{}); err == nil {
			t.Error("mounted twice on one channel")
		}
		if _, err := feed.Mount(n.Replica, "other", feed.Config{WatchBuffer: -1}); err == nil {
			t.Error("mounted with a buffer of -1")
		}
		if _, err := n.feed.Push(t.Context(), make([]byte, 64<<10)); !errors.Is(err, replica.ErrTooLarge) {
			t.Errorf("64 KiB: %v, want ErrTooLarge", err)
		}
		if _, err := n.feed.PushMany(t.Context(), make([][]byte, 257)...); err == nil {
			t.Error("pushed 257 items at once")
		}
		if n.feed.Len() != 0 {
			t.Errorf("%d items", n.feed.Len())
		}
	})
}
