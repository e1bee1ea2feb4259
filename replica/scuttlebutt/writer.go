package scuttlebutt

import (
	"bufio"
	"cmp"
	"context"
	"maps"
	"slices"
	"time"
)

// write sends what the peer is to get: our header, the history that it lacks, SYNC, and
// then what is applied, until ctx ends.
func (s *session) write(ctx context.Context) error {
	w := bufio.NewWriterSize(&deadlineWriter{s}, chunk)
	if !s.cfg.ReceiveOnly || s.cfg.SendClock {
		w.Write(s.node.headerLine(s.cfg))
		w.WriteByte('\n')
		if err := w.Flush(); err != nil {
			return err
		}
	}
	if !s.cfg.SendOnly || s.cfg.AwaitHeader {
		select {
		case <-s.headed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	var seq uint64
	if !s.cfg.ReceiveOnly {
		var entries []*entry
		entries, seq = s.node.history(s.known())
		if err := s.send(ctx, w, entries); err != nil {
			return err
		}
	}
	w.Write(syncLine)
	w.WriteByte('\n')
	if err := w.Flush(); err != nil {
		return err
	}
	close(s.sent)
	if s.cfg.SendOnly && s.cfg.NoTail {
		s.finish()
	}
	if s.cfg.ReceiveOnly || s.cfg.NoTail {
		return nil
	}
	return s.follow(ctx, w, seq)
}

// follow sends every update behind the place seq.
func (s *session) follow(ctx context.Context, w *bufio.Writer, seq uint64) error {
	for {
		entries, last, changed := s.node.after(seq)
		if seq = last; len(entries) > 0 {
			if err := s.send(ctx, w, entries); err != nil {
				return err
			}
			continue
		}
		if err := w.Flush(); err != nil {
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// send writes the entries that the peer lacks.
func (s *session) send(ctx context.Context, w *bufio.Writer, entries []*entry) error {
	for part := range slices.Chunk(entries, batch) {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		for _, e := range s.lacks(part) {
			w.Write(e.line)
			if err := w.WriteByte('\n'); err != nil {
				return err
			}
		}
	}
	return nil
}

// lacks returns those of entries that the peer neither has nor has sent, and counts them
// as what it has.
func (s *session) lacks(entries []*entry) []*entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	left := make([]*entry, 0, len(entries))
	for _, e := range entries {
		if s.peer[e.source] >= e.ts {
			continue
		}
		s.peer[e.source] = e.ts
		if e.from != s.id {
			left = append(left, e)
		}
	}
	return left
}

// known returns what the peer is known to have.
func (s *session) known() Clock {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.peer)
}

// headerLine is our header.
func (n *Node) headerLine(cfg SyncConfig) []byte {
	n.mu.RLock()
	clock := make([]entryClock, 0, len(n.clock))
	for source, ts := range n.clock {
		clock = append(clock, entryClock{source, ts})
	}
	n.mu.RUnlock()
	slices.SortFunc(clock, func(a, b entryClock) int { return cmp.Compare(a.source, b.source) })
	return appendHeader(nil, n.id, clock, cfg.Meta)
}

// deadlineWriter writes to a session's connection; each write must end within
// StallTimeout.
type deadlineWriter struct{ s *session }

func (w *deadlineWriter) Write(b []byte) (int, error) {
	if c, ok := w.s.conn.(interface{ SetWriteDeadline(time.Time) error }); ok {
		if err := c.SetWriteDeadline(time.Now().Add(w.s.cfg.StallTimeout)); err != nil {
			return 0, err
		}
	}
	return w.s.conn.Write(b)
}
