package bridge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/events"
	"github.com/hearsaynet/hearsay/replica/node"
	"github.com/hearsaynet/hearsay/replica/scuttlebutt"
)

// eventSide carries each event of either side over once.
type eventSide struct {
	*Bridge
	events *scuttlebutt.Events
	// Up to where events have crossed already: npm's by source, the topic's by author.
	// Each is used by one direction only.
	fromNPM   scuttlebutt.Clock
	fromTopic map[keys.NodeID]uint64
}

func newEventSide(b *Bridge, npm scuttlebutt.Config) (*eventSide, error) {
	e, err := scuttlebutt.NewEvents(npm)
	if err != nil {
		return nil, err
	}
	return &eventSide{Bridge: b, events: e, fromNPM: make(scuttlebutt.Clock), fromTopic: make(map[keys.NodeID]uint64)}, nil
}

func (s *eventSide) node() *scuttlebutt.Node { return &s.events.Node }

// origin is the second argument of an npm event that comes from the topic.
type origin struct {
	Author keys.NodeID `json:"author"`
	Seq    uint64      `json:"seq"`
}

func (s *eventSide) run(ctx context.Context) error {
	for e, err := range s.cfg.Topic.Tail(ctx, node.TailQuery{}) {
		if err != nil {
			return err
		}
		if u, ok := s.npmEvent(e); ok && e.Author == s.cfg.Self {
			s.fromNPM[u.Source] = max(s.fromNPM[u.Source], u.Timestamp)
		}
	}
	for _, u := range s.events.History(nil) {
		if o, ok := originOf(u); ok && u.Source == s.events.ID() {
			s.fromTopic[o.Author] = max(s.fromTopic[o.Author], o.Seq)
		}
	}
	return together(ctx, s.toTheTopic, s.toTheFleet)
}

// npmEvent returns the npm update that an event of the topic holds, if it holds one.
func (s *eventSide) npmEvent(e node.Event) (u scuttlebutt.Update, ok bool) {
	name, ok := strings.CutPrefix(e.Name, s.cfg.Prefix)
	if !ok {
		return u, false
	}
	u, err := scuttlebutt.ParseUpdate(e.Data)
	if err != nil {
		return u, false
	}
	has, _, ok := scuttlebutt.NameArgs(u.Change)
	return u, ok && has == name
}

// originOf returns where in the topic an npm event comes from, if it says so.
func originOf(u scuttlebutt.Update) (o origin, ok bool) {
	_, args, _ := scuttlebutt.NameArgs(u.Change)
	if len(args) != 2 || args[1][0] != '{' {
		return o, false
	}
	return o, json.Unmarshal(args[1], &o) == nil && o.Seq > 0
}

// toTheTopic publishes what npm has and the topic has not.
func (s *eventSide) toTheTopic(ctx context.Context) error {
	for u := range s.events.Updates(ctx) {
		if _, ok := originOf(u); ok || s.fromNPM[u.Source] >= u.Timestamp {
			continue
		}
		if err := s.publish(ctx, u); err != nil {
			return err
		}
		s.fromNPM[u.Source] = u.Timestamp
	}
	return context.Cause(ctx)
}

// nameable says whether an event of the topic can have this name.
func nameable(name string) bool {
	return len(name) > 0 && len(name) <= events.MaxName && utf8.ValidString(name) && !strings.ContainsFunc(name, unicode.IsControl)
}

// publish tries until the topic takes it.
func (s *eventSide) publish(ctx context.Context, u scuttlebutt.Update) error {
	name, _, _ := scuttlebutt.NameArgs(u.Change)
	name, line := s.cfg.Prefix+name, u.Line()
	switch {
	case !nameable(name):
		s.refuse(fmt.Sprintf("the topic's names are UTF-8 of 1 to %d bytes without control characters", events.MaxName), "npm event", name)
		return nil
	case events.Overhead+len(name)+len(line) > replica.DefaultMaxChange:
		s.refuse("longer than an update of the topic", "npm event", name, "bytes", len(line))
		return nil
	}
	return s.again(ctx, func() error {
		_, err := s.cfg.Topic.Publish(ctx, name, line)
		if err == nil {
			s.toTopic.Add(1)
		}
		return err
	})
}

// toTheFleet emits what the topic has and npm has not.
func (s *eventSide) toTheFleet(ctx context.Context) error {
	for e, err := range s.cfg.Topic.Tail(ctx, node.TailQuery{Follow: true}) {
		if err != nil {
			return err
		}
		name, ok := strings.CutPrefix(e.Name, s.cfg.Prefix)
		if _, npm := s.npmEvent(e); npm || !ok || s.fromTopic[e.Author] >= e.Seq {
			continue
		}
		if err := s.emit(ctx, name, e); err != nil {
			return err
		}
		s.fromTopic[e.Author] = e.Seq
	}
	return context.Cause(ctx)
}

func (s *eventSide) emit(ctx context.Context, name string, e node.Event) error {
	data := scuttlebutt.String(string(e.Data))
	if !roundTrips(data, string(e.Data)) {
		s.refuse("npm's values are UTF-8", "event", e.Name, "author", e.Author, "seq", e.Seq)
		return nil
	}
	from, err := scuttlebutt.Marshal(origin{e.Author, e.Seq})
	if err != nil {
		return err
	}
	change, err := scuttlebutt.EventChange(name, data, from)
	if err != nil {
		s.refuse("npm has no such name", "event", e.Name, "err", err)
		return nil
	}
	return s.again(ctx, func() error {
		_, err := s.events.LocalUpdateAt(ctx, change, millis(e.Time))
		switch {
		case errors.Is(err, scuttlebutt.ErrTooLong):
			s.refuse("longer than a line", "event", e.Name, "author", e.Author, "seq", e.Seq)
			return nil
		case err == nil:
			s.toNPM.Add(1)
		}
		return err
	})
}
