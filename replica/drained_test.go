package replica_test

import (
	"context"
	"errors"
	"net"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/internal/wiretest"
	"github.com/hearsaynet/hearsay/replica/store"
	"github.com/hearsaynet/hearsay/replica/wire"
	"github.com/hearsaynet/hearsay/verify"
)

// writesAlways is a Trace under which each run that p sends is followed by another update,
// most of them in all: there is always something newer to send.
func writesAlways(t *testing.T, p *peer, most int) (wrote *int, trace replica.Trace) {
	wrote = new(int)
	return wrote, replica.Trace{RunSent: func(*wire.Run) {
		if *wrote < most {
			*wrote++
			p.write(t, "newer")
			runtime.Gosched() // the peer has a turn, on one core too
		}
	}}
}

// Who has what there was when it asked is told so, however much is written meanwhile.
func TestDoneWhileMuchIsWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := open(t, "p", atModern)
		p.write(t, "1", "2", "3")
		const most = 100
		_, trace := writesAlways(t, p, most)
		mine, theirs := net.Pipe()
		tap := &tapped{Conn: theirs}
		link := dialOver(t, p, mine, tap, replica.SyncConfig{Trace: trace})
		link.digest(1, wire.UnnamedWanted)
		<-link.dones
		rest(time.Minute)
		frames, _ := tap.frames(t)
		later := slices.IndexFunc(frames, func(f wire.Frame) bool { return f.Type == wire.FrameDone })
		if later >= most {
			t.Errorf("Done has come behind %d runs that were written later", later)
		}
		var done []byte
		for _, f := range frames[:later+1] {
			done = wire.AppendFrame(done, f)
		}
		if !slices.Contains(tap.ends, len(done)) {
			t.Error("Done has waited in a buffer for later runs")
		}
	})
}

// A session that stops when drained stops, however much is written meanwhile.
func TestDrainedWhileMuchIsWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, q := open(t, "p", atModern), open(t, "q", atModern)
		p.write(t, "1", "2", "3")
		q.write(t, "1")
		const most = 100
		wrote, trace := writesAlways(t, p, most)
		stops := replica.SyncConfig{StopWhenDrained: true}
		for i, err := range couple(t, p, q, replica.SyncConfig{StopWhenDrained: true, Trace: trace}, stops)() {
			if err != nil {
				t.Errorf("side %d ends with %v", i, err)
			}
		}
		if *wrote >= most {
			t.Errorf("it has sent %d updates that were written later", *wrote)
		}
		if a, b := p.Clock()[q.Self()].Seq, q.Clock()[p.Self()].Seq; a != 1 || b < 3 {
			t.Errorf("they have %d and %d of each other's updates, want 1 and at least 3", a, b)
		}
	})
}

// unsure is a Verify that cannot say anything for a while.
func unsure(d time.Duration) verify.Func {
	sure := time.Now().Add(d)
	return func(ctx context.Context, r *verify.Request, done func(verify.Verdict, error)) {
		if time.Now().Before(sure) {
			done(verify.Unavailable, errors.New("the keystore is down"))
			return
		}
		verify.AnyKey()(ctx, r, done)
	}
}

// A peer that says time and again that it has sent all is asked again for what was dropped
// no more often.
func TestDroppedIsAskedForOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := wiretest.NewAuthor("x")
		p := open(t, "", func(c *replica.Config) {
			atModern(c)
			c.Verify, c.Pipeline.MaxWaitingRuns = unsure(time.Second), 16
		})
		link := dial(t, p)
		link.key(x)
		link.run(x.Chain(topic, x.Start(), 1, 1, 1, 1)...)
		for range 500 {
			link.send(wire.FrameDone, wire.AppendDone(nil, 1<<40))
			rest(10 * time.Millisecond)
		}
		rest(time.Minute)
		if n := len(link.digests); n < 2 || n > 20 {
			t.Errorf("it was asked %d times", n)
		}
		p.Close()
	})
}

// What found no room while the keystore was down is not there: a session is not drained
// before it has been asked for again, and come.
func TestDroppedIsNotDrained(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := open(t, "", atModern)
		x, y := wiretest.NewAuthor("x"), wiretest.NewAuthor("y")
		for _, a := range []*wiretest.Author{x, y} {
			for _, run := range a.Chain(topic, a.Start(), 1, 1, 1, 1, 1, 1, 1, 1, 1, 1) {
				tell(t, p, a, run)
			}
		}
		for name, cfg := range map[string]replica.SyncConfig{"both ways": {}, "silent": {ReceiveOnly: true}, "receive only": {ReceiveOnly: true, SendClock: true}} {
			q := open(t, "", func(c *replica.Config) {
				atModern(c)
				c.Verify, c.Pipeline.MaxWaitingRuns = unsure(3*time.Second), 16
			})
			cfg.StopWhenDrained = true
			for i, err := range couple(t, p, q, replica.SyncConfig{}, cfg)() {
				if err != nil {
					t.Errorf("%s: side %d ends with %v", name, i, err)
				}
			}
			if got := q.Clock(); got[x.ID()].Seq != 10 || got[y.ID()].Seq != 10 {
				t.Errorf("%s: drained with %d and %d of 10 updates", name, got[x.ID()].Seq, got[y.ID()].Seq)
			}
			q.Close()
		}
		p.Close()
	})
}

// A session that was to stop when drained says so when the peer, which need not wait, has
// parted before.
func TestPartedBeforeDrained(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := wiretest.NewAuthor("x")
		closes := (&wire.Close{Code: wire.CloseDone}).Append(nil)
		way := func(w wire.Way) func(*raw) {
			return func(link *raw) { link.frame(wire.FrameWay, 0, w.Append(nil)) }
		}
		answers := func(link *raw) { link.send(wire.FrameDone, wire.AppendDone(nil, 1)) }
		for name, test := range map[string]struct {
			cfg   replica.SyncConfig
			does  func(link *raw)
			short bool
		}{
			"says nothing":          {replica.SyncConfig{}, func(*raw) {}, true},
			"to a slave":            {replica.SyncConfig{ReceiveOnly: true}, func(*raw) {}, true},
			"has answered":          {replica.SyncConfig{}, answers, false},
			"one that only sends":   {replica.SyncConfig{SendOnly: true}, func(*raw) {}, false},
			"that only receives":    {replica.SyncConfig{}, way(wire.WayReceives), false},
			"that only sends":       {replica.SyncConfig{}, way(wire.WaySends), true},
			"has sent what is lost": {replica.SyncConfig{}, func(link *raw) { link.key(x); link.run(x.Chain(topic, x.Start(), 1, 1, 1)...); answers(link) }, true},
		} {
			p := open(t, "p", func(c *replica.Config) {
				atModern(c)
				c.Verify, c.Pipeline.MaxWaitingRuns = unsure(time.Second), 16
			})
			test.cfg.StopWhenDrained = true
			mine, theirs := net.Pipe()
			link := dialOver(t, p, mine, deafened{theirs}, test.cfg)
			test.does(link)
			link.frame(wire.FrameClose, 0, closes)
			if err := <-link.ended; errors.Is(err, replica.ErrShort) != test.short || !test.short && err != nil {
				t.Errorf("%s: the session ends with %v", name, err)
			} else if test.short && !strings.Contains(err.Error(), topic) {
				t.Errorf("%s: %v does not name the topic", name, err)
			}
			p.Close()
		}
	})
}

// deafened is a connection to a peer that does not hear anything but Hello.
type deafened struct{ net.Conn }

func (m deafened) Write(b []byte) (int, error) {
	if wire.FrameType(b[0]) == wire.FrameHello {
		return m.Conn.Write(b)
	}
	return len(b), nil
}

// TestCloneOfWhatWasDropped: Clone waits also for what its verification had no room for.
func TestCloneOfWhatWasDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := open(t, "p", func(c *replica.Config) { atModern(c); c.Pipeline.MaxWaitingRuns = 16 })
		for range 10 {
			p.write(t, "u")
		}
		c, err := p.Clone(t.Context(), replica.Config{Verify: unsure(time.Second), Store: store.NewMemory()})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if got := c.Clock()[p.Self()].Seq; got != 10 {
			t.Errorf("the clone has %d of 10 updates", got)
		}
		p.Close()
	})
}
