package session

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"github.com/hearsaynet/hearsay/fuzz/internal/loopback"
	"github.com/hearsaynet/hearsay/replica/link"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// Config says what is fuzzed, and for how long.
type Config struct {
	// Target is what answers links. Its id may be zero: anyone's.
	Target link.Address
	// Topic is one that the target replicates, from whomever it may come: it gets
	// throw-away authors and what they sign, some of which it will keep.
	Topic string
	// Seed makes the sessions: the same ones each time.
	Seed uint64
	// Sessions is how many there are, 0 for no bound.
	Sessions int
	// For is how long it takes, 0 for no bound. One of the two must be given.
	For time.Duration
	// Patience is what an honest session may take, with all its tries. Default 10 s.
	Patience time.Duration
	// InsecureAnyAddress lets the target be elsewhere than on loopback.
	InsecureAnyAddress bool
	// Progress, if set, is called after each session.
	Progress func(Progress)
}

// DefaultPatience is Config's.
const DefaultPatience = 10 * time.Second

// sessionWait is how long the target has for what a session sends, and to answer it
// afterwards. Part of them hides the question, so most of it is waiting for nothing.
const sessionWait = 500 * time.Millisecond

// Progress is what has been sent, and how it ended.
type Progress struct {
	Sessions int           `json:"sessions"`
	Served   int           `json:"served"`  // answered to the end
	Closed   int           `json:"closed"`  // closed by the target
	Silent   int           `json:"silent"`  // neither
	Refused  int           `json:"refused"` // not even a link
	Frames   int           `json:"frames"`
	Bytes    int           `json:"bytes"`
	Elapsed  time.Duration `json:"-"`
}

// ErrRefused is wrapped by Fuzz's error when the target lets nobody link any more that
// has this node's address, as it may after so many faults.
var ErrRefused = errors.New("the target refuses this address")

func (cfg *Config) check(ctx context.Context) error {
	if cfg.Sessions < 0 || cfg.For < 0 || cfg.Patience < 0 {
		return errors.New("session: a bound is negative")
	}
	if cfg.Sessions == 0 && cfg.For == 0 {
		return errors.New("session: neither the number of sessions nor the time has a bound")
	}
	if cfg.Patience == 0 {
		cfg.Patience = DefaultPatience
	}
	if err := wire.CheckTopic(cfg.Topic); err != nil || cfg.InsecureAnyAddress {
		return err
	}
	if err := loopback.Check(ctx, cfg.Target.HostPort); err != nil {
		return fmt.Errorf("session: %w", err)
	}
	return nil
}

// Fuzz sends sessions to the target, and after each looks whether it still answers an
// honest one. The error is a *Crash with the last session when it does not.
func Fuzz(ctx context.Context, cfg Config) (Progress, error) {
	var p Progress
	if err := cfg.check(ctx); err != nil {
		return p, err
	}
	started := time.Now()
	d := newDialer(cfg)
	if err := d.honest(ctx); err != nil {
		return p, fmt.Errorf("session: before the first session: %w", err)
	}
	for n := 0; (cfg.Sessions == 0 || n < cfg.Sessions) && (cfg.For == 0 || time.Since(started) < cfg.For) && ctx.Err() == nil; n++ {
		steps := Generate(cfg.Seed, n, cfg.Topic)
		how := d.hostile(ctx, n, steps)
		if ctx.Err() != nil {
			break
		}
		p.count(how, steps)
		p.Elapsed = time.Since(started)
		if cfg.Progress != nil {
			cfg.Progress(p)
		}
		switch err := d.honest(ctx); {
		case err == nil, ctx.Err() != nil:
		case errors.Is(err, ErrRefused):
			return p, fmt.Errorf("session: after %d: %w", p.Sessions, err)
		default:
			return p, &Crash{Seed: cfg.Seed, Session: n, Topic: cfg.Topic, Why: err.Error(), Steps: steps}
		}
	}
	return p, context.Cause(ctx)
}

func (p *Progress) count(how Outcome, steps []Step) {
	p.Sessions++
	switch how {
	case Served:
		p.Served++
	case Closed:
		p.Closed++
	case Silent:
		p.Silent++
	default:
		p.Refused++
		return
	}
	p.Frames += len(steps)
	for _, step := range steps {
		p.Bytes += len(step.Bytes)
	}
}

// maxWait bounds the pauses in a session, which has many, and is one of many.
const maxWait = 10 * time.Millisecond

// instant is when the updates of generated sessions are dated.
var instant = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// Generate makes session n of a seed. Its authors are its own: whatever becomes of them,
// the next session begins anew.
func Generate(seed uint64, n int, topic string) []Step {
	var key [32]byte
	binary.BigEndian.PutUint64(key[:], seed)
	binary.BigEndian.PutUint64(key[8:], uint64(n))
	random := rand.NewChaCha8(key)
	program := make([]byte, 1+random.Uint64()%MaxScript)
	random.Read(program)
	if program[0] >= oddHello && random.Uint64()%4 > 0 {
		program[0] = 0 // a good Hello
	}
	steps := Script(NewCast(fmt.Sprintf("%d/%d", seed, n), topic, instant), program)
	for i := range steps {
		steps[i].Wait = min(steps[i].Wait, maxWait)
	}
	return steps
}

// Replay sends the session of a crash to the target once more. The error is a *Crash when
// it does not answer afterwards.
func Replay(ctx context.Context, cfg Config, c *Crash) error {
	cfg.Topic, cfg.Sessions = c.Topic, 1
	if err := cfg.check(ctx); err != nil {
		return err
	}
	d := newDialer(cfg)
	if err := d.honest(ctx); err != nil {
		return fmt.Errorf("session: before the session: %w", err)
	}
	d.hostile(ctx, c.Session, c.Steps)
	err := d.honest(ctx)
	if err == nil || ctx.Err() != nil || errors.Is(err, ErrRefused) {
		return err
	}
	again := *c
	again.Why = err.Error()
	return &again
}

// hostile sends one session under a key and, where it can, from an address of its own.
// The outcome is 0 when there was no link.
func (d *dialer) hostile(ctx context.Context, n int, steps []Step) Outcome {
	ctx, cancel := context.WithTimeout(ctx, d.cfg.Patience)
	defer cancel()
	conn, end, err := d.dial(ctx, own(d.cfg.Seed, n))
	if err != nil {
		return 0
	}
	defer end()
	how, _ := Drive(ctx, conn, steps, sessionWait)
	return how
}

// honest tries until an honest session is served, as long as Patience allows.
func (d *dialer) honest(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, d.cfg.Patience)
	defer cancel()
	var last error
	for wait := 20 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		err := d.once(ctx)
		if err == nil || errors.Is(err, ErrRefused) || errors.Is(err, ErrNotLoopback) {
			return err
		}
		switch {
		case ctx.Err() == nil:
			last = err
		case last == nil:
			last = fmt.Errorf("nothing within %v: %w", d.cfg.Patience, err)
		default: // a try that the end of the time has cut short says less
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return last
		}
	}
}

func (d *dialer) once(ctx context.Context) error {
	conn, end, err := d.dial(ctx, nil)
	if err != nil {
		return err
	}
	defer end()
	first := &firstRead{ReadWriteCloser: conn}
	err = honest(ctx, first, d.cfg.Topic, d.cfg.Patience)
	if refused(first.err) {
		return fmt.Errorf("%w: %w", ErrRefused, first.err)
	}
	return err
}

// firstRead keeps the error of a link that was refused after our side of the handshake.
type firstRead struct {
	io.ReadWriteCloser
	err error // for who has waited for the reader
}

func (f *firstRead) Read(b []byte) (int, error) {
	n, err := f.ReadWriteCloser.Read(b)
	if err != nil && f.err == nil {
		f.err = err
	}
	return n, err
}
