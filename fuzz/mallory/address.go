package mallory

import (
	"context"
	"fmt"
	"net"
	"sync"
	"syscall"

	"github.com/hearsaynet/hearsay/fuzz/internal/loopback"
)

// ErrNotLoopback is wrapped by the errors about addresses that are not loopback.
var ErrNotLoopback = loopback.Err

// Listen is net.Listen for "tcp", for loopback only unless Config.InsecureAnyAddress.
func (r *Relay) Listen(ctx context.Context, address string) (net.Listener, error) {
	lc := net.ListenConfig{Control: r.onlyLoopback}
	ln, err := lc.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("mallory: %w", err)
	}
	return ln, nil
}

// Loopback returns an error that wraps ErrNotLoopback unless HOST:PORT leads to this
// machine only. What is bound and dialed is checked again.
func Loopback(ctx context.Context, hostPort string) error {
	if err := loopback.Check(ctx, hostPort); err != nil {
		return fmt.Errorf("mallory: %w", err)
	}
	return nil
}

// onlyLoopback refuses an address before it is bound or dialed, names resolved.
func (r *Relay) onlyLoopback(network, address string, c syscall.RawConn) error {
	if r.cfg.InsecureAnyAddress {
		return nil
	}
	if err := loopback.Control(network, address, c); err != nil {
		return fmt.Errorf("mallory: %w", err)
	}
	return nil
}

func (r *Relay) checkLoopback(a net.Addr) error {
	if _, ok := a.(*net.TCPAddr); !ok && !r.cfg.InsecureAnyAddress {
		return fmt.Errorf("mallory: %v: %w", a, ErrNotLoopback)
	}
	return r.onlyLoopback("", a.String(), nil)
}

// front is a listener that keeps to itself the callers of attacks that take the place of
// a link. Of the attacks and linking, each has its turn.
type front struct {
	r     *Relay
	ln    net.Listener
	link  chan net.Conn
	ended chan struct{}
	close sync.Once
}

func newFront(r *Relay, ln net.Listener) *front {
	return &front{r: r, ln: ln, link: make(chan net.Conn), ended: make(chan struct{})}
}

// accept takes callers until the listener is closed. Attacks run as tasks.
func (f *front) accept(ctx context.Context, tasks *sync.WaitGroup) {
	defer f.Close()
	turns := len(f.r.doors)
	if turns < len(f.r.cfg.Attacks) {
		turns++
	}
	busy := make(chan struct{}, maxLinks)
	for {
		c, err := f.ln.Accept()
		if err != nil {
			return
		}
		turn := int(f.r.callers.Add(1)-1) % turns
		if turn >= len(f.r.doors) {
			select {
			case f.link <- c:
			case <-f.ended:
				c.Close()
			}
			continue
		}
		select {
		case busy <- struct{}{}:
		default:
			c.Close()
			continue
		}
		f.r.tally.made.Add(1)
		tasks.Go(func() {
			defer func() { <-busy }()
			defer c.Close()
			stop := context.AfterFunc(ctx, func() { c.Close() })
			defer stop()
			f.r.doors[turn].answer(ctx, f.r, c)
		})
	}
}

// Accept implements net.Listener.
func (f *front) Accept() (net.Conn, error) {
	select {
	case c := <-f.link:
		return c, nil
	case <-f.ended:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (f *front) Close() error {
	f.close.Do(func() { close(f.ended) })
	return f.ln.Close()
}

// Addr implements net.Listener.
func (f *front) Addr() net.Addr { return f.ln.Addr() }
