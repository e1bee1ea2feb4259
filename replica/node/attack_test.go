package node_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/hearsaynet/hearsay/keygen"
	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/internal/wiretest"
	"github.com/hearsaynet/hearsay/replica/link"
	"github.com/hearsaynet/hearsay/replica/node"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// TestAttack has whole nodes, and links that cross the machine's loopback.
func TestAttack(t *testing.T) {
	for name, attack := range map[string]func(t *testing.T){
		"forged-high":      attackForgedHigh,
		"unknown-key":      attackUnknownKey,
		"replay":           attackReplay,
		"omission":         attackOmission,
		"tail-withheld":    attackTailWithheld,
		"fork-order":       attackForkOrder,
		"fork-late":        attackForkLate,
		"fork-self":        attackForkSelf,
		"fork-mid-run":     attackForkMidRun,
		"fork-storm":       attackForkStorm,
		"fork-parent":      attackForkParent,
		"guard-lies":       attackGuardLies,
		"lying-clock":      attackLyingClock,
		"future":           attackFuture,
		"own-id":           attackOwnID,
		"bad-copy":         attackBadCopy,
		"honest-forwarder": attackHonestForwarder,
		"head-frozen":      attackHeadFrozen,
		"flood":            attackFlood,
		"sybil":            attackSybil,
		"race":             attackRace,
		"handle-remap":     attackHandleRemap,
		"config-split":     attackConfigSplit,
		"erase-by-relay":   attackErase,
		"bundle-replay":    attackBundleReplay,
	} {
		t.Run(name, attack)
	}
}

// mallory makes links from one address of loopback, with a new id each time.
type mallory struct {
	t    *testing.T
	dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// newMallory skips the test where loopback has no such address.
func newMallory(t *testing.T, ip string) *mallory {
	t.Helper()
	from := &net.TCPAddr{IP: net.ParseIP(ip)}
	ln, err := net.ListenTCP("tcp", from)
	if err != nil {
		t.Skipf("this machine's loopback has no %s: %v", ip, err)
	}
	ln.Close()
	return &mallory{t, (&net.Dialer{LocalAddr: from}).DialContext}
}

// link opens a session with n about its first topic; what it writes comes on handle 1.
func (m *mallory) link(n *node.Node) (*link.Conn, error) {
	m.t.Helper()
	c, err := newEndpoint(m.t, m.dial).Dial(m.t.Context(), link.Address{ID: n.ID(), HostPort: n.ListenAddrs()[0]})
	if err != nil {
		return nil, err
	}
	m.write(c, helloFrame())
	return c, nil
}

// newEndpoint makes links with a new key.
func newEndpoint(t *testing.T, dial func(ctx context.Context, network, address string) (net.Conn, error)) *link.Endpoint {
	t.Helper()
	key, err := keygen.Generate(keygen.Ed25519, 0)
	if err != nil {
		t.Fatal(err)
	}
	ep, err := link.New(link.Config{Signer: key, Dial: dial})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ep.Close() })
	return ep
}

func helloFrame() wire.Frame {
	hello := wire.Hello{Version: wire.Version, Topics: []wire.TopicHandle{{Handle: 1, Topic: node.DefaultTopic}}}
	return wire.Frame{Type: wire.FrameHello, Body: hello.Append(nil)}
}

func (m *mallory) write(c *link.Conn, frames ...wire.Frame) {
	m.t.Helper()
	var b []byte
	for _, f := range frames {
		b = wire.AppendFrame(b, f)
	}
	if _, err := c.Write(b); err != nil {
		m.t.Fatal(err)
	}
}

func keyFrame(a *wiretest.Author) wire.Frame {
	return wire.Frame{Type: wire.FrameKey, Handle: 1, Body: a.Key().Wire()}
}

func runFrame(body []byte) wire.Frame {
	return wire.Frame{Type: wire.FrameRun, Handle: 1, Body: body}
}

// forged returns a run whose signature is wrong by a bit.
func forged(a *wiretest.Author) []byte {
	b := bytes.Clone(a.Chain(node.DefaultTopic, a.Start(), 1)[0].Body())
	b[len(b)-1] ^= 1
	return b
}

// attackSybil: ids that bring bad signatures, a new one each time. Their address is
// refused before the handshake; an honest node at another one joins and replicates.
func attackSybil(t *testing.T) {
	n := up(t, "n", node.Options{AnyKey: true})
	m := newMallory(t, "127.0.0.66")
	x := wiretest.NewAuthor("x")
	faults := 0
	for {
		c, err := m.link(n)
		if err != nil {
			he, ok := errors.AsType[*link.HandshakeError](err)
			if !ok || he.Reason != link.ReasonByPeer || !strings.Contains(err.Error(), "faults") {
				t.Fatalf("after %d faults: %v, want the address refused", faults, err)
			}
			break
		}
		if faults++; faults > 10 {
			t.Fatal("an eleventh bad signature from one address")
		}
		m.write(c, keyFrame(x), runFrame(forged(x)))
		if said := farewell(t, c); said.Code != wire.CloseRefused {
			t.Fatalf("closed with %+v for a bad signature", said)
		}
		c.Close()
		eventually(t, "the fault has been counted", func() bool {
			refused := 0
			for _, p := range status(t, n).Peers {
				if p.State == node.PeerRefused {
					refused++
				}
			}
			return refused == faults
		})
	}
	if faults < 5 {
		t.Errorf("the address was refused after %d faults", faults)
	}
	for _, p := range status(t, n).Peers {
		if p.State != node.PeerRefused || !strings.HasPrefix(p.Reason, "banned until ") {
			t.Errorf("peer %+v, want it refused", p)
		}
	}

	b := up(t, "b", node.Options{AnyKey: true, Peers: []string{at(n)}})
	set(t, n, "k", "v")
	waitValue(t, b, "k", "v")
	set(t, b, "back", "v")
	waitValue(t, n, "back", "v")
	if _, err := m.link(n); err == nil {
		t.Error("the address is let in again")
	}
}

// attackFlood: too much of everything. Nodes that are linked go on, and another one joins.
func attackFlood(t *testing.T) {
	t.Run("connections", attackConnections)
	t.Run("frames", attackFrames)
}

// attackConnections: a thousand of them say nothing. (Package link has the flood that
// does not end.)
func attackConnections(t *testing.T) {
	n := up(t, "n", node.Options{AnyKey: true})
	a := up(t, "a", node.Options{AnyKey: true, Peers: []string{at(n)}})
	set(t, a, "before", "v")
	waitValue(t, n, "before", "v")
	m := newMallory(t, "127.0.0.66")
	for i := range 1000 {
		c, err := m.dial(t.Context(), "tcp", n.ListenAddrs()[0])
		if err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
		defer c.Close()
	}
	set(t, a, "during", "v")
	waitValue(t, n, "during", "v")
	b := up(t, "b", node.Options{AnyKey: true, Peers: []string{at(n)}})
	waitValue(t, b, "during", "v")
	if s := status(t, n); len(s.Peers) != 2 {
		t.Errorf("peers: %+v, want a and b", s.Peers)
	}
}

// attackFrames: one peer asks for everything without end and reads nothing, one asks
// once and reads nothing, and one brings a crowd of authors, all of them well signed.
func attackFrames(t *testing.T) {
	n := up(t, "n", node.Options{AnyKey: true})
	for i := range 64 {
		set(t, n, fmt.Sprint("large ", i), strings.Repeat("x", 60<<10))
	}
	a := up(t, "a", node.Options{AnyKey: true, Peers: []string{at(n)}})
	waitValue(t, a, "large 63", strings.Repeat("x", 60<<10))
	m := newMallory(t, "127.0.0.66")
	asks := func(nonce uint64) wire.Frame {
		return digestFrame(&wire.Digest{Nonce: nonce, Unnamed: wire.UnnamedWanted})
	}
	deaf, err := m.link(n)
	if err != nil {
		t.Fatal(err)
	}
	defer deaf.Close()
	m.write(deaf, asks(1))
	loop, err := m.link(n)
	if err != nil {
		t.Fatal(err)
	}
	defer loop.Close()
	go func() {
		for nonce := uint64(1); ; nonce++ {
			if _, err := loop.Write(wire.AppendFrame(nil, asks(nonce))); err != nil {
				return
			}
		}
	}()
	const crowd = 1000
	spam := play(t, n)
	go func() {
		for _, x := range wiretest.NewAuthors("crowd", crowd) {
			spam.tell(x, history(x, "spam", x.Start(), 1, 1)...)
		}
	}()
	for i := range 10 {
		key := fmt.Sprint("honest ", i)
		set(t, a, key, "v")
		waitValue(t, n, key, "v")
		set(t, n, key, "w")
		waitValue(t, a, key, "w")
	}
	b := up(t, "b", node.Options{AnyKey: true, Peers: []string{at(n)}})
	waitValue(t, b, "honest 9", "w")
	eventually(t, "the crowd is there as well", func() bool { return len(status(t, a).Authors) >= crowd+2 })
	for _, p := range status(t, n).Peers {
		if (*p.ID == a.ID() || *p.ID == b.ID() || *p.ID == spam.id) && p.State != node.PeerLinked {
			t.Errorf("peer %+v, want it linked: all that it sent was well signed", p)
		}
	}
}

// attackHonestForwarder: relays pass on what a malicious author signed. The nodes
// behind them refuse what is to be refused, and blame no relay.
func attackHonestForwarder(t *testing.T) {
	relays := []*node.Node{
		up(t, "relay 0", node.Options{Relay: true, AnyKey: true}),
		up(t, "relay 1", node.Options{Relay: true, AnyKey: true}),
	}
	peers := []string{at(relays[0]), at(relays[1])}
	key, _ := keyFile(t)
	strict := newDir(t)
	b := up(t, "b", node.Options{AnyKey: true, Peers: peers})
	c := up(t, "c", node.Options{Dir: strict, Peers: peers}) // admits one author only
	trust(t, strict, key)

	forks, future, newer := wiretest.NewAuthor("forks"), wiretest.NewAuthor("future"), wiretest.NewAuthor("newer")
	const topic = node.DefaultTopic
	branch := func(name string) *wire.Run {
		return forks.Run(topic, forks.Start(), wiretest.Change(1, "kv", name), wiretest.Change(2, "kv", name))
	}
	ahead := uint64(time.Now().Add(10 * 365 * 24 * time.Hour).UnixNano())
	m := newMallory(t, "127.0.0.1")
	var links []*link.Conn
	for i, r := range relays {
		l, err := m.link(r)
		if err != nil {
			t.Fatal(err)
		}
		go io.Copy(io.Discard, l)
		links = append(links, l)
		m.write(l,
			keyFrame(forks), runFrame(branch(fmt.Sprint(i)).Body()),
			keyFrame(future), runFrame(future.Run(topic, future.Start(), wiretest.Change(ahead, "kv", "x")).Body()),
			keyFrame(newer), runFrame(newer.Run(topic, newer.Start(), wire.Entry{Time: 1, Kind: 77, Channel: "kv"}).Body()))
	}
	known := func(n *node.Node, ids ...keys.NodeID) bool {
		var found int
		for _, a := range status(t, n).Authors {
			for _, id := range ids {
				if a.ID == id {
					found++
				}
			}
		}
		return found == len(ids)
	}
	for _, r := range relays {
		eventually(t, "the relay has what the author signed", func() bool { return known(r, forks.ID(), future.ID()) })
	}
	for _, n := range []*node.Node{b, c} {
		eventually(t, "the author is known behind the relays", func() bool { return known(n, forks.ID(), future.ID()) })
	}
	eventually(t, "b has cut the author with two histories", func() bool {
		x, err := b.Explain(t.Context(), forks.ID(), 1)
		return err == nil && strings.Contains(string(x.State), "cut")
	})

	a := up(t, "a", node.Options{KeyFile: key, Force: true, AnyKey: true, Peers: peers[:1]})
	set(t, a, "k", "v")
	waitValue(t, b, "k", "v")
	waitValue(t, c, "k", "v")
	for _, n := range []*node.Node{a, b, c, relays[0], relays[1]} {
		for _, p := range status(t, n).Peers {
			if p.State != node.PeerLinked {
				t.Errorf("%v: peer %+v, want it linked", n.ID(), p)
			}
		}
	}
	for _, l := range links {
		l.Close()
	}
}
