package link_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearsaynet/hearsay/replica/link"
)

// attackFlood: a thousand connections that say nothing, and more all the time. Others
// are linked as soon as a fair share allows, and the links that are there go on.
func attackFlood(t *testing.T) {
	for name, c := range map[string]struct {
		from func(i int) string
		most time.Duration // until an honest peer is linked
	}{
		"one address":       {func(i int) string { return fmt.Sprint("192.0.2.1:", i) }, 50 * time.Millisecond},
		"loopback":          {func(i int) string { return fmt.Sprint("127.0.0.1:", i) }, 50 * time.Millisecond},
		"a hundred of them": {func(i int) string { return fmt.Sprintf("192.0.2.%d:%d", i%100, i) }, 1100 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newCrowd(t, link.Config{})
				steady := w.mustLink("198.51.100.1:1")
				for i := range 1000 {
					w.out = append(w.out, w.n.dial(c.from(i)))
				}
				stop, stopped := make(chan struct{}), make(chan struct{})
				var more []net.Conn
				go func() {
					defer close(stopped)
					for i := 1000; ; i++ {
						select {
						case <-stop:
							return
						case <-time.After(2 * time.Millisecond):
							more = append(more, w.n.dial(c.from(i)))
						}
					}
				}()
				for i := range 3 {
					began := time.Now()
					w.mustLink(fmt.Sprintf("198.51.100.%d:2", 2+i))
					if took := time.Since(began); took > c.most {
						t.Errorf("an honest peer was linked after %v, want %v at most", took, c.most)
					}
					pingOver(t, steady)
				}
				if got := w.e.Counters(); got.Handshakes > 5*link.DefaultMaxHandshakes || got.Links != 4 {
					t.Errorf("got %+v, want at most %d handshakes and 4 links", got, 5*link.DefaultMaxHandshakes)
				}
				close(stop)
				<-stopped
				for _, c := range more {
					c.Close()
				}
				w.close()
			})
		})
	}
}

func attackSybil(t *testing.T) {
	t.Run("links", func(t *testing.T) { synctest.Test(t, sybilLinks) })
	t.Run("faults", sybilFaults)
}

// sybilLinks: a thousand ids from one address get the links of one, and lose them
// to others when there are too few.
func sybilLinks(t *testing.T) {
	w := newCrowd(t, link.Config{MaxConns: 20})
	linked := 0
	for i := range 1000 {
		if _, err := w.link(fmt.Sprint("192.0.2.1:", i)); err == nil {
			linked++
		}
		time.Sleep(time.Second / 5)
	}
	if linked != link.DefaultMaxPerPrefix {
		t.Errorf("%d of a thousand ids were linked, want %d", linked, link.DefaultMaxPerPrefix)
	}
	w.wantRefused(link.ReasonPrefix, 1000-link.DefaultMaxPerPrefix)
	var honest []*link.Conn
	for i := range 19 {
		honest = append(honest, w.mustLink(fmt.Sprintf("198.51.100.%d:1", i)))
	}
	w.wantRefused(link.ReasonDisplaced, 15)
	for _, l := range honest {
		pingOver(t, l)
	}
	w.close()
}

// dialAddress makes connections from an address of loopback of its own.
func dialAddress(t *testing.T, ip string) func(context.Context, string, string) (net.Conn, error) {
	t.Helper()
	from := &net.TCPAddr{IP: net.ParseIP(ip)}
	ln, err := net.ListenTCP("tcp", from)
	if err != nil {
		t.Skipf("this machine's loopback has no %s: %v", ip, err)
	}
	ln.Close()
	return (&net.Dialer{LocalAddr: from}).DialContext
}

// faulty is a handler that finds fault with an x, and echoes the rest.
func faulty(ctx context.Context, c *link.Conn) error {
	stop := context.AfterFunc(ctx, func() { c.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	b := make([]byte, 1000)
	for {
		n, err := c.Read(b)
		if err != nil {
			return err
		}
		if b[0] == 'x' {
			err := errors.New("sent an x")
			c.Blame(err)
			return err
		}
		if _, err := c.Write(b[:n]); err != nil {
			return err
		}
	}
}

// commitFault links with a new id and is at fault.
func commitFault(t *testing.T, dial func(context.Context, string, string) (net.Conn, error), addr string) error {
	t.Helper()
	d := newEndpoint(t, link.Config{Dial: dial})
	defer d.Close()
	c, err := d.Dial(t.Context(), link.Address{HostPort: addr})
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := c.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Fatalf("after a fault: %v, want the end of the link", err)
	}
	return nil
}

// sybilFaults: an address whose ids are at fault again and again is refused before the
// handshake. The link that it has stays, and other addresses are let in.
func sybilFaults(t *testing.T) {
	e := newEndpoint(t, link.Config{})
	addr := serve(t, e, faulty)
	from := dialAddress(t, "127.0.0.66")
	neighbour := newEndpoint(t, link.Config{Dial: from})
	steady, err := neighbour.Dial(t.Context(), link.Address{HostPort: addr})
	if err != nil {
		t.Fatal(err)
	}
	pingOver(t, steady)

	for i := range 5 {
		if err := commitFault(t, from, addr); err != nil {
			t.Fatalf("fault %d: %v", i, err)
		}
	}
	linked := e.Counters().Linked
	for range 3 {
		err := commitFault(t, from, addr)
		wantReason(t, err, link.ReasonByPeer)
		if !strings.Contains(err.Error(), "after faults of nodes there") {
			t.Errorf("the banned peer is told %q", err)
		}
	}
	got := e.Counters()
	if got.Refused[link.ReasonBanned] != 3 || got.Faults != 5 || got.Linked != linked {
		t.Errorf("got %+v, want 3 refused, 5 faults and %d links", got, linked)
	}
	bans := e.Bans()
	if len(bans) != 1 || bans[0].Prefix.String() != "127.0.0.66/32" || bans[0].Faults != 5 || bans[0].Why != "sent an x" {
		t.Errorf("bans: %+v", bans)
	}

	pingOver(t, steady)
	honest := newEndpoint(t, link.Config{Dial: dialAddress(t, "127.0.0.1")})
	l, err := honest.Dial(t.Context(), link.Address{HostPort: addr})
	if err != nil {
		t.Fatal(err)
	}
	pingOver(t, l)
	l.Close()
	steady.Close()
}
