package scuttlebutt

import (
	"context"
	"encoding/json"
	"fmt"
	"math"

	"github.com/hearsaynet/hearsay/replica/scuttlebutt/internal/esjson"
)

// LocalUpdate makes an own update of a change, which is JSON, signs it if the node has
// Security, and applies it. Peers get it as sessions come to it. Timestamps are
// milliseconds, later than all own ones before, whatever the system's clock does.
func (n *Node) LocalUpdate(ctx context.Context, change json.RawMessage) (Update, error) {
	text, err := Canonical(change)
	if err != nil {
		return Update{}, err
	}
	n.localMu.Lock()
	defer n.localMu.Unlock()
	for {
		e, err := n.draft(ctx, text)
		if err != nil {
			return Update{}, err
		}
		if done, err := n.applyOwn(e); done || err != nil {
			return e.update(), err
		}
	}
}

// draft makes an own update with the next timestamp.
func (n *Node) draft(ctx context.Context, change []byte) (*entry, error) {
	ts, err := n.timestamp()
	if err != nil {
		return nil, err
	}
	e := newEntry(change, ts, n.id)
	if n.cfg.Security != nil {
		sig, err := n.cfg.Security.Sign(ctx, e.line)
		if err != nil {
			return nil, fmt.Errorf("scuttlebutt: signing: %w", err)
		}
		e.sign(encodeSignature(sig))
	}
	if len(e.line) > MaxLine {
		return nil, fmt.Errorf("%w: %d bytes of at most %d", ErrTooLong, len(e.line), MaxLine)
	}
	return e, nil
}

// timestamp returns the time, or what follows our newest update; and what follows the
// newest of anybody, as long as that is not far ahead, so that what is set later is later.
func (n *Node) timestamp() (float64, error) {
	n.mu.RLock()
	own, newest := n.clock[n.id], n.newest
	n.mu.RUnlock()
	now := n.now()
	ts := float64(now.UnixMilli())
	if newest <= float64(now.Add(n.cfg.MaxSkew/2).UnixMilli()) {
		own = max(own, newest)
	}
	if ts <= own {
		ts = math.Nextafter(own, math.Inf(1))
	}
	if n.ahead(ts) {
		return 0, fmt.Errorf("%w: our own updates are known up to %s", ErrFuture, esjson.AppendNumber(nil, own))
	}
	return ts, nil
}

// applyOwn applies e unless a peer has brought an own update as late meanwhile.
func (n *Node) applyOwn(e *entry) (done bool, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.clock[n.id] >= e.ts {
		return false, nil
	}
	unusable := n.stats.Unusable
	if err := n.applyLocked(e); err != nil {
		return false, err
	}
	if n.stats.Unusable != unusable {
		return false, ErrUnusable
	}
	close(n.changed)
	n.changed = make(chan struct{})
	return true, nil
}
