package link_test

import (
	"context"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/hearsaynet/hearsay/replica/link"
)

func newLogger(h slog.Handler) *slog.Logger { return slog.New(h) }

// pipeNet is a net.Listener whose connections are pipes, with addresses that
// the test chooses, for use under synctest.
type pipeNet struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once

	buffered bool // like a socket: a write does not wait for the reader
}

func newPipeNet() *pipeNet {
	return &pipeNet{conns: make(chan net.Conn), closed: make(chan struct{})}
}

func (n *pipeNet) Accept() (net.Conn, error) {
	select {
	case c := <-n.conns:
		return c, nil
	case <-n.closed:
		return nil, net.ErrClosed
	}
}

func (n *pipeNet) Close() error   { n.once.Do(func() { close(n.closed) }); return nil }
func (n *pipeNet) Addr() net.Addr { return pipeAddr("pipe:1") }

type pipeAddr string

func (a pipeAddr) Network() string { return "pipe" }
func (a pipeAddr) String() string  { return string(a) }

type pipeConn struct {
	net.Conn
	remote net.Addr
}

func (c pipeConn) RemoteAddr() net.Addr { return c.remote }

// dial connects to the listener as if from addr. Without a listener the
// connection is closed at once.
func (n *pipeNet) dial(addr string) net.Conn {
	near, far := net.Pipe()
	if n.buffered {
		near, far = newBuffered(near), newBuffered(far)
	}
	select {
	case n.conns <- pipeConn{far, pipeAddr(addr)}:
	case <-n.closed:
		near.Close()
		far.Close()
	}
	return near
}

// dialFrom is a Config.Dial.
func (n *pipeNet) dialFrom(addr string) func(context.Context, string, string) (net.Conn, error) {
	return func(context.Context, string, string) (net.Conn, error) { return n.dial(addr), nil }
}

func (n *pipeNet) serve(t *testing.T, e *link.Endpoint, handle link.Handler) {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- e.Serve(context.Background(), n, handle) }()
	t.Cleanup(func() {
		e.Close()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
}

// buffered writes to its pipe on a goroutine of its own, and closes it when what
// was written has been read.
type buffered struct {
	net.Conn
	mu     sync.Mutex // guards closed; sends on writes
	closed bool
	writes chan []byte
}

func newBuffered(c net.Conn) *buffered {
	b := &buffered{Conn: c, writes: make(chan []byte, 1000)}
	go func() {
		defer c.Close()
		for w := range b.writes {
			c.SetWriteDeadline(time.Now().Add(time.Second))
			if _, err := c.Write(w); err != nil {
				return
			}
		}
	}()
	return b
}

func (b *buffered) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return 0, net.ErrClosed
	}
	b.writes <- append([]byte(nil), p...)
	return len(p), nil
}

func (b *buffered) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.closed {
		b.closed = true
		close(b.writes)
	}
	return nil
}

func (b *buffered) SetDeadline(t time.Time) error    { return b.SetReadDeadline(t) }
func (b *buffered) SetWriteDeadline(time.Time) error { return nil }
