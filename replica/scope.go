package replica

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// The reasons why a session does not take what its peer sends.
var (
	errSendOnly    = errors.New("it came over a session that only sends")
	errOtherAuthor = errors.New("it came over a session for other authors")
)

// check says what cannot be meant.
func (c *SyncConfig) check() error {
	switch {
	case c.SendOnly && c.ReceiveOnly:
		return errors.New("replica: SyncConfig.SendOnly and ReceiveOnly leave nothing to do: set one of them")
	case c.SendClock && !c.ReceiveOnly:
		return errors.New("replica: SyncConfig.SendClock belongs to ReceiveOnly: every other session sends its clock as it must")
	case len(c.Meta) > wire.MaxMeta:
		return fmt.Errorf("replica: SyncConfig.Meta has %d bytes, at most %d", len(c.Meta), wire.MaxMeta)
	case c.Authors != nil && len(c.Authors) == 0:
		return errors.New("replica: SyncConfig.Authors is empty and leaves nothing to do: nil means all authors")
	case len(c.Authors) > maxDigestFrames*wire.MaxDigestRefs:
		return fmt.Errorf("replica: SyncConfig.Authors has %d ids, at most %d", len(c.Authors), maxDigestFrames*wire.MaxDigestRefs)
	}
	for _, id := range c.Authors {
		if id.IsZero() {
			return errors.New("replica: SyncConfig.Authors has a zero id")
		}
	}
	return nil
}

// scope says what passes on a session: which way, and of which authors.
type scope struct {
	sendOnly    bool
	receiveOnly bool
	silent      bool                 // the peer is not told what we have
	authors     map[keys.NodeID]bool // nil: all
}

func newScope(c *SyncConfig) scope {
	x := scope{sendOnly: c.SendOnly, receiveOnly: c.ReceiveOnly, silent: c.ReceiveOnly && !c.SendClock}
	if c.Authors != nil {
		x.authors = make(map[keys.NodeID]bool, len(c.Authors))
		for _, id := range c.Authors {
			x.authors[id] = true
		}
	}
	return x
}

// way is what the peer is told of it.
func (x *scope) way() (w wire.Way) {
	if x.sendOnly {
		w |= wire.WaySends
	}
	if x.receiveOnly {
		w |= wire.WayReceives
	}
	if x.authors != nil {
		w |= wire.WaySome
	}
	return w
}

// answersLocked reports whether the peer's Done says that it has sent all that it has of
// our own author.
func (l *lane) answersLocked() bool {
	_, named := l.peer[l.r.self]
	way := l.s.way
	return l.s.scope.asks(l.r.self) && !way.Has(wire.WayReceives) && (named || !way.Has(wire.WaySome))
}

func (x *scope) holds(id keys.NodeID) bool { return x.authors == nil || x.authors[id] }

// offers reports whether the peer is sent anything of an author.
func (x *scope) offers(id keys.NodeID) bool { return !x.receiveOnly && x.holds(id) }

// asks reports whether a full digest asks for an author.
func (x *scope) asks(id keys.NodeID) bool { return !x.sendOnly && x.holds(id) }

// tells reports whether the peer is told how far we have an author, to ask for more.
func (x *scope) tells(id keys.NodeID) bool { return !x.silent && x.asks(id) }

// declines says why nothing of an author is taken from the peer, nil if it is. What it
// shows of our own author is looked at in any case: another node may write with our key.
func (x *scope) declines(id, self keys.NodeID) error {
	switch {
	case x.sendOnly:
		return errSendOnly
	case !x.holds(id) && id != self:
		return errOtherAuthor
	}
	return nil
}

// digest makes of our clock what the peer is told, and whether it is asked for authors
// that are not named. listed says that the clock names all that we want.
func (x *scope) digest(clock []wire.Ref, listed bool) ([]wire.Ref, wire.Unnamed) {
	switch {
	case x.sendOnly:
		return nil, wire.UnnamedNotWanted
	case x.silent:
		clock, listed = nil, false
	}
	if x.authors == nil {
		if listed {
			return clock, wire.UnnamedNotWanted
		}
		return clock, wire.UnnamedWanted
	}
	refs := make([]wire.Ref, 0, len(x.authors))
	named := make(map[keys.NodeID]bool, len(x.authors))
	for _, ref := range clock {
		if x.authors[ref.Author] {
			refs = append(refs, ref)
			named[ref.Author] = true
		}
	}
	if !listed {
		for id := range x.authors {
			if !named[id] {
				refs = append(refs, wire.Ref{Author: id})
			}
		}
		slices.SortFunc(refs, func(a, b wire.Ref) int { return a.Author.Compare(b.Author) })
	}
	return refs, wire.UnnamedNotWanted
}

// declines reports whether a statement is not taken, and remembers why.
func (l *lane) declines(u wire.Unverified) bool {
	why := l.s.scope.declines(u.Author(), l.r.self)
	if why == nil {
		return false
	}
	l.r.mu.Lock()
	defer l.r.mu.Unlock()
	l.r.refuseLocked(u, keys.PublicKey{}, l, why)
	return true
}

// afresh is when a peer that is told nothing of what we have was asked for everything.
type afresh struct {
	at    time.Time     // the last time
	wait  time.Duration // before that; twice as long before the next
	timer *time.Timer   // set while that is due
}

// askAll asks the peer anew for everything that we lack.
func (l *lane) askAll() {
	if !l.s.scope.silent {
		l.sendDigest()
		return
	}
	l.s.mu.Lock()
	ids := slices.Collect(maps.Keys(l.accounts))
	l.s.mu.Unlock()
	l.ask(ids)
}

// askAgain asks a peer that is told nothing of what we have for all that it has, in a
// while, if it has shown more of one of these authors than we have.
func (l *lane) askAgain(refs []wire.Ref) {
	l.s.mu.Lock()
	defer l.s.mu.Unlock()
	more := slices.ContainsFunc(refs, func(ref wire.Ref) bool {
		a := l.accounts[ref.Author]
		return a != nil && a.claimed > ref.Seq
	})
	if !more || l.afresh.timer != nil || l.s.ctx.Err() != nil {
		return
	}
	if now := time.Now(); now.Sub(l.afresh.at) > 2*againMax {
		l.afresh.wait = 0
	}
	l.afresh.wait = min(max(askMin, 2*l.afresh.wait), againMax)
	l.afresh.timer = time.AfterFunc(l.afresh.wait, l.startAfresh)
}

// startAfresh asks for everything once what was asked for before has come.
func (l *lane) startAfresh() {
	l.s.mu.Lock()
	over, early := l.s.ctx.Err() != nil, !l.drained
	switch {
	case over:
	case early:
		l.afresh.timer.Reset(l.afresh.wait)
	default:
		l.afresh.timer, l.afresh.at = nil, time.Now()
	}
	l.s.mu.Unlock()
	if !over && !early {
		l.sendDigest()
	}
}

// shuffle orders authors as they are to be served.
func (s *session) shuffle(ids []keys.NodeID) {
	swap := func(i, j int) { ids[i], ids[j] = ids[j], ids[i] }
	if s.cfg.Shuffle == nil {
		rand.Shuffle(len(ids), swap)
		return
	}
	slices.SortFunc(ids, keys.NodeID.Compare)
	s.cfg.Shuffle(len(ids), swap)
}
