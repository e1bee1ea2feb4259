package peerkv_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/internal/livetest"
	"github.com/hearsaynet/hearsay/replica/model/peerkv"
)

func mount(t *testing.T, n *livetest.Node) *peerkv.Map {
	return livetest.MustMount[*peerkv.Map](t)(peerkv.Mount(n.Replica, "", peerkv.Config{}))
}

func watch(t *testing.T, m *peerkv.Map, author, key string) <-chan peerkv.Change {
	t.Helper()
	changes, err := m.Watch(t.Context(), author, key)
	if err != nil {
		t.Fatal(err)
	}
	return changes
}

// told writes what a watcher has been told.
func told(changes <-chan peerkv.Change) (lines []string) {
	text := func(e *peerkv.Entry) string {
		if e == nil {
			return "-"
		}
		return string(e.Value)
	}
	for _, c := range livetest.Drain(changes) {
		l := fmt.Sprintf("%s %s>%s", c.Key, text(c.Old), text(c.New))
		if c.Local {
			l += " local"
		}
		if c.Expired {
			l += " expired"
		}
		lines = append(lines, l)
	}
	return lines
}

func TestTwoReplicas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := livetest.NewNode(t, "alice", "bob"), livetest.NewNode(t, "bob", "alice")
		ours, theirs := mount(t, a), mount(t, b)
		for _, m := range []*peerkv.Map{ours, theirs} {
			if _, err := m.Set(t.Context(), "name", []byte("mine")); err != nil {
				t.Fatal(err)
			}
		}
		livetest.Join(t, a, b)
		synctest.Wait()
		if !slices.Equal(dump(ours), dump(theirs)) || ours.Len() != 2 {
			t.Fatalf("alice has %q\nbob has %q", dump(ours), dump(theirs))
		}
		all, hers := watch(t, theirs, "", ""), watch(t, theirs, a.Author.ID().Fingerprint(), "n*")
		ref, err := ours.Set(t.Context(), "name", []byte("alice"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := theirs.Delete(t.Context(), "name"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if e, ok := theirs.Remote(a.Author.ID(), "name"); !ok || e.Ref != ref || string(e.Value) != "alice" {
			t.Errorf("bob has %+v of alice", e)
		}
		if _, ok := theirs.Get("name"); ok {
			t.Error("bob's own key is still there")
		}
		b.Admitted.Remove(a.Author.ID())
		time.Sleep(time.Second)
		if theirs.Len() != 0 {
			t.Errorf("without alice bob has %q", dump(theirs))
		}
		if got, want := told(hers), []string{"name mine>alice", "name alice>-"}; !slices.Equal(got, want) {
			t.Errorf("of alice bob was told %q, want %q", got, want)
		}
		if got := told(all); len(got) != 3 || !slices.Contains(got, "name mine>- local") {
			t.Errorf("bob was told %q", got)
		}
		b.Admitted.Add(a.Author.Key())
		time.Sleep(time.Minute)
		theirs.Close()
		if again := mount(t, b); !slices.Equal(dump(ours), dump(again)) {
			t.Errorf("alice has %q\nbob has %q", dump(ours), dump(again))
		}
	})
}

// TestExpiry: a value is not shown from its time on, no older one comes back, and its
// memory goes.
func TestExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := livetest.NewNode(t, "alice", "bob"), livetest.NewNode(t, "bob", "alice")
		ours, theirs := mount(t, a), mount(t, b)
		livetest.Join(t, a, b)
		hers := watch(t, theirs, a.Author.ID().String(), "")
		set := func(value string, ttl time.Duration) {
			t.Helper()
			var err error
			if ttl == 0 {
				_, err = ours.Set(t.Context(), "k", []byte(value))
			} else {
				_, err = ours.SetTTL(t.Context(), "k", []byte(value), ttl)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		set("old", 0)
		set(strings.Repeat("v", 1000), time.Minute)
		time.Sleep(time.Minute - time.Second)
		if e, ok := theirs.Remote(a.Author.ID(), "k"); !ok || e.Expires != uint64(a.Now().Add(time.Second).UnixNano()) {
			t.Errorf("a second before its time: %+v, %v", e, ok)
		}
		told(hers)
		time.Sleep(2 * time.Second)
		if _, ok := theirs.Remote(a.Author.ID(), "k"); ok || theirs.Len() != 0 || dump(theirs) != nil {
			t.Errorf("a second after its time bob has %q", dump(theirs))
		}
		if n, size := theirs.Records(); n != 1 || size > 100 {
			t.Errorf("%d keys take %d bytes", n, size)
		}
		if got, want := told(hers), []string{"k " + strings.Repeat("v", 1000) + ">- expired"}; !slices.Equal(got, want) {
			t.Errorf("told %q", got)
		}
		set("again", time.Minute)
		set("longer", time.Hour)
		time.Sleep(2 * time.Minute)
		set("for good", 0)
		time.Sleep(2 * time.Hour)
		if got, want := told(hers), []string{"k ->again", "k again>longer", "k longer>for good"}; !slices.Equal(got, want) {
			t.Errorf("told %q, want %q", got, want)
		}
		for range 2 { // the second changes nothing that anybody sees
			if _, err := ours.SetUntil(t.Context(), "k", []byte("too late"), a.Now().Add(-time.Second)); err != nil {
				t.Fatal(err)
			}
		}
		if got, want := told(hers), []string{"k for good>- expired"}; !slices.Equal(got, want) {
			t.Errorf("told %q, want %q", got, want)
		}
		if _, size := theirs.Records(); size != 34+len("k") {
			t.Errorf("a value that came too late takes %d bytes", size)
		}

		set("mounted later", time.Minute)
		ours.Close()
		again := mount(t, a)
		if got := again.Len(); got != 1 {
			t.Errorf("mounted again: %d keys", got)
		}
		time.Sleep(2 * time.Minute)
		if got := again.Len(); got != 0 {
			t.Errorf("mounted again, two minutes later: %d keys", got)
		}
	})
}

// TestExpiryMeetsRebuild: what expires while a rebuild is under way is told once.
func TestExpiryMeetsRebuild(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, model := peerkv.Detached(keys.NodeID{}, 16, time.Now)
		changes := watch(t, m, "", "")
		until := func(seq uint64, d time.Duration) replica.Update {
			return livetest.Update("a", seq, seq, peerkv.MustSetUntil(fmt.Sprint(seq), "v", uint64(time.Now().Add(d).UnixNano())))
		}
		one, two := until(1, time.Second), until(2, time.Minute)
		livetest.Apply(t, model, one, two)
		model.Reset()
		livetest.Apply(t, model, one, two)
		time.Sleep(2 * time.Second)
		model.Rebuilt()
		time.Sleep(2 * time.Minute)
		livetest.Rebuild(t, model, livetest.Update("a", 1, 1, peerkv.MustSet("1", "first")))
		livetest.Rebuild(t, model, livetest.Update("a", 1, 1, peerkv.MustSet("1", "second")))
		want := []string{"1 ->v", "2 ->v", "1 v>- expired", "2 v>- expired", "1 ->first", "1 first>second"}
		if got := told(changes); !slices.Equal(got, want) || m.Len() != 1 {
			t.Errorf("told %q, want %q; %d keys are left", got, want, m.Len())
		}
		m.Close()
	})
}

func TestWatchGlobs(t *testing.T) {
	a, b := id("a"), id("b")
	for _, tt := range []struct {
		author, key string
		want        int
	}{
		{"", "", 4}, {"*", "", 4}, {a.String(), "", 2}, {a.Fingerprint(), "", 2}, {a.String()[:20] + "*", "x/*", 1}, {"*", "x/**", 2},
		{b.String(), "y", 1}, {"Qmnobody", "", 0}, {"{" + a.String() + "," + b.String() + "}", "y", 2},
	} {
		t.Run(tt.author+" "+tt.key, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, model := peerkv.Detached(keys.NodeID{}, 16, time.Now)
				changes := watch(t, m, tt.author, tt.key)
				for _, author := range []string{"a", "b"} {
					livetest.Apply(t, model, livetest.Update(author, 1, 1, peerkv.MustSet("x/1", "")), livetest.Update(author, 2, 2, peerkv.MustSet("y", "")))
				}
				if got := told(changes); len(got) != tt.want {
					t.Errorf("told of %q, want %d", got, tt.want)
				}
				m.Close()
			})
		})
	}
}

func TestWatchErrors(t *testing.T) {
	m, _ := detached()
	for _, globs := range [][2]string{{"[", ""}, {"", "["}} {
		if _, err := m.Watch(t.Context(), globs[0], globs[1]); !errors.Is(err, peerkv.ErrBadGlob) {
			t.Errorf("%q: %v", globs, err)
		}
	}
	m.Close()
	if _, err := m.Watch(t.Context(), "", ""); !errors.Is(err, peerkv.ErrClosed) {
		t.Errorf("Watch after Close: %v", err)
	}
}

func TestErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := livetest.NewNode(t, "alice")
		if _, err := peerkv.Mount(n.Replica, "", peerkv.Config{WatchBuffer: -1}); err == nil {
			t.Error("mounted with a negative buffer")
		}
		m := mount(t, n)
		if _, err := peerkv.Mount(n.Replica, peerkv.DefaultChannel, peerkv.Config{}); err == nil {
			t.Error("mounted twice on one channel")
		}
		_, long := m.Set(t.Context(), strings.Repeat("k", peerkv.MaxKey+1), nil)
		_, large := m.Set(t.Context(), "k", make([]byte, 64<<10))
		_, old := m.SetUntil(t.Context(), "k", nil, time.Unix(-1, 0))
		_, far := m.SetUntil(t.Context(), "k", nil, time.Unix(1<<40, 0))
		_, never := m.SetTTL(t.Context(), "k", nil, 0)
		m.Close()
		_, closed := m.Delete(t.Context(), "k")
		for _, tt := range []struct{ got, want error }{
			{long, peerkv.ErrBadKey}, {large, replica.ErrTooLarge}, {old, peerkv.ErrBadExpiry}, {far, peerkv.ErrBadExpiry},
			{never, peerkv.ErrBadExpiry}, {closed, peerkv.ErrClosed},
		} {
			if !errors.Is(tt.got, tt.want) {
				t.Errorf("got %v, want %v", tt.got, tt.want)
			}
		}
	})
}
