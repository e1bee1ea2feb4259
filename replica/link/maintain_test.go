package link_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearsaynet/hearsay/replica/link"
)

// diary records what Maintain reports, and when.
type diary struct {
	mu      sync.Mutex // guards the fields below
	began   time.Time
	entries []entry
}

type entry struct {
	at    time.Duration
	state link.State
	err   error
}

func newDiary() *diary { return &diary{began: time.Now()} }

func (d *diary) report(s link.State, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.entries = append(d.entries, entry{time.Since(d.began), s, err})
}

// take returns the entries so far and forgets them.
func (d *diary) take() []entry {
	d.mu.Lock()
	defer d.mu.Unlock()
	taken := d.entries
	d.entries = nil
	return taken
}

func times(entries []entry, s link.State) (at []time.Duration) {
	for _, e := range entries {
		if e.state == s {
			at = append(at, e.at)
		}
	}
	return at
}

// wantGaps checks that the gaps double from first up to most, ± half.
func wantGaps(t *testing.T, at []time.Duration, first, most time.Duration) {
	t.Helper()
	want := first
	for i := 1; i < len(at); i++ {
		if gap := at[i] - at[i-1]; gap < want/2 || gap > want*3/2+time.Millisecond {
			t.Errorf("gap %d is %v, want %v ± half", i, gap, want)
		}
		want = min(2*want, most)
	}
}

// maintain runs Maintain until the test stops it.
func maintain(e *link.Endpoint, a link.Address, handle link.Handler, d *diary) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); e.Maintain(ctx, a, handle, d.report) }()
	return func() { cancel(); <-done }
}

func TestMaintainBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newPipeNet()
		var up atomic.Bool
		e := newEndpoint(t, link.Config{Dial: func(context.Context, string, string) (net.Conn, error) {
			if !up.Load() {
				return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
			}
			return n.dial("127.0.0.1:1"), nil
		}})
		server := newEndpoint(t, link.Config{})
		kick := make(chan struct{})
		n.serve(t, server, func(ctx context.Context, c *link.Conn) error {
			select {
			case <-kick:
			case <-ctx.Done():
			}
			return nil
		})
		d := newDiary()
		reading := func(_ context.Context, c *link.Conn) error {
			_, err := c.Read(make([]byte, 1))
			return err
		}
		stop := maintain(e, link.Address{HostPort: "pipe:1"}, reading, d)
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		down := d.take()
		if len(down) < 20 || !errors.Is(down[1].err, syscall.ECONNREFUSED) {
			t.Fatalf("%d reports in 10 minutes: %v", len(down), down)
		}
		wantGaps(t, times(down, link.StateDialing), 250*time.Millisecond, 30*time.Second)

		up.Store(true)
		time.Sleep(time.Minute)
		synctest.Wait()
		linked := d.take()
		if last := linked[len(linked)-1]; last.state != link.StateLinked {
			t.Fatalf("not linked after a minute: %v", linked)
		}
		kick <- struct{}{} // after more than 10 s: starts small again
		time.Sleep(500 * time.Millisecond)
		synctest.Wait()
		states := d.take()
		if len(states) != 3 || states[0].state != link.StateBackoff || states[2].state != link.StateLinked {
			t.Errorf("after a steady link: got %v, want backoff, dialing, linked", states)
		}
		for range 6 { // short links: ever more slowly
			kick <- struct{}{}
			synctest.Wait()
		}
		if at := times(d.take(), link.StateLinked); len(at) < 5 || at[4]-at[3] < time.Second {
			t.Errorf("links that end at once were made again at %v", at)
		}
		began := time.Now()
		stop()
		if took := time.Since(began); took > 3*time.Second {
			t.Errorf("Maintain took %v to stop", took)
		}
		e.Close()
		server.Close()
	})
}

func TestMaintainRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newPipeNet()
		server := newEndpoint(t, link.Config{})
		n.serve(t, server, echo)
		e := newEndpoint(t, link.Config{Dial: n.dialFrom("127.0.0.1:1")})
		d := newDiary()
		stop := maintain(e, link.Address{HostPort: "pipe:1"}, func(_ context.Context, c *link.Conn) error {
			if err := ping(c); err != nil {
				return err
			}
			return fmt.Errorf("session: %w", link.ErrRestart)
		}, d)
		synctest.Wait()
		got := d.take()
		if at := times(got, link.StateLinked); len(at) != 4 || at[3] != 0 {
			t.Errorf("linked at %v, want 4 times at once", at)
		}
		if last := got[len(got)-1]; last.state != link.StateBackoff || !errors.Is(last.err, link.ErrRestart) {
			t.Errorf("at last %v, want backoff", last)
		}
		time.Sleep(10 * time.Second)
		if at := times(d.take(), link.StateLinked); len(at) > 30 {
			t.Errorf("%d restarts in 10 s", len(at))
		}
		stop()
		e.Close()
		server.Close()
	})
}

func TestMaintainRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		wrong, right := newPipeNet(), newPipeNet()
		wrong.buffered, right.buffered = true, true
		imposter, peer := newEndpoint(t, link.Config{}), newEndpoint(t, link.Config{})
		wrong.serve(t, imposter, echo)
		right.serve(t, peer, echo)
		var there atomic.Pointer[pipeNet]
		there.Store(wrong)
		e := newEndpoint(t, link.Config{Dial: func(context.Context, string, string) (net.Conn, error) {
			return there.Load().dial("127.0.0.1:1"), nil
		}})
		d := newDiary()
		stop := maintain(e, link.Address{ID: peer.ID(), HostPort: "pipe:1"}, echo, d)
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		refused := d.take()
		if slices.ContainsFunc(refused, func(e entry) bool { return e.state == link.StateLinked || e.state == link.StateBackoff }) {
			t.Errorf("got %v, want dialing and refused only", refused)
		}
		wantReason(t, refused[1].err, link.ReasonWrongID)
		wantGaps(t, times(refused, link.StateDialing), 5*time.Second, 2*time.Minute)
		there.Store(right)
		time.Sleep(4 * time.Minute)
		synctest.Wait()
		if got := d.take(); got[len(got)-1].state != link.StateLinked {
			t.Errorf("the right one is there: got %v", got)
		}
		stop()
		e.Close()
		peer.Close()
		imposter.Close()
		time.Sleep(2 * time.Second) // of the bubble: the pipes' last writes meet their deadline
	})
}

// A refusal by the other side is one too, though our handshake had succeeded.
func TestMaintainRefusedByPeer(t *testing.T) {
	picky := forger{tls: func(c *tls.Config) {
		c.ClientAuth = tls.RequireAnyClientCert
		c.VerifyConnection = func(tls.ConnectionState) error { return errors.New("not you") }
	}}
	e := newEndpoint(t, link.Config{})
	reports := make(chan entry, 10)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		handle := func(_ context.Context, c *link.Conn) error {
			c.Read(make([]byte, 1))
			return errors.New("something else")
		}
		e.Maintain(ctx, link.Address{HostPort: listenForged(t, picky.config(t))}, handle, func(s link.State, err error) {
			reports <- entry{state: s, err: err}
		})
	}()
	for _, want := range []link.State{link.StateDialing, link.StateLinked, link.StateRefused} {
		got := <-reports
		if got.state != want {
			t.Fatalf("got %v (%v), want %v", got.state, got.err, want)
		}
		if want == link.StateRefused {
			wantReason(t, got.err, link.ReasonByPeer)
		}
	}
	cancel()
	<-done
}
