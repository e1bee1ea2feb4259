package replica

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hearsaynet/hearsay/replica/wire"
)

// Guard protects the own author from a store that may have forgotten some of its
// updates: a restored backup, a copied directory, a key that was used elsewhere.
// Writing again from an old frontier would publish a second history.
type Guard struct {
	// Suspect says that the store is not known to be the one that wrote last with this
	// key. Writing waits until peers have been asked for the key's updates.
	Suspect bool
	// Peers are the names, as in SyncConfig.Name, of the peers that must answer.
	Peers []string
	// Force writes without asking.
	Force bool
	// Confirmed, if set, is called once when writing is allowed.
	Confirmed func()
}

// The reasons why LocalUpdate refuses to write.
var (
	// ErrUnconfirmed: no peer has said what this key wrote last.
	ErrUnconfirmed = errors.New("replica: this key may have written elsewhere, and no peer has answered what: connect a peer that knows, or, for a key that is new, use --force")
	// ErrWritesElsewhere: a peer showed a valid update of our key that this store lacks.
	ErrWritesElsewhere = errors.New("replica: this key writes elsewhere: stop the other node, then restart this one")
	// ErrForked: the own key has signed two histories. Nothing repairs that; use a new key.
	ErrForked = errors.New("replica: this key has signed two histories, because two stores wrote with it: what it wrote from there on counts nowhere any more; make a new key")
	// ErrReadOnly: the replica has no Signer.
	ErrReadOnly = errors.New("replica: no signer: this replica only reads and relays")
)

type guard struct {
	r *Replica

	mu        sync.Mutex // guards the fields below
	opened    time.Time
	open      bool // writing is allowed
	awaited   map[string]bool
	answered  bool
	claim     uint64 // the highest own seq that a peer claims and has not proved
	claimed   time.Time
	signed    uint64 // the highest own seq that a signed head states
	elsewhere error
	changed   chan struct{} // closed and replaced when something above changes

	confirmed sync.Once // Confirmed, which may write to a disk: called without mu
}

// confirm calls Confirmed, once, before anybody who may write now goes on.
func (g *guard) confirm() {
	if f := g.r.cfg.Guard.Confirmed; f != nil {
		g.confirmed.Do(f)
	}
}

func (g *guard) init(r *Replica) {
	g.r = r
	c := r.cfg.Guard
	g.opened = r.cfg.Now()
	g.open = !c.Suspect || c.Force || r.cfg.testOnly.guardIgnored
	g.awaited = make(map[string]bool, len(c.Peers))
	for _, p := range c.Peers {
		g.awaited[p] = true
	}
	g.changed = make(chan struct{})
	if a := r.authors[r.self]; a != nil && a.cut != nil {
		g.elsewhere = fmt.Errorf("%w (from seq %d on)", ErrForked, a.cut.seq)
	} else if a != nil && a.word != nil && a.word.head.Ref().Seq > a.frontier.Seq {
		g.open, g.signed = false, a.word.head.Ref().Seq // our own head says that the store has lost something
	}
	if g.open {
		g.confirm()
	}
}

// wait blocks until writing is allowed, or says why it is not.
func (g *guard) wait(ctx context.Context) error {
	for {
		g.mu.Lock()
		allowed, until, err := g.stateLocked(g.r.cfg.Now())
		changed := g.changed
		g.mu.Unlock()
		if allowed {
			g.confirm()
		}
		if err != nil || allowed {
			return err
		}
		timer := time.NewTimer(until)
		select {
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("%w (waiting for peers: %w)", ErrUnconfirmed, context.Cause(ctx))
		case <-g.r.ctx.Done():
			timer.Stop()
			return ErrClosed
		case <-changed:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// stateLocked says whether writing is allowed, or how long to wait at most before
// looking again.
func (g *guard) stateLocked(now time.Time) (allowed bool, again time.Duration, err error) {
	if g.elsewhere != nil {
		return false, 0, g.elsewhere
	}
	if g.open {
		return true, 0, nil
	}
	late := now.Sub(g.opened) >= guardWait
	if own := g.r.ownFrontier().Seq; g.signed > own {
		if late {
			return false, 0, fmt.Errorf("%w (its own signed head says seq %d, this store has %d)", ErrUnconfirmed, g.signed, own)
		}
		return false, guardWait - now.Sub(g.opened), nil
	}
	if g.claim > g.r.ownFrontier().Seq && now.Sub(g.claimed) < guardWait {
		return false, guardWait - now.Sub(g.claimed), nil
	}
	if g.answered && (len(g.awaited) == 0 || late) {
		g.open = true
		g.notifyLocked()
		return true, 0, nil
	}
	if late || (len(g.awaited) == 0 && len(g.r.cfg.Guard.Peers) == 0) {
		return false, 0, ErrUnconfirmed
	}
	return false, guardWait - now.Sub(g.opened), nil
}

func (g *guard) notifyLocked() {
	close(g.changed)
	g.changed = make(chan struct{})
}

// peerAnswered notes that a peer has sent all it has of our own updates.
func (g *guard) peerAnswered(name string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.open {
		return
	}
	delete(g.awaited, name)
	g.answered = true
	g.notifyLocked()
}

// peerClaims notes that a peer claims to have an own update of this seq.
func (g *guard) peerClaims(seq uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.open || seq <= g.claim {
		return
	}
	g.claim = seq
	if g.claimed.IsZero() { // a claim that rises gets no more time
		g.claimed = g.r.cfg.Now()
	}
	g.notifyLocked()
}

// foreignOwn is called when a verified update of our own key came from elsewhere that
// the store lacked.
func (g *guard) foreignOwn() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.open {
		g.stopLocked(ErrWritesElsewhere)
	} else {
		g.notifyLocked()
	}
}

// news reports whether a head of our own key may tell something: that another node is
// alive with it, or that it has written more than this store has.
func (g *guard) news(issued, seq uint64) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.elsewhere != nil {
		return false
	}
	alive := instant(issued).After(g.opened) && g.r.issued.foreign(issued)
	return alive || seq > max(g.signed, g.r.ownFrontier().Seq)
}

// ownHead is called with a verified head of our own key that we did not sign since we
// opened. If it was signed since then, or says what the store does not, another node
// is at work with this key.
func (g *guard) ownHead(h *wire.Head, frontier uint64, same bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	seq := h.Ref().Seq
	switch {
	case !same:
		g.stopLocked(fmt.Errorf("%w (it has signed another update with seq %d)", ErrWritesElsewhere, seq))
	case instant(h.Issued()).After(g.opened) && g.r.issued.foreign(h.Issued()):
		g.stopLocked(ErrWritesElsewhere)
	case seq > frontier && g.open:
		g.stopLocked(fmt.Errorf("%w (it has written up to seq %d, this store has %d: was it restored from a backup?)", ErrWritesElsewhere, seq, frontier))
	case seq > frontier:
		g.signed = max(g.signed, seq)
		g.notifyLocked()
	}
}

// stopLocked ends writing until the replica is opened again.
func (g *guard) stopLocked(why error) {
	if g.elsewhere == nil {
		g.elsewhere = why
		g.notifyLocked()
		g.r.trouble("local author", why)
	}
}

// forked is called when the own key has signed two updates of this seq or below.
func (g *guard) forked(seq uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !errors.Is(g.elsewhere, ErrForked) {
		g.elsewhere = nil
	}
	g.stopLocked(fmt.Errorf("%w (from seq %d on)", ErrForked, seq))
}

// status returns why writing is refused or waits, nil when it is allowed.
func (g *guard) status() error {
	g.mu.Lock()
	allowed, _, err := g.stateLocked(g.r.cfg.Now())
	g.mu.Unlock()
	if allowed {
		g.confirm()
	}
	if err == nil && !allowed {
		err = errors.New("replica: asking the peers what this key wrote last")
	}
	return err
}
