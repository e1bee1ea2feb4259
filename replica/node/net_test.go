package node_test

import (
	"io"
	"net"
	"testing"

	"github.com/hearsaynet/hearsay/replica/node"
)

func TestTwoNodesAndRelay(t *testing.T) {
	relayDir := newDir(t)
	r := up(t, "relay", node.Options{Dir: relayDir, Relay: true, AnyKey: true})
	addr := r.ListenAddrs()[0]
	a := up(t, "a", node.Options{AnyKey: true, Peers: []string{at(r)}})
	b := up(t, "b", node.Options{AnyKey: true, Peers: []string{at(r)}})
	set(t, a, "from-a", "1")
	set(t, b, "from-b", "2")
	waitValue(t, b, "from-a", "1")
	waitValue(t, a, "from-b", "2")

	s := status(t, a)
	if len(s.Peers) != 1 || s.Peers[0].State != node.PeerLinked || s.Peers[0].ID == nil || *s.Peers[0].ID != r.ID() || s.Peers[0].Address != at(r) {
		t.Errorf("peers of a: %+v", s.Peers)
	}
	if p := s.Peers[0]; p.BytesIn == 0 || p.BytesOut == 0 || p.UpdatesIn != 1 || p.UpdatesOut != 1 {
		t.Errorf("counters of a's peer: %+v", p)
	}
	if s := status(t, r); len(s.Peers) != 2 || len(s.Topics) != 1 || s.Topics[0] != node.DefaultTopic || s.Write == "" {
		t.Errorf("status of the relay: %+v", s)
	}

	// A relay that comes back goes on where it was.
	stop(t, r)
	set(t, a, "meanwhile", "a")
	set(t, b, "meanwhile too", "b")
	up(t, "relay again", node.Options{Dir: relayDir, Relay: true, AnyKey: true, Listen: []string{addr}})
	waitValue(t, b, "meanwhile", "a")
	waitValue(t, a, "meanwhile too", "b")
	if got, want := dump(t, a), dump(t, b); got != want {
		t.Errorf("dumps differ:\n%s---\n%s", got, want)
	}
}

// A relay behind a relay: the first one hears of a topic only from its peers, and
// asks the second one for it then.
func TestRelayAsksForAdoptedTopics(t *testing.T) {
	upper := up(t, "upper", node.Options{Relay: true, AnyKey: true})
	lower := up(t, "lower", node.Options{Relay: true, AnyKey: true, Peers: []string{at(upper)}})
	for _, topic := range []string{"one", "two"} {
		a := up(t, "a "+topic, node.Options{AnyKey: true, Topics: []string{topic}, Peers: []string{at(upper)}})
		b := up(t, "b "+topic, node.Options{AnyKey: true, Topics: []string{topic}, Peers: []string{at(lower)}})
		set(t, a, "k", topic)
		waitValue(t, b, "k", topic)
		set(t, b, "back", topic)
		waitValue(t, a, "back", topic)
	}
	if s := status(t, lower); len(s.Topics) != 2 {
		t.Errorf("topics of the lower relay: %q", s.Topics)
	}
}

func TestRelayWithTopics(t *testing.T) {
	r := up(t, "relay", node.Options{Relay: true, AnyKey: true, Topics: []string{"one"}})
	a := up(t, "a", node.Options{AnyKey: true, Topics: []string{"two"}, Peers: []string{at(r)}})
	eventually(t, "the relay turns down a topic that it was not given", func() bool {
		return status(t, a).Peers[0].State == node.PeerBackoff
	})
	if s := status(t, r); len(s.Topics) != 1 || s.Topics[0] != "one" {
		t.Errorf("topics of the relay: %q", s.Topics)
	}
}

func TestClosedRelaySaysSo(t *testing.T) {
	dir := newDir(t)
	r := up(t, "relay", node.Options{Dir: dir, Relay: true})
	if s := status(t, r); s.Write == "" {
		t.Error("a relay that trusts nobody does not say that it carries nothing")
	}
	before := status(t, r).Write
	key, _ := keyFile(t)
	trust(t, dir, key)
	eventually(t, "the relay carries something", func() bool { return status(t, r).Write != before })
	a := up(t, "a", node.Options{KeyFile: key, Force: true, AnyKey: true, Peers: []string{at(r)}})
	b := up(t, "b", node.Options{AnyKey: true, Peers: []string{at(r)}})
	set(t, b, "not", "carried")
	set(t, a, "k", "v")
	waitValue(t, b, "k", "v")
	if _, err := a.Get(t.Context(), "not"); err == nil {
		t.Error("the relay passed on what an author wrote whom it does not trust")
	}
}

func TestTrust(t *testing.T) {
	dir := newDir(t)
	b := up(t, "b", node.Options{Dir: dir})
	key, id := keyFile(t)
	a := up(t, "a", node.Options{KeyFile: key, Force: true, Peers: []string{at(b)}})
	set(t, a, "k", "v")
	eventually(t, "b knows of an author that it does not trust", func() bool {
		for _, x := range status(t, b).Authors {
			if x.ID == id {
				return x.State == "unknown"
			}
		}
		return false
	})
	if v, err := b.Get(t.Context(), "k"); err == nil {
		t.Fatalf("applied what an author wrote who is not trusted: %q", v.Value)
	}
	x, err := b.Explain(t.Context(), id, 0)
	if err != nil || x.OfferedKey == "" {
		t.Fatalf("explain: %+v, %v; want the key that was offered", x, err)
	}
	if got, added, err := node.Trust(dir, []byte(x.OfferedKey)); err != nil || got != id || !added {
		t.Fatalf("trust: %v, %v, %v", got, added, err)
	}
	waitValue(t, b, "k", "v")
	if err := node.Untrust(dir, id); err != nil {
		t.Fatalf("untrust: %v", err)
	}
	waitValue(t, b, "k", "")
	set(t, a, "k2", "v2")
	trust(t, dir, key)
	waitValue(t, b, "k", "v")
	waitValue(t, b, "k2", "v2")
}

func TestForeignProtocolOnTheLinkPort(t *testing.T) {
	a := up(t, "a", node.Options{AnyKey: true})
	conn, err := net.Dial("tcp", a.ListenAddrs()[0])
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	io.Copy(io.Discard, conn) // until the node hangs up
	b := up(t, "b", node.Options{AnyKey: true, Peers: []string{at(a)}})
	set(t, a, "k", "v")
	waitValue(t, b, "k", "v")
	if s := status(t, a); len(s.Peers) != 1 {
		t.Errorf("peers: %+v, want b only", s.Peers)
	}
}

// Two nodes that dial each other have two links, and neither goes away.
func TestMutualPeers(t *testing.T) {
	ln := listenLoopback(t)
	addr := ln.Addr().String()
	ln.Close()
	a := up(t, "a", node.Options{AnyKey: true, Peers: []string{addr}})
	b := up(t, "b", node.Options{AnyKey: true, Listen: []string{addr}, Peers: []string{at(a)}})
	set(t, a, "a", "1")
	set(t, b, "b", "2")
	waitValue(t, a, "b", "2")
	waitValue(t, b, "a", "1")
	for _, n := range []*node.Node{a, b} {
		eventually(t, "both links are there", func() bool {
			s := status(t, n)
			return len(s.Peers) == 2 && s.Peers[0].State == node.PeerLinked && s.Peers[1].State == node.PeerLinked
		})
	}
}
