package node_test

import (
	"context"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/hearsaynet/hearsay/keygen"
	"github.com/hearsaynet/hearsay/replica/link"
	"github.com/hearsaynet/hearsay/replica/node"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// hello and nonsense is what a peer sends that breaks the protocol.
func helloAndNonsense() []byte {
	hello := wire.Hello{Version: wire.Version, Topics: []wire.TopicHandle{{Handle: 1, Topic: node.DefaultTopic}}}
	b := wire.AppendFrame(nil, wire.Frame{Type: wire.FrameHello, Body: hello.Append(nil)})
	return wire.AppendFrame(b, wire.Frame{Type: 20, Handle: 1})
}

func TestPeerThatBreaksTheProtocol(t *testing.T) {
	n := up(t, "a", node.Options{AnyKey: true})
	key, err := keygen.Generate(keygen.Ed25519, 0)
	if err != nil {
		t.Fatal(err)
	}
	ep, err := link.New(link.Config{Signer: key, Log: logger(t, "liar")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ep.Close() })
	said := func() *wire.Close {
		c, err := ep.Dial(t.Context(), link.Address{ID: n.ID(), HostPort: n.ListenAddrs()[0]})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.Write(helloAndNonsense())
		return farewell(t, c)
	}
	if answer := said(); answer.Code != wire.CloseProtocol || !strings.Contains(answer.Text, "frame") {
		t.Errorf("the node does not say what is wrong: %+v", answer)
	}
	eventually(t, "the peer is refused", func() bool {
		s := status(t, n)
		return len(s.Peers) == 1 && s.Peers[0].State == node.PeerRefused
	})
	s := status(t, n)
	if len(s.Peers) != 1 || s.Peers[0].State != node.PeerRefused || *s.Peers[0].ID != key.Public().ID() ||
		!strings.HasPrefix(s.Peers[0].Reason, "banned until ") || !strings.Contains(s.Peers[0].Reason, "frame") {
		t.Errorf("peers: %+v", s.Peers)
	}
	if answer := said(); answer.Code != wire.CloseProtocol || !strings.HasPrefix(answer.Text, "banned until ") || !strings.Contains(answer.Text, "frame") {
		t.Errorf("a banned peer is told %+v", answer)
	}

	b := up(t, "b", node.Options{AnyKey: true, Peers: []string{at(n)}})
	set(t, n, "k", "v")
	waitValue(t, b, "k", "v") // others are served
}

// farewell reads until the other side says why it closes.
func farewell(t *testing.T, c net.Conn) *wire.Close {
	t.Helper()
	for {
		f, err := wire.ReadFrame(c)
		if err != nil {
			t.Fatalf("closed without a reason: %v", err)
		}
		if f.Type != wire.FrameClose {
			continue
		}
		said, err := wire.ParseClose(f.Body)
		if err != nil {
			t.Fatal(err)
		}
		return said
	}
}

// A node that is banned by its peer says so, and takes its time to dial again.
func TestBannedNode(t *testing.T) {
	for name, said := range map[string]wire.Close{
		"for a frame":        {Code: wire.CloseProtocol, Text: "banned until tomorrow: bad frame"},
		"for a signature":    {Code: wire.CloseRefused, Text: "banned until tomorrow: bad signature"},
		"not, only too busy": {Code: wire.CloseBusy, Text: "later"},
	} {
		t.Run(name, func(t *testing.T) {
			key, err := keygen.Generate(keygen.Ed25519, 0)
			if err != nil {
				t.Fatal(err)
			}
			ln := listenLoopback(t)
			ep, err := link.New(link.Config{Signer: key, Log: logger(t, "judge")})
			if err != nil {
				t.Fatal(err)
			}
			go ep.Serve(t.Context(), ln, func(_ context.Context, c *link.Conn) error {
				c.Write(wire.AppendFrame(nil, wire.Frame{Type: wire.FrameClose, Body: said.Append(nil)}))
				io.Copy(io.Discard, c)
				return nil
			})
			t.Cleanup(func() { ep.Close() })
			n := up(t, "a", node.Options{Peers: []string{ln.Addr().String()}})
			want := node.PeerRefused
			if said.Code == wire.CloseBusy {
				want = node.PeerBackoff
			}
			eventually(t, "the peer is shown as "+string(want), func() bool {
				p := status(t, n).Peers[0]
				return p.State == want && strings.Contains(p.Reason, said.Text)
			})
		})
	}
}

// A configured peer that breaks the protocol is left alone for a while.
func TestDialedPeerThatBreaksTheProtocol(t *testing.T) {
	key, err := keygen.Generate(keygen.Ed25519, 0)
	if err != nil {
		t.Fatal(err)
	}
	ln := listenLoopback(t)
	ep, err := link.New(link.Config{Signer: key, Log: logger(t, "liar")})
	if err != nil {
		t.Fatal(err)
	}
	go ep.Serve(t.Context(), ln, func(_ context.Context, c *link.Conn) error {
		c.Write(helloAndNonsense())
		io.Copy(io.Discard, c)
		return nil
	})
	t.Cleanup(func() { ep.Close() })
	n := up(t, "a", node.Options{Peers: []string{ln.Addr().String()}})
	eventually(t, "the peer is refused", func() bool {
		p := status(t, n).Peers[0]
		return p.State == node.PeerRefused && strings.Contains(p.Reason, "frame") && p.ID != nil
	})
}

func listenLoopback(t *testing.T) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return ln
}
