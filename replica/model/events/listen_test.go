package events_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/events"
	"github.com/hearsaynet/hearsay/replica/model/internal/livetest"
)

// ear records what a listener hears, in a synctest bubble.
type ear struct {
	mu    sync.Mutex // guards heard
	heard []string
}

func (e *ear) hear(ev events.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.heard = append(e.heard, ev.Name+"="+string(ev.Data))
}

// all returns what the listener has heard once it waits.
func (e *ear) all() string {
	synctest.Wait()
	e.mu.Lock()
	defer e.mu.Unlock()
	return strings.Join(e.heard, " ")
}

func on(t *testing.T, l *events.Log, pattern string, o events.Listen) *ear {
	t.Helper()
	e := &ear{}
	if err := l.On(t.Context(), pattern, o, e.hear); err != nil {
		t.Fatal(err)
	}
	return e
}

func TestOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		self := livetest.Update("s", 1, 1, nil).Author
		l, model := events.DetachedAt(self, time.Now, events.Config{})
		defer l.Close()
		apply(t, model, event("a", 1, 5, "a.b"), event("s", 1, 6, "a.b"))
		star, every, own := on(t, l, "a.*", events.Listen{}), on(t, l, "a.**", events.Listen{}), on(t, l, "", events.Listen{Echo: true})
		past := on(t, l, "a.*", events.Listen{From: &events.From{}})
		last := on(t, l, "", events.Listen{From: &events.From{Last: 1}, Echo: true})
		once := &ear{}
		if err := l.Once(t.Context(), "a.*", events.Listen{}, once.hear); err != nil {
			t.Fatal(err)
		}
		apply(t, model, event("a", 2, 7, "a"), event("s", 2, 8, "a.c"), event("a", 3, 2, "a.d"), event("b", 1, 9, "a.e.f"), event("a", 4, 10, "a.g"))
		for _, tt := range []struct {
			who  string
			ear  *ear
			want string
		}{
			{"a.*", star, "a.d=a3 a.g=a4"},
			{"a.**", every, "a=a2 a.d=a3 a.e.f=b1 a.g=a4"},
			{"with echo", own, "a=a2 a.c=s2 a.d=a3 a.e.f=b1 a.g=a4"},
			{"from the beginning", past, "a.b=a1 a.d=a3 a.g=a4"},
			{"from the last", last, "a.b=s1 a=a2 a.c=s2 a.d=a3 a.e.f=b1 a.g=a4"},
			{"once", once, "a.d=a3"},
		} {
			if got := tt.ear.all(); got != tt.want {
				t.Errorf("%s heard %q, want %q", tt.who, got, tt.want)
			}
		}
		if n, _ := events.Followers(l); n != 5 {
			t.Errorf("%d listeners are left, want 5", n)
		}
	})
}

// TestNamesAreData: no name reaches anything but the listeners that match it.
func TestNamesAreData(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, model := events.Detached()
		defer l.Close()
		names := []string{"error", "dispose", "_update", "old_data", "newListener", "removeListener", "constructor", "__proto__", "toString", "*", "**", "..", strings.Repeat(".", 255)}
		every, other := on(t, l, "", events.Listen{Echo: true}), on(t, l, "other", events.Listen{Echo: true})
		var want []string
		for i, name := range names {
			named := on(t, l, name, events.Listen{Echo: true})
			apply(t, model, livetest.Update("a", uint64(i+1), uint64(i+1), events.Change(name, "x")))
			want = append(want, name+"=x")
			if got := named.all(); got != name+"=x" && !strings.Contains(name, "*") {
				t.Errorf("who listens for %q heard %q", name, got)
			}
		}
		if got := every.all(); got != strings.Join(want, " ") {
			t.Errorf("heard %q", got)
		}
		if got := other.all(); got != "" {
			t.Errorf("another name's listener heard %q", got)
		}
	})
}

func TestListenerEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, model := events.Detached()
		ctx, cancel := context.WithCancel(t.Context())
		until := &ear{}
		if err := l.On(ctx, "", events.Listen{Echo: true}, until.hear); err != nil {
			t.Fatal(err)
		}
		apply(t, model, event("a", 1, 1, "x"))
		if got := until.all(); got != "x=a1" {
			t.Errorf("heard %q", got)
		}
		cancel()
		synctest.Wait()
		apply(t, model, event("a", 2, 2, "x"))
		if got := until.all(); got != "x=a1" {
			t.Errorf("heard %q after its context", got)
		}

		// Close waits for the handler, and calls it no more.
		begun, finish := make(chan struct{}), make(chan struct{})
		calls := 0
		err := l.On(t.Context(), "", events.Listen{Echo: true}, func(events.Event) {
			calls++
			close(begun)
			<-finish
		})
		if err != nil {
			t.Fatal(err)
		}
		apply(t, model, event("a", 3, 3, "x"), event("a", 4, 4, "x"))
		<-begun
		closed := make(chan struct{})
		go func() { l.Close(); close(closed) }()
		synctest.Wait()
		select {
		case <-closed:
			t.Error("Close did not wait for the handler")
		default:
		}
		close(finish)
		<-closed
		if calls != 1 {
			t.Errorf("the handler was called %d times", calls)
		}
		if err := l.On(t.Context(), "", events.Listen{}, until.hear); !errors.Is(err, events.ErrClosed) {
			t.Errorf("On after Close: %v", err)
		}
		if n, _ := events.Followers(l); n != 0 {
			t.Errorf("%d listeners are left", n)
		}
	})
}

// TestSlowHandler: it holds up neither the model nor another listener, and misses nothing.
func TestSlowHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, model := events.Detached()
		defer l.Close()
		slow := &ear{}
		release := make(chan struct{})
		err := l.On(t.Context(), "", events.Listen{Echo: true}, func(e events.Event) {
			<-release
			slow.hear(e)
		})
		if err != nil {
			t.Fatal(err)
		}
		fast := on(t, l, "", events.Listen{Echo: true})
		apply(t, model, event("a", 1, 1, "x"), event("a", 2, 2, "x"), event("a", 3, 3, "x"))
		if got, want := fast.all(), "x=a1 x=a2 x=a3"; got != want {
			t.Errorf("the other heard %q, want %q", got, want)
		}
		if got := slow.all(); got != "" {
			t.Errorf("heard %q", got)
		}
		close(release)
		if got, want := slow.all(), "x=a1 x=a2 x=a3"; got != want {
			t.Errorf("the slow one heard %q, want %q", got, want)
		}
	})
}

func TestPanickingHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var logged bytes.Buffer
		l, model := events.DetachedAt(keys.NodeID{}, time.Now, events.Config{Log: slog.New(slog.NewTextHandler(&logged, nil))})
		heard := &ear{}
		err := l.On(t.Context(), "", events.Listen{Echo: true}, func(e events.Event) {
			if e.Seq == 2 {
				panic("out of range")
			}
			heard.hear(e)
		})
		if err != nil {
			t.Fatal(err)
		}
		apply(t, model, event("a", 1, 1, "x"), event("a", 2, 2, "x"), event("a", 3, 3, "x"))
		if got, want := heard.all(), "x=a1 x=a3"; got != want {
			t.Errorf("heard %q, want %q", got, want)
		}
		l.Close()
		for _, want := range []string{"out of range", "event=x", "seq=2", "listen_test.go"} {
			if !strings.Contains(logged.String(), want) {
				t.Errorf("the log has no %q: %s", want, logged.String())
			}
		}
		if l.Panics() != 1 {
			t.Errorf("%d panics", l.Panics())
		}
	})
}

func TestListenErrors(t *testing.T) {
	l, _ := events.Detached()
	defer l.Close()
	if err := l.On(t.Context(), "a[", events.Listen{}, nil); !errors.Is(err, events.ErrBadPattern) {
		t.Errorf("On: %v, want ErrBadPattern", err)
	}
	if _, err := l.Replay("a[", events.From{}); !errors.Is(err, events.ErrBadPattern) {
		t.Errorf("Replay: %v, want ErrBadPattern", err)
	}
	if _, err := l.Follow(t.Context(), "", events.From{Last: -1}); err == nil {
		t.Error("Follow from the last -1")
	}
}

func TestFrom(t *testing.T) {
	l, model := events.Detached()
	defer l.Close()
	a1, a2, b1, b2 := event("a", 1, 10, "x"), event("a", 2, 40, "y"), event("b", 1, 20, "x"), event("b", 2, 30, "x")
	apply(t, model, b1, b2, a1, a2)
	clock := replica.Clock{a1.Author: a1.Ref, b1.Author: b2.Ref}
	for _, tt := range []struct {
		name    string
		pattern string
		from    events.From
		want    string
	}{
		{"the beginning", "", events.From{}, "a1 b1 b2 a2"},
		{"a time", "", events.From{Since: time.Unix(0, 20)}, "b1 b2 a2"},
		{"a time before all", "", events.From{Since: time.Unix(-5, 0)}, "a1 b1 b2 a2"},
		{"a time behind all", "", events.From{Since: time.Unix(1, 0)}, ""},
		{"a time behind all times", "", events.From{Since: time.Unix(1<<64/1_000_000_000, 1<<64%1_000_000_000+5)}, ""},
		{"a clock", "", events.From{After: clock}, "a2"},
		{"a clock of one", "", events.From{After: replica.Clock{b1.Author: b1.Ref}}, "a1 b2 a2"},
		{"the last", "", events.From{Last: 2}, "b2 a2"},
		{"more than there are", "", events.From{Last: 9}, "a1 b1 b2 a2"},
		{"the last of a name", "x", events.From{Last: 2}, "b1 b2"},
		{"the last since", "x", events.From{Last: 2, Since: time.Unix(0, 30)}, "b2"},
		{"the last behind a clock", "", events.From{Last: 3, After: replica.Clock{b1.Author: b1.Ref}}, "a1 b2 a2"},
	} {
		if got := data(replayFrom(l, tt.pattern, tt.from)); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
	for range replayFrom(l, "", events.From{Last: 3}) {
		break
	}
}

// TestClockInUse: a reader goes on with its own clock while it is told what is behind it.
func TestClockInUse(t *testing.T) {
	l, model := events.Detached()
	defer l.Close()
	apply(t, model, event("a", 1, 30, "x"), event("a", 2, 10, "x"), event("a", 3, 20, "x"))
	handled := replica.Clock{}
	var got []string
	for e := range replayFrom(l, "", events.From{After: handled}) {
		got = append(got, string(e.Data))
		handled[e.Author] = e.Ref
	}
	if got := strings.Join(got, " "); got != "a2 a3 a1" {
		t.Errorf("told %q, want %q", got, "a2 a3 a1")
	}
}

// TestResume: who comes back with the clock of what it has handled misses nothing, also
// what came late.
func TestResume(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newNode(t, "alice", "bob"), newNode(t, "bob")
		b.publish(t, "x", "b1") // is late at alice's
		time.Sleep(time.Second)
		a.publish(t, "x", "a1", "a2")
		handled := a.Clock()
		b.Admitted.Add(a.Author.Key())
		livetest.Join(t, a.Node, b.Node)
		synctest.Wait()
		a.publish(t, "x", "a3")
		heard := on(t, a.log, "x", events.Listen{Echo: true, From: &events.From{After: handled}})
		if got, want := heard.all(), "x=b1 x=a3"; got != want {
			t.Errorf("heard %q, want %q", got, want)
		}
	})
}

// TestListenAcrossReplicas: what one publishes another hears, and no one its own.
func TestListenAcrossReplicas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newNode(t, "alice", "bob"), newNode(t, "bob", "alice")
		ofA, ofB := on(t, a.log, "chat.**", events.Listen{}), on(t, b.log, "chat.**", events.Listen{})
		livetest.Join(t, a.Node, b.Node)
		synctest.Wait()
		a.publish(t, "chat.hall", "hello")
		synctest.Wait()
		b.publish(t, "chat", "hi")
		if got, want := ofA.all(), "chat=hi"; got != want {
			t.Errorf("alice heard %q, want %q", got, want)
		}
		if got, want := ofB.all(), "chat.hall=hello"; got != want {
			t.Errorf("bob heard %q, want %q", got, want)
		}
		// A handler may publish.
		err := b.log.On(t.Context(), "ask", events.Listen{}, func(e events.Event) {
			if _, err := b.log.Publish(t.Context(), "chat.answer", e.Data); err != nil {
				t.Error(err)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		a.publish(t, "ask", "why")
		if got, want := ofA.all(), "chat=hi chat.answer=why"; got != want {
			t.Errorf("alice heard %q, want %q", got, want)
		}
	})
}
