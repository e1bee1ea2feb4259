package replica

import (
	"fmt"
	"io"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// read takes frames until the connection or the peer ends the session.
func (s *session) read(in io.Reader) error {
	for {
		f, err := wire.ReadFrame(in)
		if err != nil {
			return err
		}
		s.busy.Store(true)
		err = s.receive(f)
		now := time.Now().UnixNano()
		s.lastByte.Store(now)
		s.lastFrame.Store(now)
		s.busy.Store(false)
		if err != nil {
			return err
		}
	}
}

func (s *session) receive(f wire.Frame) error {
	if f.Type == wire.FrameClose {
		return readClose(f)
	}
	if f.Type == wire.FrameWay {
		s.mu.Lock()
		s.way = wire.ParseWay(f.Body)
		s.mu.Unlock()
	}
	if f.Type.Skippable() {
		return nil
	}
	l := s.theirs[f.Handle]
	if l == nil {
		if f.Type == wire.FrameHello {
			return closing(wire.CloseProtocol, "a second Hello")
		}
		return closing(wire.CloseProtocol, "%v frame for handle %d, which names no common topic", f.Type, f.Handle)
	}
	switch f.Type {
	case wire.FrameDigest:
		return l.readDigest(f.Body)
	case wire.FrameRun:
		return l.readRun(f.Body)
	case wire.FrameHead:
		return l.readHead(f.Body)
	case wire.FrameFork:
		return l.readProof(f.Body)
	case wire.FrameKey:
		return l.readKey(f.Body)
	case wire.FrameDone:
		nonce, err := wire.ParseDone(f.Body)
		if err != nil {
			return err
		}
		l.done(nonce)
		return nil
	}
	return closing(wire.CloseProtocol, "%v frame is not understood here", f.Type)
}

func readClose(f wire.Frame) error {
	c, err := wire.ParseClose(f.Body)
	if err != nil {
		return err
	}
	return &CloseError{Close: *c, ByPeer: true}
}

func (l *lane) readRun(body []byte) error {
	u, err := wire.ParseRun(l.r.cfg.Topic, body)
	if err != nil {
		return err
	}
	s := l.s
	if t := s.cfg.Trace.RunReceived; t != nil {
		t(u)
	}
	if l.declines(u) {
		return nil
	}
	s.cfg.Counters.UpdatesIn.Add(uint64(u.Len()))
	l.received(u)
	return l.r.offer(s.ctx, u, l.r.offeredKey(u.Author(), s.offered), l)
}

func (l *lane) readHead(body []byte) error {
	u, err := wire.ParseHead(l.r.cfg.Topic, body)
	if err != nil || l.declines(u) {
		return err
	}
	l.s.mu.Lock()
	l.inflight++
	l.s.mu.Unlock()
	return l.r.offer(l.s.ctx, u, l.r.offeredKey(u.Author(), l.s.offered), l)
}

func (l *lane) readProof(body []byte) error {
	u, err := wire.ParseProof(l.r.cfg.Topic, body)
	if err != nil || l.declines(u) {
		return err
	}
	l.s.mu.Lock()
	l.inflight++
	if a := l.saidLocked(u.Author()); a != nil {
		if a.proof == 0 || u.UnverifiedSeq() < a.proof {
			a.proof = u.UnverifiedSeq()
		}
		a.shown = u.UnverifiedSeq()
	}
	l.s.mu.Unlock()
	return l.r.offer(l.s.ctx, u, l.r.offeredKey(u.Author(), l.s.offered), l)
}

// offeredKey returns the key that goes with an author: ours, else the peer's.
func (r *Replica) offeredKey(id keys.NodeID, offered map[keys.NodeID]keys.PublicKey) keys.PublicKey {
	r.mu.Lock()
	defer r.mu.Unlock()
	if a := r.authors[id]; a != nil {
		return a.key
	}
	if id == r.self && r.cfg.Signer != nil {
		return r.cfg.Signer.Public()
	}
	return offered[id]
}

func (l *lane) readKey(body []byte) error {
	k, err := wire.ParseKey(body)
	if err != nil || l.s.scope.sendOnly {
		return err
	}
	id := k.ID()
	offered := l.s.offered
	if len(offered) >= maxOffered {
		for old := range offered { // those in use are with their authors by now
			delete(offered, old)
			break
		}
	}
	offered[id] = k
	l.introduced(id, k)
	return nil
}

// introduced notes an author that the peer has and that we did not ask for.
func (l *lane) introduced(id keys.NodeID, k keys.PublicKey) {
	l.s.mu.Lock()
	unasked := l.listed != nil && !l.listed[id]
	l.s.mu.Unlock()
	if !unasked {
		return
	}
	r := l.r
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.authors[id] == nil && r.unknown[id] == nil {
		r.counts.rejected.Add(1)
		r.strangerLocked(id, k, l.name(), fmt.Errorf("verify: %w", keys.ErrUnknown))
	}
}

// readDigest gathers the frames of a digest and answers the whole.
func (l *lane) readDigest(body []byte) error {
	if err := l.s.digests.Wait(l.s.ctx); err != nil {
		return l.s.cause(err)
	}
	d, err := wire.ParseDigest(body)
	if err != nil {
		return err
	}
	if t := l.s.cfg.Trace.DigestReceived; t != nil {
		t(l.r.cfg.Topic, d)
	}
	if p := l.partial; p != nil {
		if p.Nonce != d.Nonce || p.Unnamed != d.Unnamed || len(d.Refs) == 0 ||
			p.Refs[len(p.Refs)-1].Author.Compare(d.Refs[0].Author) >= 0 {
			return closing(wire.CloseProtocol, "digest %d does not continue digest %d", d.Nonce, p.Nonce)
		}
		d.Refs = append(p.Refs, d.Refs...)
	}
	if len(d.Refs) > maxDigestFrames*wire.MaxDigestRefs {
		return closing(wire.CloseBusy, "a digest of more than %d authors", maxDigestFrames*wire.MaxDigestRefs)
	}
	if d.More {
		if len(d.Refs) == 0 {
			return closing(wire.CloseProtocol, "a digest frame without authors cannot have more")
		}
		l.partial = d
		return nil
	}
	l.partial = nil
	return l.answer(d)
}
