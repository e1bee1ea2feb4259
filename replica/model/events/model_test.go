package events_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/events"
	"github.com/hearsaynet/hearsay/replica/model/internal/livetest"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// event makes the update of an event, whose data is author and seq.
func event(author string, seq, time uint64, name string) replica.Update {
	return livetest.Update(author, seq, time, events.Change(name, fmt.Sprintf("%s%d", author, seq)))
}

func apply(t testing.TB, m replica.Model, us ...replica.Update) {
	t.Helper()
	for _, u := range us {
		if changed, err := m.ApplyUpdate(u); err != nil || !changed {
			t.Fatalf("update %d of %q: %v, %v", u.Seq, u.Author[2:3], changed, err)
		}
	}
}

func rebuild(t testing.TB, m events.Model, us ...replica.Update) {
	t.Helper()
	m.Reset()
	apply(t, m, us...)
	m.Rebuilt()
}

// replay returns the events of a pattern.
func replay(l *events.Log, pattern string) iter.Seq[events.Event] {
	return replayFrom(l, pattern, events.From{})
}

func replayFrom(l *events.Log, pattern string, from events.From) iter.Seq[events.Event] {
	seq, err := l.Replay(pattern, from)
	if err != nil {
		panic(err)
	}
	return seq
}

// followed returns the events of a pattern, and then what comes.
func followed(ctx context.Context, l *events.Log, pattern string) iter.Seq[events.Event] {
	seq, err := l.Follow(ctx, pattern, events.From{})
	if err != nil {
		panic(err)
	}
	return seq
}

// data returns the data of events, separated by blanks.
func data(seq iter.Seq[events.Event]) string {
	var all []string
	for e := range seq {
		all = append(all, string(e.Data))
	}
	return strings.Join(all, " ")
}

func TestReplayOrder(t *testing.T) {
	us := []replica.Update{
		event("b", 1, 5, "x"), event("a", 1, 7, "x"), event("a", 2, 7, "y"), event("b", 2, 7, "x"),
		event("c", 1, 1, "y"), event("c", 2, 0, "x"),
	}
	ofA := "a1 a2" // at one time by one author, the hash decides
	if us[2].Before(&us[1]) {
		ofA = "a2 a1"
	}
	want := "c2 c1 b1 " + ofA + " b2"
	for range 20 {
		rand.Shuffle(len(us), func(i, j int) { us[i], us[j] = us[j], us[i] })
		l, model := events.Detached()
		apply(t, model, us...)
		if got := data(replay(l, "")); got != want || l.Len() != len(us) {
			t.Errorf("replays %q, want %q", got, want)
		}
		if got := data(replay(l, "x")); got != "c2 b1 a1 b2" {
			t.Errorf("replays %q of name x", got)
		}
		if got := data(replay(l, "none")); got != "" {
			t.Errorf("replays %q of another name", got)
		}
		for e := range replay(l, "") {
			if string(e.Data) != "c2" || e.Name != "x" || e.Seq != 2 || e.Time != 0 || e.Author[2] != 'c' || e.Hash == (wire.Hash{}) {
				t.Errorf("the first event is %+v", e)
			}
			break
		}
	}
}

func TestHostileChanges(t *testing.T) {
	l, model := events.Detached()
	apply(t, model, event("a", 1, 1, "x"))
	for name, change := range map[string][]byte{
		"empty":             {},
		"op 0":              []byte("\x00\x04name"),
		"op 3":              []byte("\x03\x04name"),
		"no name":           []byte("\x01\x00data"),
		"name cut short":    []byte("\x01\x05name"),
		"name not UTF-8":    []byte("\x01\x02n\xffdata"),
		"surrogate in name": []byte("\x01\x03\xed\xa0\x80data"),
		"line end in name":  []byte("\x01\x03a\nbdata"),
		"a set of kv":       []byte("\x01\x00\x03keyvalue"),
		"a delete of kv":    []byte("\x02\x00\x03key"),
		"until 0":           []byte("\x02\x00\x00\x00\x00\x00\x00\x00\x00\x04name"),
		"until 2^63":        []byte("\x02\x80\x00\x00\x00\x00\x00\x00\x00\x04name"),
		"until cut short":   []byte("\x02\x00\x00\x00\x00\x00\x00\x01"),
	} {
		if changed, err := model.ApplyUpdate(livetest.Update("a", 2, 2, change)); changed || !errors.Is(err, events.ErrMalformed) {
			t.Errorf("%s: got %v, %v; want an error that wraps ErrMalformed", name, changed, err)
		}
	}
	if got := data(replay(l, "")); got != "a1" {
		t.Errorf("the log is now %q", got)
	}
}

// reader follows a log in a synctest bubble.
type reader struct {
	mu   sync.Mutex
	seen []events.Event
	done chan struct{}
}

func follow(ctx context.Context, l *events.Log, name string) *reader {
	r := &reader{done: make(chan struct{})}
	go func() {
		defer close(r.done)
		for e := range followed(ctx, l, name) {
			r.mu.Lock()
			r.seen = append(r.seen, e)
			r.mu.Unlock()
		}
	}()
	return r
}

// all returns what the reader has got once it waits.
func (r *reader) all() string {
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	return data(slices.Values(r.seen))
}

func TestFollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, model := events.Detached()
		apply(t, model, event("a", 1, 5, "x"), event("b", 1, 4, "y"))
		ctx, cancel := context.WithCancel(t.Context())
		every, one := follow(ctx, l, ""), follow(t.Context(), l, "x")
		synctest.Wait()
		apply(t, model, event("a", 2, 6, "y"))
		synctest.Wait()
		apply(t, model, event("b", 2, 1, "x"), event("a", 3, 7, "x")) // b2 is late
		if got, want := every.all(), "b1 a1 a2 b2 a3"; got != want {
			t.Errorf("followed %q, want %q", got, want)
		}
		if got, want := one.all(), "a1 b2 a3"; got != want {
			t.Errorf("followed %q of x, want %q", got, want)
		}
		late := follow(t.Context(), l, "")
		if got, want := late.all(), "b2 b1 a1 a2 a3"; got != want {
			t.Errorf("followed %q, want %q", got, want)
		}
		cancel()
		<-every.done
		apply(t, model, event("b", 3, 9, "x"))
		l.Close()
		<-late.done
		<-one.done
		if got, want := late.all(), "b2 b1 a1 a2 a3 b3"; got != want {
			t.Errorf("followed %q until Close, want %q", got, want)
		}
		if got := every.all(); strings.Contains(got, "b3") {
			t.Errorf("followed %q after its context", got)
		}
		if n, _ := events.Followers(l); n != 0 {
			t.Errorf("%d followers are left", n)
		}
		if got := data(followed(t.Context(), l, "")); got != "b2 b1 a1 a2 a3 b3" {
			t.Errorf("followed %q after Close", got)
		}
	})
}

// TestSlowFollower: whoever stops between two events misses nothing.
func TestSlowFollower(t *testing.T) {
	l, model := events.Detached()
	next, stop := iter.Pull(followed(t.Context(), l, ""))
	defer stop()
	const n = 5000
	for i := range uint64(n) {
		apply(t, model, event("a", i+1, i, "x"))
		if i == 0 {
			next()
		}
	}
	for i := uint64(2); i <= n; i++ {
		if e, ok := next(); !ok || e.Seq != i {
			t.Fatalf("got %v, %v; want seq %d", e.Seq, ok, i)
		}
	}
}

// TestFollowAcrossRebuilds: nobody gets an event twice, and nobody misses one.
func TestFollowAcrossRebuilds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, model := events.Detached()
		a1, a2, b1, b2 := event("a", 1, 1, "x"), event("a", 2, 2, "x"), event("b", 1, 3, "x"), event("b", 2, 4, "x")
		apply(t, model, a1, b1)
		from := follow(t.Context(), l, "")
		synctest.Wait()

		model.Reset()
		apply(t, model, b1)
		if got := data(replay(l, "")); got != "a1 b1" {
			t.Errorf("during the rebuild the log is %q", got)
		}
		model.Rebuilt() // a is withdrawn
		if got := data(replay(l, "")); got != "b1" {
			t.Errorf("after the rebuild the log is %q", got)
		}
		between := follow(t.Context(), l, "")
		synctest.Wait()
		apply(t, model, b2)
		rebuild(t, model, b2, b1)
		apply(t, model, a1, a2) // a is admitted again
		after := follow(t.Context(), l, "")
		synctest.Wait()
		if n, back := events.Followers(l); n != 3 || back != 0 {
			t.Errorf("%d followers, and %d events are remembered as taken back", n, back)
		}

		rebuild(t, model, a1, a2)         // b is withdrawn
		rebuild(t, model, b1, a1, b2, a2) // and admitted again by a rebuild
		b3 := event("b", 3, 0, "x")
		apply(t, model, b3)
		rebuild(t, model, b1, b2, b3, event("b", 4, 5, "x")) // a is withdrawn, b4 comes
		for _, tt := range []struct {
			who  string
			r    *reader
			want string
		}{
			{"who was there before", from, "a1 b1 b2 a2 b3 b4"},
			{"who came while a was out", between, "b1 b2 a1 a2 b3 b4"},
			{"who came after", after, "a1 a2 b1 b2 b3 b4"},
		} {
			if got := tt.r.all(); got != tt.want {
				t.Errorf("%s followed %q, want %q", tt.who, got, tt.want)
			}
		}
		if got, want := data(replay(l, "")), "b3 b1 b2 b4"; got != want {
			t.Errorf("the log is %q, want %q", got, want)
		}
		l.Close()
		<-from.done
		<-between.done
		<-after.done
		if rebuild(t, model, b1); l.Len() != 1 {
			t.Errorf("the log has %d events", l.Len())
		}
		if _, back := events.Followers(l); back != 0 {
			t.Errorf("%d events are remembered for nobody", back)
		}
	})
}

// TestStateIsAFunctionOfTheSet applies the same events in many interleavings, with
// rebuilds in between that take authors out, and followers from many moments.
func TestStateIsAFunctionOfTheSet(t *testing.T) {
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 0))
	for range 100 {
		synctest.Test(t, func(t *testing.T) {
			l, model := events.Detached()
			var us, counted []replica.Update
			for i := range 60 {
				us = append(us, event(string(rune('a'+i%4)), uint64(i/4+1), uint64(rng.IntN(10)), "x"))
			}
			// Any order, as parked updates come when their time does.
			rng.Shuffle(len(us), func(i, j int) { us[i], us[j] = us[j], us[i] })
			reference := func(us []replica.Update) string {
				us = slices.Clone(us)
				slices.SortFunc(us, func(a, b replica.Update) int {
					if a.Before(&b) {
						return -1
					}
					return 1
				})
				var all []string
				for _, u := range us {
					all = append(all, string(u.Change[3:]))
				}
				return strings.Join(all, " ")
			}
			var followers []*reader
			var missed []replica.Update
			out := map[keys.NodeID]bool{}
			for _, u := range us {
				if out[u.Author] {
					missed = append(missed, u)
					continue
				}
				apply(t, model, u)
				counted = append(counted, u)
				switch rng.IntN(10) {
				case 0:
					followers = append(followers, follow(t.Context(), l, ""))
					synctest.Wait()
				case 1:
					out[u.Author] = true
					counted = slices.DeleteFunc(counted, func(c replica.Update) bool {
						if out[c.Author] {
							missed = append(missed, c)
						}
						return out[c.Author]
					})
					rng.Shuffle(len(counted), func(i, j int) { counted[i], counted[j] = counted[j], counted[i] })
					rebuild(t, model, counted...)
				}
				if got, want := data(replay(l, "")), reference(counted); got != want {
					t.Fatalf("seed %d: the log is %q, want %q", seed, got, want)
				}
			}
			apply(t, model, missed...) // all are admitted again
			rebuild(t, model, us...)
			want := reference(us)
			if got := data(replay(l, "")); got != want {
				t.Fatalf("seed %d: the log is %q, want %q", seed, got, want)
			}
			for i, f := range followers {
				got, all := strings.Fields(f.all()), strings.Fields(want)
				slices.Sort(got)
				slices.Sort(all)
				if !slices.Equal(got, all) {
					t.Errorf("seed %d: follower %d got %d events %q, want each of %d once", seed, i, len(got), got, len(all))
				}
			}
			l.Close()
		})
	}
}

// TestDataBelongsToTheCaller: what comes out can be written to, and the change that
// came in can be reused.
func TestDataBelongsToTheCaller(t *testing.T) {
	l, model := events.Detached()
	u := event("a", 1, 1, "x")
	apply(t, model, u, livetest.Update("a", 2, 2, events.Change("x", "")))
	clear(u.Change)
	for e := range replay(l, "") {
		if e.Data == nil {
			t.Error("Data is nil")
		}
		clear(e.Data)
	}
	if got := data(replay(l, "x")); got != "a1 " {
		t.Errorf("the log is now %q", got)
	}
}

// TestConcurrentUse is for the race detector.
func TestConcurrentUse(t *testing.T) {
	l, model := events.Detached()
	const n = 2000
	var readers sync.WaitGroup
	for range 3 {
		readers.Go(func() {
			seen := 0
			for range followed(t.Context(), l, "") {
				seen++
			}
			if seen != n {
				t.Errorf("followed %d events, want %d", seen, n)
			}
		})
		readers.Go(func() {
			for l.Len() < n {
				for range replay(l, "") {
				}
			}
		})
	}
	var us []replica.Update
	for i := range uint64(n) {
		us = append(us, event("a", i+1, i+1, "x"))
		apply(t, model, us[i])
		if i%500 == 0 {
			rebuild(t, model, us...)
		}
	}
	l.Close()
	readers.Wait()
}
