package scuttlebutt

import (
	"encoding/json"
	"net"
	"os"
	"testing"

	"github.com/hearsaynet/hearsay/replica/scuttlebutt/internal/npmpeer"
)

// npmPeer is a process of Node.js with the npm module in it.
type npmPeer struct {
	*npmpeer.Peer
	t testing.TB
}

// startNPM starts a peer, or skips the test; kind is model or events.
func startNPM(t testing.TB, kind, id string, security *npmpeer.Security) *npmPeer {
	t.Helper()
	i, err := npmpeer.Find()
	if err != nil && os.Getenv("HEARSAY_NPM") == "" {
		t.Skipf("no live test with npm: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	p, err := i.Start(t.Context(), kind, id, security)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Stop)
	return &npmPeer{p, t}
}

func (p *npmPeer) do(command string, arg, result any) {
	p.t.Helper()
	if err := p.Do(command, arg, result); err != nil {
		p.t.Fatal(err)
	}
}

// state is a model's content, as npm prints it.
func (p *npmPeer) state() string {
	p.t.Helper()
	var all json.RawMessage
	p.do("state", nil, &all)
	return string(all)
}

func (p *npmPeer) listen(how any) string {
	p.t.Helper()
	addr, err := p.Listen(how)
	if err != nil {
		p.t.Fatal(err)
	}
	return addr
}

// accept has the peer connect, and returns our end.
func accept(t testing.TB, p *npmPeer, how any) net.Conn {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if err := p.Connect(ln.Addr().(*net.TCPAddr).Port, how); err != nil {
		t.Fatal(err)
	}
	c, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func dial(t testing.TB, addr string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
