package replica_test

import (
	"bufio"
	"context"
	"errors"
	"net"
	"testing"
	"testing/synctest"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/internal/wiretest"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// raw is the other side of a session, played by hand. It reads and answers digests in
// the background, and says what it is told to.
type raw struct {
	t       *testing.T
	conn    net.Conn
	ended   chan error        // how the replica's side ended
	digests chan *wire.Digest // those that it sent
	runs    chan *wire.UnverifiedRun
	dones   chan uint64
	closed  chan *wire.Close // its farewell
	heads   chan *wire.UnverifiedHead
	proofs  chan *wire.UnverifiedProof
	writing chan struct{} // holds a token while somebody writes; synctest sees through it
}

const rawHandle = 7

// dial starts a session of p with a raw peer.
func dial(t *testing.T, p *peer) *raw { return dialAs(t, p, "raw") }

func dialAs(t *testing.T, p *peer, name string) *raw {
	t.Helper()
	return dialWith(t, p, replica.SyncConfig{Name: name})
}

func dialWith(t *testing.T, p *peer, cfg replica.SyncConfig) *raw {
	t.Helper()
	mine, theirs := net.Pipe()
	return dialOver(t, p, mine, theirs, cfg)
}

func dialOver(t *testing.T, p *peer, mine, theirs net.Conn, cfg replica.SyncConfig) *raw {
	t.Helper()
	r := &raw{t: t, conn: mine, ended: make(chan error, 1), digests: make(chan *wire.Digest, 1000),
		runs: make(chan *wire.UnverifiedRun, 1000), dones: make(chan uint64, 1000), heads: make(chan *wire.UnverifiedHead, 1000),
		proofs: make(chan *wire.UnverifiedProof, 1000), closed: make(chan *wire.Close, 1), writing: make(chan struct{}, 1)}
	ctx, cancel := context.WithCancel(context.Background())
	go func() { r.ended <- p.Sync(ctx, theirs, cfg) }()
	go r.readAll()
	t.Cleanup(func() {
		cancel()
		mine.Close()
	})
	r.frame(wire.FrameHello, 0, (&wire.Hello{Version: 1, Agent: "raw", Topics: []wire.TopicHandle{{Handle: rawHandle, Topic: topic}}}).Append(nil))
	return r
}

// dialBy starts a session of p with x itself, which has sent runs that are all settled.
func dialBy(t *testing.T, p *peer, x *wiretest.Author, runs ...*wire.Run) *raw {
	t.Helper()
	link := dialWith(t, p, replica.SyncConfig{Name: "the author", Peer: x.ID()})
	link.key(x)
	link.run(runs...)
	link.sync()
	synctest.Wait()
	return link
}

func (r *raw) readAll() {
	in := bufio.NewReader(r.conn)
	for {
		f, err := wire.ReadFrame(in)
		if err != nil {
			return
		}
		switch f.Type {
		case wire.FrameDigest:
			d, err := wire.ParseDigest(f.Body)
			if err == nil {
				r.digests <- d
				go r.send(wire.FrameDone, wire.AppendDone(nil, d.Nonce))
			}
		case wire.FrameRun:
			if u, err := wire.ParseRun(topic, f.Body); err == nil {
				r.runs <- u
			}
		case wire.FrameHead:
			if u, err := wire.ParseHead(topic, f.Body); err == nil {
				r.heads <- u
			}
		case wire.FrameFork:
			if u, err := wire.ParseProof(topic, f.Body); err == nil {
				r.proofs <- u
			}
		case wire.FrameDone:
			n, _ := wire.ParseDone(f.Body)
			r.dones <- n
		case wire.FrameClose:
			c, _ := wire.ParseClose(f.Body)
			r.closed <- c
			r.conn.Close()
			return
		}
	}
}

// frame writes a frame; the replica may have hung up, which tests see in ended.
func (r *raw) frame(t wire.FrameType, handle uint16, body []byte) {
	r.writing <- struct{}{}
	defer func() { <-r.writing }()
	r.conn.Write(wire.AppendFrame(nil, wire.Frame{Type: t, Handle: handle, Body: body}))
}

func (r *raw) send(t wire.FrameType, body []byte) { r.frame(t, rawHandle, body) }

func (r *raw) key(a *wiretest.Author) { r.send(wire.FrameKey, a.Key().Wire()) }

func (r *raw) run(runs ...*wire.Run) {
	for _, run := range runs {
		r.send(wire.FrameRun, run.Body())
	}
}

func (r *raw) digest(nonce uint64, unnamed wire.Unnamed, refs ...wire.Ref) {
	r.send(wire.FrameDigest, (&wire.Digest{Nonce: nonce, Unnamed: unnamed, Refs: refs}).Append(nil))
}

// sync returns when the replica has handled everything sent so far.
func (r *raw) sync() {
	r.t.Helper()
	const nonce = 1 << 40
	r.digest(nonce, wire.UnnamedNotWanted)
	for n := range r.dones {
		if n == nonce {
			return
		}
	}
}

// blamed checks that the replica ends the session and blames this peer for it.
func (r *raw) blamed(code wire.CloseCode) {
	r.t.Helper()
	err := <-r.ended
	ce, ok := errors.AsType[*replica.CloseError](err)
	if !ok || !ce.Blames() || ce.Code != code {
		r.t.Errorf("session ended with %v, want the peer blamed with %v", err, code)
	}
}

// asked returns the next digest that names id.
func (r *raw) asked(id keys.NodeID) wire.Ref {
	r.t.Helper()
	for d := range r.digests {
		for _, ref := range d.Refs {
			if ref.Author == id {
				return ref
			}
		}
	}
	return wire.Ref{}
}

func rejected(why error) func(replica.Notice) bool {
	return func(n replica.Notice) bool {
		return n.Kind == replica.Rejected && (why == nil || n.Reason == why.Error())
	}
}

func ofKind(k replica.NoticeKind) func(replica.Notice) bool {
	return func(n replica.Notice) bool { return n.Kind == k }
}

// tampered is the body of a statement with one bit flipped, n bytes from its end.
func tampered(s wire.Statement, n int) []byte {
	b := append([]byte(nil), s.Body()...)
	b[len(b)-n] ^= 1
	return b
}
