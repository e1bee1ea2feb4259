// Package cache is a keystore in front of another: it answers at once from what it has
// and asks behind.
//
// An answer is used as it is for [Config].Fresh. After that it is used still, and asked
// for again behind the back of who wanted it. While the keystore behind is unavailable
// an answer is used for [Config].Outage since it was last confirmed; then the id is
// unavailable, as it is at once when the keystore behind says keys.ErrExpired. "Not
// admitted" is used for [Config].Negative and then asked for again first. When the
// keystore behind says that it has changed, every such answer is dropped, all others are
// asked for again, and who waits for [Cache.Changed] is told when the new answers are there.
//
// Ids that are wanted at the same time are asked for in one request if the keystore
// behind is a keys.Batcher, and an id that is being asked for is not asked for twice.
// What is kept, and what is asked for, is bounded; ids that are not admitted take no
// room of those that are.
package cache

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hearsaynet/hearsay/keys"
)

var (
	// ErrBusy is returned when too many ids are being asked for. Try again.
	ErrBusy = errors.New("keys/cache: too many look-ups at the same time")

	errClosed = errors.New("keys/cache: closed")
)

// Config says how long answers are used. Its zero value works.
type Config struct {
	Fresh    time.Duration // before it is asked for again; default 1 min
	Outage   time.Duration // through an outage; default 24 h
	Negative time.Duration // of an id that is not admitted; default 5 s
	Timeout  time.Duration // of one request; default 30 s
	Max      int           // admitted ids that are kept; default 65,536
}

func (c *Config) setDefaults() {
	c.Fresh = cmp.Or(c.Fresh, defaultFresh)
	c.Outage = cmp.Or(c.Outage, defaultOutage)
	c.Negative = cmp.Or(c.Negative, defaultNegative)
	c.Timeout = cmp.Or(c.Timeout, defaultTimeout)
	c.Max = cmp.Or(c.Max, defaultMax)
}

// Cache is a keystore in front of another. It implements keys.Keystore, keys.Windowed,
// keys.Batcher, keys.Notifier, keys.Lister and io.Closer, and is safe for concurrent use.
type Cache struct {
	ks     keys.Keystore
	cfg    Config
	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	tasks  sync.WaitGroup // every goroutine

	mu      sync.Mutex // guards what follows
	closed  bool
	known   map[keys.NodeID]*answer   // admitted
	unknown map[keys.NodeID]time.Time // not admitted, and until when that is used
	calls   map[keys.NodeID]*call     // asked for, or about to be
	queue   []keys.NodeID             // about to be asked for
	workers int                       // that take from the queue
	epoch   uint64                    // counts the changes behind
	changed chan struct{}             // nil when nobody waits
}

// answer is what is kept of an admitted id.
type answer struct {
	keys.Admission
	confirmed time.Time
	asked     time.Time // behind the back, last
	stale     bool      // the keystore behind has changed since
}

// call is a look-up on its way, for all who want it.
type call struct {
	done chan struct{} // closed when the fields below are set
	a    keys.Admission
	err  error
}

// wait returns the answer, or why ctx has ended before.
func (call *call) wait(ctx context.Context) keys.Answer {
	select {
	case <-call.done:
		return keys.Answer{Admission: call.a, Err: call.err}
	case <-ctx.Done():
		return keys.Answer{Err: fmt.Errorf("keys/cache: %w", context.Cause(ctx))}
	}
}

// New puts a cache in front of ks, which it does not close.
func New(ks keys.Keystore, cfg Config) *Cache {
	cfg.setDefaults()
	c := &Cache{
		ks: ks, cfg: cfg,
		known:   make(map[keys.NodeID]*answer),
		unknown: make(map[keys.NodeID]time.Time),
		calls:   make(map[keys.NodeID]*call),
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	if n, ok := ks.(keys.Notifier); ok {
		changed := n.Changed()
		c.tasks.Go(func() { c.follow(n, changed) })
	}
	return c
}

// Close ends all requests, and waits for them. Every later call fails.
func (c *Cache) Close() error {
	c.mu.Lock()
	c.closed = true
	for _, id := range c.queue {
		c.answerLocked(id, keys.Answer{Err: errClosed})
	}
	c.queue = nil
	c.mu.Unlock()
	c.cancel()
	c.tasks.Wait()
	return nil
}

// Lookup implements keys.Keystore. It blocks only for an id that has no usable answer.
func (c *Cache) Lookup(ctx context.Context, id keys.NodeID) (keys.PublicKey, error) {
	a, err := c.LookupAdmission(ctx, id)
	return a.Key, err
}

// LookupAdmission implements keys.Windowed. It blocks only for an id that has no usable
// answer.
func (c *Cache) LookupAdmission(ctx context.Context, id keys.NodeID) (keys.Admission, error) {
	if err := ctx.Err(); err != nil {
		return keys.Admission{}, err
	}
	c.mu.Lock()
	got, call := c.answerOrAskLocked(id)
	c.mu.Unlock()
	if call != nil {
		got = call.wait(ctx)
	}
	return got.Admission, got.Err
}

// LookupAll implements keys.Batcher. It blocks only for ids that have no usable answer,
// and for all of them at the same time.
func (c *Cache) LookupAll(ctx context.Context, ids []keys.NodeID) []keys.Answer {
	answers := make([]keys.Answer, len(ids))
	if err := ctx.Err(); err != nil {
		for i := range answers {
			answers[i].Err = err
		}
		return answers
	}
	calls := make([]*call, len(ids))
	c.mu.Lock()
	for i, id := range ids {
		answers[i], calls[i] = c.answerOrAskLocked(id)
	}
	c.mu.Unlock()
	for i, call := range calls {
		if call != nil {
			answers[i] = call.wait(ctx)
		}
	}
	return answers
}

// answerOrAskLocked returns what is known of id, or who is asked for it.
func (c *Cache) answerOrAskLocked(id keys.NodeID) (keys.Answer, *call) {
	if c.closed {
		return keys.Answer{Err: errClosed}, nil
	}
	now := time.Now()
	if a := c.known[id]; a != nil {
		age := now.Sub(a.confirmed)
		if (age > c.cfg.Fresh || a.stale) && now.Sub(a.asked) >= askAgain {
			a.asked = now
			c.askLocked(id) // if there is no room, a later look-up tries again
		}
		if age <= c.cfg.Outage {
			return keys.Answer{Admission: a.Admission}, nil
		}
	} else if until, ok := c.unknown[id]; ok && now.Before(until) {
		return keys.Answer{Err: keys.ErrUnknown}, nil
	}
	if call := c.askLocked(id); call != nil {
		return keys.Answer{}, call
	}
	return keys.Answer{Err: ErrBusy}, nil
}

// List implements keys.Lister, as the keystore behind does.
func (c *Cache) List(ctx context.Context) ([]keys.NodeID, error) {
	l, ok := c.ks.(keys.Lister)
	if !ok {
		return nil, errors.New("keys/cache: the keystore cannot list")
	}
	return l.List(ctx)
}

// Changed implements keys.Notifier: also an answer that has become another when it was
// asked for again is a change.
func (c *Cache) Changed() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.changed == nil {
		c.changed = make(chan struct{})
	}
	return c.changed
}

func (c *Cache) notifyLocked() {
	if c.changed != nil {
		close(c.changed)
		c.changed = nil
	}
}

// follow brings the answers in step when the keystore behind has changed.
func (c *Cache) follow(n keys.Notifier, changed <-chan struct{}) {
	for {
		select {
		case <-c.ctx.Done():
			return
		case <-changed:
		}
		changed = n.Changed()
		c.renew()
	}
}

// renew asks for all answers again, and tells when they are there or cannot be had.
func (c *Cache) renew() {
	c.mu.Lock()
	c.epoch++
	clear(c.unknown)
	var old []keys.NodeID
	for id, a := range c.known {
		a.stale = true
		old = append(old, id)
	}
	c.mu.Unlock()
	for available := true; available && len(old) > 0; {
		n := min(len(old), maxBatch)
		available = c.fetch(old[:n])
		old = old[n:]
	}
	c.mu.Lock()
	c.notifyLocked()
	c.mu.Unlock()
}
