package replica_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/internal/wiretest"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// dated makes single-update runs with the given times.
func dated(x *wiretest.Author, times ...time.Time) (runs []*wire.Run) {
	prev := x.Start()
	for i, at := range times {
		run := x.Run(topic, prev, wiretest.Change(uint64(at.UnixNano()), "test", fmt.Sprint("change ", i+1)))
		runs, prev = append(runs, run), run.End()
	}
	return runs
}

// modern is the clock in a bubble of synctest, which begins in 2000, moved to when
// this program exists.
func modern() time.Time { return time.Now().AddDate(30, 0, 0) }

func atModern(c *replica.Config) { c.Now = modern }

func future(t *testing.T, x *wiretest.Author) {
	p := open(t, "p", atModern)
	now := modern()
	runs := dated(x, now, now.Add(2*time.Minute+time.Second), now.Add(10*365*24*time.Hour),
		time.Unix(0, wire.MaxInteger), now)
	link := dial(t, p)
	other := dial(t, p)
	other.digest(1, wire.UnnamedWanted)
	link.key(x)
	link.run(runs...)
	p.reach(t, x.ID(), 5)
	synctest.Wait()
	if got := p.journal.of(x.ID()); !slices.Equal(got, []uint64{1, 5}) {
		t.Errorf("folded %v at once, want 1 and 5", got)
	}
	if p.Clock()[x.ID()].Seq != 5 || len(other.runs) != 5 {
		t.Errorf("clock %v, %d runs passed on: parked updates are stored and passed on", p.Clock(), len(other.runs))
	}
	if e, _ := p.Explain(t.Context(), x.ID(), 2); e.State != replica.StateParked {
		t.Errorf("update 2 is %v, want parked", e.State)
	}
	ref, err := p.LocalUpdate(t.Context(), "test", []byte("mine"))
	if err != nil {
		t.Fatal(err)
	}
	if e, _ := p.Explain(t.Context(), ref.Author, ref.Seq); e.Time.Sub(now) > time.Minute {
		t.Errorf("our own clock was dragged to %v", e.Time)
	}
	time.Sleep(2 * time.Second)
	synctest.Wait()
	if got := p.journal.of(x.ID()); !slices.Equal(got, []uint64{1, 5, 2}) {
		t.Errorf("folded %v after its time came, want 1, 5, 2", got)
	}
}

// futureFlood parks more than is remembered one by one.
func futureFlood(t *testing.T, x *wiretest.Author) {
	p := open(t, "p", atModern)
	const n = 3000
	now := modern()
	times := make([]time.Time, n)
	for i := range times { // the later they come, the earlier they are dated
		times[i] = now.Add(time.Hour + time.Duration(n-i)*time.Second)
	}
	link := dial(t, p)
	link.key(x)
	link.run(dated(x, times...)...)
	synctest.Wait()
	if e, err := p.Explain(t.Context(), x.ID(), n); err != nil || e.State != replica.StateParked {
		t.Fatalf("the last one is %v, %v; want parked", e.State, err)
	}
	if got := p.journal.of(x.ID()); len(got) != 0 {
		t.Fatalf("%d were folded before their time", len(got))
	}
	time.Sleep(time.Hour + n*time.Second)
	synctest.Wait()
	got := p.journal.of(x.ID())
	slices.Sort(got)
	if !slices.Equal(got, count(n)) {
		t.Errorf("%d folded in the end, want each of %d once", len(got), n)
	}
}

func clockCorrected(t *testing.T) {
	var mu sync.Mutex
	ahead := 365 * 24 * time.Hour
	p := open(t, "p", func(c *replica.Config) {
		c.Now = func() time.Time {
			mu.Lock()
			defer mu.Unlock()
			return time.Now().Add(ahead)
		}
	})
	q := open(t, "q", nil)
	link(t, p.Replica, q.Replica)
	p.write(t, "a year ahead")
	mu.Lock()
	ahead = 0
	mu.Unlock()
	p.write(t, "corrected while it runs")
	q.wait(t, "update 2", func(n replica.Notice) bool { return n.Kind == replica.Applied && n.Ref.Seq == 2 })
	p.Close()
	again := open(t, "p", func(c *replica.Config) { c.Store = p.store })
	link(t, again.Replica, q.Replica)
	again.write(t, "now")
	q.wait(t, "update 3", func(n replica.Notice) bool { return n.Kind == replica.Applied && n.Ref.Seq == 3 })
	if got := q.journal.of(p.author.ID()); !slices.Equal(got, []uint64{2, 3}) {
		t.Errorf("folded %v, want the corrected ones at once and the other later", got)
	}
}

func slowRelay(t *testing.T, x *wiretest.Author) {
	relay := open(t, "", func(c *replica.Config) {
		c.Now = func() time.Time { return time.Now().Add(-5 * 365 * 24 * time.Hour) }
	})
	q := open(t, "q", nil)
	link(t, relay.Replica, q.Replica)
	from := dial(t, relay)
	from.key(x)
	from.run(dated(x, time.Now(), time.Now())...)
	q.reach(t, x.ID(), 2)
}
