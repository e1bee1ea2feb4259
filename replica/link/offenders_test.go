package link_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearsaynet/hearsay/replica/link"
)

// faultyCrowd is a crowd around an endpoint whose handler is faulty.
func faultyCrowd(t *testing.T) *crowd {
	c := &crowd{t: t, n: newPipeNet(), e: newEndpoint(t, link.Config{})}
	c.n.serve(t, c.e, faulty)
	return c
}

// fault reports whether addr was linked to commit one.
func (c *crowd) fault(addr string) bool {
	c.t.Helper()
	return commitFault(c.t, c.n.dialFrom(addr), "pipe:1") == nil
}

// banned checks that addr is refused for just so long.
func (c *crowd) banned(addr string, length time.Duration) {
	c.t.Helper()
	bans := c.e.Bans()
	if len(bans) != 1 || time.Until(bans[0].Until) != length {
		c.t.Fatalf("bans: %+v, want one of %v", bans, length)
	}
	time.Sleep(length - time.Second)
	if c.fault(addr) {
		c.t.Errorf("linked a second before the end of %v", length)
	}
	time.Sleep(time.Second)
	if bans := c.e.Bans(); len(bans) != 0 {
		c.t.Errorf("bans after %v: %+v", length, bans)
	}
}

// TestBanGrows: each ban is twice as long, up to a bound; a quiet time forgets it all.
func TestBanGrows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := faultyCrowd(t)
		const addr = "192.0.2.1:1"
		faults := func(n int) {
			t.Helper()
			for i := range n {
				if !w.fault(addr) {
					t.Fatalf("refused before fault %d", i)
				}
			}
		}
		faults(5)
		w.banned(addr, time.Minute)
		faults(1) // what is forgiven takes longer to come back
		w.banned(addr, 2*time.Minute)
		faults(2)
		w.banned(addr, 4*time.Minute)
		faults(3)
		w.banned(addr, 8*time.Minute)
		for range 3 {
			faults(5)
			w.banned(addr, 15*time.Minute)
		}
		time.Sleep(16 * time.Minute)
		faults(4)
		if bans := w.e.Bans(); len(bans) != 0 {
			t.Errorf("four faults, the rest forgotten: %+v", bans)
		}
		faults(1)
		w.banned(addr, time.Minute)
		w.close()
	})
}

// TestBanNotByOldLinks: what links from before a ban do does not make it longer.
func TestBanNotByOldLinks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := faultyCrowd(t)
		var links []*link.Conn
		for i := range 10 {
			links = append(links, w.mustLink(fmt.Sprint("192.0.2.1:", i)))
		}
		for _, l := range links {
			if _, err := l.Write([]byte("x")); err != nil {
				t.Fatal(err)
			}
			io.Copy(io.Discard, l) // until the end of the link
		}
		if got := w.e.Counters(); got.Faults != 10 {
			t.Errorf("got %+v, want 10 faults", got)
		}
		w.banned("192.0.2.1:1", time.Minute)
		w.close()
	})
}

// TestBanOfPrefix: an IPv4 address is banned alone, IPv6 addresses of one /64 together,
// addresses of loopback alone.
func TestBanOfPrefix(t *testing.T) {
	for name, c := range map[string]struct{ faults, same, other string }{
		"ipv4":          {"192.0.2.1:%x", "192.0.2.1:999", "192.0.2.2:1"},
		"ipv6":          {"[2001:db8::%x]:1", "[2001:db8::ffff]:1", "[2001:db8:0:1::1]:1"},
		"loopback":      {"127.0.0.2:%x", "127.0.0.2:999", "127.0.0.1:1"},
		"ipv6 loopback": {"[::1]:%x", "[::1]:999", "127.0.0.1:1"},
		"no ip":         {"pipe %x", "pipe", "192.0.2.1:1"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := faultyCrowd(t)
				for i := range 5 {
					if addr := fmt.Sprintf(c.faults, i); !w.fault(addr) {
						t.Fatalf("%s refused before fault %d", addr, i)
					}
				}
				if w.fault(c.same) {
					t.Errorf("%s is let in", c.same)
				}
				if !w.fault(c.other) {
					t.Errorf("%s is banned too", c.other)
				}
				w.close()
			})
		})
	}
}

// TestBanNotByOneID: an id that is at fault whenever its own ban ends, each twice as
// long as the last from a minute on, does not get its neighbours refused.
func TestBanNotByOneID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := faultyCrowd(t)
		for own := time.Minute; own < 24*time.Hour; own *= 2 {
			if !w.fault("192.0.2.1:1") {
				t.Fatalf("refused before its own ban of %v", own)
			}
			time.Sleep(own)
		}
		w.close()
	})
}

// TestBlameDialed: a peer that was asked for is not judged by its address.
func TestBlameDialed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, m := newPipeNet(), newPipeNet()
		peer := newEndpoint(t, link.Config{Dial: m.dialFrom("192.0.2.1:1")})
		n.serve(t, peer, echo)
		e := newEndpoint(t, link.Config{Dial: n.dialFrom("192.0.2.9:1")})
		m.serve(t, e, echo)
		for range 10 {
			c, err := e.Dial(t.Context(), link.Address{HostPort: "192.0.2.1:1"})
			if err != nil {
				t.Fatal(err)
			}
			pingOver(t, c)
			c.Blame(errors.New("whatever"))
			c.Close()
		}
		if got := e.Counters(); got.Faults != 0 || len(e.Bans()) != 0 {
			t.Errorf("got %+v, %+v, want no faults", got, e.Bans())
		}
		c, err := peer.Dial(t.Context(), link.Address{HostPort: "pipe:1"})
		if err != nil {
			t.Fatal(err)
		}
		pingOver(t, c)
		c.Close()
		e.Close()
		peer.Close()
	})
}

// TestBannedAreToldFewAtATime: telling a flood of banned connections why is bounded.
func TestBannedAreToldFewAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := faultyCrowd(t)
		for range 5 {
			w.fault("192.0.2.1:1")
		}
		var held []net.Conn // they read nothing
		for range 100 {
			held = append(held, w.n.dial("192.0.2.1:1"))
		}
		synctest.Wait()
		open := 0
		for _, c := range held {
			c.SetReadDeadline(time.Now()) // does not wait
			if _, err := c.Read(make([]byte, 1)); err != io.EOF {
				open++
			}
		}
		if open == 0 || open > 16 {
			t.Errorf("%d of 100 banned connections are being told, want at most 16", open)
		}
		began := time.Now()
		if err := commitFault(t, w.n.dialFrom("192.0.2.9:1"), "pipe:1"); err != nil || time.Since(began) > 0 {
			t.Errorf("another address: %v after %v", err, time.Since(began))
		}
		w.wantRefused(link.ReasonBanned, 100)
		time.Sleep(2 * time.Second) // they had their time
		for _, c := range held {
			c.Close()
		}
		w.close()
	})
}

// TestBannedByHandler: a handler that refuses an id is counted, and makes Maintain
// take its time.
func TestBannedByHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refusing := func(context.Context, *link.Conn) error {
			return &link.HandshakeError{Reason: link.ReasonBanned, Err: errors.New("not this id")}
		}
		n := newPipeNet()
		n.buffered = true
		server := newEndpoint(t, link.Config{})
		n.serve(t, server, refusing)
		e := newEndpoint(t, link.Config{Dial: n.dialFrom("192.0.2.1:1")})
		d := newDiary()
		stop := maintain(e, link.Address{HostPort: "pipe:1"}, refusing, d)
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		got := d.take()
		if len(got) < 3 || got[2].state != link.StateRefused {
			t.Fatalf("got %v, want dialing, linked, refused", got)
		}
		wantReason(t, got[2].err, link.ReasonBanned)
		wantGaps(t, times(got, link.StateDialing), 5*time.Second, 2*time.Minute)
		if c := server.Counters(); c.Refused[link.ReasonBanned] != c.Linked || c.Linked == 0 || c.Faults != 0 {
			t.Errorf("got %+v, want every link refused, without a fault", c)
		}
		stop()
		e.Close()
		server.Close()
		time.Sleep(2 * time.Second) // of the bubble: the pipes' last writes meet their deadline
	})
}
