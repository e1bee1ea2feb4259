package link

import (
	"context"
	"crypto/tls"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hearsaynet/hearsay/keys"
)

// Conn is a link: a net.Conn whose other end has proved its key. It buffers no
// writes: each becomes TLS records at once, so write 64 KiB at a time.
type Conn struct {
	tls    *tls.Conn
	raw    net.Conn
	addr   string // for messages
	peer   keys.PublicKey
	id     keys.NodeID
	dialed bool

	in, out atomic.Uint64
	verdict atomic.Pointer[HandshakeError] // why the link ended, when we know better than the socket
	close   sync.Once
	closed  error
	forget  func()
	blame   func(error) // nil unless accepted
}

// PeerID returns the id that the other end has proved.
func (c *Conn) PeerID() keys.NodeID { return c.id }

// PeerKey returns the key that the other end has proved.
func (c *Conn) PeerKey() keys.PublicKey { return c.peer }

// Dialed reports whether this node made the connection.
func (c *Conn) Dialed() bool { return c.dialed }

// BytesIn returns how many bytes were read, without what TLS adds.
func (c *Conn) BytesIn() uint64 { return c.in.Load() }

// BytesOut returns how many bytes were written, without what TLS adds.
func (c *Conn) BytesOut() uint64 { return c.out.Load() }

// Read implements net.Conn. The first Read of a dialed link fails with a
// *HandshakeError of ReasonByPeer when the other side refused our certificate.
func (c *Conn) Read(b []byte) (int, error) {
	n, err := c.tls.Read(b)
	total := c.in.Add(uint64(n))
	if err == nil {
		return n, nil
	}
	if text, ok := remoteAlert(err); ok && total == 0 && c.dialed {
		refusal := explainAlert(text)
		refusal.Addr = c.addr
		c.verdict.CompareAndSwap(nil, refusal)
	}
	return n, c.ended(err)
}

// Write implements net.Conn.
func (c *Conn) Write(b []byte) (int, error) {
	n, err := c.tls.Write(b)
	c.out.Add(uint64(n))
	if err != nil {
		err = c.ended(err)
	}
	return n, err
}

func (c *Conn) ended(err error) error {
	if v := c.verdict.Load(); v != nil {
		return v
	}
	return err
}

// Close tells the other side and closes the connection. It may take up to 5
// seconds when the other side does not read. Reads and writes under way fail.
func (c *Conn) Close() error {
	c.close.Do(func() {
		c.closed = c.tls.Close()
		c.forget()
	})
	return c.closed
}

// displace closes the link for others; it never blocks.
func (c *Conn) displace() {
	gone := refuse(ReasonDisplaced, "closed for others: its address had the most links when all were taken")
	gone.Addr = c.addr
	c.verdict.CompareAndSwap(nil, gone)
	c.raw.Close()
}

// closeAfter cuts the connection when its handler is not done closeGrace after
// the end of ctx.
func (c *Conn) closeAfter(ctx context.Context, done <-chan struct{}) {
	select {
	case <-done:
		return
	case <-ctx.Done():
	}
	grace := time.NewTimer(closeGrace)
	defer grace.Stop()
	select {
	case <-done:
	case <-grace.C:
		c.raw.Close()
	}
}

// LocalAddr implements net.Conn.
func (c *Conn) LocalAddr() net.Addr { return c.raw.LocalAddr() }

// Prefix returns what the peer's address is counted under: its /32 or /64, the zero
// prefix for what is no IP address. Ids are free, addresses less so.
func (c *Conn) Prefix() netip.Prefix { return addressPrefix(c.raw.RemoteAddr()) }

// RemoteAddr implements net.Conn.
func (c *Conn) RemoteAddr() net.Addr { return c.raw.RemoteAddr() }

// SetDeadline implements net.Conn. After a Write has timed out the link is
// unusable, as crypto/tls has it.
func (c *Conn) SetDeadline(t time.Time) error { return c.tls.SetDeadline(t) }

// SetReadDeadline implements net.Conn.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.tls.SetReadDeadline(t) }

// SetWriteDeadline implements net.Conn; see SetDeadline.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.tls.SetWriteDeadline(t) }
