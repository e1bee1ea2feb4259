package node_test

import (
	"bytes"
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
	said := func() []byte {
		c, err := ep.Dial(t.Context(), link.Address{ID: n.ID(), HostPort: n.ListenAddrs()[0]})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.Write(helloAndNonsense())
		text, _ := io.ReadAll(c)
		return text
	}
	if answer := said(); !bytes.Contains(answer, []byte("frame")) {
		t.Errorf("the node does not say what is wrong: %q", answer)
	}
	eventually(t, "the peer is refused", func() bool {
		s := status(t, n)
		return len(s.Peers) == 1 && s.Peers[0].State == node.PeerRefused
	})
	s := status(t, n)
	if len(s.Peers) != 1 || s.Peers[0].State != node.PeerRefused || *s.Peers[0].ID != key.Public().ID() || !strings.Contains(s.Peers[0].Reason, "frame") {
		t.Errorf("peers: %+v", s.Peers)
	}
	if answer := said(); len(answer) != 0 {
		t.Errorf("a banned peer was answered: %q", answer)
	}

	b := up(t, "b", node.Options{AnyKey: true, Peers: []string{at(n)}})
	set(t, n, "k", "v")
	waitValue(t, b, "k", "v") // others are served
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
