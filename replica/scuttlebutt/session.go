package scuttlebutt

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/hearsaynet/hearsay/replica/scuttlebutt/internal/esjson"
)

// SyncConfig says how one session goes. The zero value replicates both ways and goes on
// until the connection ends. Peers of a session need not have the same settings, but what
// one does not send the other does not get.
type SyncConfig struct {
	// SendOnly takes no updates of the peer: the original's writable: false, its
	// createReadStream. The history is sent at once, since the peer may never say what it
	// knows; with AwaitHeader only what the peer's header lacks.
	SendOnly    bool
	AwaitHeader bool
	// ReceiveOnly sends neither updates nor, unless SendClock is set, a header: the
	// original's readable: false, its createWriteStream. The original sends its updates
	// all the same.
	ReceiveOnly bool
	SendClock   bool
	// NoTail ends the session when both sides have what the other one had: the original's
	// tail: false.
	NoTail bool
	// Renew ends the session with ErrRenew when something that it refused may be taken by
	// now, so that the next session asks for it again.
	Renew bool
	// Meta is sent in the header: JSON of at most MaxMeta bytes; nil sends none.
	Meta json.RawMessage
	// Name is the peer's in logs and refusals.
	Name string
	// OnHeader is called with the peer's header; an error ends the session. OnSync is
	// called once: all that the peer had when it answered our header has a verdict.
	OnHeader func(Header) error
	OnSync   func()
	// HandshakeTimeout is how long the peer's first line may take, StallTimeout how long
	// the rest of a line, or the reading of ours; 0 are the defaults. Only a connection
	// with deadlines, as a net.Conn, keeps to them.
	HandshakeTimeout time.Duration
	StallTimeout     time.Duration
}

func (c *SyncConfig) check() error {
	switch {
	case c.SendOnly && c.ReceiveOnly:
		return errors.New("scuttlebutt: SyncConfig.SendOnly and ReceiveOnly leave nothing to do")
	case c.AwaitHeader && !c.SendOnly:
		return errors.New("scuttlebutt: SyncConfig.AwaitHeader belongs to SendOnly")
	case len(c.Meta) > MaxMeta:
		return fmt.Errorf("scuttlebutt: SyncConfig.Meta has %d bytes of at most %d", len(c.Meta), MaxMeta)
	}
	if c.HandshakeTimeout == 0 {
		c.HandshakeTimeout = DefaultHandshakeTimeout
	}
	if c.StallTimeout == 0 {
		c.StallTimeout = DefaultStallTimeout
	}
	if c.Meta == nil {
		return nil
	}
	meta, err := Canonical(c.Meta)
	c.Meta = meta
	return err
}

// ErrRenew says that a new session may bring what this one refused.
var ErrRenew = errors.New("scuttlebutt: ask the peer again")

// errDone ends a session that has nothing more to do.
var errDone = errors.New("scuttlebutt: done")

// session is one conversation with one peer.
type session struct {
	node *Node
	id   uint64
	cfg  SyncConfig
	conn io.ReadWriteCloser
	end  context.CancelCauseFunc

	headed chan struct{} // closed with the peer's header
	synced chan struct{} // closed when what the peer had has its verdicts
	sent   chan struct{} // closed when our history and SYNC are on their way

	mu      sync.Mutex // guards what follows
	header  bool
	gotSync bool
	peer    Clock // what the peer is known to have
	renew   *time.Timer
	renewAt time.Time

	finished bool        // we have nothing more to say
	done     *time.Timer // for how long the peer may take to say the same
}

// Sync replicates with one peer over conn, which it closes, until ctx ends, the
// connection does, or SyncConfig says so. It returns nil when the peer ended the session
// behind its SYNC; io.ErrUnexpectedEOF is wrapped when it did before. All that was taken
// up to the end stays.
func (n *Node) Sync(ctx context.Context, conn io.ReadWriteCloser, cfg SyncConfig) error {
	if err := cfg.check(); err != nil {
		return errors.Join(err, conn.Close())
	}
	ctx, end := context.WithCancelCause(ctx)
	s := &session{
		node: n, cfg: cfg, conn: conn, end: end, peer: make(Clock),
		headed: make(chan struct{}), synced: make(chan struct{}), sent: make(chan struct{}),
	}
	r := newReceiver(ctx, n, cfg.Name)
	s.id = r.session
	r.skip = cfg.SendOnly
	r.header, r.old = s.onHeader, s.has
	r.sync = s.onSync
	if cfg.Renew {
		r.renew = s.renewIn
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()

	var work sync.WaitGroup
	work.Go(func() {
		if err := s.write(ctx); err != nil {
			end(err)
		}
	})
	work.Go(func() { s.watch(ctx) })
	err := s.read(ctx, r)
	if err == nil {
		s.linger(ctx)
		err = errDone
	}
	end(err)
	conn.Close()
	work.Wait()
	if r.pipe != nil {
		r.pipe.close()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range []*time.Timer{s.renew, s.done} {
		if t != nil {
			t.Stop()
		}
	}
	return s.result(context.Cause(ctx))
}

// result is what Sync returns for the first cause of its end.
func (s *session) result(err error) error {
	switch {
	case s.finished:
		return nil
	case errors.Is(err, errDone) && !s.gotSync && !s.cfg.SendOnly:
		return fmt.Errorf("scuttlebutt: the peer ended the session before its SYNC: %w", io.ErrUnexpectedEOF)
	case errors.Is(err, errDone):
		return nil
	}
	return err
}

// read takes what the peer sends, until it ends. It returns nil when the peer has sent
// all that it wanted to.
func (s *session) read(ctx context.Context, r *receiver) error {
	first := s.cfg.HandshakeTimeout
	if s.cfg.SendOnly && !s.cfg.AwaitHeader {
		first = 0
	}
	lines := newLineReader(s.conn, first, s.cfg.StallTimeout)
	rest, err := r.all(lines)
	if malformed(err) && r.pipe != nil {
		err = errors.Join(err, r.pipe.drain(false))
	}
	if err != nil {
		return cmp.Or(context.Cause(ctx), err)
	}
	if len(rest) > 0 {
		if err := r.line(rest); malformed(err) { // a peer that was cut off in the middle
			return fmt.Errorf("scuttlebutt: the last line is cut off: %w", io.ErrUnexpectedEOF)
		} else if err != nil {
			return atLine(lines.lines+1, err)
		}
		if err := r.flush(); err != nil {
			return err
		}
	}
	if r.pipe != nil {
		return r.pipe.drain(false)
	}
	return nil
}

// all takes every line up to the end, and returns what is behind the last newline.
func (r *receiver) all(lines *lineReader) (rest []byte, err error) {
	for {
		for line, ok := lines.buffered(); ok; line, ok = lines.buffered() {
			if err := r.line(line); err != nil {
				return nil, errors.Join(atLine(lines.lines, err), r.flush())
			}
		}
		if err := r.flush(); err != nil {
			return nil, err
		}
		rest, err := lines.read()
		if errors.Is(err, io.EOF) {
			return rest, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// atLine says where err happened, and whose fault it is.
func atLine(line int, err error) error {
	if malformed(err) {
		return fmt.Errorf("%w %d: %w", ErrMalformed, line, err)
	}
	return fmt.Errorf("scuttlebutt: line %d: %w", line, err)
}

// malformed says whether err is about a line and not about what it says.
func malformed(err error) bool {
	_, syntax := errors.AsType[*esjson.SyntaxError](err)
	_, bad := errors.AsType[badLine](err)
	return syntax || bad
}

// linger lets the writer finish when the peer has only ended its own side.
func (s *session) linger(ctx context.Context) {
	s.mu.Lock()
	header := s.header
	s.mu.Unlock()
	if !header && (!s.cfg.SendOnly || s.cfg.AwaitHeader) {
		return // nothing is being sent
	}
	select {
	case <-s.sent:
	case <-ctx.Done():
	}
}

func (s *session) onHeader(h *Header) error {
	s.mu.Lock()
	if s.header {
		s.mu.Unlock()
		return badLine("a second header")
	}
	s.header = true
	for source, ts := range h.Clock {
		s.peer[source] = max(s.peer[source], ts)
	}
	s.mu.Unlock()
	close(s.headed)
	if s.cfg.OnHeader != nil {
		return s.cfg.OnHeader(*h)
	}
	return nil
}

// onSync is called once all that came before the peer's SYNC has its verdict. The peer may
// send more of them.
func (s *session) onSync() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.gotSync {
		s.gotSync = true
		close(s.synced)
	}
}

// has records that the peer has sent an update, so that it is not sent back.
func (s *session) has(e *entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.peer[e.source] = max(s.peer[e.source], e.ts)
}

// renewIn ends the session after a while, unless it ends before that.
func (s *session) renewIn(after time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	after = max(after, renewAfter)
	at := time.Now().Add(after)
	if s.renew != nil {
		if !at.Before(s.renewAt) {
			return
		}
		s.renew.Stop()
	}
	s.renewAt = at
	s.renew = time.AfterFunc(after, func() { s.end(ErrRenew) })
}

// watch does what waits for the peer's SYNC.
func (s *session) watch(ctx context.Context) {
	select {
	case <-s.synced:
	case <-ctx.Done():
		return
	}
	if s.cfg.OnSync != nil {
		s.cfg.OnSync()
	}
	if !s.cfg.NoTail {
		return
	}
	select {
	case <-s.sent:
		s.finish()
	case <-ctx.Done():
	}
}

// finish ends our side, and the session when the peer has ended its own: a connection that
// is closed with something unread may take back what we have sent.
func (s *session) finish() {
	c, ok := s.conn.(interface{ CloseWrite() error })
	if !ok || c.CloseWrite() != nil {
		s.end(errDone)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.finished = true
	s.done = time.AfterFunc(lingerTimeout, func() { s.end(errDone) })
}
