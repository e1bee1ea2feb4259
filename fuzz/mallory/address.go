package mallory

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"syscall"
)

// ErrNotLoopback is wrapped by the errors about addresses that are not loopback.
var ErrNotLoopback = errors.New("not a loopback address")

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
	host, _, err := net.SplitHostPort(hostPort)
	if err != nil {
		return fmt.Errorf("mallory: %q: want HOST:PORT: %w", hostPort, err)
	}
	if host == "" {
		return fmt.Errorf("mallory: %s: %w", hostPort, ErrNotLoopback)
	}
	found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return fmt.Errorf("mallory: %s: %w", hostPort, err)
	}
	for _, a := range found {
		if !a.Unmap().IsLoopback() {
			return fmt.Errorf("mallory: %s: %w", hostPort, ErrNotLoopback)
		}
	}
	return nil
}

// onlyLoopback refuses an address before it is bound or dialed, names resolved.
func (r *Relay) onlyLoopback(_, address string, _ syscall.RawConn) error {
	if r.cfg.InsecureAnyAddress {
		return nil
	}
	a, err := netip.ParseAddrPort(address)
	if err != nil || !a.Addr().Unmap().IsLoopback() {
		return fmt.Errorf("mallory: %s: %w", address, ErrNotLoopback)
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
