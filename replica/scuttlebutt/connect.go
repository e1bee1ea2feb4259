package scuttlebutt

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// MaxConns bounds the sessions of one Serve, MaxPerHost those of one address. Connections
// beyond them are closed.
const (
	MaxConns   = 256
	MaxPerHost = 64
)

const (
	// redialFirst and redialMost bound the pauses between connections.
	redialFirst = 500 * time.Millisecond
	redialMost  = time.Minute
	// steadyAfter is how long a session lasts to be no failure.
	steadyAfter = 10 * time.Second
	// acceptPause is how long nothing is accepted after that has failed.
	acceptPause = 100 * time.Millisecond
)

// seats counts sessions by host.
type seats struct {
	mu  sync.Mutex // guards what follows
	all int
	of  map[string]int
}

func (s *seats) take(host string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all == MaxConns || s.of[host] == MaxPerHost {
		return false
	}
	s.all++
	s.of[host]++
	return true
}

func (s *seats) leave(host string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all--
	if s.of[host]--; s.of[host] == 0 {
		delete(s.of, host)
	}
}

// Serve has a session with each peer that connects to ln, which it closes, until ctx ends.
// cfg.Name is the peer's address where it is empty.
func (n *Node) Serve(ctx context.Context, ln net.Listener, cfg SyncConfig) error {
	if err := cfg.check(); err != nil {
		return errors.Join(err, ln.Close())
	}
	var work sync.WaitGroup
	defer work.Wait()
	ctx, end := context.WithCancel(ctx)
	defer end()
	defer context.AfterFunc(ctx, func() { ln.Close() })()
	seats := seats{of: make(map[string]int)}
	for {
		conn, err := ln.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if errors.Is(err, net.ErrClosed) {
				return err
			}
			n.log.Warn("no connection is accepted", "err", err) // too many files are open
			select {
			case <-time.After(acceptPause):
			case <-ctx.Done():
			}
			continue
		}
		host, _, _ := net.SplitHostPort(conn.RemoteAddr().String())
		if !seats.take(host) {
			n.log.Warn("too many connections: one is closed", "peer", conn.RemoteAddr(), "limit", MaxConns, "per_host", MaxPerHost)
			conn.Close()
			continue
		}
		work.Go(func() {
			defer seats.leave(host)
			n.talk(ctx, conn, cfg)
		})
	}
}

// Connect keeps a session with the peer at addr, host:port over TCP, until ctx ends; it
// dials again, after a pause, whenever there is none. With cfg.NoTail it returns after
// the first session that ends well.
func (n *Node) Connect(ctx context.Context, addr string, cfg SyncConfig) error {
	if err := cfg.check(); err != nil {
		return err
	}
	cfg.Renew = !cfg.NoTail
	pause := backoff.ExponentialBackOff{
		InitialInterval: redialFirst, RandomizationFactor: 0.5, Multiplier: 2, MaxInterval: redialMost,
	}
	for {
		began := time.Now()
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
		if err == nil {
			err = n.talk(ctx, conn, cfg)
		} else if ctx.Err() == nil {
			n.log.Info("no connection", "peer", addr, "err", err)
		}
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err == nil && cfg.NoTail:
			return nil
		case errors.Is(err, ErrRenew):
			continue
		case time.Since(began) > steadyAfter:
			pause.Reset()
		}
		select {
		case <-time.After(pause.NextBackOff()):
		case <-ctx.Done():
		}
	}
}

// talk has one session.
func (n *Node) talk(ctx context.Context, conn net.Conn, cfg SyncConfig) error {
	if cfg.Name == "" {
		cfg.Name = conn.RemoteAddr().String()
	}
	n.log.Info("session", "peer", cfg.Name)
	err := n.Sync(ctx, conn, cfg)
	if ctx.Err() == nil {
		n.log.Info("session ended", "peer", cfg.Name, "err", err)
	}
	return err
}
