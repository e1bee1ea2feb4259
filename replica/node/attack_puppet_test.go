package node_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/internal/wiretest"
	"github.com/hearsaynet/hearsay/replica/link"
	"github.com/hearsaynet/hearsay/replica/model/kv"
	"github.com/hearsaynet/hearsay/replica/node"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// puppet is the other side of a session with a node, played by hand over a link with a
// key of its own. It answers digests with Done, keeps what comes, and says what it is
// told to. The node may blame it only where a test expects that.
type puppet struct {
	t    *testing.T
	id   keys.NodeID // as its link proves
	conn *link.Conn

	mu     sync.Mutex // guards the fields below
	runs   []*wire.UnverifiedRun
	heads  []*wire.UnverifiedHead
	proofs []*wire.UnverifiedProof
	dones  map[uint64]bool
	asked  []wire.Ref // what digests said that the node has
	closed *wire.Close
	blamed bool // as expected
}

// play links with n.
func play(t *testing.T, n *node.Node) *puppet {
	t.Helper()
	ep := newEndpoint(t, nil)
	c, err := ep.Dial(t.Context(), link.Address{ID: n.ID(), HostPort: n.ListenAddrs()[0]})
	if err != nil {
		t.Fatal(err)
	}
	return begin(t, ep.ID(), c)
}

// stage is a place where a node may dial puppets.
type stage struct {
	address string
	dialed  chan *puppet
}

// newStage has puppets that say these frames before they answer anything.
func newStage(t *testing.T, first ...wire.Frame) stage {
	t.Helper()
	ep, ln := newEndpoint(t, nil), listenLoopback(t)
	s := stage{ep.ID().String() + "@" + ln.Addr().String(), make(chan *puppet, 16)}
	go ep.Serve(t.Context(), ln, func(ctx context.Context, c *link.Conn) error {
		s.dialed <- begin(t, ep.ID(), c, first...)
		<-ctx.Done() // the link or the test has ended
		return nil
	})
	return s
}

// next returns the puppet that is dialed next.
func (s stage) next(t *testing.T) *puppet {
	t.Helper()
	select {
	case p := <-s.dialed:
		return p
	case <-time.After(patience):
		t.Fatalf("nobody has dialed %s", s.address)
		return nil
	}
}

func begin(t *testing.T, id keys.NodeID, c *link.Conn, first ...wire.Frame) *puppet {
	p := &puppet{t: t, id: id, conn: c, dones: make(map[uint64]bool)}
	p.frames(append([]wire.Frame{helloFrame()}, first...)...)
	go p.read()
	t.Cleanup(p.innocent)
	return p
}

// innocent checks that a puppet which no test expected to be blamed was not.
func (p *puppet) innocent() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c := p.closed; c != nil && !p.blamed && (c.Code == wire.CloseProtocol || c.Code == wire.CloseRefused) {
		p.t.Errorf("a peer that has done nothing wrong is closed with %+v", c)
	}
}

// read returns when the session ends, and hangs up as an honest peer would.
func (p *puppet) read() {
	defer p.conn.Close()
	for {
		f, err := wire.ReadFrame(p.conn)
		if err != nil {
			return
		}
		if nonce, ok := p.receive(f); ok {
			p.frames(wire.Frame{Type: wire.FrameDone, Handle: 1, Body: wire.AppendDone(nil, nonce)})
		}
		if f.Type == wire.FrameClose {
			return
		}
	}
}

// receive keeps what a frame brings, and returns what is to be answered with Done.
func (p *puppet) receive(f wire.Frame) (nonce uint64, isDigest bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	const topic = node.DefaultTopic
	switch f.Type {
	case wire.FrameDigest:
		if d, err := wire.ParseDigest(f.Body); err == nil {
			p.asked = append(p.asked, d.Refs...)
			return d.Nonce, !d.More
		}
	case wire.FrameRun:
		if u, err := wire.ParseRun(topic, f.Body); err == nil {
			p.runs = append(p.runs, u)
		}
	case wire.FrameHead:
		if u, err := wire.ParseHead(topic, f.Body); err == nil {
			p.heads = append(p.heads, u)
		}
	case wire.FrameFork:
		if u, err := wire.ParseProof(topic, f.Body); err == nil {
			p.proofs = append(p.proofs, u)
		}
	case wire.FrameDone:
		if n, err := wire.ParseDone(f.Body); err == nil {
			p.dones[n] = true
		}
	case wire.FrameClose:
		p.closed, _ = wire.ParseClose(f.Body)
	}
	return 0, false
}

// frames writes frames in one go. The node may have hung up, which tests see elsewhere.
func (p *puppet) frames(frames ...wire.Frame) {
	var b []byte
	for _, f := range frames {
		b = wire.AppendFrame(b, f)
	}
	p.conn.Write(b)
}

// tell sends runs of one author, behind its key.
func (p *puppet) tell(x *wiretest.Author, runs ...*wire.Run) {
	frames := []wire.Frame{keyFrame(x)}
	for _, r := range runs {
		frames = append(frames, runFrame(r.Body()))
	}
	p.frames(frames...)
}

func (p *puppet) head(h *wire.Head) { p.frames(headFrame(h)) }

func headFrame(h *wire.Head) wire.Frame {
	return wire.Frame{Type: wire.FrameHead, Handle: 1, Body: h.Body()}
}

func digestFrame(d *wire.Digest) wire.Frame {
	return wire.Frame{Type: wire.FrameDigest, Handle: 1, Body: d.Append(nil)}
}

func (p *puppet) digest(nonce uint64, unnamed wire.Unnamed, refs ...wire.Ref) {
	slices.SortFunc(refs, func(a, b wire.Ref) int { return a.Author.Compare(b.Author) })
	p.frames(digestFrame(&wire.Digest{Nonce: nonce, Unnamed: unnamed, Refs: refs}))
}

// listen asks for everything, and returns when it has come.
func (p *puppet) listen(refs ...wire.Ref) {
	p.t.Helper()
	const nonce = 1 << 41
	p.digest(nonce, wire.UnnamedWanted, refs...)
	p.until("everything asked for has come", func() bool { return p.dones[nonce] })
}

// sync returns when the node has read what was sent so far.
func (p *puppet) sync() {
	p.t.Helper()
	const nonce = 1 << 40
	p.until("no other digest of this nonce", func() bool { delete(p.dones, nonce); return true })
	p.digest(nonce, wire.UnnamedNotWanted)
	p.until("the node has read everything", func() bool { return p.dones[nonce] })
}

// until waits for something that a puppet was told.
func (p *puppet) until(what string, ok func() bool) {
	p.t.Helper()
	eventually(p.t, what, func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return ok()
	})
}

// took returns how many updates of id have come, however often.
func (p *puppet) took(id keys.NodeID) (updates int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, u := range p.runs {
		if u.Author() == id {
			updates += u.Len()
		}
	}
	return updates
}

// farewell waits until the node has said why it closes.
func (p *puppet) farewell(code wire.CloseCode) {
	p.t.Helper()
	p.until("the node closes with a reason", func() bool { p.blamed = true; return p.closed != nil })
	if p.closed.Code != code || p.closed.Text == "" {
		p.t.Errorf("closed with %+v, want %v and a reason", p.closed, code)
	}
}

// blamesOnly checks that n refuses these peers, and goes on with all others that it has.
func blamesOnly(t *testing.T, n *node.Node, bad ...*puppet) {
	t.Helper()
	ids := make(map[keys.NodeID]bool)
	for _, p := range bad {
		ids[p.id] = true
	}
	refused := func() (count int) {
		for _, p := range status(t, n).Peers {
			if p.ID != nil && ids[*p.ID] && p.State == node.PeerRefused {
				count++
			}
		}
		return count
	}
	eventually(t, "whom to blame is refused", func() bool { return refused() == len(bad) })
	for _, p := range status(t, n).Peers {
		if (p.ID == nil || !ids[*p.ID]) && p.State != node.PeerLinked {
			t.Errorf("peer %+v, want it linked: it has done nothing", p)
		}
	}
}

// head returns what an author signs at a time about how far it has written.
func head(x *wiretest.Author, ref wire.Ref, issued time.Time) *wire.Head {
	ref.Author = x.ID()
	at := uint64(issued.UnixNano())
	h, err := wire.SealHead(node.DefaultTopic, ref, at, x.Key(), x.Sign(wire.NamespaceHead, wire.HeadMessage(node.DefaultTopic, ref, at)))
	if err != nil {
		panic(err)
	}
	return h
}

// setting returns an entry that sets a key.
func setting(at time.Time, key, value string) wire.Entry {
	change, err := kv.SetChange(key, []byte(value))
	if err != nil {
		panic(err)
	}
	return wiretest.Change(uint64(at.UnixNano()), kv.DefaultChannel, string(change))
}

// lately is when puppets' authors write, seq by seq: long before any node of a test.
func lately(seq uint64) time.Time { return time.Date(2026, 1, 1, 0, 0, 0, int(seq), time.UTC) }

// history signs n updates after prev in runs of at most size. That of seq 7 sets k7.
func history(x *wiretest.Author, value string, prev wire.Ref, n, size int) (runs []*wire.Run) {
	for n > 0 {
		entries := make([]wire.Entry, min(n, size))
		for i := range entries {
			seq := prev.Seq + uint64(i) + 1
			entries[i] = setting(lately(seq), fmt.Sprintf("k%d", seq), value)
		}
		run := x.Run(node.DefaultTopic, prev, entries...)
		runs, prev, n = append(runs, run), run.End(), n-len(entries)
	}
	return runs
}

// authorAt returns how an author stands at a node, zero if it is not known.
func authorAt(t *testing.T, api node.API, id keys.NodeID) (a replica.AuthorStatus) {
	t.Helper()
	for _, a := range status(t, api).Authors {
		if a.ID == id {
			return a
		}
	}
	return a
}

func reaches(t *testing.T, api node.API, id keys.NodeID, seq uint64) {
	t.Helper()
	eventually(t, fmt.Sprintf("update %d of %v is there", seq, id), func() bool { return authorAt(t, api, id).Seq == seq })
}

// explains waits until that is said of an update.
func explains(t *testing.T, api node.API, id keys.NodeID, seq uint64, want replica.State) {
	t.Helper()
	eventually(t, fmt.Sprintf("update %d of %v is explained as %s", seq, id, want), func() bool {
		x, err := api.Explain(t.Context(), id, seq)
		return err == nil && x.State == want && x.Reason != ""
	})
}

func proofs(t *testing.T, api node.API) (all []*wire.Proof) {
	t.Helper()
	for p, err := range api.Proofs(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	return all
}

// cutAt waits until nodes count an author's updates below seq, no others, and have the
// proof; value is what these have set.
func cutAt(t *testing.T, id keys.NodeID, seq uint64, value string, nodes ...*node.Node) {
	t.Helper()
	var want strings.Builder
	for s := uint64(1); s < seq; s++ {
		fmt.Fprintf(&want, "k%d=%s\n", s, value)
	}
	lines := strings.SplitAfter(want.String(), "\n")
	slices.Sort(lines)
	for i, n := range nodes {
		eventually(t, fmt.Sprintf("node %d has cut %v at seq %d", i, id, seq), func() bool {
			s := status(t, n)
			a := authorAt(t, n, id)
			return a.Cut == seq && a.Seq == seq-1 && a.State == replica.StateForked && s.Sync[0].Rebuild == nil && counts(t, n, id) == strings.Join(lines, "")
		})
		if !slices.ContainsFunc(proofs(t, n), func(p *wire.Proof) bool { return p.Author() == id && p.Seq() == seq }) {
			t.Errorf("node %d has no proof of seq %d", i, seq)
		}
		explains(t, n, id, seq, replica.StateCut)
	}
}

// counts returns what an author has set, a line a key.
func counts(t *testing.T, api node.API, id keys.NodeID) string {
	t.Helper()
	var lines []string
	for v, err := range api.Dump(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if v.Author == id {
			lines = append(lines, v.Key+"="+string(v.Value)+"\n")
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}

// alike checks that nodes hold the same values, set by the same updates.
func alike(t *testing.T, nodes ...*node.Node) {
	t.Helper()
	for _, n := range nodes[1:] {
		eventually(t, "all have the same values", func() bool { return dump(t, n) == dump(t, nodes[0]) })
	}
}

// mirror passes connections on to the address that it is given later.
func mirror(t *testing.T) (address string, to chan<- string) {
	t.Helper()
	ln := listenLoopback(t)
	targets := make(chan string, 1)
	t.Cleanup(func() { ln.Close() })
	go func() {
		var target string
		for {
			in, err := ln.Accept()
			if err != nil {
				return
			}
			if target == "" {
				select {
				case target = <-targets:
				case <-t.Context().Done():
					in.Close()
					return
				}
			}
			out, err := net.Dial("tcp", target)
			if err != nil {
				in.Close()
				continue
			}
			go func() {
				defer in.Close()
				defer out.Close()
				go io.Copy(out, in)
				io.Copy(in, out)
			}()
		}
	}()
	return ln.Addr().String(), targets
}
