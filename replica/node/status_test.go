package node_test

import (
	"testing"
	"time"

	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/node"
)

// oneSession returns the status of the only session that a node with one peer has.
func oneSession(s *node.Status) (l replica.LinkStatus, ok bool) {
	if len(s.Peers) != 1 || len(s.Peers[0].Sessions) != 1 {
		return l, false
	}
	return s.Peers[0].Sessions[0], true
}

// TestStatusFollowsHeads: a node is current while the author itself tells how far it has
// written, and says why not when it is silent, through the socket as well.
func TestStatusFollowsHeads(t *testing.T) {
	const interval = 200 * time.Millisecond
	ada := up(t, "ada", node.Options{AnyKey: true, HeadInterval: interval})
	dir := newDir(t)
	bob := up(t, "bob", node.Options{Dir: dir, AnyKey: true, HeadInterval: interval, Peers: []string{at(ada)}})
	if s := status(t, bob).Sync; len(s) != 1 || s[0].Topic != node.DefaultTopic {
		t.Errorf("sync is %+v", s)
	}
	set(t, ada, "k", "v")
	waitValue(t, bob, "k", "v")
	for name, api := range map[string]node.API{"node": bob, "socket": attach(t, node.Options{Dir: dir})} {
		eventually(t, name+": current, over a link that is ok", func() bool {
			s := status(t, api)
			l, ok := oneSession(s)
			return s.Sync[0].Current && s.Sync[0].NotCurrent == "" && ok && l.State == replica.LinkOK && l.Drained && s.Peers[0].Dialed
		})
	}
	stop(t, ada)
	eventually(t, "stale", func() bool {
		s := status(t, bob)
		for _, a := range s.Authors {
			if a.ID == ada.ID() {
				return !s.Sync[0].Current && !a.Stale.IsZero() && a.Word != nil && !a.Word.Fresh
			}
		}
		return false
	})
	if s := status(t, bob); s.Sync[0].NotCurrent == "" {
		t.Error("it is not said why the node is not current")
	}
}

func TestOfflineIsNeverCurrent(t *testing.T) {
	dir := newDir(t)
	n := up(t, "a", node.Options{Dir: dir})
	set(t, n, "k", "v")
	stop(t, n)
	s := status(t, attach(t, node.Options{Dir: dir}))
	if len(s.Sync) != 1 || s.Sync[0].Current || s.Sync[0].NotCurrent != "the node is not running" {
		t.Errorf("sync of a stopped node: %+v", s.Sync)
	}
}

func TestWriteCode(t *testing.T) {
	key, _ := keyFile(t)
	for code, o := range map[string]node.Options{
		"":            {},
		"unconfirmed": {KeyFile: key},
		"relay":       {Relay: true},
	} {
		s := status(t, up(t, code, o))
		if s.WriteCode != code || (s.Write == "") != (code == "") {
			t.Errorf("want %q, got %q: %s", code, s.WriteCode, s.Write)
		}
	}
}

func TestHeadIntervalIsBounded(t *testing.T) {
	for _, d := range []time.Duration{-time.Second, time.Millisecond, 25 * time.Hour} {
		if _, err := open(t, "a", node.Options{HeadInterval: d}); err == nil {
			t.Errorf("a head interval of %v is taken", d)
		}
	}
}
