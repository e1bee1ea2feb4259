package scuttlebutt

import (
	"context"
	"encoding/json"
	"iter"
)

// Events is the original's scuttlebutt/events: a list of named events that only grows. A
// change is [name, argument, …]. No name does anything here but name an event: in the
// original a peer's error, dispose or _update acts upon the emitter itself.
type Events struct{ Node }

// Event is one event.
type Event struct {
	Name      string
	Args      []json.RawMessage
	Source    string
	Timestamp float64
}

// NewEvents returns an Events without any.
func NewEvents(cfg Config) (*Events, error) {
	s := &Events{}
	if err := s.init(cfg, s); err != nil {
		return nil, err
	}
	return s, nil
}

// Emit adds an event. Each argument is JSON; the original's listeners expect one at
// most.
func (s *Events) Emit(ctx context.Context, name string, args ...json.RawMessage) (Update, error) {
	text, err := EventChange(name, args...)
	if err != nil {
		return Update{}, err
	}
	return s.LocalUpdate(ctx, text)
}

// EventChange returns the change that is an event.
func EventChange(name string, args ...json.RawMessage) (json.RawMessage, error) {
	return change(name, args...)
}

// All yields the events so far, by timestamp and then by source.
func (s *Events) All() iter.Seq[Event] {
	return func(yield func(Event) bool) {
		entries, _ := s.history(nil)
		for _, e := range entries {
			if !yield(e.event()) {
				return
			}
		}
	}
}

// Follow yields the events as All does, and then every one as it is applied, until ctx
// ends.
func (s *Events) Follow(ctx context.Context) iter.Seq[Event] {
	return func(yield func(Event) bool) {
		for u := range s.Updates(ctx) {
			name, args, _ := NameArgs(u.Change)
			if !yield(Event{name, args, u.Source, u.Timestamp}) {
				return
			}
		}
	}
}

func (e *entry) event() Event {
	name, args, _ := NameArgs(append([]byte(nil), e.change...))
	return Event{name, args, e.source, e.ts}
}

// NameArgs reads a change of Events: an array whose first element names an event as in
// JavaScript.
func NameArgs(change json.RawMessage) (name string, args []json.RawMessage, ok bool) {
	parts, ok := arguments(change)
	if !ok {
		return "", nil, false
	}
	if name, ok = propertyKey(parts[0]); !ok {
		return "", nil, false
	}
	for _, p := range parts[1:] {
		args = append(args, p)
	}
	return name, args, true
}

func (s *Events) place(e *entry) (key string, keep bool, gone *entry, err error) {
	parts, ok := arguments(e.change)
	if ok {
		_, ok = propertyKey(parts[0])
	}
	if !ok {
		return "", false, nil, ErrUnusable
	}
	return "", true, nil, nil
}

func (s *Events) put(string, *entry) {}
