package mallory

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/link"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// message is a frame on its way, or bytes that are none.
type message struct {
	wire.Frame
	raw     []byte // instead of the frame, unless nil
	changed bool   // it came as something else
	made    bool   // it did not come
	drip    bool   // byte by byte
	last    bool   // hang up behind it
}

// with returns m with another body.
func (m *message) with(body []byte) *message {
	c := *m
	c.Body, c.changed = body, true
	return &c
}

// copied returns m once more.
func (m *message) copied() *message {
	c := *m
	c.made = true
	return &c
}

func made(t wire.FrameType, handle uint16, body []byte) *message {
	return &message{Frame: wire.Frame{Type: t, Handle: handle, Body: body}, made: true}
}

// session stands between a caller and the upstream peer.
type session struct {
	r      *Relay
	ctx    context.Context
	cancel context.CancelCauseFunc
	pipes  [2]*pipe // to the caller, to upstream
	ready  chan struct{}

	mu     sync.Mutex           // guards the fields below
	hellos [2]*wire.Hello       // of the caller, of upstream
	topics [2]map[uint16]string // by the handles that these gave out
	begun  bool                 // ready is closed
}

// pipe carries frames to one peer of a session.
type pipe struct {
	s          *session
	name       string // of whom they are for
	toUpstream bool
	from, to   *link.Conn
	in         chan *wire.Frame
	rnd        *rand.Rand // used by steps only
	noise      *rand.Rand // used by one speaker only
	slow       atomic.Bool
	steps      []step

	mu  sync.Mutex // guards out
	out *bufio.Writer
}

func newSession(ctx context.Context, r *Relay, caller, upstream *link.Conn) *session {
	s := &session{r: r, ready: make(chan struct{})}
	s.ctx, s.cancel = context.WithCancelCause(ctx)
	s.pipes = [2]*pipe{
		{s: s, name: "caller", from: upstream, to: caller},
		{s: s, name: "upstream", toUpstream: true, from: caller, to: upstream},
	}
	n := 4 * r.sessions.Add(1)
	for i, p := range s.pipes {
		p.rnd = rand.New(rand.NewPCG(r.cfg.Seed, n+uint64(i)))
		p.noise = rand.New(rand.NewPCG(r.cfg.Seed, n+2+uint64(i)))
		p.in = make(chan *wire.Frame)
		p.out = bufio.NewWriterSize(p.to, 64<<10)
		for _, a := range r.cfg.Attacks {
			if a.begin != nil && p.meant(a) {
				p.steps = append(p.steps, a.begin(p))
			}
		}
	}
	return s
}

// meant reports whether an attack is for whom p leads to.
func (p *pipe) meant(a Attack) bool {
	t := p.s.r.cfg.Toward
	return t == TowardBoth || a.NeedsKey || (t == TowardUpstream) == p.toUpstream
}

// run passes frames until a peer ends it.
func (s *session) run() error {
	stop := context.AfterFunc(s.ctx, func() {
		for _, p := range s.pipes {
			p.to.Close()
		}
	})
	defer stop()
	var tasks sync.WaitGroup
	for _, p := range s.pipes {
		tasks.Go(p.read)
		tasks.Go(func() { s.cancel(p.pump()) })
		for _, a := range s.r.cfg.Attacks {
			if a.speak != nil && p.meant(a) {
				tasks.Go(func() { p.speak(a) })
			}
		}
	}
	tasks.Wait()
	err := context.Cause(s.ctx)
	s.r.log.Info("session ended", "why", err)
	return err
}

// speak runs an attack's own frames.
func (p *pipe) speak(a Attack) {
	select {
	case <-p.s.ready:
	case <-p.s.ctx.Done():
		return
	}
	if err := a.speak(p); err != nil && p.s.ctx.Err() == nil {
		p.s.r.log.Debug("attack ended", "attack", a.Name, "to", p.name, "err", err)
	}
}

// errEnded ends a session whose attack wants it ended.
var errEnded = errors.New("mallory hung up")

// read takes frames until the connection ends, which the session sees to.
func (p *pipe) read() {
	defer close(p.in)
	for r := bufio.NewReaderSize(p.from, 64<<10); ; {
		f, err := wire.ReadFrame(r)
		if err != nil {
			p.s.cancel(fmt.Errorf("%s: %w", p.source(), err))
			return
		}
		select {
		case p.in <- &f:
		case <-p.s.ctx.Done():
			return
		}
	}
}

// pump passes frames until there are no more.
func (p *pipe) pump() error {
	idle := time.NewTicker(idleAfter)
	defer idle.Stop()
	for {
		var err error
		select {
		case f, ok := <-p.in:
			if !ok {
				return io.EOF
			}
			idle.Reset(idleAfter)
			if p.slow.Load() {
				p.pause(slowPause)
			}
			err = p.pass(f)
		case <-idle.C:
			err = p.write(p.through(nil)...)
		case <-p.s.ctx.Done():
			return context.Cause(p.s.ctx)
		}
		if err != nil {
			return err
		}
	}
}

// source names whom the frames are from.
func (p *pipe) source() string { return [...]string{"caller", "upstream"}[p.side()] }

// side is where what p's source says is kept: 0 for the caller, 1 for upstream.
func (p *pipe) side() int {
	if p.toUpstream {
		return 0
	}
	return 1
}

// pass takes one frame. What is meant for this relay is not passed.
func (p *pipe) pass(f *wire.Frame) error {
	switch f.Type {
	case wire.FrameClose:
		c, err := wire.ParseClose(f.Body)
		if err != nil {
			return err
		}
		return fmt.Errorf("%s closed: %v: %s", p.source(), c.Code, c.Text)
	case wire.FrameDone:
		if n, err := wire.ParseDone(f.Body); err == nil && n >= ownNonce {
			return nil
		}
	case wire.FrameHello:
		p.s.greeted(p, f.Body)
	default:
		p.s.r.book.saw(p.from.PeerID(), p.topic(f.Handle), f)
	}
	out := p.through(&message{Frame: *f})
	if !kept(out) && f.Type != wire.FrameHello {
		p.s.r.tally.withheld.Add(1)
	}
	err := p.write(out...)
	if f.Type == wire.FrameHello {
		p.s.begin()
	}
	return err
}

// ownNonce is where the nonces of digests that a Relay makes begin.
const ownNonce = 1 << 62

func kept(out []*message) bool {
	for _, m := range out {
		if !m.made {
			return true
		}
	}
	return false
}

// through has a message take all steps.
func (p *pipe) through(m *message) []*message {
	in := []*message{m}
	for _, s := range p.steps {
		var out []*message
		for _, m := range in {
			if m != nil {
				out = append(out, s(m)...)
			}
		}
		if m == nil {
			out = append(out, s(nil)...)
		}
		in = out
	}
	if m == nil && len(p.steps) == 0 {
		return nil
	}
	return in
}

// write sends messages, and counts them.
func (p *pipe) write(all ...*message) error {
	return p.writeAll(len(all), func(i int) *message { return all[i] })
}

// writeAll sends n messages with nothing between them.
func (p *pipe) writeAll(n int, message func(i int) *message) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range n {
		if err := p.writeLocked(message(i)); err != nil {
			return err
		}
	}
	return p.out.Flush()
}

func (p *pipe) writeLocked(m *message) error {
	b := m.raw
	if b == nil {
		b = wire.AppendFrame(nil, m.Frame)
	}
	var err error
	if m.drip {
		err = p.dripLocked(b)
	} else {
		_, err = p.out.Write(b)
	}
	if err != nil {
		return err
	}
	p.s.r.tally.count(m)
	if m.last {
		return errors.Join(p.out.Flush(), errEnded)
	}
	return nil
}

func (t *tally) count(m *message) {
	switch {
	case m.made:
		t.made.Add(1)
	case m.changed:
		t.changed.Add(1)
	default:
		t.passed.Add(1)
	}
}

func (p *pipe) dripLocked(b []byte) error {
	for i := range b {
		p.out.WriteByte(b[i])
		if err := p.out.Flush(); err != nil {
			return err
		}
		if !p.pause(dripPause) {
			return context.Cause(p.s.ctx)
		}
	}
	return nil
}

// pause waits, and reports whether the session goes on.
func (p *pipe) pause(d time.Duration) bool { return sleep(p.s.ctx, d) }

// picks reports whether an attack that picks frames picks this one.
func (p *pipe) picks(m *message) bool {
	return m != nil && m.raw == nil && m.Type != wire.FrameHello && p.rnd.IntN(oneIn) == 0
}

// greeted notes a Hello that passes through p.
func (s *session) greeted(p *pipe, body []byte) {
	h, err := wire.ParseHello(body)
	if err != nil {
		return
	}
	side := p.side()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hellos[side] = h
	s.topics[side] = make(map[uint16]string)
	for _, t := range h.Topics {
		s.topics[side][t.Handle] = t.Topic
	}
}

// begin lets attacks speak, once both peers have said Hello.
func (s *session) begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hellos[0] != nil && s.hellos[1] != nil && !s.begun {
		s.begun = true
		close(s.ready)
	}
}

// topic returns what a handle of p's source stands for.
func (p *pipe) topic(handle uint16) string {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	return p.s.topics[p.side()][handle]
}

// subject returns what an attack speaks of, by the handle that p's source gave it.
func (p *pipe) subject() (topic string, handle uint16, err error) {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	from := p.side()
	for _, t := range p.s.hellos[from].Topics {
		if want := p.s.r.cfg.Topic; want != "" && t.Topic != want {
			continue
		}
		for _, o := range p.s.hellos[1-from].Topics {
			if o.Topic == t.Topic {
				return t.Topic, t.Handle, nil
			}
		}
	}
	return "", 0, errors.New("mallory: there is no topic in common to speak of")
}

// example is subject with a genuine update to make others like, once there is one.
func (p *pipe) example() (topic string, handle uint16, like wire.Entry, err error) {
	if topic, handle, err = p.subject(); err == nil {
		like, err = p.s.r.book.like(p.s.ctx, topic)
	}
	return topic, handle, like, err
}

// victim is whom p leads to.
func (p *pipe) victim() keys.NodeID { return p.to.PeerID() }
