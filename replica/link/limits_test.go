package link_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearsaynet/hearsay/replica/link"
)

// crowd is an endpoint under synctest and the peers around it.
type crowd struct {
	t   *testing.T
	n   *pipeNet
	e   *link.Endpoint
	out []io.Closer
}

func newCrowd(t *testing.T, cfg link.Config) *crowd {
	c := &crowd{t: t, n: newPipeNet(), e: newEndpoint(t, cfg)}
	c.n.serve(t, c.e, echo)
	return c
}

// link makes a link from addr with a key of its own.
func (c *crowd) link(addr string) (*link.Conn, error) {
	d := newEndpoint(c.t, link.Config{Dial: c.n.dialFrom(addr)})
	l, err := d.Dial(c.t.Context(), link.Address{HostPort: "pipe:1"})
	if err != nil {
		return nil, err
	}
	c.out = append(c.out, d)
	return l, ping(l)
}

func (c *crowd) mustLink(addr string) *link.Conn {
	c.t.Helper()
	l, err := c.link(addr)
	if err != nil {
		c.t.Fatalf("%s: %v", addr, err)
	}
	return l
}

func (c *crowd) silent(addr string) net.Conn {
	s := c.n.dial(addr)
	c.out = append(c.out, s)
	time.Sleep(20 * time.Millisecond) // its turn comes
	return s
}

func (c *crowd) close() {
	c.e.Close()
	for _, o := range c.out {
		o.Close()
	}
}

func (c *crowd) wantRefused(r link.Reason, n uint64) {
	c.t.Helper()
	synctest.Wait()
	if got := c.e.Counters(); got.Refused[r] != n {
		c.t.Errorf("got %d refused for %q, want %d (%+v)", got.Refused[r], r, n, got)
	}
}

func TestLimitPerPrefix(t *testing.T) {
	for name, c := range map[string]struct{ same, other func(i int) string }{
		"ipv4":        {func(i int) string { return fmt.Sprint("192.0.2.1:", i) }, func(i int) string { return fmt.Sprintf("192.0.2.%d:1", i+2) }},
		"ipv4 mapped": {func(i int) string { return fmt.Sprintf("[::ffff:192.0.2.1]:%d", i) }, func(i int) string { return fmt.Sprintf("[::ffff:192.0.2.%d]:1", i+2) }},
		"ipv6":        {func(i int) string { return fmt.Sprintf("[2001:db8::%x]:1", i) }, func(i int) string { return fmt.Sprintf("[2001:db8:0:%x::1]:1", i+1) }},
		"no ip":       {func(i int) string { return fmt.Sprint("pipe ", i) }, func(i int) string { return fmt.Sprintf("192.0.2.%d:1", i+2) }},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newCrowd(t, link.Config{MaxPerPrefix: 3})
				first := w.mustLink(c.same(0))
				w.mustLink(c.same(1))
				w.silent(c.same(2)) // a handshake counts too
				if _, err := w.link(c.same(3)); err == nil {
					t.Error("a fourth was linked")
				}
				w.wantRefused(link.ReasonPrefix, 1)
				for i := range 5 {
					w.mustLink(c.other(i))
				}
				first.Close()
				synctest.Wait()
				w.mustLink(c.same(4))
				w.close()
			})
		})
	}
}

func TestLimitLoopback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newCrowd(t, link.Config{MaxPerPrefix: 1, MaxConns: 40})
		for i := range 20 {
			w.mustLink(fmt.Sprint("127.0.0.1:", i))
			w.mustLink(fmt.Sprint("[::1]:", i))
		}
		w.link("127.0.0.1:99")
		w.wantRefused(link.ReasonFull, 1)
		w.close()
	})
	synctest.Test(t, func(t *testing.T) { // all of it is one user of the total
		w := newCrowd(t, link.Config{MaxConns: 4})
		for i := range 4 {
			w.mustLink(fmt.Sprintf("127.0.0.%d:1", i+1))
		}
		w.mustLink("192.0.2.1:1")
		w.mustLink("192.0.2.2:1")
		w.wantRefused(link.ReasonDisplaced, 2)
		w.close()
	})
}

// TestLimitTotal: the largest user of a full total loses its newest link to
// somebody who has fewer, and only then.
func TestLimitTotal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newCrowd(t, link.Config{MaxConns: 6})
		big := []*link.Conn{w.mustLink("192.0.2.1:1"), w.mustLink("192.0.2.1:2"), w.mustLink("192.0.2.1:3"), w.mustLink("192.0.2.1:4")}
		a, b := w.mustLink("192.0.2.2:1"), w.mustLink("192.0.2.3:1")
		if _, err := w.link("192.0.2.1:5"); err == nil {
			t.Error("the largest user got one more")
		}
		w.wantRefused(link.ReasonFull, 1)
		w.silent("192.0.2.1:6") // refused before it costs a handshake
		w.wantRefused(link.ReasonFull, 2)

		c := w.mustLink("192.0.2.4:1")
		w.wantRefused(link.ReasonDisplaced, 1)
		if err := ping(big[3]); err == nil {
			t.Error("the newest link of the largest user is still there")
		}
		d := w.mustLink("192.0.2.2:2") // 3 + 1 + 1 + 1, then 2 + 2 + 1 + 1
		w.wantRefused(link.ReasonDisplaced, 2)
		if _, err := w.link("192.0.2.3:2"); err == nil {
			t.Error("got a link from somebody who would have no more than it")
		}
		w.wantRefused(link.ReasonFull, 3)
		for _, l := range []*link.Conn{big[0], big[1], a, b, c, d} {
			pingOver(t, l)
		}
		if got := w.e.Counters(); got.Links != 6 {
			t.Errorf("got %+v, want 6 links", got)
		}
		w.close()
	})
}

// TestLimitHandshakes: silent connections do not keep others out; the oldest of
// the prefix that has most goes first.
func TestLimitHandshakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newCrowd(t, link.Config{MaxHandshakes: 4})
		steady := w.mustLink("192.0.2.9:1")
		quiet := w.silent("192.0.2.1:1")
		flood := []net.Conn{w.silent("192.0.2.2:1"), w.silent("192.0.2.2:2"), w.silent("192.0.2.2:3")}
		w.mustLink("192.0.2.3:1")
		w.wantRefused(link.ReasonDisplaced, 1)
		if _, err := flood[0].Read(make([]byte, 1)); err == nil {
			t.Error("the flood's oldest is still there")
		}
		for i := range 10 {
			w.silent(fmt.Sprint("192.0.2.2:", 10+i)) // displaces its own
		}
		quiet.SetReadDeadline(time.Now().Add(time.Millisecond))
		if _, err := quiet.Read(make([]byte, 1)); err == io.EOF {
			t.Error("the flood displaced somebody else")
		}
		if got := w.e.Counters(); got.Handshakes != 4 {
			t.Errorf("got %+v, want 4 handshakes", got)
		}
		pingOver(t, steady)
		time.Sleep(link.DefaultHandshakeTimeout)
		synctest.Wait()
		if got := w.e.Counters(); got.Handshakes != 0 || got.Links != 2 {
			t.Errorf("after the timeout: %+v", got)
		}
		w.close()
	})
}

// TestLimitHandshakesLevel: of two prefixes that are level, the one that wants
// more loses.
func TestLimitHandshakesLevel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newCrowd(t, link.Config{MaxHandshakes: 4})
		var first [2]net.Conn
		for i := range first {
			first[i] = w.silent(fmt.Sprintf("192.0.2.%d:1", i))
			w.silent(fmt.Sprintf("192.0.2.%d:2", i))
		}
		for i := range first { // both orders, as map iteration has none
			w.silent(fmt.Sprintf("192.0.2.%d:3", i))
			first[i].SetReadDeadline(time.Now().Add(time.Second)) // well before it times out
			if _, err := first[i].Read(make([]byte, 1)); err != io.EOF {
				t.Errorf("prefix %d: its oldest handshake is still there: %v", i, err)
			}
		}
		w.close()
	})
}

// TestLimitRate: one address cannot keep us accepting; another is not held up.
func TestLimitRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newCrowd(t, link.Config{AcceptRate: 1000})
		for range 100 {
			w.n.dial("192.0.2.1:1").Close()
			synctest.Wait()
		}
		if n := w.e.Counters().Refused[link.ReasonRate]; n < 60 || n > 70 {
			t.Errorf("%d of 100 connections at once refused, want all but 32", n)
		}
		w.mustLink("192.0.2.2:1")
		time.Sleep(time.Second)
		w.mustLink("192.0.2.1:2")
		w.close()
	})
}

// TestLimitPace: beyond a burst, handshakes begin at AcceptRate, whoever comes.
func TestLimitPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newCrowd(t, link.Config{AcceptRate: 10, MaxHandshakes: 20})
		for i := range 20 + 50 {
			w.n.dial(fmt.Sprintf("198.51.100.%d:1", i)).Close()
		}
		for s := range uint64(5) {
			w.wantRefused(link.ReasonHungUp, 20+10*s)
			time.Sleep(time.Second)
		}
		w.wantRefused(link.ReasonHungUp, 20+50)
		w.close()
	})
}

// TestLimitWaiting: of those that wait for their turn, too, the oldest of the prefix
// that has most goes first; who has waited for the whole timeout is let go.
func TestLimitWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newCrowd(t, link.Config{AcceptRate: 0.01, MaxHandshakes: 1}) // one has its turn, four wait
		for i := range 5 {
			w.silent(fmt.Sprintf("192.0.2.%d:1", max(i, 2)))
		}
		if got := w.e.Counters(); got.Handshakes != 5 || len(got.Refused) != 0 {
			t.Errorf("got %+v, want 5 handshakes", got)
		}
		w.silent("192.0.2.5:1")
		w.wantRefused(link.ReasonDisplaced, 1)
		w.silent("192.0.2.5:2")
		w.wantRefused(link.ReasonDisplaced, 2)
		time.Sleep(link.DefaultHandshakeTimeout)
		w.wantRefused(link.ReasonTimeout, 5)
		if got := w.e.Counters(); got.Handshakes != 0 {
			t.Errorf("after the timeout: %+v", got)
		}
		w.close()
	})
}

// TestServeContext: the end of its context ends Serve, its links and its listener.
func TestServeContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newPipeNet()
		e := newEndpoint(t, link.Config{})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- e.Serve(ctx, n, echo) }()
		d := newEndpoint(t, link.Config{Dial: n.dialFrom("127.0.0.1:1")})
		l, err := d.Dial(t.Context(), link.Address{HostPort: "pipe:1"})
		if err != nil {
			t.Fatal(err)
		}
		pingOver(t, l)
		cancel()
		if _, err := l.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("got %v, want an orderly end", err)
		}
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
		if _, err := n.Accept(); err == nil {
			t.Error("the listener is still open")
		}
		d.Close()
		e.Close()
	})
}
