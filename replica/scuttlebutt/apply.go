package scuttlebutt

import (
	"fmt"
	"time"

	"github.com/hearsaynet/hearsay/replica/scuttlebutt/internal/esjson"
)

// apply takes verified updates, in their order, under one lock, and clears entries. It calls refused, outside
// of the lock, with those that there is no room for; later ones of the same sources are not
// taken either.
func (n *Node) apply(entries []*entry, refused func(*entry, error)) {
	var full map[string]error
	n.mu.Lock()
	before := n.seq
	for i, e := range entries {
		if full[e.source] != nil {
			n.stats.Muted++
			entries[i] = nil
			continue
		}
		err := n.applyLocked(e)
		if err == nil {
			entries[i] = nil
			continue
		}
		if full == nil {
			full = make(map[string]error)
		}
		full[e.source] = err
	}
	if n.seq != before {
		close(n.changed)
		n.changed = make(chan struct{})
	}
	n.mu.Unlock()
	if full == nil {
		return
	}
	for _, e := range entries {
		if e != nil {
			refused(e, full[e.source])
		}
	}
}

// applyLocked takes one update: into the clock, the model and the history, or, with an
// error that wraps ErrFull, into none of them.
func (n *Node) applyLocked(e *entry) error {
	latest, met := n.clock[e.source]
	if latest >= e.ts {
		n.stats.Old++
		return nil
	}
	size := n.size
	if !met {
		if size += len(esjson.AppendString(nil, e.source)) + clockEntry; size > maxClock {
			return fmt.Errorf("%w: the clock holds %d sources", ErrFull, len(n.clock))
		}
	}
	key, keep, gone, err := n.model.place(e)
	live, bytes := n.live, n.bytes
	if err == nil && keep {
		live, bytes = live+1, bytes+int64(len(e.line))
		if gone != nil {
			live, bytes = live-1, bytes-int64(len(gone.line))
		}
		if live > n.cfg.MaxUpdates || bytes > n.cfg.MaxBytes {
			return fmt.Errorf("%w: the history holds %d updates of %d bytes", ErrFull, n.live, n.bytes)
		}
	}
	n.clock[e.source], n.size, n.newest = e.ts, size, max(n.newest, e.ts)
	switch {
	case err != nil:
		n.stats.Unusable++
		return nil
	case !keep:
		n.stats.Superseded++
		return nil
	}
	n.model.put(key, e)
	n.stats.Applied++
	n.live, n.bytes = live, bytes
	if gone != nil {
		gone.gone = true
	}
	n.seq++
	e.seq = n.seq
	n.updates = append(n.updates, e)
	n.compactLocked()
	return nil
}

// compactLocked forgets the replaced updates once they are most of the history.
func (n *Node) compactLocked() {
	if len(n.updates) < 2*batch || n.live > len(n.updates)/2 {
		return
	}
	left := make([]*entry, 0, 2*n.live)
	for _, e := range n.updates {
		if !e.gone {
			left = append(left, e)
		}
	}
	n.updates = left
}

// refuse remembers an update that was not taken.
func (n *Node) refuse(peer string, e *entry, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.stats.Refused++
	if len(n.refusals) == maxRefusals {
		n.refusals = n.refusals[:copy(n.refusals, n.refusals[1:])]
	}
	n.refusals = append(n.refusals, Refusal{time.Now(), peer, e.source, e.ts, err})
}

// count adds to one of the counts.
func (n *Node) count(field func(*Stats) *uint64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	*field(&n.stats)++
}
