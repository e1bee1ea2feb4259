package replica

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"

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

// write sends what is due until the session ends, and flushes when nothing is.
func (s *session) write(out *frameWriter) error {
	for s.ctx.Err() == nil {
		sent, err := s.writeNext(out)
		if err != nil {
			return s.cause(err)
		}
		if sent {
			continue
		}
		if s.finished() {
			return closing(wire.CloseDone, "")
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

// writeNext sends the control frames that wait, or else one author's turn.
func (s *session) writeNext(out *frameWriter) (sent bool, err error) {
	s.mu.Lock()
	control := s.control
	s.control = nil
	var l *lane
	var id keys.NodeID
	if len(control) == 0 {
		l, id = s.pickLocked()
	}
	s.mu.Unlock()
	for _, f := range control {
		if err := out.frame(f.Type, f.Handle, f.Body); err != nil {
			return false, err
		}
	}
	if l != nil {
		err = l.serve(out, id)
	}
	return len(control) > 0 || l != nil, err
}

// pickLocked takes the next author whose turn it is, lane by lane.
func (s *session) pickLocked() (*lane, keys.NodeID) {
	for range s.lanes {
		l := s.lanes[s.turn]
		s.turn = (s.turn + 1) % len(s.lanes)
		if len(l.queue) > 0 {
			id := l.queue[0]
			l.queue = l.queue[1:]
			delete(l.queued, id)
			return l, id
		}
		l.finishLocked()
	}
	return nil, keys.NodeID{}
}

// finishLocked answers the peer's digests when all that they asked for has been sent.
func (l *lane) finishLocked() {
	if len(l.owed) > 0 {
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
	known := s.keyed[id]
	s.keyed[id] = true
	s.mu.Unlock()

	runs, err := l.r.runsAfter(id, from)
	if err != nil {
		l.r.trouble("read updates for a peer", err)
		return closing(wire.CloseBusy, "cannot read its store")
	}
	if !known && len(runs) > 0 {
		if err := out.frame(wire.FrameKey, l.mine, runs[0].Key().Wire()); err != nil {
			return err
		}
	}
	to := from
	for _, run := range runs {
		if err := out.frame(wire.FrameRun, l.mine, run.Body()); err != nil {
			return err
		}
		s.cfg.Counters.UpdatesOut.Add(uint64(run.Len()))
		if t := s.cfg.Trace.RunSent; t != nil {
			t(run)
		}
		to = position{seq: run.Last()}
	}
	l.advance(id, from, to, len(runs) > 0 || known)
	return nil
}

// advance notes what the peer has now been sent, and queues the author again when
// there is more.
func (l *lane) advance(id keys.NodeID, from, to position, keyed bool) {
	ours := l.r.frontier(id)
	s := l.s
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keyed[id] = keyed
	if now := l.peer[id]; now == from { // else a digest came in between, and counts
		l.peer[id] = to
	} else if now.seq > to.seq {
		to = now
	}
	if target, ok := l.owed[id]; ok && (l.peer[id].seq >= target || to == from) {
		delete(l.owed, id)
	}
	if l.peer[id].seq < ours.Seq && to != from {
		l.enqueueLocked(id)
	}
}

// runsAfter returns an author's next runs for a peer at pos, about serveBytes of
// them. When the peer's history differs from ours there, the first run
// begins one update before, so that the peer can see it.
func (r *Replica) runsAfter(id keys.NodeID, pos position) ([]*wire.Run, error) {
	frontier := r.frontier(id)
	if frontier.Seq <= pos.seq || !r.serves(id) {
		return nil, nil
	}
	var runs []*wire.Run
	size := 0
	take := func(run *wire.Run) (more bool) {
		run = run.CutFront(pos.seq)
		runs = append(runs, run)
		size += run.Size()
		return size < serveBytes
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
				return nil, err
			}
			if !take(run) {
				break
			}
		}
	}
	if len(runs) > 0 && pos.seq > 0 && pos.hash != (wire.Hash{}) && runs[0].Prev().Hash != pos.hash {
		return r.runsAfter(id, position{seq: pos.seq - 1})
	}
	return runs, nil
}

func (r *Replica) serves(id keys.NodeID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	a := r.authors[id]
	return a != nil && a.admitted
}

// finished reports whether a session that stops when drained can stop: each side has
// what the other had.
func (s *session) finished() bool {
	if !s.cfg.StopWhenDrained {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.lanes {
		if !l.drained || !l.served || len(l.unanswered) > 0 || len(l.owed) > 0 {
			return false
		}
	}
	return len(s.control) == 0
}
