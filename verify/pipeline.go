package verify

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/wire"
)

var (
	// ErrDropped is returned by Submit, or wrapped by a Result, for a statement that found
	// no room among those that wait for the keystore. Ask the peer for it again, later.
	ErrDropped = errors.New("verify: dropped: too much waits for the keystore")
	// ErrClosed is returned after Close.
	ErrClosed = errors.New("verify: pipeline is closed")
	// ErrSubmitted is returned for a Request that was submitted before.
	ErrSubmitted = errors.New("verify: request was submitted before")
)

// Result is the verdict on one submitted request.
type Result struct {
	Verified   wire.Statement  // nil unless Accept, or Reject with ErrOutsideWindow
	Unverified wire.Unverified // as submitted
	Verdict    Verdict         // Accept, Reject, or Unavailable with ErrDropped
	Err        error           // why; nil if and only if Accept
	Tag        any             // as submitted
	Windows    keys.Windows    // that the author is admitted for, if Accept; see Request.Within
}

// Config bounds a Pipeline. Its zero value works.
type Config struct {
	Workers int // checks at the same time; default GOMAXPROCS

	// What flows: submitted, and the result not yet taken. One author uses an eighth.
	MaxRuns  int   // statements; default 1024
	MaxBytes int64 // with what parsing adds; default 64 MiB

	// What waits because a look-up failed or is slow.
	MaxWaitingRuns      int   // statements; default 4096; one author uses a sixteenth
	MaxWaitingBytes     int64 // default 64 MiB
	MaxWaitingPerAuthor int64 // in bytes; default 4 MiB

	Silence        time.Duration // a Func's time to answer; default 30 s
	BackoffInitial time.Duration // before the first retry, give or take half; default 250 ms
	BackoffMax     time.Duration // default 30 s
	// Jitter gives numbers in [0, 1) that spread the retries of many nodes over time. It may
	// be called by several goroutines at once. Default rand.Float64.
	Jitter func() float64

	testOnly testOnly
}

func (c *Config) setDefaults() {
	set(&c.Workers, runtime.GOMAXPROCS(0))
	set(&c.MaxRuns, defaultMaxRuns)
	set(&c.MaxBytes, defaultMaxBytes)
	set(&c.MaxWaitingRuns, defaultMaxWaitingRuns)
	set(&c.MaxWaitingBytes, defaultMaxWaitingBytes)
	set(&c.MaxWaitingPerAuthor, defaultMaxWaitingPerAuthor)
	set(&c.Silence, defaultSilence)
	set(&c.BackoffInitial, defaultBackoffInitial)
	set(&c.BackoffMax, defaultBackoffMax)
	if c.Jitter == nil {
		c.Jitter = rand.Float64
	}
}

func set[T int | int64 | time.Duration](v *T, def T) {
	if *v <= 0 {
		*v = def
	}
}

// Pipeline runs requests through a Func.
type Pipeline struct {
	f       Func
	cfg     Config
	ctx     context.Context // ends with Close
	cancel  context.CancelFunc
	workers chan struct{} // holds one token per running Check
	results chan Result   // closed by Close, after wg
	wg      sync.WaitGroup
	once    sync.Once // closes results

	mu      sync.Mutex // guards closed, authors, flowing, waiting, origins, blocked and every author and item
	closed  bool
	authors map[keys.NodeID]*author
	flowing usage
	waiting usage
	origins map[string]int64 // what flows of each origin, in bytes
	blocked []*submitter     // in the order in which they came
}

// New starts a pipeline.
func New(f Func, cfg Config) *Pipeline {
	cfg.setDefaults()
	ctx, cancel := context.WithCancel(context.Background())
	return &Pipeline{
		f: f, cfg: cfg, ctx: ctx, cancel: cancel,
		workers: make(chan struct{}, cfg.Workers),
		results: make(chan Result, resultsAhead),
		authors: map[keys.NodeID]*author{},
		origins: map[string]int64{},
	}
}

// item is a request on its way.
type item struct {
	author *author
	req    *Request
	tag    any
	cost   int64
	waits  bool // counted as waiting, else as flowing
}

func (it *item) result(v Verdict, err error) Result {
	res := Result{Unverified: it.req.Statement, Verdict: v, Err: err, Tag: it.tag}
	if checked := it.req.checked.Load(); checked != nil && (v == Accept || errors.Is(err, ErrOutsideWindow)) {
		res.Verified = *checked
		if ws := it.req.windows.Load(); ws != nil {
			res.Windows = *ws
		}
	}
	return res
}

// submitter is a Submit that waits for room.
type submitter struct {
	it  *item
	err chan error // of capacity 1
}

// Submit hands r in. It blocks while the pipeline is full, until ctx ends, and must
// not be called by who reads Results. Each submitted request gives exactly one
// Result, unless the pipeline is closed. The error is ErrDropped at once when r's
// author waits for the keystore and there is no room to wait.
func (p *Pipeline) Submit(ctx context.Context, r *Request, tag any) error {
	if !r.pipeline.CompareAndSwap(nil, p) {
		return ErrSubmitted
	}
	err := p.submit(ctx, &item{req: r, tag: tag, cost: cost(r.Statement)})
	if err != nil {
		r.pipeline.Store(nil)
	}
	return err
}

func (p *Pipeline) submit(ctx context.Context, it *item) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return ErrClosed
	}
	if len(p.blocked) == 0 {
		if where := p.placeLocked(it); where == placed || where == refused {
			p.mu.Unlock()
			return where.err()
		}
	}
	s := &submitter{it, make(chan error, 1)}
	p.blocked = append(p.blocked, s)
	p.grantLocked()
	p.mu.Unlock()

	select {
	case err := <-s.err:
		return err
	case <-ctx.Done():
	}
	p.mu.Lock()
	i := slices.Index(p.blocked, s)
	if i >= 0 {
		p.blocked = slices.Delete(p.blocked, i, i+1)
		p.grantLocked() // it may have kept others from their turn
	}
	p.mu.Unlock()
	if i < 0 {
		return <-s.err
	}
	return ctx.Err()
}

// Results returns the verdicts, in the order of Submit within one author. Only what
// is dropped (Unavailable, ErrDropped) is reported ahead of its turn. The channel is
// closed by Close.
func (p *Pipeline) Results() <-chan Result { return p.results }

// deliver reports whether the result went out before Close.
func (p *Pipeline) deliver(res Result) bool {
	select {
	case p.results <- res:
		return true
	case <-p.ctx.Done():
		return false
	}
}

// Close stops the pipeline: what has no result yet gets none. It returns when all
// goroutines have ended, and so waits for Funcs that do not heed their context.
func (p *Pipeline) Close() error {
	p.mu.Lock()
	p.closed = true
	for _, s := range p.blocked {
		s.err <- ErrClosed
	}
	p.blocked = nil
	p.mu.Unlock()
	p.cancel()
	p.wg.Wait()
	p.once.Do(func() { close(p.results) })
	return nil
}
