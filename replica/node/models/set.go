package models

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"sync"

	"github.com/hearsaynet/hearsay/replica"
)

// ErrUnknown is wrapped by the error of an operation that there is not.
var ErrUnknown = errors.New("no such operation")

// ErrNothing is wrapped by the errors of operations that read what is not there.
var ErrNothing = errors.New("nothing there")

// ErrOtherModel is wrapped by the error of an operation on a channel that something else
// uses as a model of another kind.
var ErrOtherModel = errors.New("in use as another model")

// ErrNotUTF8 is wrapped by the errors of requests with text that is not UTF-8.
var ErrNotUTF8 = errors.New("not UTF-8")

// Set is the models of one replica. It is safe for concurrent use. Close it before the
// replica.
type Set struct {
	replica *replica.Replica

	mu     sync.Mutex // guards the fields below
	slots  map[string]*slot
	closed bool
}

// slot is a channel's place in a Set.
type slot struct {
	mu    sync.Mutex // held while the model is mounted; guards the fields below
	noun  string     // "" until it is
	model closer
	users int // operations under way, for which the model stays
}

// NewSet returns the models of r, of which none is mounted yet. The channels in taken have
// other models, of the kinds with the same names.
func NewSet(r *replica.Replica, taken ...string) *Set {
	s := &Set{replica: r, slots: make(map[string]*slot)}
	for _, channel := range taken {
		s.slots[channel] = &slot{noun: channel, users: 1}
	}
	return s
}

// Do carries an operation out.
func (s *Set) Do(ctx context.Context, name, channel string, request json.RawMessage) iter.Seq2[any, error] {
	op, ok := operations[name]
	if !ok {
		return func(yield func(any, error) bool) {
			yield(nil, fmt.Errorf("models: %w: %q (is the node another version?)", ErrUnknown, name))
		}
	}
	return op.do(ctx, s, channel, request)
}

// enter returns the model of a channel, "" for the one with the kind's name, and mounts it
// if it is not. It stays until leave is called.
func enter[M closer](s *Set, k kind[M], channel string) (m M, leave func(), err error) {
	if channel == "" {
		channel = k.noun
	}
	at, err := s.slot(channel)
	if err != nil {
		return m, nil, err
	}
	at.mu.Lock()
	defer at.mu.Unlock()
	m, ok := at.model.(M)
	if !ok {
		if at.users > 0 {
			return m, nil, fmt.Errorf("models: channel %q is %w: %s, not %s", channel, ErrOtherModel, at.noun, k.noun)
		}
		at.close()
		if m, err = k.mount(s.replica, channel); err != nil {
			return m, nil, err
		}
		at.noun, at.model = k.noun, m
		if s.gone() { // Close has come by meanwhile
			m.Close()
		}
	}
	at.users++
	return m, at.leave, nil
}

func (at *slot) leave() {
	at.mu.Lock()
	defer at.mu.Unlock()
	at.users--
}

// close unmounts the model, if any. The caller holds mu.
func (at *slot) close() {
	if at.model != nil {
		at.model.Close()
	}
	at.model = nil
}

func (s *Set) slot(channel string) (*slot, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, fmt.Errorf("models: %w", replica.ErrClosed)
	}
	at := s.slots[channel]
	if at == nil {
		at = new(slot)
		s.slots[channel] = at
	}
	return at, nil
}

func (s *Set) gone() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// Mounted returns the kinds of the models that are mounted, by their channels, with those
// that NewSet was told of.
func (s *Set) Mounted() map[string]string {
	s.mu.Lock()
	slots := maps.Clone(s.slots)
	s.mu.Unlock()
	kinds := make(map[string]string, len(slots))
	for channel, at := range slots {
		at.mu.Lock()
		if at.users > 0 || at.model != nil {
			kinds[channel] = at.noun
		}
		at.mu.Unlock()
	}
	return kinds
}

// Close unmounts all models.
func (s *Set) Close() {
	s.mu.Lock()
	s.closed = true
	slots := s.slots
	s.mu.Unlock()
	for _, at := range slots {
		at.mu.Lock()
		at.close()
		at.mu.Unlock()
	}
}
