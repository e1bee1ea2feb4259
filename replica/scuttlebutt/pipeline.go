package scuttlebutt

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/verify"
)

// pipeline has the updates of one session judged, many at a time, and applies those of one
// source in the order in which they came. A source whose verdict is unavailable waits;
// the others flow. When there is no more room, submit waits.
type pipeline struct {
	r    *receiver
	ctx  context.Context
	work sync.WaitGroup

	mu      sync.Mutex // guards what follows
	cond    *sync.Cond // room, or less to settle
	lanes   map[string]*lane
	muted   map[string]bool
	count   int
	bytes   int
	early   int    // updates from before SYNC without a verdict
	settled func() // called when early is 0; nil until SYNC, and afterwards
	synced  bool
	err     error // ends the session
	closed  bool
}

// lane is what waits of one source, in order.
type lane struct {
	queue   []*job
	down    bool // the first one's verdict is unavailable: the others are not asked about
	timer   *time.Timer
	backoff *backoff.ExponentialBackOff
}

type job struct {
	e       *entry
	size    int // of the line as it came, in bytes
	state   jobState
	err     error
	early   bool
	dropped bool
}

type jobState uint8

const (
	jobIdle   jobState = iota // to be asked about
	jobAsked                  // being asked about
	jobAccept                 // settled
	jobReject
)

func newPipeline(ctx context.Context, r *receiver) *pipeline {
	p := &pipeline{r: r, ctx: ctx, lanes: make(map[string]*lane), muted: make(map[string]bool)}
	p.cond = sync.NewCond(&p.mu)
	context.AfterFunc(ctx, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.cond.Broadcast()
	})
	return p
}

func (p *pipeline) isMuted(source string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.muted[source]
}

// mute takes nothing more of a source. What has come before goes on.
func (p *pipeline) mute(source string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return mute(p.muted, source)
}

// submit queues e. It waits for room, and fails when the session has to end.
func (p *pipeline) submit(e *entry) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.err == nil && p.ctx.Err() == nil && (p.count >= maxInFlight || p.bytes >= maxInFlightBytes) {
		p.cond.Wait()
	}
	if p.err != nil {
		return p.err
	}
	if err := context.Cause(p.ctx); err != nil {
		return err
	}
	if p.muted[e.source] { // while it waited
		p.r.node.count(func(s *Stats) *uint64 { return &s.Muted })
		return nil
	}
	l := p.lanes[e.source]
	if l == nil {
		l = &lane{}
		p.lanes[e.source] = l
	}
	j := &job{e: e, size: len(e.line), early: !p.synced}
	l.queue = append(l.queue, j)
	p.count++
	p.bytes += j.size
	if j.early {
		p.early++
	}
	if !l.down {
		p.askLocked(l, j)
	}
	return nil
}

func (p *pipeline) askLocked(l *lane, j *job) {
	if p.closed {
		return
	}
	j.state = jobAsked
	p.work.Go(func() {
		v, err := p.r.node.judge(p.ctx, j.e)
		p.mu.Lock()
		defer p.mu.Unlock()
		if j.dropped {
			return
		}
		j.err = err
		switch v {
		case verify.Accept:
			j.state = jobAccept
		case verify.Reject:
			j.state = jobReject
		default:
			j.state = jobIdle
			l.down = true
		}
		p.settleLocked(j.e.source, l)
	})
}

// settleLocked applies what has its verdict and nothing before it, and sees to it that
// the first one that is left is asked about.
func (p *pipeline) settleLocked(source string, l *lane) {
	if p.ctx.Err() != nil {
		p.cond.Broadcast()
		return
	}
	for len(l.queue) > 0 && l.queue[0].state >= jobAccept {
		j := l.queue[0]
		l.queue = l.queue[1:]
		p.forgetLocked(j)
		if l.down {
			l.down, l.backoff = false, nil
			p.resumeLocked(l)
		}
		if err := p.applyLocked(j); err != nil {
			p.refuseLocked(j, err)
			break
		}
	}
	switch {
	case len(l.queue) == 0:
		delete(p.lanes, source)
	case l.down && l.queue[0].state == jobIdle && l.timer == nil:
		p.retryLocked(source, l)
	}
	p.calmLocked()
}

// resumeLocked asks about everything that was not asked about while l was down.
func (p *pipeline) resumeLocked(l *lane) {
	for _, j := range l.queue {
		if j.state == jobIdle {
			p.askLocked(l, j)
		}
	}
}

func (p *pipeline) retryLocked(source string, l *lane) {
	if l.backoff == nil {
		l.backoff = &backoff.ExponentialBackOff{
			InitialInterval: retryFirst, RandomizationFactor: 0.5, Multiplier: 2, MaxInterval: retryMost,
		}
		p.r.node.log.Warn("updates wait: whether they are genuine cannot be said now",
			"source", source, "peer", p.r.name, "err", l.queue[0].err)
	}
	l.timer = time.AfterFunc(l.backoff.NextBackOff(), func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		l.timer = nil
		if p.ctx.Err() == nil && len(l.queue) > 0 && l.queue[0].state == jobIdle {
			p.askLocked(l, l.queue[0])
		}
	})
}

// applyLocked does what the verdict on j says.
func (p *pipeline) applyLocked(j *job) (err error) {
	if j.state == jobReject {
		return j.err
	}
	p.r.node.apply([]*entry{j.e}, func(_ *entry, full error) { err = full })
	return err
}

// refuseLocked drops j's source.
func (p *pipeline) refuseLocked(j *job, err error) {
	p.r.node.refuse(p.r.name, j.e, err)
	p.dropLocked(j.e.source)
	if err := mute(p.muted, j.e.source); err != nil {
		p.err = err
	}
	if errors.Is(err, keys.ErrUnknown) {
		p.r.renew(renewAfter)
	}
}

// dropLocked forgets what waits of a source.
func (p *pipeline) dropLocked(source string) {
	l := p.lanes[source]
	if l == nil {
		return
	}
	for _, j := range l.queue {
		j.dropped = true
		p.forgetLocked(j)
	}
	l.queue = nil
	if l.timer != nil {
		l.timer.Stop()
		l.timer = nil
	}
	delete(p.lanes, source)
	p.calmLocked()
}

func (p *pipeline) forgetLocked(j *job) {
	p.count--
	p.bytes -= j.size
	if j.early {
		p.early--
	}
}

// calmLocked tells who waits for less to be in flight.
func (p *pipeline) calmLocked() {
	if p.early == 0 && p.settled != nil {
		p.settled()
		p.settled = nil
	}
	p.cond.Broadcast()
}

// whenSettled calls f once all updates so far have a verdict.
func (p *pipeline) whenSettled(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.synced {
		p.synced, p.settled = true, f
		p.calmLocked()
	}
}

// drain waits until everything has its verdict, or, unless all is set, is known to be
// unavailable now.
func (p *pipeline) drain(all bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.err == nil && p.ctx.Err() == nil && p.busyLocked(all) {
		p.cond.Wait()
	}
	if p.err != nil {
		return p.err
	}
	return context.Cause(p.ctx)
}

func (p *pipeline) busyLocked(all bool) bool {
	for _, l := range p.lanes {
		if all || !l.down {
			return true
		}
	}
	return false
}

// close waits for all goroutines. ctx has ended.
func (p *pipeline) close() {
	p.mu.Lock()
	p.closed = true
	for _, l := range p.lanes {
		if l.timer != nil {
			l.timer.Stop()
		}
	}
	p.mu.Unlock()
	p.work.Wait()
}
