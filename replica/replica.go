package replica

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/store"
	"github.com/hearsaynet/hearsay/replica/wire"
	"github.com/hearsaynet/hearsay/sign"
	"github.com/hearsaynet/hearsay/verify"
)

// Update is one update as models see it.
type Update struct {
	wire.Ref
	Time    uint64 // ns since the Unix epoch, as signed
	Channel string
	Change  []byte // read only
	Local   bool   // of this replica's own author
}

// Before orders updates by (time, author, hash): the one answer to every tie.
func (u *Update) Before(o *Update) bool {
	if u.Time != o.Time {
		return u.Time < o.Time
	}
	if c := u.Author.Compare(o.Author); c != 0 {
		return c < 0
	}
	return string(u.Hash[:]) < string(o.Hash[:])
}

// Model folds the updates of one channel into state. The replica calls its methods
// one at a time.
type Model interface {
	// ApplyUpdate folds one update and says whether the state changed. Authors come in
	// any interleaving, each in seq order except for parked updates, whose turn is their
	// time; every update comes once. An error marks a change that means nothing
	// here: it is counted, reported, and has no effect.
	ApplyUpdate(u Update) (changed bool, err error)
	// Reset returns to the empty state, before a rebuild.
	Reset()
}

// Clock is a version vector: for each admitted author, its last stored update.
type Clock map[keys.NodeID]wire.Ref

// Config says what a replica is made of. The zero value of each field but Topic
// and Store works.
type Config struct {
	// Topic is the name of the replicated set, 1 to 255 bytes. Required.
	Topic string
	// Store keeps the runs. Required. The replica does not close it.
	Store store.Store
	// Signer signs local updates. Nil: the replica reads and relays only.
	Signer sign.Signer
	// Keystore says who is admitted, besides the Signer's own key; for which signed times,
	// if it is a keys.Windowed. One that hangs holds Open up for 5 s, and what it said last
	// counts until it answers again. Nil, with a Verify: everybody that Verify accepts. Nil,
	// without: nobody.
	Keystore keys.Keystore
	// Verify decides on every run from elsewhere. Nil: verify.Admitted(Keystore).
	Verify verify.Func
	// Pipeline tunes verification.
	Pipeline verify.Config
	// MaxSkew is how far ahead an update may be dated and take effect. Default 2 min.
	MaxSkew time.Duration
	// MaxChange bounds changes given to LocalUpdate, in bytes. Default 64 KiB, at
	// most wire.MaxChange.
	MaxChange int
	// HeadInterval is how often the own author signs how far it has written, while there
	// is a session, and what all pacing of heads follows: others' are passed on at most
	// three times in it, and an author is alive for two of it after its newest. Default
	// 30 s.
	HeadInterval time.Duration
	// MaxAuthors bounds the authors that are stored when Keystore is nil. Default 10,000.
	MaxAuthors int
	// Guard protects the own author from a store that has forgotten something.
	Guard Guard
	// Log receives what an operator should know. Nil discards.
	Log *slog.Logger
	// Now is the wall clock. Nil: time.Now.
	Now func() time.Time

	testOnly testOnly
}

func (c *Config) check() error {
	if err := wire.CheckTopic(c.Topic); err != nil {
		return fmt.Errorf("replica: %w", err)
	}
	if c.Store == nil {
		return errors.New("replica: Config.Store is required")
	}
	setDefault(&c.MaxSkew, DefaultMaxSkew)
	setDefault(&c.MaxChange, DefaultMaxChange)
	setDefault(&c.MaxAuthors, DefaultMaxAuthors)
	setDefault(&c.HeadInterval, DefaultHeadInterval)
	if c.MaxChange > wire.MaxChange {
		return fmt.Errorf("replica: Config.MaxChange is %d bytes, at most %d", c.MaxChange, wire.MaxChange)
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return nil
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// ErrClosed is returned by the methods of a replica that has been closed.
var ErrClosed = errors.New("replica: closed")

// Replica is one topic on one node. It is safe for concurrent use.
type Replica struct {
	cfg   Config
	self  keys.NodeID // zero without a Signer
	log   *slog.Logger
	store store.Store
	pipe  *verify.Pipeline

	ctx    context.Context
	cancel context.CancelCauseFunc
	tasks  sync.WaitGroup // every goroutine that Open started

	local   local
	guard   guard
	models  models
	notices hub
	recent  recent
	counts  counts
	issued  issued

	storeTrouble atomic.Pointer[error] // what the store said last, nil before it was asked

	mu       sync.Mutex // guards the fields below and the authors' fields
	authors  map[keys.NodeID]*author
	inflight map[[32]byte]*delivery   // by wire.UnverifiedRun.Fingerprint
	flying   map[keys.NodeID]int      // how many of them each author has
	dropped  map[keys.NodeID]struct{} // authors of which runs were dropped, to ask again
	unknown  map[keys.NodeID]*stranger
	refused  refusals
	lanes    map[*lane]struct{}
	words    words
	current  bool

	followers map[*follower]struct{}

	epoch     uint64 // counts the changes of the keystore
	again     again
	standings standings
}

// author is what a replica knows of one author whose key it has verified.
type author struct {
	id       keys.NodeID
	key      keys.PublicKey
	frontier wire.Ref // last stored
	admitted bool
	gap      *gap   // nil unless something is missing
	cut      *cut   // nil unless it is proved that the author has signed two histories
	doubt    *doubt // nil unless it has, and where they part is not known
	word     *word  // nil before a head has come
	newer    *newer
}

type gap struct {
	want  uint64 // the first seq that is missing
	seen  uint64 // the highest seq that was offered
	peer  string
	since time.Time
}

type newer struct {
	seq  uint64
	kind wire.Kind
}

type counts struct{ applied, rejected, ignored atomic.Uint64 }

// Open starts a replica on what its store holds. Nothing is sent or received before
// Sync is called. ctx bounds Open only.
func Open(ctx context.Context, cfg Config) (*Replica, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	r := &Replica{
		cfg: cfg, log: cfg.Log.With("topic", cfg.Topic), store: cfg.Store,
		authors:  make(map[keys.NodeID]*author),
		inflight: make(map[[32]byte]*delivery),
		flying:   make(map[keys.NodeID]int),
		dropped:  make(map[keys.NodeID]struct{}),
		unknown:  make(map[keys.NodeID]*stranger),
		lanes:    make(map[*lane]struct{}),
		refused:  refusals{origins: make(map[string]*ring)},
		words:    words{make(map[keys.NodeID]struct{}), make(map[keys.NodeID]struct{})},

		followers: make(map[*follower]struct{}),

		again:     again{make(map[keys.NodeID]struct{}), make(chan struct{}, 1)},
		standings: standings{make(chan struct{}, 1), make(map[keys.NodeID]standing)},
	}
	r.models.init(r)
	r.recent.init()
	if cfg.Signer != nil {
		r.self = cfg.Signer.Public().ID()
	}
	notifier, notifies := cfg.Keystore.(keys.Notifier)
	var changed <-chan struct{}
	if notifies {
		changed = notifier.Changed() // before anybody is looked up, so that no change is missed
	}
	if err := r.load(ctx); err != nil {
		return nil, err
	}
	r.ctx, r.cancel = context.WithCancelCause(context.Background())
	r.local.init(r)
	r.guard.init(r)
	r.pipe = verify.New(r.policy(), cfg.Pipeline)
	batches := make(chan []verify.Result)
	r.tasks.Go(func() { r.gatherLoop(batches) })
	r.tasks.Go(func() { r.settleLoop(batches) })
	r.tasks.Go(r.models.parkedLoop)
	r.tasks.Go(r.models.rebuildLoop)
	r.tasks.Go(r.askLoop)
	r.tasks.Go(r.headLoop)
	if cfg.Signer != nil {
		r.tasks.Go(r.local.loop)
		r.tasks.Go(r.signHeads)
	}
	if cfg.Keystore != nil {
		r.tasks.Go(func() { r.followKeystore(notifier, changed) })
	}
	return r, nil
}

// load reads frontiers, keys, admissions, proofs and heads from the store.
func (r *Replica) load(ctx context.Context) error {
	for ref, err := range r.store.Frontiers(r.cfg.Topic) {
		if err != nil {
			return fmt.Errorf("replica: open topic %q: %w", r.cfg.Topic, err)
		}
		key, err := r.store.Key(r.cfg.Topic, ref.Author)
		if err != nil {
			return fmt.Errorf("replica: open topic %q: key of %v: %w", r.cfg.Topic, ref.Author, err)
		}
		r.authors[ref.Author] = &author{id: ref.Author, key: key, frontier: ref}
	}
	if err := r.loadStandings(); err != nil {
		return fmt.Errorf("replica: open topic %q: admissions: %w", r.cfg.Topic, err)
	}
	if err := r.loadProofs(ctx); err != nil {
		return fmt.Errorf("replica: open topic %q: fork proofs: %w", r.cfg.Topic, err)
	}
	if err := r.loadHeads(); err != nil {
		return fmt.Errorf("replica: open topic %q: heads: %w", r.cfg.Topic, err)
	}
	if err := r.admitStored(ctx); err != nil {
		return fmt.Errorf("replica: open topic %q: %w", r.cfg.Topic, err)
	}
	return nil
}

// Close ends all sessions and stops. What LocalUpdate acknowledged is in the store.
func (r *Replica) Close() error {
	r.cancel(ErrClosed)
	r.mu.Lock()
	for l := range r.lanes {
		l.s.cancel(closing(wire.CloseDone, "stopping"))
		l.s.wakeWriter()
	}
	r.mu.Unlock()
	err := r.pipe.Close()
	r.tasks.Wait()
	r.notices.close()
	return err
}

// Topic returns the name of the replicated set.
func (r *Replica) Topic() string { return r.cfg.Topic }

// Self returns the id of the own author, zero for a replica without a Signer.
func (r *Replica) Self() keys.NodeID { return r.self }

// Now returns the time by the replica's wall clock, which is Config.Now.
func (r *Replica) Now() time.Time { return r.cfg.Now() }

// Version returns the newest time, in ns since the Unix epoch, of the updates that have
// had their turn since Open, 0 before the first. Updates that are parked do not count;
// such that were retracted since do. A model's ApplyUpdate may call it.
func (r *Replica) Version() uint64 { return r.models.newest.Load() }

// Clock returns the frontiers of all admitted authors.
func (r *Replica) Clock() Clock {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := make(Clock, len(r.authors))
	for id, a := range r.authors {
		if a.admitted && a.frontier.Seq > 0 {
			c[id] = a.frontier
		}
	}
	return c
}

// authorLocked returns the entry of an author whose key has been verified.
func (r *Replica) authorLocked(id keys.NodeID, key keys.PublicKey) *author {
	a := r.authors[id]
	if a == nil {
		a = &author{id: id, key: key, frontier: wire.Ref{Author: id}, admitted: true}
		r.authors[id] = a
		delete(r.unknown, id)
	}
	return a
}
