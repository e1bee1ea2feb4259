package scuttlebutt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hearsaynet/hearsay/replica/scuttlebutt/internal/esjson"
)

// receiver takes the lines of one peer, or of one file.
type receiver struct {
	node    *Node
	name    string
	session uint64
	trusted bool // nothing is too far ahead: it was taken before
	pipe    *pipeline
	names   map[string]string
	pending []*entry // without security: to be applied under one lock
	muted   map[string]bool
	skip    bool                // updates are not wanted
	renew   func(time.Duration) // something that was refused may be taken then
	header  func(*Header) error
	sync    func()         // all updates before the first SYNC have their verdict
	old     func(e *entry) // the peer has sent what is known
	updates int
}

func newReceiver(ctx context.Context, n *Node, name string) *receiver {
	r := &receiver{
		node: n, name: name, session: n.sessions.Add(1),
		names: make(map[string]string), muted: make(map[string]bool),
		renew: func(time.Duration) {}, sync: func() {}, old: func(*entry) {},
		header: func(*Header) error { return nil },
	}
	if n.cfg.Security != nil {
		r.pipe = newPipeline(ctx, r)
	}
	return r
}

// line takes one line. The error ends the session.
func (r *receiver) line(line []byte) error {
	if len(line) > MaxLine {
		return errLong
	}
	line = bytes.Trim(line, " \t\r")
	if len(line) == 0 {
		return badLine("an empty line")
	}
	switch line[0] {
	case '[':
		return r.update(line)
	case '{':
		h, err := parseHeader(line)
		if err != nil {
			return err
		}
		return r.header(h)
	}
	text, err := esjson.Canonical(nil, line)
	if err != nil {
		return err
	}
	if bytes.Equal(text, syncLine) {
		if err := r.flush(); err != nil {
			return err
		}
		if r.pipe != nil {
			r.pipe.whenSettled(r.sync)
		} else {
			r.sync()
		}
	}
	return nil // other values mean nothing, as in the original
}

func (r *receiver) update(line []byte) error {
	if r.skip {
		_, err := esjson.Check(line)
		return err
	}
	e, err := parseUpdate(line, r.names)
	if errors.Is(err, errNoUpdate) {
		r.node.count(func(s *Stats) *uint64 { return &s.Skipped })
		return nil
	}
	if err != nil {
		return err
	}
	r.updates++
	e.from = r.session
	if r.pipe != nil && r.pipe.isMuted(e.source) || r.pipe == nil && r.muted[e.source] {
		r.node.count(func(s *Stats) *uint64 { return &s.Muted })
		return nil
	}
	if r.node.known(e) {
		r.node.count(func(s *Stats) *uint64 { return &s.Old })
		r.old(e)
		return nil
	}
	if !r.trusted && r.node.ahead(e.ts) {
		due := time.UnixMilli(int64(min(e.ts, maxMillis))).Add(-r.node.cfg.MaxSkew).Sub(r.node.now())
		r.renew(due)
		return r.refuse(e, fmt.Errorf("%w: by %v", ErrFuture, due+r.node.cfg.MaxSkew))
	}
	if r.pipe != nil {
		return r.pipe.submit(e)
	}
	if r.pending = append(r.pending, e); len(r.pending) == batch {
		return r.flush()
	}
	return nil
}

// maxMillis is beyond every date that matters, and a time.Duration away from none.
const maxMillis = 1 << 43

// flush applies what is pending.
func (r *receiver) flush() error {
	if len(r.pending) == 0 {
		return nil
	}
	var failed error
	r.node.apply(r.pending, func(e *entry, err error) { failed = errors.Join(failed, r.refuse(e, err)) })
	clear(r.pending)
	r.pending = r.pending[:0]
	return failed
}

// refuse records that e was not taken, and takes nothing more of its source: what comes
// behind it would move the clock past it, and it would never be asked for again.
func (r *receiver) refuse(e *entry, err error) error {
	r.node.refuse(r.name, e, err)
	if r.pipe != nil {
		return r.pipe.mute(e.source)
	}
	return mute(r.muted, e.source)
}

func mute(muted map[string]bool, source string) error {
	if muted[source] = true; len(muted) > maxMuted {
		return fmt.Errorf("updates of more than %d sources were refused", maxMuted)
	}
	return nil
}
