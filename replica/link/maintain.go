package link

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v5"
	"golang.org/x/time/rate"
)

// State is where Maintain stands. New states are appended; zero is none.
type State uint8

const (
	StateDialing State = iota + 1 // connecting, or in the handshake
	StateLinked                   // the handler has the link
	StateBackoff                  // waiting to dial again; the error says why, nil after a link that ended well
	StateRefused                  // the same, longer: who answers there is not wanted, or does not want us
)

func (s State) String() string {
	switch s {
	case StateDialing:
		return "dialing"
	case StateLinked:
		return "linked"
	case StateBackoff:
		return "backoff"
	case StateRefused:
		return "refused"
	}
	return fmt.Sprintf("State(%d)", uint8(s))
}

// Maintain keeps a link to a: it dials, hands the link to handle, and when that
// returns dials again, after 250 ms at first and 30 s at most (after a refusal 5 s
// to 2 min), with jitter. It starts small again after a link that lasted 10 s. A
// handler's error that wraps ErrRestart has it dial again at once, a few times in
// a row at most. report, which may be nil, is told of every change of state, from
// this goroutine. Maintain returns when ctx ends or the endpoint is closed.
func (e *Endpoint) Maintain(ctx context.Context, a Address, handle Handler, report func(State, error)) {
	ctx, leave, err := e.enter(ctx)
	if err != nil {
		return
	}
	defer leave()
	if report == nil {
		report = func(State, error) {}
	}
	r := newRetry()
	for ctx.Err() == nil {
		report(StateDialing, nil)
		lasted, err := e.linkOnce(ctx, a, handle, report)
		if ctx.Err() != nil {
			return
		}
		state, wait := r.next(lasted, err)
		if wait == 0 {
			continue
		}
		report(state, err)
		if sleep(ctx, wait) != nil {
			return
		}
	}
}

// linkOnce makes one link and sees it to its end.
func (e *Endpoint) linkOnce(ctx context.Context, a Address, handle Handler, report func(State, error)) (lasted time.Duration, err error) {
	c, err := e.dial(ctx, a)
	if err != nil {
		return 0, err
	}
	report(StateLinked, nil)
	began := time.Now()
	err = e.run(ctx, c, handle)
	if v := c.verdict.Load(); v != nil { // the handler may have seen only a failed write
		err = v
	}
	return time.Since(began), err
}

// retry decides when to dial again.
type retry struct {
	down, refused *backoff.ExponentialBackOff
	restart       *rate.Limiter
}

func newRetry() *retry {
	exponential := func(first, most time.Duration) *backoff.ExponentialBackOff {
		b := backoff.NewExponentialBackOff()
		b.InitialInterval, b.MaxInterval, b.Multiplier = first, most, 2
		return b
	}
	return &retry{
		down:    exponential(retryFirst, retryMost),
		refused: exponential(refusedFirst, refusedMost),
		restart: rate.NewLimiter(rate.Every(restartEvery), restartBurst),
	}
}

// next returns the state to wait in and for how long; 0 is at once.
func (r *retry) next(lasted time.Duration, err error) (State, time.Duration) {
	if lasted >= steadyAfter {
		r.down.Reset()
		r.refused.Reset()
	}
	if errors.Is(err, ErrRestart) && r.restart.Allow() {
		return 0, 0
	}
	if e, ok := errors.AsType[*HandshakeError](err); ok && e.Reason.refused() {
		return StateRefused, r.refused.NextBackOff()
	}
	return StateBackoff, r.down.NextBackOff()
}
