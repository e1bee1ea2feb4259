// Package relay is what a relay carries: a bounded set of replicas without models.
// They store, verify and pass on; nothing folds what they hold, and nothing is
// written here. To its peers a relay is a peer like any other, trusted for nothing.
//
// A relay either carries the topics it was given, or adopts those that its peers
// name, at most [wire.MaxTopics] in all. Names cost a peer nothing, so an adopted
// topic keeps its place only while a session uses it or something of it is stored.
package relay

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// evictEvery is the least time between two topics that lose their place: each
// change of the set costs the relay's own links a new session.
const evictEvery = 10 * time.Second

// Config says what a Set is made of.
type Config struct {
	// Replica is the pattern of all replicas: Store is required; Topic is filled in;
	// Signer must be nil.
	Replica replica.Config
	// Topics are the topics to carry, and no others. Nil: those that the store holds,
	// and then those that peers name.
	Topics []string
	// Now is the clock. Nil: time.Now.
	Now func() time.Time
}

// Set is the replicas of a relay. It is safe for concurrent use.
type Set struct {
	cfg   Config
	log   *slog.Logger
	adopt bool

	mu      sync.Mutex // guards the fields below
	topics  map[string]*carried
	changed chan struct{} // closed and replaced when the set changes
	evicted time.Time
	full    bool // said so
	closed  bool
}

type carried struct {
	r    *replica.Replica
	uses int // sessions that were answered with it
}

// Open opens the replicas of the configured topics, or of those in the store.
func Open(ctx context.Context, cfg Config) (*Set, error) {
	if cfg.Replica.Signer != nil {
		return nil, errors.New("relay: a relay signs nothing: Config.Replica.Signer must be nil")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	s := &Set{
		cfg: cfg, log: cfg.Replica.Log, adopt: cfg.Topics == nil,
		topics: make(map[string]*carried), changed: make(chan struct{}),
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	topics, err := s.initial()
	if err != nil {
		return nil, err
	}
	for _, t := range topics {
		if err := s.openLocked(ctx, t); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	return s, nil
}

// initial returns the topics to begin with.
func (s *Set) initial() ([]string, error) {
	topics := s.cfg.Topics
	if s.adopt {
		if s.cfg.Replica.Store == nil {
			return nil, errors.New("relay: Config.Replica.Store is required")
		}
		stored, err := s.cfg.Replica.Store.Topics()
		if err != nil {
			return nil, fmt.Errorf("relay: %w", err)
		}
		topics = stored
	}
	topics = slices.Compact(slices.Sorted(slices.Values(topics)))
	if len(topics) <= wire.MaxTopics {
		return topics, nil
	}
	if !s.adopt {
		return nil, fmt.Errorf("relay: %d topics, at most %d", len(topics), wire.MaxTopics)
	}
	s.log.Warn("the store holds more topics than a relay carries", "topics", len(topics), "carried", wire.MaxTopics)
	return topics[:wire.MaxTopics], nil
}

// openLocked adds a topic to the set. Before the Set is shared no lock is needed.
func (s *Set) openLocked(ctx context.Context, topic string) error {
	if s.topics[topic] != nil {
		return nil
	}
	cfg := s.cfg.Replica
	cfg.Topic = topic
	r, err := replica.Open(ctx, cfg)
	if err != nil {
		return fmt.Errorf("relay: %w", err)
	}
	s.topics[topic] = &carried{r: r}
	return nil
}

// Adopt returns the replicas of those of the named topics that the set carries,
// after it has taken in what it may of the others. release must be called when the
// session that uses them has ended.
func (s *Set) Adopt(ctx context.Context, topics []string) (replicas []*replica.Replica, release func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var used []*carried
	news := false
	for _, t := range topics {
		c := s.topics[t]
		if c == nil && s.adopt && s.adoptLocked(ctx, t) {
			c, news = s.topics[t], true
		}
		if c != nil && !slices.Contains(used, c) {
			c.uses++
			used = append(used, c)
			replicas = append(replicas, c.r)
		}
	}
	if news {
		s.notifyLocked()
	}
	var once sync.Once
	return replicas, func() { once.Do(func() { s.release(used) }) }
}

func (s *Set) release(used []*carried) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range used {
		c.uses--
	}
}

// adoptLocked takes a topic in, if there is room or room can be made.
func (s *Set) adoptLocked(ctx context.Context, topic string) bool {
	if s.closed || wire.CheckTopic(topic) != nil {
		return false
	}
	if len(s.topics) >= wire.MaxTopics && !s.evictLocked() {
		if !s.full {
			s.full = true
			s.log.Warn("a topic is not carried: there are as many as a relay carries", "topics", len(s.topics))
		}
		return false
	}
	if err := s.openLocked(ctx, topic); err != nil {
		s.log.Error("a topic cannot be carried", "topic", topic, "err", err)
		return false
	}
	s.log.Info("topic adopted", "topic", topic, "topics", len(s.topics))
	return true
}

// evictLocked drops a topic that nobody uses and of which nothing is stored.
func (s *Set) evictLocked() bool {
	now := s.cfg.Now()
	if now.Sub(s.evicted) < evictEvery {
		return false
	}
	for topic, c := range s.topics {
		if c.uses > 0 || s.stores(topic) {
			continue
		}
		s.evicted = now
		delete(s.topics, topic)
		c.r.Close()
		s.log.Info("topic dropped: it was empty, and nobody used it", "topic", topic)
		return true
	}
	return false
}

func (s *Set) stores(topic string) bool {
	for range s.cfg.Replica.Store.Frontiers(topic) { // an error is a reason to keep it
		return true
	}
	return false
}

func (s *Set) notifyLocked() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// Replicas returns all replicas, by topic, and a channel that is closed when the set
// has changed since.
func (s *Set) Replicas() ([]*replica.Replica, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]*replica.Replica, 0, len(s.topics))
	for _, c := range s.topics {
		all = append(all, c.r)
	}
	slices.SortFunc(all, func(a, b *replica.Replica) int { return strings.Compare(a.Topic(), b.Topic()) })
	return all, s.changed
}

// Close closes all replicas. The store stays open.
func (s *Set) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	var errs []error
	for topic, c := range s.topics {
		errs = append(errs, c.r.Close())
		delete(s.topics, topic)
	}
	return errors.Join(errs...)
}
