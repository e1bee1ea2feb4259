package scuttlebutt

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hearsaynet/hearsay/replica/scuttlebutt/internal/npmpeer"
)

// These tests run the module that npm has, in processes of Node.js, and are skipped
// where it is not installed.

// keyPaths writes a pair of the vectors to files.
func keyPaths(t *testing.T, name string) (private, public string) {
	t.Helper()
	dir := t.TempDir()
	k := golden(t).Keys[name]
	private, public = filepath.Join(dir, name), filepath.Join(dir, name+".pem")
	for path, text := range map[string]string{private: k.Private, public: k.Public} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return private, public
}

// secureNPM says with which of the vectors' pairs an npm peer signs, and whom it knows.
func secureNPM(t *testing.T, name string, others ...string) *npmpeer.Security {
	t.Helper()
	private, public := keyPaths(t, name)
	peers := []string{public}
	for _, other := range others {
		_, pem := keyPaths(t, other)
		peers = append(peers, pem)
	}
	return &npmpeer.Security{Private: private, Public: public, Peers: peers}
}

// both runs a test with a connection that we made, and with one that the npm peer made.
func both(t *testing.T, test func(t *testing.T, link func(p *npmPeer, how any) net.Conn)) {
	t.Run("dialling", func(t *testing.T) {
		test(t, func(p *npmPeer, how any) net.Conn { return dial(t, p.listen(how)) })
	})
	t.Run("dialled", func(t *testing.T) {
		test(t, func(p *npmPeer, how any) net.Conn { return accept(t, p, how) })
	})
}

// run starts a session, which ends with the test or with stop.
func run(t *testing.T, n *Node, conn net.Conn, cfg SyncConfig) (stop func() error) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- n.Sync(ctx, conn, cfg) }()
	t.Cleanup(cancel)
	return func() error { cancel(); return <-done }
}

func TestNPMModel(t *testing.T) {
	both(t, func(t *testing.T, link func(*npmPeer, any) net.Conn) {
		p := startNPM(t, "model", "N", nil)
		m := newModel(t, "G")
		set(t, m, "fromGo", `{"b":1.0,"1":2,"x":"\u2028\ud800"}`)
		p.do("set", [][2]any{{"fromNode", "x<\u2028é😀"}, {"n", 1.5}, {"7", -0.1}}, nil)
		run(t, &m.Node, link(p, nil), SyncConfig{})
		eventually(t, &m.Node, "npm's", func() bool { return m.Stats().Updates == 4 })
		p.do("when", m.Clock(), nil)
		want(t, m, "7=-0.1 fromGo={\"1\":2,\"b\":1,\"x\":\"\u2028\\ud800\"} fromNode=\"x<\u2028é😀\" n=1.5")
		if got, want := p.state(), "{\"7\":-0.1,\"fromNode\":\"x<\u2028é😀\",\"n\":1.5,\"fromGo\":{\"1\":2,\"b\":1,\"x\":\"\u2028\\ud800\"}}"; got != want {
			t.Errorf("npm holds %s; want %s", got, want)
		}
		// And while the session runs; npm sends all of it back.
		if _, err := m.Delete(t.Context(), "n"); err != nil {
			t.Fatal(err)
		}
		p.do("when", m.Clock(), nil)
		p.do("set", [][2]any{{"7", nil}, {"fromGo", 0}}, nil)
		eventually(t, &m.Node, "the deletion", func() bool { return state(m) == "fromGo=0 fromNode=\"x<\u2028é😀\"" })
		if got, want := p.state(), "{\"fromNode\":\"x<\u2028é😀\",\"fromGo\":0}"; got != want {
			t.Errorf("npm holds %s; want %s", got, want)
		}
	})
}

func TestNPMEvents(t *testing.T) {
	both(t, func(t *testing.T, link func(*npmPeer, any) net.Conn) {
		p := startNPM(t, "events", "N", nil)
		s := newEvents(t, "G")
		if _, err := s.Emit(t.Context(), "fromGo", []byte(`{"n":1}`)); err != nil {
			t.Fatal(err)
		}
		p.do("emit", [][2]any{{"fromNode", 1}, {"fromNode", "two"}}, nil)
		run(t, &s.Node, link(p, nil), SyncConfig{})
		eventually(t, &s.Node, "npm's", func() bool { return s.Stats().Updates == 3 })
		p.do("when", s.Clock(), nil)
		sameHistory(t, p, &s.Node)
	})
}

// sameHistory compares update for update.
func sameHistory(t *testing.T, p *npmPeer, n *Node) {
	t.Helper()
	var theirs []json.RawMessage
	p.do("history", nil, &theirs)
	entries, _ := n.history(nil)
	if len(theirs) != len(entries) || len(entries) == 0 {
		t.Fatalf("npm holds %d updates, we hold %d", len(theirs), len(entries))
	}
	for i, e := range entries {
		if string(theirs[i]) != string(e.line) {
			t.Fatalf("update %d: npm has %s, we have %s", i, theirs[i], e.line)
		}
	}
}

// TestNPMMany: 10,000 updates of either side, history and live.
func TestNPMMany(t *testing.T) {
	const n = 10_000
	for _, kind := range []string{"model", "events"} {
		t.Run(kind, func(t *testing.T) {
			p := startNPM(t, kind, "N", nil)
			node, add := many(t, kind)
			add(n/2, n/2)
			p.do("many", [2]int{n, n / 2}, nil)
			run(t, node, dial(t, p.listen(nil)), SyncConfig{})
			p.do("many", [2]int{n + n/2, n / 2}, nil)
			add(0, n/2)
			eventually(t, node, "all", func() bool { return node.Stats().Updates == 2*n })
			p.do("when", node.Clock(), nil)
			sameHistory(t, p, node)
		})
	}
}

// many returns a node, and what adds updates to it as peer.js's many does.
func many(t *testing.T, kind string) (*Node, func(first, n int)) {
	if kind == "model" {
		m := newModel(t, "G")
		return &m.Node, func(first, n int) {
			for i := range n {
				set(t, m, fmt.Sprintf("k%d", first+i), fmt.Sprintf(`"v%d"`, first+i))
			}
		}
	}
	s := newEvents(t, "G")
	return &s.Node, func(first, n int) {
		for i := range n {
			if _, err := s.Emit(t.Context(), fmt.Sprintf("e%d", first+i), json.RawMessage(fmt.Sprint(first+i))); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestNPMSecure: both sign and verify, whoever came first, and pass each other's updates
// on to a third one.
func TestNPMSecure(t *testing.T) {
	const n = 200
	both(t, func(t *testing.T, link func(*npmPeer, any) net.Conn) {
		p := startNPM(t, "model", "", secureNPM(t, "rsa1024", "rsa2048", "rsa4096"))
		var id string
		if p.do("id", nil, &id); id != golden(t).Keys["rsa1024"].ID {
			t.Errorf("npm's id is %s", id)
		}
		m := secureModel(t, security(t, "rsa2048", "rsa1024"))
		for i := range n {
			set(t, m, fmt.Sprintf("g%d", i), `{"é\u2028":[-0.1e-7,"<\ud800>"],"2":1e21,"1":true}`)
		}
		p.do("many", [2]int{0, n}, nil)
		run(t, &m.Node, link(p, nil), SyncConfig{})
		eventually(t, &m.Node, "npm's", func() bool { return m.Stats().Updates == 2*n })
		p.do("when", m.Clock(), nil)
		sameHistory(t, p, &m.Node)
		var unverified []any
		if p.do("unverified", nil, &unverified); len(unverified) > 0 || len(m.Refusals()) > 0 {
			t.Errorf("npm refused %v, we %v", unverified, m.Refusals())
		}
		third := secureModel(t, security(t, "rsa4096", "rsa1024", "rsa2048"))
		if err := third.Sync(t.Context(), link(p, nil), SyncConfig{NoTail: true}); err != nil || third.Stats().Updates != 2*n {
			t.Errorf("%v; %+v; %v", err, third.Stats(), third.Refusals())
		}
	})
}

// TestNPMUnknown: neither believes a key that it does not have; ours gets the updates once
// it has it.
func TestNPMUnknown(t *testing.T) {
	p := startNPM(t, "model", "", secureNPM(t, "rsa1024"))
	p.do("set", [][2]any{{"k", 1}}, nil)
	addr := p.listen(nil)
	m := secureModel(t, security(t, "rsa2048"))
	set(t, m, "l", `1`)
	if err := m.Sync(t.Context(), dial(t, addr), SyncConfig{NoTail: true}); err != nil {
		t.Fatal(err)
	}
	if len(m.Clock()) != 1 || len(m.Refusals()) != 1 || p.state() != `{"k":1}` {
		t.Errorf("clock %v, refusals %v, npm holds %s", m.Clock(), m.Refusals(), p.state())
	}
	m = secureModel(t, security(t, "rsa2048", "rsa1024"))
	if err := m.Sync(t.Context(), dial(t, addr), SyncConfig{NoTail: true}); err != nil {
		t.Fatal(err)
	}
	want(t, m, "k=1")
}

// TestNPMReconnect: a second session brings what is new, and nothing else.
func TestNPMReconnect(t *testing.T) {
	both(t, func(t *testing.T, link func(*npmPeer, any) net.Conn) {
		p := startNPM(t, "model", "N", nil)
		m := newModel(t, "G")
		for round := range 3 {
			set(t, m, fmt.Sprintf("g%d", round), `1`)
			p.do("set", [][2]any{{fmt.Sprintf("n%d", round), 1}}, nil)
			conn, sent, got := counted(link(p, nil))
			if err := m.Sync(t.Context(), conn, SyncConfig{NoTail: true}); err != nil {
				t.Fatal(err)
			}
			p.do("when", m.Clock(), nil)
			p.do("close", nil, nil)
			// A header, one update and SYNC; npm may send our update back.
			if *sent != 3 || *got < 3 || *got > 4 {
				t.Errorf("round %d: sent %d lines, got %d", round, *sent, *got)
			}
		}
		want(t, m, "g0=1 g1=1 g2=1 n0=1 n1=1 n2=1")
	})
}

// counted counts the lines that go through a connection, up to its end.
func counted(c net.Conn) (conn net.Conn, sent, got *int) {
	n := &countConn{Conn: c}
	return n, &n.sent, &n.got
}

type countConn struct {
	net.Conn
	sent, got int
}

func (c *countConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.got += strings.Count(string(b[:n]), "\n")
	return n, err
}

func (c *countConn) Write(b []byte) (int, error) {
	c.sent += strings.Count(string(b), "\n")
	return c.Conn.Write(b)
}

// TestNPMKilled: either side goes in the middle of a transfer, and the next one has all.
func TestNPMKilled(t *testing.T) {
	const n = 10_000
	p := startNPM(t, "events", "N", nil)
	p.do("many", [2]int{0, n}, nil)
	addr := p.listen(nil)
	s := newEvents(t, "G")
	for i := range n {
		if _, err := s.Emit(t.Context(), "g", json.RawMessage(fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
	}
	stop := run(t, &s.Node, dial(t, addr), SyncConfig{})
	eventually(t, &s.Node, "some", func() bool { return s.Stats().Updates > n+n/10 })
	stop() // ours
	before := s.Stats().Updates
	stop = run(t, &s.Node, dial(t, addr), SyncConfig{})
	eventually(t, &s.Node, "the rest", func() bool { return s.Stats().Updates == 2*n })
	p.do("when", s.Clock(), nil)
	sameHistory(t, p, &s.Node)
	t.Logf("ours ended at %d of %d", before-n, n)
	stop()

	// A fresh npm process gets everything from us, and is killed meanwhile; so does the next.
	for range 2 {
		q := startNPM(t, "events", "M", nil)
		addr := q.listen(nil)
		stop := run(t, &s.Node, dial(t, addr), SyncConfig{})
		q.do("clock", nil, nil)
		q.Kill()
		stop()
	}
	q := startNPM(t, "events", "M", nil)
	run(t, &s.Node, dial(t, q.listen(nil)), SyncConfig{})
	q.do("when", s.Clock(), nil)
	sameHistory(t, q, &s.Node)
}

// TestNPMTampered: a relay between the two alters what they sign.
func TestNPMTampered(t *testing.T) {
	p := startNPM(t, "model", "", secureNPM(t, "rsa1024", "rsa2048"))
	m := secureModel(t, security(t, "rsa2048", "rsa1024"))
	p.do("set", [][2]any{{"pay", 100}, {"note", "hi"}}, nil)
	set(t, m, "owe", `100`)
	set(t, m, "memo", `"ho"`)
	addr := p.listen(nil)
	alter := func(line string) string { return strings.Replace(line, ",100]", ",1000000]", 1) }
	if err := m.Sync(t.Context(), dial(t, proxy(t, addr, alter)), SyncConfig{NoTail: true}); err != nil {
		t.Fatal(err)
	}
	want(t, m, `memo="ho" owe=100`)
	if len(m.Refusals()) == 0 || len(m.Clock()) != 1 {
		t.Errorf("refusals %v, clock %v", m.Refusals(), m.Clock())
	}
	if err := m.Sync(t.Context(), dial(t, addr), SyncConfig{NoTail: true}); err != nil {
		t.Fatal(err)
	}
	p.do("when", m.Clock(), nil)
	want(t, m, `memo="ho" note="hi" owe=100 pay=100`)
	// The original's clock has moved with what it refused: it never asks again.
	if got, want := p.state(), `{"pay":100,"note":"hi","memo":"ho"}`; got != want {
		t.Errorf("npm holds %s; want %s", got, want)
	}
}

// proxy listens for one connection and passes it on to addr, every line of it altered.
func proxy(t *testing.T, addr string, alter func(line string) string) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		a, err := ln.Accept()
		if err != nil {
			return
		}
		b, err := net.Dial("tcp", addr)
		if err != nil {
			a.Close()
			return
		}
		pass := func(to, from net.Conn) {
			for r := bufio.NewReader(from); ; {
				line, err := r.ReadString('\n')
				if err != nil {
					to.(*net.TCPConn).CloseWrite()
					return
				}
				io.WriteString(to, alter(line))
			}
		}
		go pass(a, b)
		go pass(b, a)
	}()
	return ln.Addr().String()
}

// TestNPMRing: three peers of both kinds, each linked to the next, agree; and nothing goes
// round for ever.
func TestNPMRing(t *testing.T) {
	t.Run("one of ours", func(t *testing.T) {
		a, b := startNPM(t, "model", "N1", nil), startNPM(t, "model", "N2", nil)
		m := newModel(t, "G")
		to := b.listen(nil)
		_, port, _ := net.SplitHostPort(to)
		a.do("connect", map[string]any{"port": port}, nil)
		run(t, &m.Node, dial(t, to), SyncConfig{})
		run(t, &m.Node, accept(t, a, nil), SyncConfig{})
		ring(t, []*Model{m}, []*npmPeer{a, b})
	})
	t.Run("two of ours", func(t *testing.T) {
		p := startNPM(t, "model", "N", nil)
		m, o := newModel(t, "G1"), newModel(t, "G2")
		run(t, &m.Node, dial(t, p.listen(nil)), SyncConfig{})
		run(t, &o.Node, accept(t, p, nil), SyncConfig{})
		x, y := tcp(t)
		linked(t, &m.Node, &o.Node, x, y, SyncConfig{}, SyncConfig{})
		ring(t, []*Model{m, o}, []*npmPeer{p})
	})
}

func ring(t *testing.T, ours []*Model, theirs []*npmPeer) {
	t.Helper()
	const n = 200
	goal := make(Clock)
	for round := range 3 {
		for i, m := range ours {
			for j := range n {
				goal[m.ID()] = set(t, m, fmt.Sprintf("g%d-%d", i, j%50), fmt.Sprint(round*n+j)).Timestamp
			}
		}
		for i, p := range theirs {
			var pairs [][2]any
			for j := range n {
				pairs = append(pairs, [2]any{fmt.Sprintf("n%d-%d", i, j%50), round*n + j})
			}
			var clock Clock
			p.do("set", pairs, &clock)
			var id string
			p.do("id", nil, &id)
			goal[id] = clock[id]
		}
	}
	for _, m := range ours {
		eventually(t, &m.Node, "all", func() bool {
			clock := m.Clock()
			for source, ts := range goal {
				if clock[source] < ts {
					return false
				}
			}
			return true
		})
	}
	for _, p := range theirs {
		p.do("when", goal, nil)
		for _, m := range ours {
			sameHistory(t, p, &m.Node)
		}
	}
}

// TestNPMReadOnly: the original's read-only mode, with either of the two on our side.
func TestNPMReadOnly(t *testing.T) {
	p := startNPM(t, "model", "N", nil)
	p.do("set", [][2]any{{"n", 1}}, nil)
	master, slave := newModel(t, "master"), newModel(t, "slave")
	set(t, master, "m", `1`)
	set(t, slave, "s", `1`)
	send, receive := map[string]any{"writable": false, "sendClock": true}, map[string]any{"readable": false, "sendClock": true}
	if err := slave.Sync(t.Context(), accept(t, p, send), SyncConfig{ReceiveOnly: true, SendClock: true, NoTail: true}); err != nil {
		t.Fatal(err)
	}
	want(t, slave, "n=1 s=1")
	stop := run(t, &master.Node, accept(t, p, receive), SyncConfig{SendOnly: true})
	p.do("when", master.Clock(), nil)
	stop()
	want(t, master, "m=1")
	if got := p.state(); got != `{"n":1,"m":1}` {
		t.Errorf("npm holds %s", got)
	}
	// Either side's defaults with the other's read-only mode.
	if err := slave.Sync(t.Context(), accept(t, p, nil), SyncConfig{ReceiveOnly: true, SendClock: true, NoTail: true}); err != nil {
		t.Fatal(err)
	}
	if err := master.Sync(t.Context(), accept(t, p, nil), SyncConfig{SendOnly: true, AwaitHeader: true, NoTail: true}); err != nil {
		t.Fatal(err)
	}
	want(t, slave, "m=1 n=1 s=1")
	want(t, master, "m=1")
}

// TestNPMFiles: either reads what the other has written.
func TestNPMFiles(t *testing.T) {
	dir := t.TempDir()
	ours, theirs := filepath.Join(dir, "ours"), filepath.Join(dir, "theirs")
	p := startNPM(t, "model", "N", nil)
	p.do("set", [][2]any{{"n", "é"}, {"n", "😀"}, {"m", nil}}, nil)
	p.do("save", theirs, nil)
	m := newModel(t, "G")
	f, loaded := open(t, m, theirs)
	if loaded.Updates != 2 || loaded.Torn != 0 {
		t.Errorf("%+v", loaded)
	}
	want(t, m, `n="😀"`)
	set(t, m, "g", `1`)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	f, _ = open(t, m, ours)
	set(t, m, "g", `2`)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{theirs, ours} {
		q := startNPM(t, "model", "Q", nil)
		q.do("load", path, nil)
		if got, want := q.state(), fmt.Sprintf(`{"n":"😀","g":%d}`, map[string]int{theirs: 1, ours: 2}[path]); got != want {
			t.Errorf("%s: npm reads %s; want %s", path, got, want)
		}
	}
}

// TestNPMTie: of two values with one timestamp ours is the greater source's, in whatever
// order they come; the original's is the later one.
func TestNPMTie(t *testing.T) {
	for _, order := range [][]string{{"a", "b"}, {"b", "a"}} {
		p := startNPM(t, "model", "N", nil)
		m := newModel(t, "G")
		for _, source := range order {
			line := fmt.Sprintf(`[["k",%q],5,%q]`, source, source)
			p.do("line", line, nil)
			if _, err := m.Load(t.Context(), strings.NewReader(line+"\n")); err != nil {
				t.Fatal(err)
			}
		}
		if err := m.Sync(t.Context(), dial(t, p.listen(nil)), SyncConfig{NoTail: true}); err != nil {
			t.Fatal(err)
		}
		want(t, m, `k="b"`)
		if got, want := p.state(), fmt.Sprintf(`{"k":%q}`, order[1]); got != want {
			t.Errorf("npm holds %s; want %s", got, want)
		}
	}
}
