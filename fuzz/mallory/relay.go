package mallory

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/link"
	"github.com/hearsaynet/hearsay/replica/wire"
	"github.com/hearsaynet/hearsay/sign"
)

// Toward says whom attacks are meant for.
type Toward uint8

// Whom attacks are meant for. What goes the other way passes as it is.
const (
	TowardCaller   Toward = iota // who links to the Relay
	TowardUpstream               // whom it dials
	TowardBoth
)

// Config is what a Relay is made of. Upstream and Attacks are needed.
type Config struct {
	Upstream link.Address // whom to dial for each caller
	Attacks  []Attack     // in this order
	Toward   Toward       // default: the caller. An attack that needs both has both
	Seed     uint64       // of all choices
	Topic    string       // what to speak of; default: the first that both peers name
	Key      sign.Signer  // an author's key, for the attacks that sign as one who is admitted
	Log      *slog.Logger // nil discards

	// InsecureAnyAddress allows addresses that are not loopback, to listen on and to dial.
	InsecureAnyAddress bool
}

// Relay is a hostile relay. It is safe for concurrent use.
type Relay struct {
	cfg   Config
	log   *slog.Logger
	ep    *link.Endpoint
	dial  *net.Dialer
	book  *book
	cast  *cast
	tally tally

	doors     []Attack // that take the place of a link
	sessions  atomic.Uint64
	callers   atomic.Uint64
	recording sync.Mutex // guards records
	records   map[keys.NodeID]*record
}

// Stats counts what a Relay has done.
type Stats struct {
	Links    uint64 // that were made, both ways
	Passed   uint64 // frames that went on as they came
	Changed  uint64 // frames that went on as something else
	Withheld uint64 // frames that did not go on
	Made     uint64 // frames, connections and handshakes of its own
}

// String returns the counts in a line.
func (s Stats) String() string {
	return fmt.Sprintf("%d links; frames: %d passed, %d changed, %d withheld, %d made", s.Links, s.Passed, s.Changed, s.Withheld, s.Made)
}

type tally struct{ links, passed, changed, withheld, made atomic.Uint64 }

// New makes a Relay, with a new node key. It binds and dials nothing yet.
func New(cfg Config) (*Relay, error) {
	if cfg.Upstream.HostPort == "" || len(cfg.Attacks) == 0 {
		return nil, errors.New("mallory: Config.Upstream and Config.Attacks are needed")
	}
	if err := checkTopic(cfg.Topic); err != nil {
		return nil, err
	}
	for _, a := range cfg.Attacks {
		if a.NeedsKey && cfg.Key == nil {
			return nil, fmt.Errorf("mallory: %w: %s", ErrNeedsKey, a.Name)
		}
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	r := &Relay{cfg: cfg, log: cfg.Log, book: newBook(), records: make(map[keys.NodeID]*record)}
	var salt [32]byte
	rand.Read(salt[:])
	r.cast = newCast(salt, time.Now(), cfg.Key)
	r.dial = &net.Dialer{Control: r.onlyLoopback}
	var err error
	if r.ep, err = r.newEndpoint("node"); err != nil {
		return nil, err
	}
	for _, a := range cfg.Attacks {
		if a.answer != nil {
			r.doors = append(r.doors, a)
		}
	}
	return r, nil
}

// ErrNeedsKey is wrapped by New when an attack signs as an author and Config.Key is nil.
var ErrNeedsKey = errors.New("an author's key is needed")

// newEndpoint makes links under the key that a name stands for.
func (r *Relay) newEndpoint(name string) (*link.Endpoint, error) {
	a, err := r.cast.author(name)
	if err != nil {
		return nil, err
	}
	ep, err := link.New(link.Config{Signer: a.signer, Log: r.log, MaxConns: maxLinks, Dial: r.dial.DialContext})
	if err != nil {
		return nil, fmt.Errorf("mallory: %w", err)
	}
	return ep, nil
}

// ID returns the node id that the Relay's links prove.
func (r *Relay) ID() keys.NodeID { return r.ep.ID() }

// Stats returns what the Relay has done so far.
func (r *Relay) Stats() Stats {
	t := &r.tally
	return Stats{t.links.Load(), t.passed.Load(), t.changed.Load(), t.withheld.Load(), t.made.Load()}
}

// Close ends everything, and waits until it has ended.
func (r *Relay) Close() error { return r.ep.Close() }

// Serve accepts callers on ln, and attacks, until ctx ends or the Relay is closed. It
// closes ln.
func (r *Relay) Serve(ctx context.Context, ln net.Listener) error {
	defer ln.Close()
	if err := r.checkLoopback(ln.Addr()); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	var tasks sync.WaitGroup
	defer tasks.Wait()
	defer cancel()
	for _, a := range r.cfg.Attacks {
		if a.knock != nil {
			tasks.Go(func() { r.knock(ctx, a) })
		}
	}
	front := newFront(r, ln)
	tasks.Go(func() { front.accept(ctx, &tasks) })
	return r.ep.Serve(ctx, front, r.hold)
}

// knock runs an attack on the upstream peer, as soon as somebody answers there.
func (r *Relay) knock(ctx context.Context, a Attack) {
	for {
		c, err := r.dial.DialContext(ctx, "tcp", r.cfg.Upstream.HostPort)
		if err == nil {
			c.Close()
			break
		}
		if ctx.Err() != nil {
			return
		}
		r.log.Debug("upstream does not answer yet", "err", err)
		if !sleep(ctx, knockAgain) {
			return
		}
	}
	if err := a.knock(ctx, r); err != nil && ctx.Err() == nil {
		r.log.Info("attack on upstream ended", "attack", a.Name, "err", err)
	}
}

// hold is one link with a caller.
func (r *Relay) hold(ctx context.Context, caller *link.Conn) error {
	r.tally.links.Add(1)
	for _, a := range r.cfg.Attacks {
		if a.converse != nil {
			return a.converse(ctx, caller)
		}
	}
	upstream, err := r.ep.Dial(ctx, r.cfg.Upstream)
	if err != nil {
		r.log.Info("upstream is not linked", "err", err)
		return err
	}
	defer upstream.Close()
	r.tally.links.Add(1)
	return newSession(ctx, r, caller, upstream).run()
}

// sleep waits, and reports whether ctx goes on.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// checkTopic returns an error unless topic is empty or can be one.
func checkTopic(topic string) error {
	if topic == "" {
		return nil
	}
	return wire.CheckTopic(topic)
}
