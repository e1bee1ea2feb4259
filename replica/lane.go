package replica

import (
	"bytes"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/wire"
	"github.com/hearsaynet/hearsay/verify"
)

// lane is one topic of a session. The session's mutex guards its fields, except
// where they say otherwise.
type lane struct {
	s    *session
	r    *Replica
	mine uint16 // our handle

	partial *wire.Digest // a digest of which more is to come; used by the reader only

	// What the peer has, as far as it says and as we have sent: a hint that decides
	// only what this peer is sent.
	peer       map[keys.NodeID]position
	all        bool // it wants authors that it did not name
	queue      []keys.NodeID
	queued     map[keys.NodeID]bool
	owed       map[keys.NodeID]uint64 // what its digests asked for and was not sent yet
	unanswered []uint64               // the nonces of these digests
	served     bool                   // a digest of it has been answered
	speaks     bool                   // one has named an author
	accounts   map[keys.NodeID]*account
	heads      []keys.NodeID // the authors whose heads are to be sent
	proofs     []keys.NodeID // and whose proofs
	cuts       []keys.NodeID // authors that were cut within the last second
	began      time.Time

	// What we asked.
	listed   map[keys.NodeID]bool // the authors that our digest named, nil if all are wanted
	nonce    uint64               // of our newest full digest
	answered bool                 // it has been answered with Done
	inflight int                  // statements from this peer without a verdict
	drained  bool
	lost     bool          // since then, something from this peer was dropped
	lostDue  bool          // it will be asked for again
	lostWait time.Duration // before that, the last time
	searches map[keys.NodeID]*search
	unasked  map[keys.NodeID]struct{} // to be asked for in askMin, nil if nothing is
	afresh   afresh
}

// position is what a peer has of an author.
type position struct {
	seq  uint64
	hash wire.Hash // as the peer says it; zero if it does not
}

type question struct {
	at   time.Time
	wait time.Duration
}

func newLane(s *session, r *Replica, handle uint16) *lane {
	return &lane{
		s: s, r: r, mine: handle,
		peer:     make(map[keys.NodeID]position),
		queued:   make(map[keys.NodeID]bool),
		owed:     make(map[keys.NodeID]uint64),
		accounts: make(map[keys.NodeID]*account),
		searches: make(map[keys.NodeID]*search),
		began:    time.Now(),
	}
}

func (l *lane) name() string { return l.s.cfg.Name }

func (l *lane) id() keys.NodeID { return l.s.cfg.Peer }

func (l *lane) origin() string { return l.s.cfg.Origin }

// join makes the replica feed the lane, and asks the peer for all that is missing.
func (l *lane) join() {
	l.r.mu.Lock()
	l.r.lanes[l] = struct{}{}
	l.r.mu.Unlock()
	l.r.notices.send(Notice{Kind: LinkUp, Peer: l.name()})
	l.sendDigest()
}

func (l *lane) leave() {
	l.r.mu.Lock()
	delete(l.r.lanes, l)
	l.r.mu.Unlock()
	l.s.mu.Lock()
	if l.afresh.timer != nil {
		l.afresh.timer.Stop()
	}
	l.s.mu.Unlock()
	reason := ""
	if err := l.s.cause(errLeft); err != nil {
		reason = err.Error()
	}
	l.r.notices.send(Notice{Kind: LinkDown, Peer: l.name(), Reason: reason})
}

// sendDigest asks the peer for everything that we lack and that the session is for.
func (l *lane) sendDigest() {
	s := l.s
	var clock []wire.Ref
	listed := false
	if !s.scope.sendOnly {
		clock, listed = l.r.digest()
	}
	refs, unnamed := s.scope.digest(clock, listed)
	s.mu.Lock()
	defer s.mu.Unlock()
	l.listed = nil
	if listed {
		l.listed = make(map[keys.NodeID]bool, len(clock))
		for _, ref := range clock {
			l.listed[ref.Author] = true
		}
	}
	s.nonce++
	l.nonce, l.answered, l.drained, l.lost = s.nonce, false, false, false
	l.digestLocked(s.nonce, unnamed, refs)
}

// digestLocked queues a digest in as many frames as it takes.
func (l *lane) digestLocked(nonce uint64, unnamed wire.Unnamed, refs []wire.Ref) {
	for {
		n := min(len(refs), wire.MaxDigestRefs)
		d := &wire.Digest{Nonce: nonce, More: n < len(refs), Unnamed: unnamed, Refs: refs[:n]}
		l.controlLocked(wire.FrameDigest, d.Append(nil))
		if t := l.s.cfg.Trace.DigestSent; t != nil {
			t(l.r.cfg.Topic, d)
		}
		refs = refs[n:]
		if len(refs) == 0 {
			return
		}
	}
}

// partLocked queues a digest of some authors.
func (l *lane) partLocked(refs []wire.Ref) {
	l.s.nonce++
	l.digestLocked(l.s.nonce, wire.UnnamedNotWanted, refs)
}

// ping is an empty digest; its Done is the pong.
func (s *session) ping() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lanes[0].partLocked(nil)
}

// ask asks for what follows some authors' frontiers, each not too often, and all in
// one digest.
func (l *lane) ask(ids []keys.NodeID) {
	s := l.s
	refs := l.r.frontiers(ids)
	refs = slices.DeleteFunc(refs, func(ref wire.Ref) bool { return !s.scope.asks(ref.Author) })
	if s.scope.silent {
		l.askAgain(refs)
		return
	}
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	due := refs[:0]
	for _, ref := range refs {
		a := l.accounts[ref.Author]
		if a == nil && ref.Seq == 0 { // nothing is stored of it: no account is kept
			due = append(due, ref)
			continue
		}
		if a = l.account(ref.Author); now.Sub(a.asked.at) >= a.asked.wait {
			due = append(due, ref)
		}
	}
	switch {
	case len(due) == 0:
	case !s.asks.AllowN(now, 1):
		l.askLaterLocked(due)
	default:
		for _, ref := range due {
			if a := l.accounts[ref.Author]; a != nil {
				a.asked = question{now, min(max(askMin, 2*a.asked.wait), askMax)}
			}
		}
		l.partLocked(due)
	}
}

// askLaterLocked gathers what there was no room to ask for into one question.
func (l *lane) askLaterLocked(refs []wire.Ref) {
	if l.unasked == nil {
		l.unasked = make(map[keys.NodeID]struct{})
		time.AfterFunc(askMin, func() {
			l.s.mu.Lock()
			ids := slices.Collect(maps.Keys(l.unasked))
			l.unasked = nil
			over := l.s.ctx.Err() != nil
			l.s.mu.Unlock()
			if !over {
				l.ask(ids)
			}
		})
	}
	for _, ref := range refs {
		if ref.Seq > 0 || len(l.unasked) < maxDropped {
			l.unasked[ref.Author] = struct{}{}
		}
	}
}

// controlLocked queues a frame that is not a run.
func (l *lane) controlLocked(t wire.FrameType, body []byte) {
	s := l.s
	if len(s.control) >= maxControl {
		s.cancel(closing(wire.CloseBusy, "%d answers wait to be read", maxControl))
		return
	}
	s.control = append(s.control, wire.Frame{Type: t, Handle: l.mine, Body: body})
	s.wakeWriter()
}

// answer takes a whole digest: it replaces what we believed of the authors it names,
// and, when it wants unnamed ones, of all.
func (l *lane) answer(d *wire.Digest) error {
	s := l.s
	s.mu.Lock()
	defer s.mu.Unlock()
	have := l.servable() // what is stored from now on, moved tells
	if d.Unnamed == wire.UnnamedWanted {
		l.all = true
		clear(l.peer)
		clear(l.owed)
		l.unanswered = l.unanswered[:0] // it replaces what was asked before
	}
	if len(l.unanswered) >= maxUnanswered { // one Done for both: it asks for all that the one before asked
		l.unanswered = l.unanswered[:len(l.unanswered)-1]
	}
	l.unanswered = append(l.unanswered, d.Nonce)
	l.speaks = l.speaks || len(d.Refs) > 0
	moving := l.claimsLocked(d)
	for _, ref := range d.Refs {
		if !moving[ref.Author] {
			l.peer[ref.Author] = position{ref.Seq, ref.Hash}
		}
		if ref.Author == l.r.self {
			l.r.guard.peerClaims(ref.Seq)
		} else if f := l.r.cfg.testOnly.digestBelieved; f != nil {
			f(l.r, ref)
		}
	}
	if len(l.peer) > maxPositions {
		return closing(wire.CloseBusy, "digests named more than %d authors", maxPositions)
	}
	l.oweLocked(d, have)
	l.oweStatementsLocked(d)
	s.wakeWriter()
	return nil
}

// oweLocked queues what a digest asks for.
func (l *lane) oweLocked(d *wire.Digest, have map[keys.NodeID]wire.Ref) {
	var ids []keys.NodeID
	if d.Unnamed == wire.UnnamedNotWanted {
		for _, ref := range d.Refs {
			if _, ok := have[ref.Author]; ok {
				ids = append(ids, ref.Author)
			}
		}
		// The first digest of a peer that names all it wants: tell it whom else we carry.
		if !l.all && len(d.Refs) > 0 && !l.served {
			for id := range have {
				if _, named := l.peer[id]; !named {
					l.introduceLocked(id)
				}
			}
		}
	} else {
		ids = slices.Collect(maps.Keys(have))
	}
	l.s.shuffle(ids)
	for _, id := range ids {
		l.oweAuthorLocked(have[id])
	}
	l.served = true
}

// oweStatementsLocked queues the proofs and heads of the authors that a digest names.
func (l *lane) oweStatementsLocked(d *wire.Digest) {
	r := l.r
	r.mu.Lock()
	defer r.mu.Unlock()
	owe := func(id keys.NodeID, x *author) {
		if x.cut != nil {
			if l.peer[id].seq >= x.cut.seq {
				l.account(id).proof = 0
			}
			l.enqueueProofLocked(id)
		} else if x.word != nil {
			l.enqueueHeadLocked(id)
		}
	}
	var ids []keys.NodeID
	for _, ref := range d.Refs {
		x := r.authors[ref.Author]
		if x == nil || d.Unnamed == wire.UnnamedWanted {
			continue
		}
		if a := l.account(ref.Author); x.cut != nil && a.shown != x.cut.seq {
			a.proof = 0 // it may have had no room for the one that it was sent
		}
		ids = append(ids, ref.Author)
	}
	if d.Unnamed == wire.UnnamedWanted {
		ids = slices.Collect(maps.Keys(r.authors))
	}
	l.s.shuffle(ids)
	for _, id := range ids {
		owe(id, r.authors[id])
	}
}

func (l *lane) oweAuthorLocked(ours wire.Ref) {
	pos := l.peer[ours.Author]
	switch {
	case pos.seq < ours.Seq:
		l.owed[ours.Author] = ours.Seq
	case pos.seq == ours.Seq && pos.hash != (wire.Hash{}) && pos.hash != ours.Hash:
		l.owed[ours.Author] = ours.Seq // two histories: our newest run shows it
	default:
		return
	}
	l.enqueueLocked(ours.Author)
}

func (l *lane) introduceLocked(id keys.NodeID) {
	if !l.s.keyed[id] && l.s.scope.offers(id) && len(l.s.control) < maxControl/2 {
		l.s.keyed[id] = true
		l.controlLocked(wire.FrameKey, l.r.keyOf(id).Wire())
	}
}

func (l *lane) enqueueLocked(id keys.NodeID) {
	if !l.queued[id] && l.s.scope.offers(id) {
		l.queued[id] = true
		l.queue = append(l.queue, id)
	}
}

// moved tells the lane that frontiers have moved.
func (l *lane) moved(ends map[keys.NodeID]wire.Ref) {
	s := l.s
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, end := range ends {
		pos, known := l.peer[id]
		a := l.account(id)
		a.asked = question{}
		a.moved = (known || l.all) && s.scope.tells(id)
		switch {
		case !known && !l.all:
			if l.served {
				l.introduceLocked(id)
			}
		case pos.seq < end.Seq && !a.differs && !a.later:
			l.enqueueLocked(id)
		}
	}
	s.wakeWriter()
}

// readmitted tells the lane that an author counts again whose updates, proof and head
// were held back: the peer may have asked for them before.
func (l *lane) readmitted(end wire.Ref) {
	if end.Seq > 0 {
		l.moved(map[keys.NodeID]wire.Ref{end.Author: end})
	}
	l.s.mu.Lock()
	defer l.s.mu.Unlock()
	if l.served {
		l.enqueueProofLocked(end.Author)
		l.enqueueHeadLocked(end.Author)
		l.s.wakeWriter()
	}
}

// received notes a run that the peer sent: whatever it is worth, the peer needs
// no copy of it.
func (l *lane) received(u *wire.UnverifiedRun) {
	l.s.mu.Lock()
	defer l.s.mu.Unlock()
	l.inflight++
	a := l.saidLocked(u.Author())
	if a != nil {
		a.claimed = max(a.claimed, u.Last())
	}
	if _, asks := l.owed[u.Author()]; asks && a != nil && a.doubtful {
		return // it asks what follows a place in its history, and is to be told
	}
	if pos, known := l.peer[u.Author()]; known && pos.seq < u.Last() || !known && l.all && len(l.peer) < maxPositions {
		l.peer[u.Author()] = position{seq: u.Last()}
	}
}

// verdict implements source.
func (l *lane) verdict(err error, charge bool) {
	s := l.s
	if charge {
		s.cancel(closing(wire.CloseRefused, "%v", err))
	}
	s.mu.Lock()
	l.inflight--
	l.lost = l.lost || errors.Is(err, verify.ErrDropped)
	last := l.inflight == 0
	s.mu.Unlock()
	l.settled()
	if last {
		s.wakeWriter()
	}
}

// done takes the answer to one of our digests, and to those before it: a peer that has
// many to answer answers several with one.
func (l *lane) done(nonce uint64) {
	l.s.mu.Lock()
	l.answered = l.answered || nonce >= l.nonce
	l.s.mu.Unlock()
	l.settled()
}

// settled looks whether the peer is drained.
func (l *lane) settled() {
	s := l.s
	s.mu.Lock()
	if l.lost && l.answered && l.inflight == 0 && !l.drained {
		l.askLostLocked()
	}
	news := l.answered && l.inflight == 0 && !l.drained
	l.drained = l.drained || news
	answers := l.answersLocked()
	s.mu.Unlock()
	if news {
		if answers {
			l.r.guard.peerAnswered(l.name())
		}
		l.r.notices.send(Notice{Kind: Drained, Peer: l.name()})
		s.wakeWriter()
	}
}

// askLostLocked asks for everything again, in a while: some of what came was dropped.
func (l *lane) askLostLocked() {
	l.answered = false
	if l.lostDue {
		return
	}
	l.lostDue, l.lostWait = true, min(max(askMin, 2*l.lostWait), askMax)
	time.AfterFunc(l.lostWait, func() {
		l.s.mu.Lock()
		l.lostDue = false
		l.s.mu.Unlock()
		if l.s.ctx.Err() == nil {
			l.sendDigest()
		}
	})
}

// digest returns what we have, ascending, and whether it names all that we want.
func (r *Replica) digest() (refs []wire.Ref, listed bool) {
	ids, listed := r.wanted()
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, a := range r.authors {
		if a.admitted || !listed {
			refs = append(refs, wire.Ref{Author: id, Seq: a.frontier.Seq, Hash: a.frontier.Hash})
		}
	}
	if listed {
		if r.cfg.Signer != nil {
			ids = append(ids, r.self)
		}
		for _, id := range ids {
			if r.authors[id] == nil {
				refs = append(refs, wire.Ref{Author: id})
			}
		}
	}
	slices.SortFunc(refs, func(a, b wire.Ref) int { return bytes.Compare(a.Author[:], b.Author[:]) })
	return slices.CompactFunc(refs, func(a, b wire.Ref) bool { return a.Author == b.Author }), listed
}

// servable returns the frontiers of the authors that we pass on to the peer.
func (l *lane) servable() map[keys.NodeID]wire.Ref {
	r := l.r
	r.mu.Lock()
	defer r.mu.Unlock()
	have := make(map[keys.NodeID]wire.Ref, len(r.authors))
	for id, a := range r.authors {
		if a.admitted && a.frontier.Seq > 0 && l.s.scope.offers(id) {
			have[id] = a.frontier
		}
	}
	return have
}

func (r *Replica) keyOf(id keys.NodeID) keys.PublicKey {
	r.mu.Lock()
	defer r.mu.Unlock()
	if a := r.authors[id]; a != nil {
		return a.key
	}
	return keys.PublicKey{}
}

// frontiers returns how far the given authors go, ascending.
func (r *Replica) frontiers(ids []keys.NodeID) []wire.Ref {
	ids = slices.Clone(ids)
	slices.SortFunc(ids, keys.NodeID.Compare)
	ids = slices.Compact(ids)
	refs := make([]wire.Ref, len(ids))
	for i, id := range ids {
		refs[i] = r.frontier(id)
	}
	return refs
}

func (r *Replica) frontier(id keys.NodeID) wire.Ref {
	r.mu.Lock()
	defer r.mu.Unlock()
	if a := r.authors[id]; a != nil {
		return a.frontier
	}
	return wire.Ref{Author: id}
}
