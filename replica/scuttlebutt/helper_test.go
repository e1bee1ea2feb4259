package scuttlebutt

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

func newModel(t testing.TB, id string) *Model {
	t.Helper()
	m, err := NewModel(Config{ID: id})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func newEvents(t testing.TB, id string) *Events {
	t.Helper()
	s, err := NewEvents(Config{ID: id})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// set sets a key to JSON.
func set(t testing.TB, m *Model, key, value string) Update {
	t.Helper()
	u, err := m.Set(t.Context(), key, json.RawMessage(value))
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// state is a model's content, as one text.
func state(m *Model) string {
	var b strings.Builder
	for key, item := range m.All() {
		fmt.Fprintf(&b, "%s=%s ", key, item.Value)
	}
	return strings.TrimSpace(b.String())
}

func want(t testing.TB, m *Model, text string) {
	t.Helper()
	if got := state(m); got != text {
		t.Errorf("%s holds %q; want %q", m.ID(), got, text)
	}
}

// tcp returns two ends of a loopback connection.
func tcp(t testing.TB) (a, b net.Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if a, err = net.Dial("tcp", ln.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if b, err = ln.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close(); b.Close() })
	return a, b
}

// linked runs a session between two nodes over a and b until stop, which returns what the
// two Syncs did.
func linked(t testing.TB, x, y *Node, a, b net.Conn, xc, yc SyncConfig) (stop func() [2]error) {
	ctx, cancel := context.WithCancel(t.Context())
	var errs [2]error
	var work sync.WaitGroup
	work.Go(func() { errs[0] = x.Sync(ctx, a, xc) })
	work.Go(func() { errs[1] = y.Sync(ctx, b, yc) })
	stop = sync.OnceValue(func() [2]error {
		cancel()
		work.Wait()
		return errs
	})
	t.Cleanup(func() { stop() })
	return stop
}

// exchange runs a session without a tail, to its end.
func exchange(t testing.TB, x, y *Node) {
	t.Helper()
	a, b := tcp(t)
	errs := make(chan error, 1)
	go func() { errs <- x.Sync(t.Context(), a, SyncConfig{NoTail: true, Name: y.ID()}) }()
	err := y.Sync(t.Context(), b, SyncConfig{NoTail: true, Name: x.ID()})
	if err := errors.Join(err, <-errs); err != nil {
		t.Fatal(err)
	}
}

// script is a peer that is played by hand.
type script struct {
	t     testing.TB
	conn  net.Conn
	lines *lineReader
	done  chan error
}

// played starts a session of n with a played peer.
func played(t testing.TB, n *Node, cfg SyncConfig) *script {
	t.Helper()
	a, b := tcp(t)
	s := &script{t, b, newLineReader(b, 0, time.Minute), make(chan error, 1)}
	ctx, cancel := context.WithCancel(t.Context())
	go func() { s.done <- n.Sync(ctx, a, cfg) }()
	t.Cleanup(func() { cancel() })
	return s
}

func (s *script) send(lines ...string) {
	s.t.Helper()
	if _, err := io.WriteString(s.conn, strings.Join(lines, "\n")+"\n"); err != nil {
		s.t.Error(err)
	}
}

// line returns the next line, "" at the end.
func (s *script) line() string {
	s.t.Helper()
	for {
		if line, ok := s.lines.buffered(); ok {
			return string(line)
		}
		if _, err := s.lines.read(); err != nil {
			return ""
		}
	}
}

func (s *script) want(lines ...string) {
	s.t.Helper()
	for _, w := range lines {
		if got := s.line(); got != w {
			s.t.Fatalf("got line %s; want %s", got, w)
		}
	}
}

// end hangs up, and returns what Sync did. What is on its way is read: a connection that
// is closed before takes with it what the other side has not read.
func (s *script) end() error {
	s.conn.(interface{ CloseWrite() error }).CloseWrite()
	io.Copy(io.Discard, s.conn)
	s.conn.Close()
	return <-s.done
}

// eventually waits until ok, woken by every update of n.
func eventually(t testing.TB, n *Node, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for {
		_, _, changed := n.after(1 << 62)
		if ok() {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			t.Fatalf("%s: not yet: clock %v, stats %+v, refusals %v", what, n.Clock(), n.Stats(), n.Refusals())
		}
	}
}
