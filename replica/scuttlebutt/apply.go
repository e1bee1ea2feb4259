package scuttlebutt

import (
	"fmt"
	"time"

	"github.com/hearsaynet/hearsay/replica/scuttlebutt/internal/esjson"
)

// apply takes verified updates, in their order, under one lock, and clears entries. It
// calls refused, outside of the lock, with those that there is no room for; later ones of
// the same sources are not taken either.
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

// placed is where an update belongs, and what the node holds with it.
type placed struct {
	key      string
	keep     bool
	gone     *entry // in whose place
	unusable error
	size     int
	live     int
	bytes    int64
}

// placeLocked returns where e belongs. The error wraps ErrFull.
func (n *Node) placeLocked(e *entry) (p placed, err error) {
	p.size, p.live, p.bytes = n.size, n.live, n.bytes
	if _, met := n.clock[e.source]; !met {
		if p.size += len(esjson.AppendString(nil, e.source)) + clockEntry; p.size > maxClock && e.source != n.id {
			err = fmt.Errorf("%w: the clock holds %d sources", ErrFull, len(n.clock))
		}
	}
	if p.key, p.keep, p.gone, p.unusable = n.model.place(e); p.unusable != nil || !p.keep {
		return p, err
	}
	p.live, p.bytes = p.live+1, p.bytes+int64(len(e.line))
	if p.gone != nil {
		p.live, p.bytes = p.live-1, p.bytes-int64(len(p.gone.line))
	}
	if p.live > n.cfg.MaxUpdates || p.bytes > n.cfg.MaxBytes {
		err = fmt.Errorf("%w: the history holds %d updates of %d bytes", ErrFull, n.live, n.bytes)
	}
	return p, err
}

// applyLocked takes one update: into the clock, the model and the history, or, with an
// error that wraps ErrFull, into none of them.
func (n *Node) applyLocked(e *entry) error {
	if n.clock[e.source] >= e.ts {
		n.stats.Old++
		return nil
	}
	p, err := n.placeLocked(e)
	if err == nil {
		n.putLocked(e, p)
	}
	return err
}

// putLocked puts e in its place.
func (n *Node) putLocked(e *entry, p placed) {
	n.clock[e.source], n.size, n.newest = e.ts, p.size, max(n.newest, e.ts)
	switch {
	case p.unusable != nil:
		n.stats.Unusable++
		return
	case !p.keep:
		n.stats.Superseded++
		return
	}
	n.model.put(p.key, e)
	n.stats.Applied++
	n.live, n.bytes = p.live, p.bytes
	if p.gone != nil {
		p.gone.gone = true
	}
	n.seq++
	e.seq = n.seq
	n.updates = append(n.updates, e)
	n.compactLocked()
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
