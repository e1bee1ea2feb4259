package replica_test

import (
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/internal/wiretest"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// slow is a connection that brings so many bytes a second, behind a buffer of chunks.
type slow struct {
	net.Conn
	chunks chan []byte
	rest   []byte
	rate   int
	done   chan struct{}
}

func (s *slow) Close() error {
	defer func() { recover() }()
	close(s.done)
	return s.Conn.Close()
}

func throttle(c net.Conn, rate, buffer int) *slow {
	s := &slow{Conn: c, chunks: make(chan []byte, buffer/(32<<10)), rate: rate, done: make(chan struct{})}
	go func() {
		defer close(s.chunks)
		for {
			b := make([]byte, 32<<10)
			n, err := c.Read(b)
			if n > 0 {
				select {
				case s.chunks <- b[:n]:
				case <-s.done:
					return
				}
			}
			if err != nil {
				return
			}
		}
	}()
	return s
}

func (s *slow) Read(b []byte) (int, error) {
	if len(s.rest) == 0 {
		var c []byte
		select {
		case c = <-s.chunks:
		case <-s.done:
		}
		if c == nil {
			return 0, io.EOF
		}
		time.Sleep(time.Duration(len(c)) * time.Second / time.Duration(s.rate))
		s.rest = c
	}
	n := copy(b, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

func fresh(t *testing.T, total, change, rate, buffer int) {
	x := wiretest.NewAuthor("x")
	server, node := open(t, "", atModern), open(t, "", atModern)
	prev := x.Start()
	n := total / change
	src := dial(t, server)
	src.key(x)
	for range n {
		run := x.Run(topic, prev, wiretest.Change(1, "test", strings.Repeat("x", change)))
		src.run(run)
		prev = run.End()
	}
	src.sync()
	src.conn.Close()
	synctest.Wait()
	ca, cb := pipe()
	var sent replica.Counters
	ended := make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	began := time.Now()
	go func() { ended <- server.Sync(ctx, ca, replica.SyncConfig{Name: "fresh", Counters: &sent}) }()
	go node.Sync(ctx, throttle(cb, rate, buffer), replica.SyncConfig{Name: "server"})
	due := time.Duration(total/rate) * time.Second
	for range 30 {
		select {
		case err := <-ended:
			t.Errorf("after %v, at %d of %d, %d were sent: the session ended: %v", time.Since(began), node.Clock()[x.ID()].Seq, n, sent.UpdatesOut.Load(), err)
			goto end
		case <-time.After(due / 10):
		}
		if node.Clock()[x.ID()].Seq == wire.Ref(prev).Seq {
			break
		}
	}
	if out := sent.UpdatesOut.Load(); node.Clock()[x.ID()].Seq != prev.Seq || out > uint64(2*n) || time.Since(began) > 2*due {
		t.Errorf("%d of %d came in %v, %d were sent; the link takes %v", node.Clock()[x.ID()].Seq, n, time.Since(began), out, due)
	}
end:
	cancel()
	server.Close()
	node.Close()
	rest(10 * time.Second)
}

// An honest fresh node on a slow link, which tells what it has many times, is served.
func TestSlowLinkIsNotBlamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { fresh(t, 60<<20, 250<<10, 50<<10, 64<<10) })
}

// What is in the buffers of the link is not sent again at each digest.
func TestBufferedIsNotSentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { fresh(t, 40<<20, 50<<10, 100<<10, 4<<20) })
}

// While the models are at work for long, honest links are not closed as silent.
type sleepy struct {
	journal
	d time.Duration
}

func (s *sleepy) ApplyUpdate(u replica.Update) (bool, error) { time.Sleep(s.d); return true, nil }

func TestBusyIsNotSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := wiretest.NewAuthor("x")
		p := open(t, "", atModern)
		link := dial(t, p)
		link.key(x)
		big := &sleepy{d: 100 * time.Millisecond} // 55 s of work
		if _, err := p.Mount("big", big); err != nil {
			t.Fatal(err)
		}
		prev := x.Start()
		quit := make(chan struct{})
		go func() {
			defer close(quit)
			for i := range 3000 {
				ch := "test"
				if i < 550 {
					ch = "big"
				}
				run := x.Run(topic, prev, wiretest.Change(1, ch, "u"))
				link.run(run)
				prev = run.End()
			}
		}()
		select {
		case err := <-link.ended:
			t.Errorf("an honest link that never fell silent ended: %v", err)
		case <-time.After(10 * time.Minute):
		}
		link.conn.Close()
		<-quit
		p.Close()
		synctest.Wait()
	})
}
