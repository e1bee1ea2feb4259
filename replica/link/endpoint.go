package link

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/sign"
)

// Handler holds one conversation on a link. The link is closed when it returns.
// It must return soon after ctx has ended; 2 s later the connection is cut.
type Handler func(ctx context.Context, c *Conn) error

// Config is what an Endpoint is made of. Only Signer is needed; a number that is
// zero means its default.
type Config struct {
	Signer           sign.Signer      // the node's key
	Log              *slog.Logger     // nil discards
	HandshakeTimeout time.Duration    // for connecting, and again for the handshake; default 10 s
	MaxConns         int              // accepted links in all; default 256
	MaxHandshakes    int              // handshakes of accepted connections under way; four times as many may wait; default 64
	MaxPerPrefix     int              // accepted links and handshakes of one /32 (IPv4) or /64 (IPv6), except loopback; default 16
	AcceptRate       float64          // handshakes begun on accepted connections per second, after MaxHandshakes at once; default 100
	Now              func() time.Time // the clock that certificates are made and judged by; default time.Now

	// Dial makes the connections below TLS; default net.Dialer's.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

func (cfg *Config) setDefaults() error {
	if cfg.Signer == nil || cfg.Signer.Public().IsZero() {
		return errors.New("link: Config.Signer is needed")
	}
	if cfg.HandshakeTimeout < 0 || cfg.MaxConns < 0 || cfg.MaxHandshakes < 0 || cfg.MaxPerPrefix < 0 || cfg.AcceptRate < 0 {
		return errors.New("link: a limit in Config is negative")
	}
	cfg.HandshakeTimeout = cmp.Or(cfg.HandshakeTimeout, DefaultHandshakeTimeout)
	cfg.MaxConns = cmp.Or(cfg.MaxConns, DefaultMaxConns)
	cfg.MaxHandshakes = cmp.Or(cfg.MaxHandshakes, DefaultMaxHandshakes)
	cfg.MaxPerPrefix = cmp.Or(cfg.MaxPerPrefix, DefaultMaxPerPrefix)
	cfg.AcceptRate = cmp.Or(cfg.AcceptRate, DefaultAcceptRate)
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Dial == nil {
		cfg.Dial = new(net.Dialer).DialContext
	}
	return nil
}

// Endpoint makes a node's links. It is safe for concurrent use.
type Endpoint struct {
	cfg   Config
	id    keys.NodeID
	mint  *minter
	gate  *gate
	stats stats

	telling chan struct{} // a token for each connection that is told why it is refused

	ctx    context.Context // ends at Close
	cancel context.CancelFunc
	wg     sync.WaitGroup // calls of Dial, Serve and Maintain, and signatures

	mu     sync.Mutex // guards closed, conns; starts on wg
	closed bool
	conns  map[*Conn]struct{}
}

// New makes an endpoint. It binds nothing, dials nothing and signs nothing yet.
func New(cfg Config) (*Endpoint, error) {
	if err := cfg.setDefaults(); err != nil {
		return nil, err
	}
	e := &Endpoint{cfg: cfg, id: cfg.Signer.Public().ID(), conns: make(map[*Conn]struct{})}
	e.ctx, e.cancel = context.WithCancel(context.Background())
	e.mint = &minter{signer: cfg.Signer, now: cfg.Now, start: e.start, log: cfg.Log}
	e.gate = newGate(cfg)
	e.telling = make(chan struct{}, maxTelling)
	e.stats.log = newQuietLog(cfg.Log)
	return e, nil
}

// ID returns this node's id.
func (e *Endpoint) ID() keys.NodeID { return e.id }

// Close ends every link, handshake and call of Serve and Maintain, and waits for
// them. Handlers have 2 s to return before their connection is cut. It must not
// be called from a handler.
func (e *Endpoint) Close() error {
	e.mu.Lock()
	e.closed = true
	e.mu.Unlock()
	e.cancel()
	e.wg.Wait()

	e.mu.Lock() // what is left came from Dial
	left := make([]*Conn, 0, len(e.conns))
	for c := range e.conns {
		left = append(left, c)
	}
	e.mu.Unlock()
	var wg sync.WaitGroup
	for _, c := range left {
		wg.Go(func() { c.Close() })
	}
	wg.Wait()
	return nil
}

// enter begins a call that Close waits for; its context ends at Close too.
func (e *Endpoint) enter(ctx context.Context) (context.Context, func(), error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil, nil, ErrClosed
	}
	e.wg.Add(1)
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(e.ctx, func() { cancel(ErrClosed) })
	return ctx, func() { stop(); cancel(nil); e.wg.Done() }, nil
}

// start runs f on a goroutine that Close waits for, unless closed.
func (e *Endpoint) start(f func(context.Context)) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return false
	}
	e.wg.Go(func() { f(e.ctx) })
	return true
}

// Dial makes a link to a. The caller closes it. The error is a *HandshakeError
// when something answered there. See the package doc on when the other side may
// still refuse.
func (e *Endpoint) Dial(ctx context.Context, a Address) (*Conn, error) {
	ctx, leave, err := e.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	return e.dial(ctx, a)
}

func (e *Endpoint) dial(ctx context.Context, a Address) (*Conn, error) {
	if a.ID == e.id {
		return nil, &HandshakeError{Addr: a.HostPort, Reason: ReasonOwnID, ID: e.id, Err: errors.New("the id asked for is this node itself")}
	}
	// Our own signer's delay must not look like the peer's.
	if _, err := e.mint.certificate(ctx); err != nil {
		return nil, err
	}
	raw, err := e.connect(ctx, a.HostPort)
	if err != nil {
		return nil, err
	}
	c, err := e.secure(ctx, raw, a.HostPort, a.ID, true)
	if err != nil {
		return nil, err
	}
	e.stats.dialed.Add(1)
	return c, nil
}

func (e *Endpoint) connect(ctx context.Context, hostPort string) (net.Conn, error) {
	limited, cancel := context.WithTimeout(ctx, e.cfg.HandshakeTimeout)
	defer cancel()
	raw, err := e.cfg.Dial(limited, "tcp", hostPort)
	if err != nil {
		if op, ok := errors.AsType[*net.OpError](err); ok {
			err = op.Err // without the address, which stands before it
		}
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, fmt.Errorf("link: %s: %w", hostPort, err)
	}
	return raw, nil
}

// secure makes raw a link, or closes it.
func (e *Endpoint) secure(ctx context.Context, raw net.Conn, addr string, want keys.NodeID, dialed bool) (*Conn, error) {
	limited, cancel := context.WithTimeout(ctx, e.cfg.HandshakeTimeout)
	defer cancel()
	c := &Conn{raw: raw, addr: addr, dialed: dialed}
	var h handshake
	cfg := e.tlsConfig(want, &h)
	if dialed {
		c.tls = tls.Client(raw, cfg)
	} else {
		c.tls = tls.Server(raw, cfg)
	}
	if err := c.tls.HandshakeContext(limited); err != nil {
		defer raw.Close()
		if ctx.Err() != nil {
			return nil, fmt.Errorf("link: %s: %w", addr, context.Cause(ctx))
		}
		refused := explain(addr, cmp.Or(h.err, err), limited.Err() != nil, e.cfg.HandshakeTimeout)
		if !dialed {
			linger(ctx, raw, refused.Reason)
		}
		return nil, refused
	}
	c.peer, c.id = h.peer, h.peer.ID()
	if !e.track(c) {
		raw.Close()
		return nil, ErrClosed
	}
	return c, nil
}

func (e *Endpoint) track(c *Conn) bool {
	c.forget = func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		delete(e.conns, c)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return false
	}
	e.conns[c] = struct{}{}
	return true
}

// linger lets a peer that was sent an alert read it. It has already sent more
// than we read, and closing now could reset the connection under the alert.
func linger(ctx context.Context, raw net.Conn, why Reason) {
	if why == ReasonNotTLS || why == ReasonTimeout || why == ReasonHungUp {
		return
	}
	stop := context.AfterFunc(ctx, func() { raw.Close() })
	defer stop()
	if half, ok := raw.(interface{ CloseWrite() error }); ok {
		half.CloseWrite()
	}
	raw.SetReadDeadline(time.Now().Add(lingerTimeout))
	io.CopyN(io.Discard, raw, lingerBytes)
}

// run hands c to its handler and closes it afterwards.
func (e *Endpoint) run(ctx context.Context, c *Conn, handle Handler) error {
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() { c.closeAfter(ctx, done) })
	defer wg.Wait()
	defer close(done)
	defer c.Close()
	return handle(ctx, c)
}
