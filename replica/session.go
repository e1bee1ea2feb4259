package replica

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// Agent names this program in a Hello.
const Agent = "hearsay"

// SyncConfig says how one session is held. Its zero value works.
type SyncConfig struct {
	// Name says the peer to people, in notices and explanations. Default "peer".
	Name string
	// Peer is the node id that the link has proved, zero if it proves none. An author's
	// word on a link of its own needs no second witness.
	Peer keys.NodeID
	// Origin names who shares room with this session while verification is behind, for
	// instance the peer's address prefix, since ids are free. Default Name.
	Origin string
	// Answer waits for the peer's Hello before it sends its own, and asks for the
	// replicas of the topics that the peer names. For the accepting side of a link.
	Answer func(topics []string) []*Replica
	// SendOnly offers what we have and takes nothing: the peer is asked for nothing, and
	// what it sends all the same is dropped, so neither can it say what our own key wrote
	// (see Guard).
	SendOnly bool
	// ReceiveOnly takes what the peer has and discloses nothing: no updates, heads, proofs
	// or keys, and no ids but those in Authors. The peer sends everything each time; with
	// SendClock it is told how far we have each author, and sends what is missing. A slave
	// is no backup: it does not give its master back what that has lost. What is not
	// sent can be guessed: from which forgeries end the session a peer can tell whom we admit,
	// and which updates we have.
	ReceiveOnly bool
	SendClock   bool
	// Authors are those that the session asks for, takes and serves, and are named to the
	// peer. Nil: all. (For some channels only, give these a topic of their own: an author's
	// updates are one chain, and without some of them the others cannot be checked.)
	Authors []keys.NodeID
	// StopWhenDrained ends the session when each side has what the other had at the
	// start, instead of following; in a session one way, when the receiver has. If the
	// peer ends it before, Sync's error wraps ErrShort.
	StopWhenDrained bool
	// Meta goes to the peer in Hello, at most wire.MaxMeta bytes. The peer's is in the one
	// that Trace.Hello is told of.
	Meta []byte
	// Shuffle orders the authors that are served, so that not always the same one is the
	// last: it is called with their number and with what swaps two of them, and must not
	// call the replica. Nil: rand.Shuffle.
	Shuffle func(n int, swap func(i, j int))
	// Trace is told of digests and runs as they pass.
	Trace Trace
	// Counters, if set, counts what passes.
	Counters *Counters
}

// Trace holds functions that a session calls; any may be nil. They must not block.
type Trace struct {
	Hello          func(*wire.Hello)
	DigestSent     func(topic string, d *wire.Digest)
	DigestReceived func(topic string, d *wire.Digest)
	RunSent        func(*wire.Run)
	RunReceived    func(*wire.UnverifiedRun)
}

// Counters counts the updates that a session passes.
type Counters struct{ UpdatesIn, UpdatesOut atomic.Uint64 }

// CloseError is why a session ended, when one side closed it with a reason.
type CloseError struct {
	wire.Close
	ByPeer bool
}

func (e *CloseError) Error() string {
	who := "closed"
	if e.ByPeer {
		who = "closed by the peer"
	}
	if e.Text == "" {
		return fmt.Sprintf("replica: %s: %v", who, e.Code)
	}
	return fmt.Sprintf("replica: %s: %v: %s", who, e.Code, e.Text)
}

// Blames reports whether the session ended because the peer broke the protocol or
// brought bytes that no honest peer passes on.
func (e *CloseError) Blames() bool {
	return !e.ByPeer && (e.Code == wire.CloseProtocol || e.Code == wire.CloseRefused)
}

// ErrShort is wrapped by the error of a session that was to stop when drained, and that the
// peer ended in peace before: not all that it had is here.
var ErrShort = errors.New("replica: the peer ended the session before it had sent all that it has, or some of it was dropped: sync again")

// Sync holds one session over conn, and returns when it ends; conn is closed then.
// The error is nil when both sides parted in peace and, with StopWhenDrained, this one has
// what the other had. Two sides that only send, or only
// receive, have nothing to do: with StopWhenDrained they part at once, else they stay linked,
// and LinkStatus says so.
func (r *Replica) Sync(ctx context.Context, conn io.ReadWriteCloser, o SyncConfig) error {
	if change := r.cfg.testOnly.session; change != nil {
		change(&o)
	}
	return SyncAll(ctx, conn, o, r)
}

// SyncAll is Sync for several topics over one connection.
func SyncAll(ctx context.Context, conn io.ReadWriteCloser, o SyncConfig, replicas ...*Replica) error {
	if err := o.check(); err != nil {
		return errors.Join(err, conn.Close())
	}
	return newSession(ctx, conn, o).run(ctx, replicas)
}

// session is one conversation. One goroutine reads, one writes, one watches the clock.
type session struct {
	cfg    SyncConfig
	scope  scope
	conn   io.ReadWriteCloser
	ctx    context.Context
	cancel context.CancelCauseFunc // only the first cause counts
	wake   chan struct{}           // there is something to write

	greeted    atomic.Bool
	lastByte   atomic.Int64 // when bytes last came, ns since the Unix epoch
	lastFrame  atomic.Int64 // when a whole frame last came
	busy       atomic.Bool  // a frame is being handled: nobody reads, so the peer is not silent
	writeSince atomic.Int64 // when the write under way began, 0 for none

	lanes    []*lane                        // fixed once greeted
	theirs   map[uint16]*lane               // by the peer's handle; fixed once greeted
	offered  map[keys.NodeID]keys.PublicKey // used by the reader only
	digests  *rate.Limiter
	resend   *rate.Limiter
	asks     *rate.Limiter
	sleeping atomic.Bool // the writer will be woken when resend has room

	mu      sync.Mutex // guards the fields below and the lanes'
	control []wire.Frame
	way     wire.Way // of the peer, 0 if it has said nothing
	turn    int      // the lane to serve next
	nonce   uint64
	keyed   map[keys.NodeID]bool // authors whose key we have sent
}

func newSession(ctx context.Context, conn io.ReadWriteCloser, o SyncConfig) *session {
	if o.Name == "" {
		o.Name = "peer"
	}
	if o.Origin == "" {
		o.Origin = o.Name
	}
	if o.Counters == nil {
		o.Counters = &Counters{}
	}
	s := &session{
		cfg: o, scope: newScope(&o), conn: conn, wake: make(chan struct{}, 1),
		theirs:  make(map[uint16]*lane),
		offered: make(map[keys.NodeID]keys.PublicKey),
		keyed:   make(map[keys.NodeID]bool),
		digests: rate.NewLimiter(digestRate, digestBurst),
		resend:  rate.NewLimiter(resendRate, resendBurst),
		asks:    rate.NewLimiter(askRate, askBurst),
	}
	s.ctx, s.cancel = context.WithCancelCause(ctx)
	now := time.Now().UnixNano()
	s.lastByte.Store(now)
	s.lastFrame.Store(now)
	return s
}

// run holds the session. Whatever ends it goes through cancel; then the writer says
// why to the peer, and closing the connection wakes the reader.
func (s *session) run(ctx context.Context, replicas []*Replica) error {
	in := bufio.NewReaderSize(connReader{s}, 64<<10)
	out := &frameWriter{bufio.NewWriterSize(connWriter{s}, 64<<10)}
	stop := context.AfterFunc(s.ctx, func() { // a writer that is stuck gets a moment, no more
		time.AfterFunc(closeGrace, func() { s.conn.Close() })
	})
	defer stop()
	var tasks sync.WaitGroup
	defer tasks.Wait()
	tasks.Go(s.watch)
	drained := make(chan struct{}) // the peer has hung up, or has had its time to

	err := s.greet(in, out, replicas)
	if err == nil {
		for _, l := range s.lanes {
			l.join()
			defer l.leave()
		}
		tasks.Go(func() {
			defer close(drained)
			err := s.read(in)
			s.cancel(err)
			if !byPeer(err) { // else nothing follows
				io.Copy(io.Discard, in)
			}
		})
		err = s.write(out)
	} else {
		close(drained)
	}
	s.cancel(err)
	why := context.Cause(s.ctx)
	err = s.part(out, why)
	if _, closed := errors.AsType[*CloseError](err); (closed || err == nil && s.cfg.StopWhenDrained) && !byPeer(why) {
		<-drained // what is not read when a connection closes can take our last word with it
	}
	s.conn.Close()
	if err == nil && s.cfg.StopWhenDrained {
		s.awaitVerdicts(ctx)
		err = s.shortfall()
	}
	return err
}

// shortfall says what is missing when a session that stops when drained has been ended
// before: by the peer, which may be stopping, or because a replica was closed.
func (s *session) shortfall() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.lanes {
		switch {
		case s.scope.sendOnly, l.answered && !l.lost, s.way.Has(wire.WayReceives):
		case l.r.ctx.Err() != nil:
			return ErrClosed
		default:
			return fmt.Errorf("%w: topic %q", ErrShort, l.r.cfg.Topic)
		}
	}
	return nil
}

// awaitVerdicts waits until everything that came has a verdict: the peer may have
// parted while some was being verified.
func (s *session) awaitVerdicts(ctx context.Context) {
	for {
		s.mu.Lock()
		waits := false
		for _, l := range s.lanes {
			waits = waits || l.inflight > 0 && l.r.ctx.Err() == nil
		}
		s.mu.Unlock()
		if !waits {
			return
		}
		select {
		case <-s.wake:
		case <-ctx.Done():
			return
		}
	}
}

// closeGrace is how long a Close frame may take to be written.
const closeGrace = time.Second

// part tells the peer why the session ends, and returns what the caller is told.
func (s *session) part(out *frameWriter, err error) error {
	var ce *CloseError
	switch {
	case errors.As(err, &ce):
		if ce.ByPeer {
			return ce.orNil()
		}
	case errors.Is(err, wire.ErrMalformed):
		ce = &CloseError{Close: wire.Close{Code: wire.CloseProtocol, Text: err.Error()}}
		err = ce
	default:
		ce = &CloseError{Close: wire.Close{Code: wire.CloseDone}}
		if errors.Is(err, io.EOF) {
			err = fmt.Errorf("replica: the peer hung up: %w", err)
		}
	}
	if out.frame(wire.FrameClose, 0, ce.Append(nil)) == nil {
		out.Flush()
	}
	if err == error(ce) {
		return ce.orNil()
	}
	return err
}

// byPeer reports whether the peer closed the session with a reason.
func byPeer(err error) bool {
	ce, ok := errors.AsType[*CloseError](err)
	return ok && ce.ByPeer
}

// orNil is nil for a parting in peace.
func (e *CloseError) orNil() error {
	if e.Code == wire.CloseDone {
		return nil
	}
	return e
}

func closing(code wire.CloseCode, format string, args ...any) error {
	return &CloseError{Close: wire.Close{Code: code, Text: fmt.Sprintf(format, args...)}}
}

// greet swaps Hellos and opens a lane for each topic that both sides name.
func (s *session) greet(in io.Reader, out *frameWriter, replicas []*Replica) error {
	sent := make(chan error, 1)
	if s.cfg.Answer == nil { // while we read: the connection may have no buffer
		go func() { sent <- s.sendHello(out, replicas) }()
	} else {
		sent <- nil
	}
	f, err := wire.ReadFrame(in)
	if err != nil {
		s.cancel(err)
		<-sent
		return s.cause(err)
	}
	if err := <-sent; err != nil {
		return err
	}
	if f.Type == wire.FrameClose {
		return readClose(f)
	}
	if f.Type != wire.FrameHello || f.Handle != 0 {
		return closing(wire.CloseProtocol, "%v frame where Hello is due", f.Type)
	}
	hello, err := wire.ParseHello(f.Body)
	if err != nil {
		return err
	}
	if t := s.cfg.Trace.Hello; t != nil {
		t(hello)
	}
	if s.cfg.Answer != nil {
		topics := make([]string, len(hello.Topics))
		for i, t := range hello.Topics {
			topics[i] = t.Topic
		}
		replicas = s.cfg.Answer(topics)
		if err := s.sendHello(out, replicas); err != nil {
			return err
		}
	}
	if hello.Version != wire.Version {
		return closing(wire.CloseVersion, "version %d is not spoken here, %d is", hello.Version, wire.Version)
	}
	s.openLanes(hello, replicas)
	if len(s.lanes) == 0 {
		return closing(wire.CloseTopic, "no topic in common")
	}
	s.lastFrame.Store(time.Now().UnixNano())
	s.greeted.Store(true)
	return nil
}

func (s *session) sendHello(out *frameWriter, replicas []*Replica) error {
	h := wire.Hello{Version: wire.Version, Agent: Agent, Meta: s.cfg.Meta}
	for i, r := range replicas {
		h.Topics = append(h.Topics, wire.TopicHandle{Handle: uint16(i + 1), Topic: r.cfg.Topic})
	}
	if err := out.frame(wire.FrameHello, 0, h.Append(nil)); err != nil {
		return s.cause(err)
	}
	if way := s.scope.way(); way != 0 {
		if err := out.frame(wire.FrameWay, 0, way.Append(nil)); err != nil {
			return s.cause(err)
		}
	}
	return s.cause(out.Flush())
}

func (s *session) openLanes(hello *wire.Hello, replicas []*Replica) {
	for i, r := range replicas {
		at := slices.IndexFunc(hello.Topics, func(t wire.TopicHandle) bool { return t.Topic == r.cfg.Topic })
		if at < 0 {
			continue
		}
		l := newLane(s, r, uint16(i+1))
		s.lanes = append(s.lanes, l)
		s.theirs[hello.Topics[at].Handle] = l
	}
}

// cause prefers why we ended the session to what the connection said then.
func (s *session) cause(err error) error {
	if c := context.Cause(s.ctx); c != nil && err != nil {
		return c
	}
	return err
}

// watch sends pings and ends sessions whose peer is
// silent or does not read.
func (s *session) watch() {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	started := time.Now()
	for {
		select {
		case <-s.ctx.Done():
			return
		case now := <-tick.C:
			if err := s.overdue(now, started); err != nil {
				s.cancel(err)
				return
			}
			if !s.greeted.Load() {
				continue
			}
			if since(now, &s.lastFrame) > pingAfter {
				s.ping()
			}
		}
	}
}

func since(now time.Time, t *atomic.Int64) time.Duration {
	if ns := t.Load(); ns != 0 {
		return now.Sub(time.Unix(0, ns))
	}
	return 0
}

func (s *session) overdue(now, started time.Time) error {
	const slowest = time.Duration(wire.MaxFrame/slowestRate) * time.Second
	busy := s.busy.Load()
	switch {
	case !s.greeted.Load() && now.Sub(started) >= helloTimeout:
		return closing(wire.CloseTimeout, "no Hello within %v", helloTimeout)
	case !busy && since(now, &s.lastByte) >= silenceLimit:
		return closing(wire.CloseTimeout, "silent for %v", silenceLimit)
	case !busy && since(now, &s.lastFrame) >= silenceLimit+slowest:
		return closing(wire.CloseTimeout, "a frame took more than %v", silenceLimit+slowest)
	case since(now, &s.writeSince) >= silenceLimit:
		return closing(wire.CloseTimeout, "has not read for %v", silenceLimit)
	}
	return nil
}

// connReader and connWriter note for watch that the connection is alive.
type connReader struct{ s *session }

func (c connReader) Read(b []byte) (int, error) {
	n, err := c.s.conn.Read(b)
	if n > 0 {
		c.s.lastByte.Store(time.Now().UnixNano())
	}
	return n, err
}

type connWriter struct{ s *session }

func (c connWriter) Write(b []byte) (int, error) {
	c.s.writeSince.Store(time.Now().UnixNano())
	defer c.s.writeSince.Store(0)
	return c.s.conn.Write(b)
}
