package events_test

import (
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/events"
	"github.com/hearsaynet/hearsay/replica/model/internal/livetest"
)

// until is event with an end.
func until(author string, seq, time, end uint64) replica.Update {
	return livetest.Update(author, seq, time, events.ChangeUntil("x", end, author+string(rune('0'+seq))))
}

func TestEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, model := events.Detached()
		defer l.Close()
		now := uint64(time.Now().UnixNano())
		second := uint64(time.Second)
		apply(t, model, until("a", 1, 1, now+second), event("a", 2, 2, "x"), until("a", 3, 3, now+2*second))
		if changed, err := model.ApplyUpdate(until("a", 4, 4, now)); changed || err != nil {
			t.Errorf("an event that has ended: %v, %v", changed, err)
		}
		release := make(chan struct{})
		slow := &ear{}
		if err := l.On(t.Context(), "", events.Listen{Echo: true, From: &events.From{Last: 1}}, func(e events.Event) {
			slow.hear(e)
			<-release
		}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		apply(t, model, until("a", 5, 5, now+3*second), event("a", 6, 6, "x"))
		var readers sync.WaitGroup
		readSlowly := func(from events.From, want string) {
			var reading []string
			for e := range replayFrom(l, "", from) {
				reading = append(reading, string(e.Data))
				time.Sleep(2 * time.Second)
			}
			if got := strings.Join(reading, " "); got != want {
				t.Errorf("a slow reader got %q, want %q", got, want)
			}
		}
		readers.Go(func() { readSlowly(events.From{Last: 4}, "a2 a5 a6") })
		readers.Go(func() { readSlowly(events.From{}, "a1 a2 a6") })
		readers.Wait()
		close(release)
		if got, want := slow.all(), "x=a3 x=a6"; got != want {
			t.Errorf("a slow listener heard %q, want %q", got, want)
		}
		if got := data(replay(l, "")); got != "a2 a6" || l.Len() != 2 {
			t.Errorf("%d are left: %q", l.Len(), got)
		}
	})
}

// TestEndIsExact: an event is there until a nanosecond before its end.
func TestEndIsExact(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, model := events.Detached()
		defer l.Close()
		apply(t, model, until("a", 1, 1, uint64(time.Now().Add(time.Hour).UnixNano())))
		time.Sleep(time.Hour - 1)
		if got := data(replayFrom(l, "", events.From{Last: 1})); got != "a1" || l.Len() != 1 {
			t.Errorf("before its end the log is %q", got)
		}
		time.Sleep(time.Nanosecond)
		if got := data(replayFrom(l, "", events.From{Last: 1})); got != "" || l.Len() != 0 {
			t.Errorf("at its end the log is %q", got)
		}
	})
}

// TestEndsAcrossRebuilds: what ends while its author is out, or during a rebuild, is
// not told, and is not remembered.
func TestEndsAcrossRebuilds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, model := events.Detached()
		defer l.Close()
		now := uint64(time.Now().UnixNano())
		a1, a2, b1 := until("a", 1, 1, now+uint64(time.Second)), until("a", 2, 2, now+uint64(time.Minute)), event("b", 1, 3, "x")
		heard := on(t, l, "", events.Listen{Echo: true})
		apply(t, model, a1, a2, b1)
		model.Reset()
		apply(t, model, b1, a1)
		time.Sleep(time.Second)
		if got := data(replay(l, "")); got != "a2 b1" {
			t.Errorf("during the rebuild the log is %q", got)
		}
		apply(t, model, a2)
		model.Rebuilt()
		if got := data(replay(l, "")); got != "a2 b1" || l.Len() != 2 {
			t.Errorf("after it %q", got)
		}
		if _, back := events.Followers(l); back != 0 {
			t.Errorf("%d events that have ended are remembered as taken back", back)
		}
		rebuild(t, model, b1) // a is withdrawn
		time.Sleep(time.Minute)
		model.Reset() // and admitted again
		if changed, err := model.ApplyUpdate(a2); changed || err != nil {
			t.Errorf("an event that has ended: %v, %v", changed, err)
		}
		apply(t, model, b1)
		model.Rebuilt()
		if got, want := heard.all(), "x=a1 x=a2 x=b1"; got != want {
			t.Errorf("heard %q, want %q", got, want)
		}
	})
}

func TestPublishFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newNode(t, "alice", "bob"), newNode(t, "bob", "alice")
		livetest.Join(t, a.Node, b.Node)
		refs, err := a.log.PublishFor(t.Context(), "x", time.Minute, []byte("a1"), []byte("a2"))
		if err != nil || len(refs) != 2 {
			t.Fatalf("%d refs, %v", len(refs), err)
		}
		a.publish(t, "x", "a3")
		synctest.Wait()
		for e := range replay(b.log, "") {
			if end := b.Now().Add(time.Minute); e.Seq == 1 && time.Unix(0, int64(e.Until)).Sub(end).Abs() > time.Second {
				t.Errorf("it ends at %d, want %v", e.Until, end)
			}
		}
		if got := data(replay(b.log, "")); got != "a1 a2 a3" {
			t.Errorf("bob replays %q", got)
		}
		time.Sleep(time.Minute)
		for who, n := range map[string]*node{"alice": a, "bob": b} {
			if got := data(replay(n.log, "")); got != "a3" || n.log.Len() != 1 {
				t.Errorf("after a minute %s replays %q", who, got)
			}
		}
		for _, d := range []time.Duration{0, -1, 1<<63 - 1} {
			if _, err := a.log.PublishFor(t.Context(), "x", d, nil); err == nil {
				t.Errorf("published for %v", d)
			}
		}
	})
}
