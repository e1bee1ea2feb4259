package replica_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/internal/wiretest"
	"github.com/hearsaynet/hearsay/replica/store"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// A relay that replays one of the own heads, signed since the node was opened but long
// ago, does not stop an honest lone author.
func TestOwnOldHeadStopsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := open(t, "me", atModern)
		link := dialAs(t, p, "relay")
		link.digest(1, wire.UnnamedWanted)
		p.write(t, "one")
		var old *wire.UnverifiedHead
		deadline := time.Now().Add(4 * time.Hour)
		n := 0
		for time.Now().Before(deadline) {
			rest(10 * time.Second)
			for len(link.heads) > 0 {
				h := <-link.heads
				if n++; old == nil && n > 1 {
					old = h
				}
			}
			link.digest(uint64(n+100), wire.UnnamedNotWanted)
			synctest.Wait()
			for len(link.dones) > 0 {
				<-link.dones
			}
		}
		t.Logf("%d heads in 4 h", n)
		p.write(t, "two") // still fine
		link.send(wire.FrameHead, old.UnverifiedBody())
		link.sync()
		rest(time.Second)
		if _, err := p.LocalUpdate(t.Context(), "test", []byte("three")); err != nil {
			t.Errorf("an old head of our own, replayed, stops the only writer: %v", err)
		}
		link.conn.Close()
		p.Close()
		synctest.Wait()
	})
}

// The clock was ahead and is corrected over a restart: the head before the last one
// comes back, and is not taken for a twin's.
func TestOwnHeadAfterClockCorrection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := store.NewMemory()
		ahead := 90 * time.Second
		cfg := func(c *replica.Config) {
			c.Store = st
			c.Now = func() time.Time { return modern().Add(ahead) }
		}
		p := open(t, "me", cfg)
		link := dialAs(t, p, "relay")
		link.digest(1, wire.UnnamedWanted)
		for range 3 {
			p.write(t, "x")
			rest(12 * time.Second)
		}
		if len(link.heads) < 2 {
			t.Fatalf("%d heads", len(link.heads))
		}
		var old *wire.UnverifiedHead
		for len(link.heads) > 1 {
			old = <-link.heads
		}
		p.Close()
		link.conn.Close()
		ahead = 0 // NTP has corrected it
		p = open(t, "me", cfg)
		link = dialAs(t, p, "relay")
		link.send(wire.FrameHead, old.UnverifiedBody())
		link.sync()
		rest(time.Second)
		if _, err := p.LocalUpdate(t.Context(), "test", []byte("y")); err != nil {
			t.Errorf("a corrected clock and an own head stop the only writer: %v", err)
		}
		p.Close()
		link.conn.Close()
		synctest.Wait()
	})
}

// A relay that claims one more every 20 s does not keep a restored author from writing.
func TestRisingClaimsGetNoMoreTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := open(t, "me", func(c *replica.Config) {
			atModern(c)
			c.Guard = replica.Guard{Suspect: true, Peers: []string{"honest"}}
		})
		link := dialAs(t, p, "liar")
		honest := open(t, "", atModern)
		me := wiretest.NewAuthor("me")
		stop := make(chan struct{})
		go func() {
			for seq := uint64(1); ; seq++ {
				link.digest(seq, wire.UnnamedNotWanted, wire.Ref{Author: me.ID(), Seq: seq, Hash: wire.Hash{1}})
				select {
				case <-time.After(20 * time.Second):
				case <-stop:
					return
				}
			}
		}()
		rest(time.Second)
		hold(t, honest, p, "honest")
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Minute)
		defer cancel()
		began := time.Now()
		_, err := p.LocalUpdate(ctx, "test", []byte("mine"))
		close(stop)
		if err != nil {
			t.Errorf("claims that nobody proves held the author up for %v: %v", time.Since(began), err)
		}
		p.Close()
		honest.Close()
		link.conn.Close()
		synctest.Wait()
	})
}

// While the signer does not answer, forged statements about the own id hold nobody up.
func TestStuckSignerHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		me, x := wiretest.NewAuthor("me"), wiretest.NewAuthor("x")
		asked := make(chan struct{}, 100)
		p := open(t, "", func(c *replica.Config) {
			c.Now = modern
			c.Signer = signer{Author: me, before: func() error { asked <- struct{}{}; return errors.New("agent is locked") }}
			c.HeadInterval = time.Hour
		})
		go p.LocalUpdate(t.Context(), "test", []byte("mine"))
		<-asked
		good := dialAs(t, p, "good")
		runs := x.Chain(topic, x.Start(), 1, 1)
		good.key(x)
		good.run(runs[0])
		good.sync()
		evil := dialAs(t, p, "evil")
		evil.key(me)
		evil.send(wire.FrameRun, tampered(me.Run(topic, me.Start(), wiretest.Change(1, "test", "forged")), 5))
		evil.run(me.Run(topic, me.Start(), wiretest.Change(1, "test", "from another node")))
		rest(time.Second)
		good.run(runs[1])
		rest(10 * time.Second)
		if got := p.Clock()[x.ID()].Seq; got != 2 {
			t.Errorf("x stands at %d, want 2", got)
		}
	})
}
