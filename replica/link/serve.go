package link

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/hearsaynet/hearsay/keys"
)

// Serve accepts links on ln and runs handle for each, until ctx ends, ln is
// closed or the endpoint is. It closes ln and returns when all handlers have
// returned; the error is ln's, nil for an end that was asked for. Several Serve
// calls share the endpoint's limits.
func (e *Endpoint) Serve(ctx context.Context, ln net.Listener, handle Handler) error {
	defer ln.Close()
	ctx, leave, err := e.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(ctx, func() { ln.Close() })
	defer stop()
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()

	e.mint.poll() // have the certificate signed before the first peer waits for it
	for {
		raw, err := e.accept(ctx, ln)
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return nil
			}
			return err
		}
		e.stats.accepted.Add(1)
		s, reason := e.gate.admit(raw.RemoteAddr(), func() { raw.Close() })
		if reason == 0 {
			wg.Go(func() { e.serveConn(ctx, raw, s, handle) })
			continue
		}
		e.stats.refused(raw.RemoteAddr(), refuse(reason, "not accepted: %v", reason))
		if reason == ReasonBanned {
			select {
			case e.telling <- struct{}{}:
				wg.Go(func() { e.tellBanned(ctx, raw) })
				continue
			default: // so many are told already
			}
		}
		raw.Close()
	}
}

// tellBanned refuses raw with a TLS alert, and closes it.
func (e *Endpoint) tellBanned(ctx context.Context, raw net.Conn) {
	defer func() { <-e.telling }()
	defer raw.Close()
	raw.SetWriteDeadline(time.Now().Add(lingerTimeout))
	if _, err := raw.Write(bannedAlert); err == nil {
		linger(ctx, raw, ReasonBanned)
	}
}

// serveConn takes one accepted connection from handshake to end.
func (e *Endpoint) serveConn(ctx context.Context, raw net.Conn, s *slot, handle Handler) {
	c, err := e.secureInTurn(ctx, raw, s)
	if err == nil {
		if reason := e.gate.promote(s, c.displace); reason != 0 {
			c.Close()
			err = refuse(reason, "not accepted: %v", reason)
		}
	}
	if err == nil {
		e.stats.linked.Add(1)
		e.cfg.Log.Debug("link accepted", "addr", c.addr, "peer", c.id)
		ended := e.run(ctx, c, handle)
		e.cfg.Log.Debug("link ended", "addr", c.addr, "peer", c.id, "in", c.BytesIn(), "out", c.BytesOut(), "err", ended)
		if he, ok := errors.AsType[*HandshakeError](ended); ok && he.Reason == ReasonBanned {
			err = he // the handler knows ids
		}
	}
	if displaced := e.gate.release(s); displaced {
		err = refuse(ReasonDisplaced, "closed for others: its address had the most when all was taken")
	}
	if err != nil && ctx.Err() == nil {
		e.stats.refused(raw.RemoteAddr(), err)
	}
}

// secureInTurn makes raw a link when its turn has come.
func (e *Endpoint) secureInTurn(ctx context.Context, raw net.Conn, s *slot) (*Conn, error) {
	addr := raw.RemoteAddr()
	if reason := e.gate.wait(ctx, s, e.cfg.HandshakeTimeout); reason != 0 {
		raw.Close()
		return nil, refuse(reason, "not accepted: %v", reason)
	}
	c, err := e.secure(ctx, raw, addr.String(), keys.NodeID{}, false)
	if err == nil {
		c.blame = func(why error) { e.blame(addr, why) }
	}
	return c, err
}

// accept is ln.Accept that waits out a shortage of files or memory.
func (e *Endpoint) accept(ctx context.Context, ln net.Listener) (net.Conn, error) {
	for pause := 5 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		raw, err := ln.Accept()
		if err == nil || !shortage(err) {
			return raw, err
		}
		e.cfg.Log.Warn("accepting a connection", "err", err, "again_in", pause)
		if sleep(ctx, pause) != nil {
			return nil, err
		}
	}
}

var shortages = []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED, syscall.EINTR}

func shortage(err error) bool {
	return slices.ContainsFunc(shortages, func(s error) bool { return errors.Is(err, s) })
}

// sleep waits, or returns why ctx ended.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
