package replica

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"math"
	"slices"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/wire"
)

var errLeft = errors.New("the session has ended")

type frameWriter struct{ *bufio.Writer }

func (w *frameWriter) frame(t wire.FrameType, handle uint16, body []byte) error {
	var h [7]byte
	h[0] = byte(t)
	binary.BigEndian.PutUint16(h[1:], handle)
	binary.BigEndian.PutUint32(h[3:], uint32(len(body)))
	if _, err := w.Write(h[:]); err != nil {
		return err
	}
	_, err := w.Write(body)
	return err
}

func (s *session) wakeWriter() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// write sends what is due until the session ends.
func (s *session) write(out *frameWriter) error {
	for s.ctx.Err() == nil {
		sent, err := s.writeNext(out)
		if err != nil {
			return s.cause(err)
		}
		if s.finished() {
			return closing(wire.CloseDone, "")
		}
		if sent {
			continue
		}
		if err := out.Flush(); err != nil {
			return s.cause(err)
		}
		select {
		case <-s.wake:
		case <-s.ctx.Done():
		}
	}
	return context.Cause(s.ctx)
}

// writeNext sends the control frames that wait, or else one author's turn, and some
// proofs and heads.
func (s *session) writeNext(out *frameWriter) (sent bool, err error) {
	s.mu.Lock()
	control := s.control
	s.control = nil
	var t turn
	if len(control) == 0 {
		t = s.pickLocked()
	}
	s.mu.Unlock()
	for _, f := range control {
		if err := out.frame(f.Type, f.Handle, f.Body); err != nil {
			return false, err
		}
	}
	if len(control) > 0 {
		return true, out.Flush() // the peer waits for it, and there may always be something newer to send
	}
	if t.lane == nil {
		return false, nil
	}
	for _, st := range t.statements {
		if err := t.lane.sendStatement(out, st); err != nil {
			return false, err
		}
	}
	if !t.author.IsZero() {
		err = t.lane.serve(out, t.author)
	}
	return true, err
}

// turn is what a lane may send before the next one's turn.
type turn struct {
	lane       *lane // nil: nothing is due
	statements []statement
	author     keys.NodeID // zero: no runs are due
}

// pickLocked takes the next turn, lane by lane, author by author.
func (s *session) pickLocked() turn {
	for range s.lanes {
		l := s.lanes[s.turn]
		s.turn = (s.turn + 1) % len(s.lanes)
		l.finishLocked() // there may always be something newer to send
		t := turn{lane: l, statements: l.statementsLocked()}
		t.author = l.nextLocked()
		if len(t.statements) > 0 || !t.author.IsZero() {
			return t
		}
	}
	return turn{}
}

// nextLocked takes the next author of which the peer is sent runs. One that it was
// sent before waits while the link is overdrawn.
func (l *lane) nextLocked() keys.NodeID {
	for range l.queue {
		id := l.queue[0]
		l.queue = l.queue[1:]
		if l.peer[id].seq < l.account(id).sent && l.s.overdrawn() {
			l.queue = append(l.queue, id)
			continue
		}
		delete(l.queued, id)
		return id
	}
	return keys.NodeID{}
}

// finishLocked answers the peer's digests when all that they asked for has been sent.
func (l *lane) finishLocked() {
	if len(l.owed) > 0 || len(l.proofs) > 0 {
		return
	}
	for _, nonce := range l.unanswered {
		l.controlLocked(wire.FrameDone, wire.AppendDone(nil, nonce))
	}
	l.unanswered = l.unanswered[:0]
}

// serve sends one author's next runs, up to serveBytes of them.
func (l *lane) serve(out *frameWriter, id keys.NodeID) error {
	s := l.s
	s.mu.Lock()
	from := l.peer[id]
	sent, most := l.account(id).sent, uint64(math.MaxUint64)
	if l.account(id).doubtful {
		most = searchNear
	}
	known := s.keyed[id]
	s.keyed[id] = true
	s.mu.Unlock()

	runs, differs, err := l.r.runsAfter(id, from, most)
	if err != nil {
		l.r.trouble("read updates for a peer", err)
		return closing(wire.CloseBusy, "cannot read its store")
	}
	if !known && len(runs) > 0 {
		if err := out.frame(wire.FrameKey, l.mine, runs[0].Key().Wire()); err != nil {
			return err
		}
	}
	to, again := from, 0
	for _, run := range runs {
		if err := out.frame(wire.FrameRun, l.mine, run.Body()); err != nil {
			return err
		}
		s.cfg.Counters.UpdatesOut.Add(uint64(run.Len()))
		if t := s.cfg.Trace.RunSent; t != nil {
			t(run)
		}
		if run.Last() <= sent {
			again += run.Size()
		}
		to = position{seq: run.Last()}
	}
	if again > 0 {
		s.sendsAgain(again)
	}
	if differs {
		to = from
	}
	l.advance(id, from, to, len(runs) > 0 || known, differs)
	return nil
}

// advance notes what the peer has now been sent, and queues the author again when
// there is more. A peer whose history differs is sent no more until it asks.
func (l *lane) advance(id keys.NodeID, from, to position, keyed, differs bool) {
	ours := l.r.frontier(id)
	s := l.s
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keyed[id] = keyed
	a := l.account(id)
	a.sent = max(a.sent, to.seq)
	if now := l.peer[id]; now == from { // else a digest came in between, and counts
		l.peer[id] = to
		a.differs, a.doubtful = differs, a.doubtful || differs
	} else if now.seq > to.seq {
		to = now
	}
	if target, ok := l.owed[id]; ok && (l.peer[id].seq >= target || to == from) {
		delete(l.owed, id)
	}
	switch {
	case l.peer[id].seq >= ours.Seq || to == from:
	case a.doubtful:
		l.laterLocked(id)
	default:
		l.enqueueLocked(id)
	}
}

// runsAfter returns an author's next runs for a peer at pos, about serveBytes and
// at most about most of them. When the peer's history differs from ours there, that is the whole run of ours
// that shows it.
func (r *Replica) runsAfter(id keys.NodeID, pos position, most uint64) (runs []*wire.Run, differs bool, err error) {
	frontier := r.frontier(id)
	if frontier.Seq < pos.seq || !r.serves(id) {
		return nil, false, nil
	}
	said := pos.seq > 0 && pos.hash != wire.Hash{}
	if frontier.Seq == pos.seq {
		if !said || frontier.Hash == pos.hash {
			return nil, false, nil
		}
		runs, err = r.runAt(id, pos.seq)
		return runs, true, err
	}
	size := 0
	take := func(run *wire.Run) (more bool) {
		run = run.CutFront(pos.seq)
		runs = append(runs, run)
		size += run.Size()
		return size < serveBytes && run.Last()-pos.seq < most
	}
	cached := r.recent.after(id, pos.seq)
	for _, run := range cached {
		if !take(run) {
			break
		}
	}
	if len(cached) == 0 {
		for run, err := range r.store.Runs(r.cfg.Topic, wire.Ref{Author: id, Seq: pos.seq}) {
			if err != nil {
				return nil, false, err
			}
			if !take(run) {
				break
			}
		}
	}
	if said && len(runs) > 0 && runs[0].Prev().Hash != pos.hash {
		runs, err = r.runAt(id, pos.seq)
		return runs, true, err
	}
	return runs, false, nil
}

// runAt returns the stored run that seq is in, whole.
func (r *Replica) runAt(id keys.NodeID, seq uint64) ([]*wire.Run, error) {
	after := seq - min(seq, wire.MaxEntries) // no run that holds seq begins below, so none is cut
	for run, err := range r.store.Runs(r.cfg.Topic, wire.Ref{Author: id, Seq: after}) {
		if err != nil {
			return nil, err
		}
		if run.Last() >= seq {
			return []*wire.Run{run}, nil
		}
	}
	return nil, nil
}

func (r *Replica) serves(id keys.NodeID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	a := r.authors[id]
	return a != nil && a.admitted
}

// headsDueLocked reports whether a head waits for its turn, and not for newer runs.
func (l *lane) headsDueLocked() bool {
	return slices.ContainsFunc(l.heads, func(id keys.NodeID) bool { return !l.queued[id] })
}

// finished reports whether a session that stops when drained can stop: each side that
// receives has what the other had.
func (s *session) finished() bool {
	if !s.cfg.StopWhenDrained {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.lanes {
		asked, offered := !s.scope.sendOnly, !s.scope.receiveOnly
		if asked && !l.drained || offered && !l.served || len(l.unanswered) > 0 || len(l.owed) > 0 || len(l.proofs) > 0 || l.headsDueLocked() {
			return false
		}
	}
	return len(s.control) == 0
}
