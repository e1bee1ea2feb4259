package dst

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/hearsaynet/hearsay/replica/wire"
)

var errDown = errors.New("dst: the connection is down")

// network holds what nodes write until the world delivers it.
type network struct {
	wake chan struct{} // something has happened outside of the world's own goroutine

	mu    sync.Mutex // guards the fields below, and those of all ends
	fresh []*packet
	inbox []func() // what goroutines report to the world
	order []string // by which inbox is sorted
}

func newNetwork() *network { return &network{wake: make(chan struct{}, 1)} }

func (n *network) ring() {
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

// report has the world's goroutine call f; reports of one instant come by name.
func (n *network) report(name string, f func()) {
	n.mu.Lock()
	n.inbox, n.order = append(n.inbox, f), append(n.order, name)
	n.mu.Unlock()
	n.ring()
}

// reports takes what was reported.
func (n *network) reports() []func() {
	n.mu.Lock()
	defer n.mu.Unlock()
	index := make([]int, len(n.inbox))
	for i := range index {
		index[i] = i
	}
	slices.SortStableFunc(index, func(a, b int) int { return cmp.Compare(n.order[a], n.order[b]) })
	var out []func()
	for _, i := range index {
		out = append(out, n.inbox[i])
	}
	n.inbox, n.order = nil, nil
	return out
}

// pipe is one connection between two ends. A rogue has only the far end of it.
type pipe struct {
	net  *network
	name string
	ends [2]*end
	down bool
	// last is when what was written last at each end is due: frames do not overtake.
	last [2]time.Time
}

func (n *network) dial(name string) *pipe {
	p := &pipe{net: n, name: name}
	for i := range p.ends {
		e := &end{pipe: p, side: i}
		e.cond.L = &n.mu
		p.ends[i] = e
	}
	return p
}

// cut ends a connection: what is under way is lost.
func (p *pipe) cut() {
	p.net.mu.Lock()
	defer p.net.mu.Unlock()
	p.down = true
	for _, e := range p.ends {
		e.cond.Broadcast()
	}
}

func (p *pipe) isDown() bool {
	p.net.mu.Lock()
	defer p.net.mu.Unlock()
	return p.down
}

// packet is a frame under way, or, without one, the end of what a side writes.
type packet struct {
	pipe  *pipe
	from  int
	frame wire.Frame
	fin   bool
}

// end is one side of a connection: what a replica reads and writes.
type end struct {
	pipe   *pipe
	side   int
	onSend func(wire.Frame) // called under network.mu with each frame that leaves
	dead   func() bool      // what is written by a node that has crashed goes nowhere

	cond   sync.Cond
	in     bytes.Buffer
	part   []byte // of a frame that is not whole
	eof    bool   // the other side writes no more
	closed bool
}

func (e *end) Read(b []byte) (int, error) {
	n := e.pipe.net
	n.mu.Lock()
	defer n.mu.Unlock()
	for e.in.Len() == 0 {
		switch {
		case e.closed:
			return 0, io.ErrClosedPipe
		case e.pipe.down:
			return 0, errDown
		case e.eof:
			return 0, io.EOF
		}
		e.cond.Wait()
	}
	return e.in.Read(b)
}

func (e *end) Write(b []byte) (int, error) {
	n := e.pipe.net
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case e.closed:
		return 0, io.ErrClosedPipe
	case e.pipe.down || e.dead != nil && e.dead():
		return 0, errDown
	}
	e.part = append(e.part, b...)
	for {
		f, size := wholeFrame(e.part)
		if size == 0 {
			return len(b), nil
		}
		e.part = e.part[size:]
		if e.onSend != nil {
			e.onSend(f)
		}
		n.fresh = append(n.fresh, &packet{pipe: e.pipe, from: e.side, frame: f})
		n.ring()
	}
}

// wholeFrame returns the frame that b begins with and its size, 0 if it is not whole.
func wholeFrame(b []byte) (wire.Frame, int) {
	r := bytes.NewReader(b)
	f, err := wire.ReadFrame(r)
	if err != nil {
		return wire.Frame{}, 0
	}
	return f, len(b) - r.Len()
}

func (e *end) Close() error {
	n := e.pipe.net
	n.mu.Lock()
	defer n.mu.Unlock()
	if !e.closed {
		e.closed = true
		e.cond.Broadcast()
		n.fresh = append(n.fresh, &packet{pipe: e.pipe, from: e.side, fin: true})
		n.ring()
	}
	return nil
}

// give hands the other side a frame.
func (p *packet) give() {
	n := p.pipe.net
	n.mu.Lock()
	defer n.mu.Unlock()
	to := p.pipe.ends[1-p.from]
	switch {
	case p.pipe.down:
		return
	case p.fin:
		to.eof = true
	default:
		to.in.Write(wire.AppendFrame(nil, p.frame))
	}
	to.cond.Broadcast()
}

// written takes what was written since the last time, in an order that does not depend
// on the Go scheduler: connection by connection and, within what one side wrote at one
// instant, by type and author. So might the side have written it.
func (n *network) written() []*packet {
	n.mu.Lock()
	fresh := n.fresh
	n.fresh = nil
	n.mu.Unlock()
	slices.SortStableFunc(fresh, func(a, b *packet) int {
		return cmp.Or(cmp.Compare(a.pipe.name, b.pipe.name), cmp.Compare(a.from, b.from),
			cmp.Compare(a.rank(), b.rank()), a.place().compare(b.place()), bytes.Compare(a.frame.Body, b.frame.Body))
	})
	return fresh
}

// rank orders the frames of one instant: what others need comes before them.
func (p *packet) rank() int {
	if p.fin {
		return 99
	}
	for i, t := range []wire.FrameType{wire.FrameHello, wire.FrameWay, wire.FrameKey, wire.FrameDigest, wire.FrameRun, wire.FrameFork, wire.FrameHead, wire.FrameDone, wire.FrameClose} {
		if p.frame.Type == t {
			return i
		}
	}
	return 98
}

// place is what a frame is about.
type place struct {
	author string
	number uint64 // the first seq, or a nonce
}

func (a place) compare(b place) int {
	return cmp.Or(cmp.Compare(a.author, b.author), cmp.Compare(a.number, b.number))
}

func (p *packet) place() place {
	switch f := p.frame; f.Type {
	case wire.FrameRun:
		if u, err := wire.ParseRun(topic, f.Body); err == nil {
			return place{u.Author().String(), u.First()}
		}
	case wire.FrameHead:
		if u, err := wire.ParseHead(topic, f.Body); err == nil {
			return place{u.Author().String(), u.Issued()}
		}
	case wire.FrameFork:
		if u, err := wire.ParseProof(topic, f.Body); err == nil {
			return place{u.Author().String(), u.UnverifiedSeq()}
		}
	case wire.FrameKey:
		return place{author: string(f.Body)}
	case wire.FrameDigest:
		if d, err := wire.ParseDigest(f.Body); err == nil {
			return place{number: d.Nonce}
		}
	case wire.FrameDone:
		if nonce, err := wire.ParseDone(f.Body); err == nil {
			return place{number: nonce}
		}
	}
	return place{}
}
