package node

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Attach returns the operations of the node in o.Dir to a command: through the
// socket when it runs, else on the opened store. Of o it heeds Dir, Topics (the first
// is the one to act on), Passphrase, which is asked only before a write to
// the opened store, and Log. The error wraps ErrNoNode for a directory that was never set up.
func Attach(ctx context.Context, o Options) (API, error) {
	o = Options{Dir: o.Dir, Topics: o.Topics, Passphrase: o.Passphrase, Log: o.Log, Version: o.Version, Offline: true}
	if err := o.check(); err != nil {
		return nil, err
	}
	path, err := resolveDir(o.Dir)
	if err != nil {
		return nil, err
	}
	o.Dir = path
	deadline := time.Now().Add(startupWait)
	for {
		api, err := attachOnce(ctx, o)
		if !errors.Is(err, ErrRunning) {
			return api, err
		}
		// Its node is about to listen, or about to be gone.
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("node: %s is locked, and no node answers on its socket within %v: it starts, or hangs", path, startupWait)
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("node: %s is locked, and no node answers on its socket: %w", path, context.Cause(ctx))
		case <-time.After(startupLook):
		}
	}
}

func attachOnce(ctx context.Context, o Options) (API, error) {
	c, err := connect(ctx, o)
	if c != nil || err != nil {
		return c, err
	}
	n, err := Open(ctx, o)
	if err != nil {
		return nil, err
	}
	return n, nil
}

// connect returns a client of the running node, nil if nothing answers.
func connect(ctx context.Context, o Options) (API, error) {
	d, err := openDir(o.Dir)
	if err != nil {
		return nil, err
	}
	conn, err := d.dialSocket(ctx)
	if err != nil {
		d.close()
		return nil, nil
	}
	conn.Close()
	topic := ""
	if len(o.Topics) > 0 {
		topic = o.Topics[0]
	}
	c := newClient(d, topic)
	_, err = c.Status(ctx) // it also knows whether there is such a topic
	if err == nil {
		return c, nil
	}
	c.Close()
	if ctx.Err() == nil && (errors.Is(err, errNoAnswer) || errors.Is(err, ErrClosed)) {
		return nil, nil // it stops
	}
	return nil, err
}
