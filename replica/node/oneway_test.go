package node_test

import (
	"strings"
	"testing"

	"github.com/hearsaynet/hearsay/replica/node"
)

func TestOneWayOptionsAreChecked(t *testing.T) {
	for want, o := range map[string]node.Options{
		"leave nothing to do":    {SendOnly: true, ReceiveOnly: true},
		"belongs to ReceiveOnly": {SendOnly: true, SendClock: true},
	} {
		if _, err := open(t, "n", o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want one that says %q", err, want)
		}
	}
}

// A node that only receives tells so, and neither side of its links sends what it wrote.
func TestReceiveOnlyNode(t *testing.T) {
	a := up(t, "a", node.Options{AnyKey: true})
	b := up(t, "b", node.Options{AnyKey: true, ReceiveOnly: true, Peers: []string{at(a)}})
	c := up(t, "c", node.Options{AnyKey: true, Peers: []string{at(b)}}) // the listening side holds to it as well
	set(t, b, "of b", "1")
	set(t, a, "of a", "1")
	set(t, c, "of c", "1")
	waitValue(t, b, "of a", "1")
	waitValue(t, b, "of c", "1")
	for name, n := range map[string]*node.Node{"a": a, "c": c} {
		s, err := n.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(s.Authors) != 1 || s.ReceiveOnly || len(s.Peers) != 1 || len(s.Peers[0].Sessions) != 1 || !s.Peers[0].Sessions[0].PeerReceiveOnly {
			t.Errorf("%s has %d authors and the peers %+v", name, len(s.Authors), s.Peers)
		}
	}
	s, err := b.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !s.ReceiveOnly || s.SendOnly || len(s.Peers) != 2 {
		t.Errorf("b is %+v", s)
	}
	for _, p := range s.Peers {
		if p.UpdatesOut != 0 || p.UpdatesIn != 1 || !p.Sessions[0].ReceiveOnly {
			t.Errorf("b's link is %+v", p)
		}
	}
}
