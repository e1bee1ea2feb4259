package replica_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/internal/wiretest"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// A flood of runs beyond a gap on one link does not keep others from being asked.
func TestAFloodDoesNotKeepOthersFromBeingAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		z, y := wiretest.NewAuthor("z"), wiretest.NewAuthor("y")
		zr, yr := z.Chain(topic, z.Start(), 1, 1, 1), y.Chain(topic, y.Start(), 1, 1, 1)
		p := open(t, "", atModern)
		bad, honest := dialAs(t, p, "bad"), dialAs(t, p, "honest")
		bad.key(z)
		bad.run(zr[0])
		bad.sync()
		synctest.Wait()
		bad.run(zr[2])
		synctest.Wait()
		time.Sleep(1100 * time.Millisecond)
		stop := make(chan struct{})
		done := make(chan struct{})
		go func() {
			defer close(done)
			for {
				select {
				case <-stop:
					return
				case <-time.After(7 * time.Millisecond):
					bad.run(zr[2])
				}
			}
		}()
		rest(31 * time.Second)
		for len(honest.digests) > 0 {
			<-honest.digests
		}
		honest.key(y)
		honest.run(yr[0])
		honest.sync()
		synctest.Wait()
		honest.run(yr[2])
		asked := 0
		for range 120 {
			time.Sleep(time.Second)
			for len(honest.digests) > 0 {
				d := <-honest.digests
				if len(d.Refs) == 1 && d.Refs[0].Author == y.ID() {
					asked++
				}
				for _, ref := range d.Refs {
					if len(d.Refs) > 1 && ref.Author == y.ID() {
						asked++
					}
				}
			}
		}
		t.Logf("asked %d times for y in 120 s", asked)
		if asked < 2 {
			t.Errorf("in 120 s of a flood the honest link was asked %d times", asked)
		}
		close(stop)
		<-done
	})
}

// What was lost at the peer after its last progress is sent again.
func TestWhatAPeerLostIsSentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := wiretest.NewAuthor("x")
		p := open(t, "", atModern)
		runs := x.Chain(topic, x.Start(), 1, 1, 1, 1, 1, 1)
		tell(t, p, x, runs...)
		synctest.Wait()
		link := dialAs(t, p, "peer")
		link.digest(1, wire.UnnamedWanted)
		link.sync()
		rest(time.Second)
		n := len(link.runs)
		link.digest(2, wire.UnnamedNotWanted, runs[1].End()) // asks: 3 to 6 were dropped
		rest(10 * time.Second)
		link.digest(3, wire.UnnamedNotWanted, runs[3].End()) // and tells that it moved, for the last time
		rest(30 * time.Minute)
		if len(link.runs) == n {
			t.Errorf("peer stays at 4 of 6: it was sent %d runs at first, and none again in half an hour", n)
		}
	})
}

// Digests have a pace: beyond a burst of 200, 20 a second are read from a link.
func TestDigestsHaveAPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := open(t, "", atModern)
		link := dialAs(t, p, "peer")
		link.sync()
		began := time.Now()
		for nonce := range uint64(1000) {
			link.digest(nonce+1, wire.UnnamedWanted)
		}
		link.sync()
		if took := time.Since(began); took < 35*time.Second || took > 45*time.Second {
			t.Errorf("1000 digests were read in %v, want 40 s", took)
		}
	})
}

// Many links of one origin that bring a head first do not keep a second origin from counting.
func TestOneOriginDoesNotHideAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := wiretest.NewAuthor("x")
		p := open(t, "", atModern)
		h := head(x, x.Start(), modern())
		for i := range 13 {
			l := dialWith(t, p, replica.SyncConfig{Name: fmt.Sprint("sybil", i), Origin: "bad"})
			l.key(x)
			l.head(h)
			l.sync()
			synctest.Wait()
		}
		l := dialWith(t, p, replica.SyncConfig{Name: "honest", Origin: "good"})
		l.key(x)
		l.head(h)
		l.sync()
		rest(2 * time.Second)
		if s := p.Status(); !s.Current {
			t.Errorf("two origins brought the head, and: %s", s.NotCurrent)
		}
	})
}
