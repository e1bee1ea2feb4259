package scuttlebutt

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"time"

	"github.com/hearsaynet/hearsay/replica/scuttlebutt/internal/esjson"
)

// LocalUpdate makes an own update of a change, which is JSON, signs it if the node has
// Security, and applies it. Peers get it as sessions come to it. Timestamps are
// milliseconds, later than all own ones before, whatever the system's clock does.
func (n *Node) LocalUpdate(ctx context.Context, change json.RawMessage) (Update, error) {
	return n.local(ctx, change, n.timestamp)
}

// LocalUpdateAt is LocalUpdate with a timestamp for what was made elsewhere; it is later
// if there are own updates as late.
func (n *Node) LocalUpdateAt(ctx context.Context, change json.RawMessage, timestamp float64) (Update, error) {
	return n.local(ctx, change, func() float64 { return max(timestamp, behind(n.own())) })
}

func (n *Node) local(ctx context.Context, change json.RawMessage, timestamp func() float64) (Update, error) {
	text, err := Canonical(change)
	if err != nil {
		return Update{}, err
	}
	n.localMu.Lock()
	defer n.localMu.Unlock()
	for {
		e, err := n.draft(ctx, text, timestamp())
		if err != nil {
			return Update{}, err
		}
		if err := n.fits(e); err != nil {
			return Update{}, err
		}
		if n.journal != nil {
			if err := n.journal(e); err != nil {
				return Update{}, err
			}
		}
		if n.applyOwn(e) {
			return e.update(), nil
		}
	}
}

// draft makes an own update.
func (n *Node) draft(ctx context.Context, change []byte, ts float64) (*entry, error) {
	if n.ahead(ts) || !(ts > 0) {
		return nil, fmt.Errorf("%w: our own update would be of %s", ErrFuture, esjson.AppendNumber(nil, ts))
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
func (n *Node) timestamp() float64 {
	n.mu.RLock()
	own, newest := n.clock[n.id], n.newest
	n.mu.RUnlock()
	now := n.now()
	if newest <= millis(now.Add(n.cfg.MaxSkew/2)) {
		own = max(own, newest)
	}
	return max(millis(now), behind(own))
}

// own returns the timestamp of our newest update.
func (n *Node) own() float64 {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.clock[n.id]
}

// resume dates own updates behind ts, that of one which others may know although it has
// been replaced since: they drop what is dated before.
func (n *Node) resume(ts float64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	before, met := n.clock[n.id]
	if ts <= before {
		return
	}
	if !met {
		n.size += len(n.self) + clockEntry
	}
	n.clock[n.id], n.newest = ts, max(n.newest, ts)
}

// behind returns the next timestamp that JavaScript can tell from ts.
func behind(ts float64) float64 { return math.Nextafter(ts, math.Inf(1)) }

func millis(t time.Time) float64 { return float64(t.UnixMilli()) }

// fits says whether e can be applied: what has been written to a file has to be.
func (n *Node) fits(e *entry) error {
	n.mu.RLock()
	defer n.mu.RUnlock()
	p, err := n.placeLocked(e)
	return cmp.Or(err, p.unusable)
}

// applyOwn applies e, which fits or has done so a moment ago, unless a peer has brought an
// own update as late meanwhile.
func (n *Node) applyOwn(e *entry) (done bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.clock[n.id] >= e.ts {
		return false
	}
	p, _ := n.placeLocked(e)
	n.putLocked(e, p)
	close(n.changed)
	n.changed = make(chan struct{})
	return true
}
