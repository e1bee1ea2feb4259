package replica

import (
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// account is what has passed between us and a peer about one author, besides
// positions. All of it is a hint that decides only what this peer is sent and how the
// link is shown.
type account struct {
	claimed  uint64   // what the peer says it has, or has sent
	expected uint64   // what it should have, when we look the next time
	lacks    uint64   // what it should have had the last time, 0 if it had
	sent     uint64   // how far we have ever sent: what is below is sent again
	head     uint64   // when the newest head that the peer was sent was issued
	proof    uint64   // the seq of the proof that the peer has or was sent, 0 for none
	shown    uint64   // the seq of the proof that the peer has sent, 0 for none
	proved   bool     // it was sent one ever
	differs  bool     // its history is not ours: it is sent no more until it asks
	doubtful bool     // its history was not ours once: it is sent searchNear updates a second
	later    bool     // it will be queued in a second, and not before
	stalled  wire.Ref // where the peer was when it was left alone as moving, zero: nobody looks
	asked    question
	moved    bool // our frontier has moved since we told the peer
	heads    bool // in l.heads
	proofs   bool // in l.proofs
}

func (l *lane) account(id keys.NodeID) *account {
	a := l.accounts[id]
	if a == nil {
		a = &account{}
		l.accounts[id] = a
	}
	return a
}

// wantsLocked reports whether the peer asked for an author.
func (l *lane) wantsLocked(id keys.NodeID) bool {
	_, named := l.peer[id]
	return named || l.all
}

// saidLocked is account for what a peer says of authors that may not exist: nil when it
// has named too many.
func (l *lane) saidLocked(id keys.NodeID) *account {
	if l.accounts[id] == nil && len(l.accounts) >= maxPositions {
		return nil
	}
	return l.account(id)
}

// claimsLocked notes what a digest says that the peer has. It returns the authors that
// are moving: of which the peer has taken in more, and what it was sent besides is on
// its way.
func (l *lane) claimsLocked(d *wire.Digest) (moving map[keys.NodeID]bool) {
	if d.Unnamed == wire.UnnamedWanted {
		l.forgetLocked()
	}
	for _, ref := range d.Refs {
		a, pos := l.saidLocked(ref.Author), l.peer[ref.Author]
		if a == nil {
			continue
		}
		if d.Unnamed == wire.UnnamedNotWanted && ref.Seq > a.claimed && ref.Seq < pos.seq && pos.seq <= a.sent && !a.differs && !a.doubtful {
			if moving == nil {
				moving = make(map[keys.NodeID]bool)
			}
			moving[ref.Author] = true
			l.lookAgainLocked(a, ref)
		}
		a.claimed, a.differs = ref.Seq, false
	}
	return moving
}

// lookAgainLocked looks, in a while, whether a peer that was left alone has gone on, and
// else sends again what follows.
func (l *lane) lookAgainLocked(a *account, ref wire.Ref) {
	waits := a.stalled.Seq > 0
	a.stalled = ref
	if waits {
		return
	}
	time.AfterFunc(movingRest, func() {
		l.s.mu.Lock()
		defer l.s.mu.Unlock()
		last := a.stalled
		a.stalled = wire.Ref{}
		switch {
		case l.s.ctx.Err() != nil || l.accounts[ref.Author] != a || l.peer[ref.Author].seq <= a.claimed:
		case last != ref: // it has moved since
			l.lookAgainLocked(a, last)
		case a.claimed == ref.Seq:
			l.peer[ref.Author] = position{ref.Seq, ref.Hash}
			l.enqueueLocked(ref.Author)
			l.s.wakeWriter()
		}
	})
}

// forgetLocked drops what the peer said before: a full digest says it anew.
func (l *lane) forgetLocked() {
	l.r.mu.Lock()
	defer l.r.mu.Unlock()
	for id, a := range l.accounts {
		if l.r.authors[id] == nil {
			delete(l.accounts, id)
		}
		a.claimed, a.proof = 0, 0
	}
}

// heard queues heads for the peer.
func (l *lane) heard(ids []keys.NodeID) {
	l.s.mu.Lock()
	defer l.s.mu.Unlock()
	if !l.served {
		return
	}
	for _, id := range ids {
		l.enqueueHeadLocked(id)
	}
	l.s.wakeWriter()
}

func (l *lane) enqueueHeadLocked(id keys.NodeID) {
	if a := l.account(id); !a.heads && l.wantsLocked(id) && l.s.scope.offers(id) {
		a.heads = true
		l.heads = append(l.heads, id)
	}
}

// proved follows a cut: what was looked for is found, and the peer is told. What is
// left below the cut is shown to it when it has had time to cut as well, in case a
// third history parts from it there.
func (l *lane) proved(id keys.NodeID) {
	l.s.mu.Lock()
	defer l.s.mu.Unlock()
	delete(l.searches, id)
	if !l.served || !l.wantsLocked(id) {
		return
	}
	l.enqueueProofLocked(id)
	l.s.wakeWriter()
	if !l.s.scope.tells(id) {
		return
	}
	if len(l.cuts) == 0 {
		time.AfterFunc(time.Second, l.show)
	}
	l.cuts = append(l.cuts, id)
}

// show sends the peer one digest of all authors that were cut lately.
func (l *lane) show() {
	l.s.mu.Lock()
	ids := l.cuts
	l.cuts = nil
	l.s.mu.Unlock()
	refs := l.r.frontiers(ids)
	l.s.mu.Lock()
	defer l.s.mu.Unlock()
	if l.s.ctx.Err() != nil {
		return
	}
	l.partLocked(refs)
}

func (l *lane) enqueueProofLocked(id keys.NodeID) {
	if l.r.cfg.testOnly.proofKept {
		return
	}
	if a := l.account(id); !a.proofs && l.wantsLocked(id) && l.s.scope.offers(id) {
		a.proofs = true
		l.proofs = append(l.proofs, id)
	}
}

// statementsLocked takes the proofs and heads whose turn it is. Heads of authors that
// have runs waiting come after them.
func (l *lane) statementsLocked() (due []statement) {
	r := l.r
	r.mu.Lock()
	defer r.mu.Unlock()
	for n := min(len(l.proofs), proofTurn); n > 0; n-- {
		id := l.proofs[0]
		a, x := l.account(id), r.authors[id]
		if x != nil && x.cut != nil && x.admitted && (a.proof == 0 || x.cut.seq < a.proof) {
			if a.proved && l.s.overdrawn() {
				break
			}
			if a.proved {
				l.s.sendsAgain(x.cut.size)
			}
			a.proof, a.proved = x.cut.seq, true
			due = append(due, statement{proof: id})
		}
		a.proofs = false
		l.proofs = l.proofs[1:]
	}
	for n := min(len(l.heads), headTurn); n > 0; n-- {
		id := l.heads[0]
		l.heads = l.heads[1:]
		if l.queued[id] {
			l.heads = append(l.heads, id)
			continue
		}
		a := l.account(id)
		a.heads = false
		x := r.authors[id]
		if x == nil || x.word == nil || x.cut != nil || !x.admitted || x.word.head.Issued() <= a.head || x.word.onlyFrom(witness{l.name(), l.origin(), l.id()}) {
			continue
		}
		a.head = x.word.head.Issued()
		due = append(due, statement{head: x.word.head})
	}
	return due
}

// statement is a head, or the proof of an author, which is read when it is sent.
type statement struct {
	head  *wire.Head
	proof keys.NodeID
}

// sendStatement writes a proof or a head, behind its author's key.
func (l *lane) sendStatement(out *frameWriter, st statement) error {
	var what wire.Statement = st.head
	t := wire.FrameHead
	if st.head == nil {
		proof, err := l.r.proof(st.proof)
		if err != nil {
			l.r.trouble("read a fork proof for a peer", err)
			return nil // the other statements are none the worse
		}
		what, t = proof, wire.FrameFork
	}
	s := l.s
	s.mu.Lock()
	known := s.keyed[what.Author()]
	s.keyed[what.Author()] = true
	s.mu.Unlock()
	if !known {
		if err := out.frame(wire.FrameKey, l.mine, what.Key().Wire()); err != nil {
			return err
		}
	}
	return out.frame(t, l.mine, what.Body())
}

// tell tells the peer which frontiers have moved since the last time: so it knows
// that we have what it sent, and sends what was lost.
func (l *lane) tell() {
	refs := l.r.frontiers(func() (ids []keys.NodeID) {
		l.s.mu.Lock()
		defer l.s.mu.Unlock()
		for id, a := range l.accounts {
			if a.moved && len(ids) < wire.MaxDigestRefs {
				a.moved = false
				ids = append(ids, id)
			}
		}
		return ids
	}())
	if len(refs) == 0 {
		return
	}
	l.s.mu.Lock()
	defer l.s.mu.Unlock()
	l.partLocked(refs)
}

// laterLocked queues an author again in a second.
func (l *lane) laterLocked(id keys.NodeID) {
	a := l.account(id)
	if a.later {
		return
	}
	a.later = true
	time.AfterFunc(time.Second, func() {
		l.s.mu.Lock()
		defer l.s.mu.Unlock()
		a.later = false
		l.enqueueLocked(id)
		l.s.wakeWriter()
	})
}

// sendsAgain charges the link for bytes that it is sent again.
func (s *session) sendsAgain(bytes int) { s.resend.ReserveN(time.Now(), min(bytes, resendBurst)) }

// overdrawn reports whether the link has been sent so much again that it must wait;
// the writer looks again in a second.
func (s *session) overdrawn() bool {
	if s.resend.Tokens() >= 0 {
		return false
	}
	if s.sleeping.CompareAndSwap(false, true) {
		time.AfterFunc(time.Second, func() {
			s.sleeping.Store(false)
			s.wakeWriter()
		})
	}
	return true
}
