package link

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

// Counters are totals since New, and what is open now.
type Counters struct {
	Accepted uint64            // connections that listeners handed over
	Linked   uint64            // of these, links
	Refused  map[Reason]uint64 // of these, refused or displaced
	Dialed   uint64            // links made by Dial and Maintain
	Faults   uint64            // of accepted links, as told to Blame

	Handshakes int // accepted connections in their handshake now, or waiting for it
	Links      int // accepted links now
}

// Counters returns the present counts.
func (e *Endpoint) Counters() Counters {
	c := Counters{
		Accepted: e.stats.accepted.Load(), Linked: e.stats.linked.Load(), Dialed: e.stats.dialed.Load(), Faults: e.stats.faults.Load(),
		Refused: make(map[Reason]uint64),
	}
	for r := range e.stats.reasons {
		if n := e.stats.reasons[r].Load(); n > 0 {
			c.Refused[Reason(r)] = n
		}
	}
	c.Handshakes, c.Links = e.gate.counts()
	return c
}

type stats struct {
	accepted, linked, dialed, faults atomic.Uint64
	reasons                          [reasonEnd]atomic.Uint64
	log                              quietLog
}

// refused counts and logs an accepted connection that has not become a link, or
// is none any more.
func (s *stats) refused(addr net.Addr, err error) {
	reason := ReasonHandshake
	if e, ok := errors.AsType[*HandshakeError](err); ok {
		reason, err = e.Reason, e.Err
	}
	s.reasons[reason].Add(1)
	s.log.refused(addr, reason, err)
}

// quietLog keeps strangers from filling the log: it drops, the counters do not.
type quietLog struct {
	log         *slog.Logger
	warn, debug *rate.Limiter
}

func newQuietLog(log *slog.Logger) quietLog {
	return quietLog{
		log:   log,
		warn:  rate.NewLimiter(rate.Every(10*time.Second), 5),
		debug: rate.NewLimiter(10, 50),
	}
}

// refused logs at debug what any port on the Internet gets to see, and warns of
// the rest while it is rare.
func (q quietLog) refused(addr net.Addr, reason Reason, err error) {
	level := slog.LevelWarn
	switch reason {
	case ReasonNotTLS, ReasonProtocol, ReasonHandshake, ReasonTimeout, ReasonHungUp, ReasonOwnID, ReasonByPeer, ReasonBanned:
		level = slog.LevelDebug
	}
	q.say(level, "connection refused", "addr", addr.String(), "reason", reason.String(), "err", err)
}

func (q quietLog) banned(b Ban) {
	q.say(slog.LevelWarn, "address refused for a while", "prefix", b.Prefix.String(), "until", b.Until, "faults", b.Faults, "last", b.Why)
}

func (q quietLog) say(level slog.Level, text string, args ...any) {
	if level == slog.LevelWarn && !q.warn.Allow() {
		level = slog.LevelDebug
	}
	if level == slog.LevelDebug && !q.debug.Allow() {
		return
	}
	q.log.Log(context.Background(), level, text, args...)
}
