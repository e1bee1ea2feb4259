package bridge

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/kv"
	"github.com/hearsaynet/hearsay/replica/node"
	"github.com/hearsaynet/hearsay/replica/scuttlebutt"
)

const (
	// marker begins, behind the prefix, the topic's keys that hold npm updates.
	marker = ".npm/"
	// most is how many keys are looked at before what they need is written; a key needs
	// two pairs of the 256 that SetMany takes.
	most = 64
	// mostBytes bounds the keys and values of one SetMany, unless it is of one pair: a node
	// takes requests of 4 MiB, in which a byte of a key may be six, and of a value 4/3.
	mostBytes = 512 << 10
)

// kvSide keeps a Model and the kv of a topic alike.
type kvSide struct {
	*Bridge
	model *scuttlebutt.Model

	mu    sync.Mutex // guards what follows
	dirty map[string]bool
	queue []string
	woken chan struct{} // holds one
}

func newKVSide(b *Bridge, npm scuttlebutt.Config) (*kvSide, error) {
	m, err := scuttlebutt.NewModel(npm)
	if err != nil {
		return nil, err
	}
	return &kvSide{Bridge: b, model: m, dirty: make(map[string]bool), woken: make(chan struct{}, 1)}, nil
}

func (s *kvSide) node() *scuttlebutt.Node { return &s.model.Node }

func (s *kvSide) run(ctx context.Context) error {
	// From here on no change is missed, and everything before it is in the dump.
	changes := s.cfg.Topic.Watch(ctx, "")
	if err := errors.Join(s.restore(ctx), s.look(ctx)); err != nil {
		return err
	}
	return together(ctx,
		func(ctx context.Context) error {
			for u := range s.model.Updates(ctx) {
				if key, _, ok := scuttlebutt.KeyValue(u.Change); ok {
					s.add(key)
				}
			}
			return context.Cause(ctx)
		},
		func(ctx context.Context) error {
			for c, err := range changes {
				if err == nil && c.Lost > 0 {
					err = s.look(ctx)
				}
				if err != nil {
					return err
				}
				s.addTopic(c.Key)
			}
			return context.Cause(ctx)
		},
		s.work)
}

// restore takes back what the topic knows of the npm side and the npm side's file does
// not, as after its loss.
func (s *kvSide) restore(ctx context.Context) error {
	var lost []scuttlebutt.Update
	for v, err := range s.cfg.Topic.Dump(ctx) {
		if err != nil {
			return err
		}
		key, ok := strings.CutPrefix(v.Key, s.cfg.Prefix+marker)
		if _, known := s.model.Last(key); !ok || known || v.Author != s.cfg.Self {
			continue
		}
		if u, err := scuttlebutt.ParseUpdate(v.Value); err == nil {
			lost = append(lost, u)
		}
	}
	slices.SortFunc(lost, func(a, b scuttlebutt.Update) int { return cmp.Compare(a.Timestamp, b.Timestamp) })
	var lines bytes.Buffer
	for _, u := range lost {
		lines.Write(append(u.Line(), '\n'))
	}
	_, err := s.model.Load(ctx, &lines)
	return err
}

// look has all keys of the topic looked at.
func (s *kvSide) look(ctx context.Context) error {
	for v, err := range s.cfg.Topic.Dump(ctx) {
		if err != nil {
			return err
		}
		s.addTopic(v.Key)
	}
	return nil
}

// addTopic has a key of the topic looked at; of one that holds an npm update, the key that
// this is about, which may be gone.
func (s *kvSide) addTopic(key string) {
	if rest, ok := strings.CutPrefix(key, s.cfg.Prefix); ok && key != "" {
		s.add(strings.TrimPrefix(rest, marker))
	}
}

// add has an npm key looked at.
func (s *kvSide) add(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dirty[key] {
		return
	}
	s.dirty[key] = true
	s.queue = append(s.queue, key)
	select {
	case s.woken <- struct{}{}:
	default:
	}
}

// take returns the next keys to look at.
func (s *kvSide) take(ctx context.Context) ([]string, error) {
	for {
		s.mu.Lock()
		n := min(most, len(s.queue))
		batch := s.queue[:n:n]
		s.queue = s.queue[n:]
		for _, key := range batch {
			delete(s.dirty, key)
		}
		s.mu.Unlock()
		if n > 0 {
			return batch, nil
		}
		select {
		case <-s.woken:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// work looks at keys as they come.
func (s *kvSide) work(ctx context.Context) error {
	for {
		batch, err := s.take(ctx)
		if err != nil {
			return err
		}
		if err := s.again(ctx, func() error { return s.settle(ctx, batch) }); err != nil {
			return err
		}
	}
}

// plan is what the topic is to be told.
type plan struct {
	pairs   []node.Pair
	deletes []string
	values  uint64 // of the pairs, those that are not npm updates
}

// settle makes both sides of some keys the same.
func (s *kvSide) settle(ctx context.Context, batch []string) error {
	var p plan
	for _, key := range batch {
		if strings.HasPrefix(key, marker) {
			s.refuse("the npm key begins with "+marker, "key", key)
			continue
		}
		k, err := s.read(ctx, key)
		if err != nil {
			return err
		}
		if err := s.decide(ctx, &p, k); err != nil {
			return err
		}
	}
	// A key changes before it is noted that it has: a note without the change would be
	// taken for a change of the topic that undoes npm's.
	for _, key := range p.deletes {
		if _, err := s.cfg.Topic.Delete(ctx, key); err != nil {
			return err
		}
	}
	for pairs := range p.pieces() {
		if _, err := s.cfg.Topic.SetMany(ctx, pairs); err != nil {
			return err
		}
	}
	s.toTopic.Add(p.values + uint64(len(p.deletes)))
	return nil
}

// pieces yields the pairs, in their order, as many at a time as a node takes.
func (p *plan) pieces() iter.Seq[[]node.Pair] {
	return func(yield func([]node.Pair) bool) {
		first, size := 0, 0
		for i, pair := range p.pairs {
			n := len(pair.Key) + len(pair.Value)
			if size += n; size > mostBytes && i > first {
				if !yield(p.pairs[first:i]) {
					return
				}
				first, size = i, n
			}
		}
		if first < len(p.pairs) {
			yield(p.pairs[first:])
		}
	}
}

// state is what the two sides have of a key.
type state struct {
	key    string
	npm    *scuttlebutt.Update // nil if there never was one
	npmHas *string             // its value, as it crosses; nil if it is deleted
	topic  *node.Value         // nil if there is none
	base   *scuttlebutt.Update // in which both agreed last
}

// has returns the topic's value.
func (k *state) has() *string {
	if k.topic == nil {
		return nil
	}
	v := string(k.topic.Value)
	return &v
}

func (s *kvSide) read(ctx context.Context, key string) (*state, error) {
	k := &state{key: key}
	if u, ok := s.model.Last(key); ok {
		k.npm, k.npmHas = &u, crossing(u)
	}
	var err error
	if k.topic, err = s.get(ctx, s.cfg.Prefix+key); err != nil {
		return nil, err
	}
	base, err := s.get(ctx, s.cfg.Prefix+marker+key)
	if err != nil {
		return nil, err
	}
	if base != nil { // who noted it does not matter: it may be another bridge to the fleet
		if u, err := scuttlebutt.ParseUpdate(base.Value); err == nil {
			k.base = &u
		}
	}
	return k, nil
}

// get returns nil for a key that the topic does not have, or cannot have.
func (s *kvSide) get(ctx context.Context, key string) (*node.Value, error) {
	if !utf8.ValidString(key) {
		return nil, nil
	}
	v, err := s.cfg.Topic.Get(ctx, key)
	if errors.Is(err, node.ErrNoKey) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &v, nil
}

// crossing is what an npm update of a key looks like in the topic; nil is deleted.
func crossing(u scuttlebutt.Update) *string {
	_, value, ok := scuttlebutt.KeyValue(u.Change)
	text := string(value)
	if !ok || text == "null" {
		return nil
	}
	if s, ok := scuttlebutt.Text(value); ok {
		text = s
	}
	return &text
}

func equal(a, b *string) bool { return a == nil && b == nil || a != nil && b != nil && *a == *b }

// decide adds to p what the topic needs, or makes the npm update that npm does.
func (s *kvSide) decide(ctx context.Context, p *plan, k *state) error {
	npmChanged := k.npm != nil && (k.base == nil || k.npm.After(*k.base))
	topicChanged := k.topic != nil
	if k.base != nil {
		topicChanged = !equal(crossing(*k.base), k.has())
	}
	if equal(k.npmHas, k.has()) {
		if npmChanged && (k.topic != nil || k.base != nil) {
			s.tell(p, k, *k.npm, false)
		}
		return nil
	}
	if k.npm != nil && k.base != nil && ahead(k.base.Timestamp) {
		// No peer would have taken it: it says nothing of what has changed.
		npmChanged, topicChanged, k.base = true, k.topic != nil, nil
	}
	switch {
	case npmChanged && (!topicChanged || !s.topicLater(k)):
		s.tell(p, k, *k.npm, true)
		return nil
	default:
		return s.push(ctx, p, k)
	}
}

// topicLater says which of two changes counts.
func (s *kvSide) topicLater(k *state) bool {
	return k.topic != nil && millis(k.topic.Time) > k.npm.Timestamp
}

// tell has the topic note that npm has u, and, unless it has that already, its value.
func (s *kvSide) tell(p *plan, k *state, u scuttlebutt.Update, value bool) {
	key, has, line := s.cfg.Prefix+k.key, crossing(u), u.Line()
	size := len(line)
	if has != nil {
		size = max(size, len(*has))
	}
	switch n := len(s.cfg.Prefix+marker) + len(k.key); {
	case n > kv.MaxKey || len(key) == 0 || !utf8.ValidString(key):
		s.refuse(fmt.Sprintf("the topic's keys are UTF-8 of 1 to %d bytes", kv.MaxKey-len(marker)), "npm key", k.key)
		return
	case size+n+3 > replica.DefaultMaxChange:
		s.refuse("longer than an update of the topic", "npm key", k.key, "bytes", size)
		return
	}
	switch {
	case !value:
	case has != nil:
		p.pairs = append(p.pairs, node.Pair{Key: key, Value: []byte(*has)})
		p.values++
	default:
		p.deletes = append(p.deletes, key)
	}
	p.pairs = append(p.pairs, node.Pair{Key: s.cfg.Prefix + marker + k.key, Value: line})
}

// push makes the npm update that the topic's value is.
func (s *kvSide) push(ctx context.Context, p *plan, k *state) error {
	value, at := json.RawMessage("null"), millis(time.Now())
	if k.topic != nil {
		text := string(k.topic.Value)
		if value = scuttlebutt.String(text); !roundTrips(value, text) {
			s.refuse("npm's values are UTF-8", "key", s.cfg.Prefix+k.key)
			return nil
		}
		at = millis(k.topic.Time)
	}
	if k.base != nil && !ahead(k.base.Timestamp) {
		if equal(crossing(*k.base), k.has()) {
			at = 0 // it is npm's, by another bridge: not later than what npm has made since
		}
		at = max(at, behind(k.base.Timestamp))
	}
	if k.npm != nil {
		at = max(at, behind(k.npm.Timestamp))
	}
	change, err := scuttlebutt.SetChange(k.key, value)
	if err != nil {
		s.refuse("npm has no such key", "key", k.key, "err", err)
		return nil
	}
	u, err := s.model.LocalUpdateAt(ctx, change, at)
	switch {
	case errors.Is(err, scuttlebutt.ErrTooLong):
		s.refuse("longer than a line", "key", s.cfg.Prefix+k.key)
		return nil
	case errors.Is(err, scuttlebutt.ErrFull):
		s.refuse("the npm side is full", "key", s.cfg.Prefix+k.key, "err", err)
		return nil
	case err != nil:
		return err
	}
	s.toNPM.Add(1)
	s.tell(p, k, u, false)
	return nil
}

// behind returns the next timestamp.
func behind(ts float64) float64 { return math.Nextafter(ts, math.Inf(1)) }

// ahead says whether no peer would take an update of ts.
func ahead(ts float64) bool {
	return ts > millis(time.Now().Add(scuttlebutt.DefaultMaxSkew))
}

func roundTrips(value json.RawMessage, text string) bool {
	back, ok := scuttlebutt.Text(value)
	return ok && back == text
}
