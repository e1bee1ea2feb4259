package verify

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/hearsaynet/hearsay/keys"
)

// author is the queue of one author's statements. It lives as long as it has any.
type author struct {
	queue    []*item // no verdict yet; the first is in work
	flows    usage
	waits    usage
	waiting  bool // the first of the queue has been Unavailable, or is slow
	since    time.Time
	attempts int
	err      error // of the last attempt
	wake     chan struct{}
	backoff  backoff.ExponentialBackOff
	left     *reply // of a Func that ended the goroutine it was called in
}

// reply is what a Func says.
type reply struct {
	verdict Verdict
	err     error
}

func newAuthor(cfg Config) *author {
	return &author{
		wake: make(chan struct{}, 1),
		backoff: backoff.ExponentialBackOff{
			InitialInterval: cfg.BackoffInitial,
			Multiplier:      2,
			MaxInterval:     cfg.BackoffMax,
		},
	}
}

// work gives each statement of a its result, in order, until there are none.
func (p *Pipeline) work(id keys.NodeID, a *author) {
	defer func() {
		if a.left != nil { // this goroutine is ending: another one goes on
			p.wg.Go(func() { p.work(id, a) })
		}
	}()
	for it := p.next(id, a, nil); it != nil; it = p.next(id, a, it) {
		res, ok := p.judge(a, it)
		if !ok || !p.deliver(res) {
			return
		}
	}
}

// next gives the room of last back and returns the one after it. It forgets a when
// there is none.
func (p *Pipeline) next(id keys.NodeID, a *author, last *item) *item {
	p.mu.Lock()
	defer p.mu.Unlock()
	if last != nil {
		p.uncountLocked(last)
		p.grantLocked()
	}
	if len(a.queue) == 0 {
		delete(p.authors, id)
		return nil
	}
	return a.queue[0]
}

// judge asks for a verdict until it is final. It is not ok when the pipeline closes.
func (p *Pipeline) judge(a *author, it *item) (res Result, ok bool) {
	for {
		v, err := p.ask(a, it)
		if v == Unavailable && p.cfg.testOnly.retryLost {
			return Result{}, false
		}
		if v == Unavailable && p.cfg.testOnly.outageRejects {
			v = Reject
		}
		if v == Unavailable {
			if p.wait(a, err) {
				continue
			}
			if p.ctx.Err() != nil {
				return Result{}, false
			}
			err = fmt.Errorf("%w: %w", ErrDropped, err)
		}
		p.settle(a)
		return it.result(v, err), true
	}
}

// settle takes the first of a's queue out: it has its result.
func (p *Pipeline) settle(a *author) {
	p.mu.Lock()
	defer p.mu.Unlock()
	a.queue[0] = nil
	a.queue = a.queue[1:]
	if a.waiting {
		a.waiting, a.attempts, a.err = false, 0, nil
		a.backoff.Reset()
	}
}

// wait lets the time to the next attempt pass. It returns false when the pipeline is
// closed or the statement has no room to wait in.
func (p *Pipeline) wait(a *author, err error) bool {
	p.mu.Lock()
	a.turn(err)
	a.attempts++
	fits := !p.closed && p.parkLocked(a)
	pause := time.Duration(float64(a.backoff.NextBackOff()) * (0.5 + p.cfg.Jitter())) // of many nodes, not all at once
	p.mu.Unlock()
	if !fits {
		return false
	}
	t := time.NewTimer(pause)
	defer t.Stop()
	select {
	case <-t.C:
	case <-a.wake:
		p.mu.Lock()
		a.backoff.Reset()
		p.mu.Unlock()
	case <-p.ctx.Done():
		return false
	}
	return true
}

// turn notes that a waits, and why.
func (a *author) turn(err error) {
	if !a.waiting {
		a.waiting, a.since = true, time.Now()
	}
	a.err = err
}

// ask calls the Func once and returns its verdict, as far as it counts.
func (p *Pipeline) ask(a *author, it *item) (Verdict, error) {
	select {
	case <-a.wake: // what follows sees what has changed
	default:
	}
	ctx, cancel := context.WithTimeoutCause(p.ctx, p.cfg.Silence, ErrSilent)
	defer cancel()
	var over atomic.Bool
	defer over.Store(true)
	slow := time.AfterFunc(patience, func() { p.slow(a, it, &over) })
	defer slow.Stop()

	v, err := p.call(ctx, a, it.req)
	switch {
	case v == Accept && it.req.checked.Load() == nil:
		return Reject, ErrUnchecked
	case v == Accept:
		return Accept, nil
	case v != Reject && v != Unavailable:
		return Reject, fmt.Errorf("verify: the callback answered %v", v)
	case err == nil && v == Reject:
		return v, errors.New("verify: refused by the callback")
	case err == nil:
		return v, errors.New("verify: the callback cannot say")
	}
	return v, err
}

func (p *Pipeline) call(ctx context.Context, a *author, r *Request) (Verdict, error) {
	if got := a.left; got != nil {
		a.left = nil
		return got.verdict, got.err
	}
	answers := make(chan reply, 1)
	var answered atomic.Bool
	done := func(v Verdict, err error) {
		if ctx.Err() == nil && answered.CompareAndSwap(false, true) {
			answers <- reply{v, err}
		}
	}
	func() {
		returned := false
		defer func() {
			if cause := recover(); cause != nil {
				done(Unavailable, fmt.Errorf("%w in the callback: %v", ErrPanic, cause))
			} else if !returned { // runtime.Goexit, which nothing stops
				a.left = &reply{Unavailable, errGoexit}
				select {
				case got := <-answers:
					a.left = &got
				default:
				}
			}
		}()
		p.f(ctx, r, done)
		returned = true
	}()
	select {
	case got := <-answers:
		return got.verdict, got.err
	case <-ctx.Done():
	}
	select {
	case got := <-answers: // both at once: it came in time
		return got.verdict, got.err
	default:
		return Unavailable, context.Cause(ctx)
	}
}

// slow is called when a Func has been at work for a while: unless it is busy with
// the check, what its author has queued must not take the room of others.
func (p *Pipeline) slow(a *author, it *item, over *atomic.Bool) {
	if it.req.checking.Load() > 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || over.Load() {
		return
	}
	if !a.waiting {
		a.turn(ErrSilent)
	}
	p.parkLocked(a)
}
