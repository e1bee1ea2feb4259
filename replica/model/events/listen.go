package events

import (
	"context"
	"fmt"
	"runtime/debug"
)

// Listen tunes a listener. The zero value of each field works.
type Listen struct {
	// From, if set, is where the listener begins: what is there comes first, in the order
	// of the log. Nil: it gets what comes from now on.
	From *From
	// Echo says that the listener gets the own author's events too.
	Echo bool
}

// On calls a handler with each event that matches a pattern and comes from now on, until
// ctx ends or the Log is closed; not with the own author's, unless told so. The events
// come as Follow's do: one at a time, in order, each once, and a slow handler misses
// nothing, and holds up neither the replica nor other listeners. Event.Name is the name
// that matched. A handler may publish. A panic in it is logged and counted, and the
// next event is handled all the same. The error wraps ErrBadPattern or ErrClosed.
func (l *Log) On(ctx context.Context, pattern string, o Listen, handle func(Event)) error {
	return l.listen(ctx, pattern, o, func(e Event) (more bool) {
		l.call(handle, e)
		return true
	})
}

// Once is On for the first such event only.
func (l *Log) Once(ctx context.Context, pattern string, o Listen, handle func(Event)) error {
	return l.listen(ctx, pattern, o, func(e Event) (more bool) {
		l.call(handle, e)
		return false
	})
}

// Panics returns how many calls of handlers have panicked.
func (l *Log) Panics() uint64 { return l.panics.Load() }

func (l *Log) listen(ctx context.Context, pattern string, o Listen, handle func(Event) (more bool)) error {
	var from From
	if o.From != nil {
		from = *o.From
	}
	s, err := choose(pattern, from)
	if err != nil {
		return err
	}
	s.New = o.From == nil
	if matches := s.Wants; !o.Echo {
		s.Wants = func(e *entry) bool { return e.Author != l.self && (matches == nil || matches(e)) }
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return fmt.Errorf("events: %w", ErrClosed)
	}
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(l.ctx, cancel)
	f := l.model.line.Join()
	l.listeners.Go(func() {
		defer cancel()
		defer stop()
		defer f.Leave()
		for e := range f.All(ctx, s) {
			if !handle(export(e)) {
				return
			}
		}
	})
	return nil
}

// call calls a handler, which may panic.
func (l *Log) call(handle func(Event), e Event) {
	defer func() {
		if p := recover(); p != nil {
			l.panics.Add(1)
			l.log.Error("a listener panicked", "event", e.Name, "author", e.Author, "seq", e.Seq, "panic", p, "stack", string(debug.Stack()))
		}
	}()
	handle(e)
}
