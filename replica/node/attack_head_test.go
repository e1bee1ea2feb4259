package node_test

import (
	"testing"
	"time"

	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/internal/wiretest"
	"github.com/hearsaynet/hearsay/replica/node"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// attackTailWithheld: relays that keep back the newest updates.
func attackTailWithheld(t *testing.T) {
	t.Run("hidden", attackHiddenTail)
	t.Run("yesterday", attackYesterday)
}

// attackHiddenTail: everything after seq 3 is held back, and the author's head of seq 5
// is not.
func attackHiddenTail(t *testing.T) {
	n := up(t, "n", node.Options{AnyKey: true})
	x := wiretest.NewAuthor("x")
	runs := history(x, "v", x.Start(), 5, 1)
	relay := play(t, n)
	relay.tell(x, runs[:3]...)
	relay.head(head(x, runs[4].End(), time.Now()))
	eventually(t, "it is known that there is more", func() bool {
		a := authorAt(t, n, x.ID())
		return a.State == replica.StateBehind && a.Seq == 3 && a.Word != nil && a.Word.Seq == 5
	})
	explains(t, n, x.ID(), 3, replica.StateApplied)
	explains(t, n, x.ID(), 4, replica.StateBehind)
	explains(t, n, x.ID(), 5, replica.StateBehind)
	explains(t, n, x.ID(), 6, replica.StateUnseen)
	if s := status(t, n).Sync[0]; s.Current || s.NotCurrent == "" {
		t.Errorf("what is known to be incomplete is %+v", s)
	}
	honest := up(t, "honest", node.Options{AnyKey: true, Peers: []string{at(n)}})
	play(t, honest).tell(x, runs...)
	reaches(t, n, x.ID(), 5)
	if a := authorAt(t, n, x.ID()); a.State != replica.StateOK {
		t.Errorf("healed, the author is %+v", a)
	}
	blamesOnly(t, n)
}

// attackYesterday: the only relay serves an old state, heads and all. It is named; when
// another peer brings what is newer, it is known to be behind.
func attackYesterday(t *testing.T) {
	s := newStage(t)
	n := up(t, "n", node.Options{AnyKey: true, HeadInterval: 100 * time.Millisecond, Peers: []string{s.address}})
	x := wiretest.NewAuthor("x")
	runs := history(x, "v", x.Start(), 3, 1)
	then := time.Now().Add(-24 * time.Hour).UTC()
	relay := s.next(t)
	relay.digest(1, wire.UnnamedWanted, runs[1].End())
	relay.tell(x, runs[:2]...)
	relay.head(head(x, runs[1].End(), then))
	eventually(t, "the relay is stale since yesterday", func() bool {
		l, ok := oneSession(status(t, n))
		return ok && l.State == replica.LinkStale && l.Since.Equal(then) && l.Reason != ""
	})
	if a := authorAt(t, n, x.ID()); a.Seq != 2 || !a.Stale.Equal(then) {
		t.Errorf("the author is at %d, stale since %v; want 2 and %v", a.Seq, a.Stale, then)
	}
	if s := status(t, n).Sync[0]; s.Current || s.NotCurrent == "" {
		t.Errorf("on one relay's word the topic is %+v", s)
	}
	honest := play(t, n)
	honest.tell(x, runs[2])
	honest.head(head(x, runs[2].End(), time.Now()))
	reaches(t, n, x.ID(), 3)
	eventually(t, "the relay is behind", func() bool {
		for _, p := range status(t, n).Peers {
			if p.Dialed && len(p.Sessions) == 1 {
				return p.Sessions[0].State == replica.LinkBehind
			}
		}
		return false
	})
	blamesOnly(t, n)
}

// attackHeadFrozen: heads that would make their author alive for ever, heads of a dead
// author one by one, and many.
func attackHeadFrozen(t *testing.T) {
	const interval = 100 * time.Millisecond
	n := up(t, "n", node.Options{AnyKey: true, HeadInterval: interval})
	x, y := wiretest.NewAuthor("x"), wiretest.NewAuthor("y")
	run := history(x, "v", x.Start(), 1, 1)[0]
	end := run.End()
	p := play(t, n)
	p.tell(x, run)
	p.head(head(x, end, time.Unix(0, wire.MaxInteger)))
	p.head(head(x, end, time.Now().Add(replica.DefaultMaxSkew+time.Minute)))
	died := time.Now().Add(-time.Hour)
	for i := range 3 { // dripped
		at := died.Add(time.Duration(i) * time.Second)
		p.head(head(x, end, at))
		p.head(head(x, end, at.Add(-time.Minute))) // older than what is known
		eventually(t, "the newest head in the right order is kept", func() bool {
			w := authorAt(t, n, x.ID()).Word
			return w != nil && w.Issued.Equal(at)
		})
		p.sync()
		if a := authorAt(t, n, x.ID()); a.Word.Fresh || !a.Stale.Equal(at) || !a.Word.Issued.Equal(at) {
			t.Errorf("a dead author is %+v with the word %+v", a, a.Word)
		}
		if s := status(t, n).Sync[0]; s.Current {
			t.Error("current, with a dead author")
		}
	}

	listener := play(t, n)
	listener.listen()
	p.tell(y)
	began := time.Now()
	for i := range 1000 {
		p.head(head(y, y.Start(), began.Add(time.Duration(i)*time.Microsecond)))
	}
	p.sync()
	fromY := func() (count int) {
		for _, h := range listener.heads {
			if h.Author() == y.ID() {
				count++
			}
		}
		return count
	}
	listener.until("a head is passed on", func() bool { return fromY() > 0 })
	listener.sync()
	listener.mu.Lock()
	got, most := fromY(), 2+int(time.Since(began)/(interval/3))
	listener.mu.Unlock()
	if got > most {
		t.Errorf("%d heads were passed on, want at most %d", got, most)
	}
	blamesOnly(t, n)
}
