package relay_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/internal/wiretest"
	"github.com/hearsaynet/hearsay/replica/relay"
	"github.com/hearsaynet/hearsay/replica/store"
	"github.com/hearsaynet/hearsay/replica/wire"
	"github.com/hearsaynet/hearsay/verify"
)

// clock is a wall clock that a test moves.
type clock struct{ now time.Time }

func open(t *testing.T, st store.Store, c *clock, topics ...string) *relay.Set {
	t.Helper()
	s, err := relay.Open(t.Context(), relay.Config{
		Replica: replica.Config{Store: st, Verify: verify.AnyKey()},
		Topics:  topics,
		Now:     func() time.Time { return c.now },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func newClock() *clock { return &clock{time.Now()} }

func names(replicas []*replica.Replica) (out []string) {
	for _, r := range replicas {
		out = append(out, r.Topic())
	}
	return out
}

func all(s *relay.Set) []string {
	replicas, _ := s.Replicas()
	return names(replicas)
}

func equal(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

func TestAdopt(t *testing.T) {
	s := open(t, store.NewMemory(), newClock())
	_, changed := s.Replicas()
	got, release := s.Adopt(t.Context(), []string{"b", "a", "b", "bad\n"})
	defer release()
	equal(t, "adopted", names(got), "b", "a")
	equal(t, "carried", all(s), "a", "b")
	select {
	case <-changed:
	default:
		t.Error("nobody is told that the set has changed")
	}
	again, changed := s.Replicas()
	got, release = s.Adopt(t.Context(), []string{"a"})
	defer release()
	if len(got) != 1 || got[0] != again[0] {
		t.Error("a topic was opened twice")
	}
	select {
	case <-changed:
		t.Error("told of a change that is none")
	default:
	}
}

func TestGivenTopics(t *testing.T) {
	s := open(t, store.NewMemory(), newClock(), "a", "b")
	got, release := s.Adopt(t.Context(), []string{"b", "c"})
	defer release()
	equal(t, "answered", names(got), "b")
	equal(t, "carried", all(s), "a", "b")
}

func TestStoredTopics(t *testing.T) {
	st := store.NewMemory()
	a := wiretest.NewAuthor("a")
	if err := st.Append(t.Context(), a.Chain("stored", a.Start(), 3)...); err != nil {
		t.Fatal(err)
	}
	equal(t, "carried", all(open(t, st, newClock())), "stored")
}

func TestFull(t *testing.T) {
	c := newClock()
	st := store.NewMemory()
	a := wiretest.NewAuthor("a")
	var topics []string
	for i := range wire.MaxTopics {
		topics = append(topics, fmt.Sprintf("t%02d", i))
	}
	stored := topics[:wire.MaxTopics-1]
	for _, topic := range stored {
		if err := st.Append(t.Context(), a.Chain(topic, a.Start(), 1)...); err != nil {
			t.Fatal(err)
		}
	}
	s := open(t, st, c)
	// The last place goes to a topic in use, then to one that is empty and not in use.
	adopt := func(topic string) (ok bool, release func()) {
		got, release := s.Adopt(t.Context(), []string{topic})
		return len(got) == 1, release
	}
	ok, leave := adopt("used")
	if !ok {
		t.Fatal("no place for the last topic")
	}
	if ok, _ := adopt("more"); ok {
		t.Error("a topic in use has lost its place")
	}
	leave()
	leave() // once is enough
	if ok, leave = adopt("more"); !ok {
		t.Error("no place is made for a topic")
	}
	leave()
	if ok, _ := adopt("soon"); ok {
		t.Error("topics change without a pause")
	}
	c.now = c.now.Add(time.Minute)
	if ok, _ := adopt("later"); !ok {
		t.Error("no place is made after a while")
	}
	if got := all(s); len(got) != wire.MaxTopics || !slices.Contains(got, "later") || slices.Contains(got, "more") {
		t.Errorf("carried: %q", got)
	}
}

func TestRefused(t *testing.T) {
	many := make([]string, wire.MaxTopics+1)
	for i := range many {
		many[i] = fmt.Sprint(i)
	}
	for name, cfg := range map[string]relay.Config{
		"no store":        {},
		"bad topic":       {Topics: []string{"\n"}, Replica: replica.Config{Store: store.NewMemory()}},
		"too many topics": {Topics: many, Replica: replica.Config{Store: store.NewMemory()}},
	} {
		if _, err := relay.Open(t.Context(), cfg); err == nil {
			t.Errorf("%s: opened", name)
		}
	}
}

func TestClosed(t *testing.T) {
	s := open(t, store.NewMemory(), newClock())
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if got, _ := s.Adopt(t.Context(), []string{"a"}); len(got) != 0 {
		t.Error("a closed set adopts")
	}
}
