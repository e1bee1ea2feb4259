package mallory_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hearsaynet/hearsay/fuzz/mallory"
	"github.com/hearsaynet/hearsay/keygen"
	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/link"
	"github.com/hearsaynet/hearsay/replica/node"
	"github.com/hearsaynet/hearsay/sign"
)

// patience bounds what a test waits for; nothing waits as long unless it fails.
const patience = 30 * time.Second

func TestMain(m *testing.M) {
	run, err := os.MkdirTemp("", "hearsay-test")
	if err != nil {
		panic(err)
	}
	os.Setenv("XDG_RUNTIME_DIR", run)
	code := m.Run()
	os.RemoveAll(run)
	os.Exit(code)
}

// scene is two nodes with mallory between them: the caller links to it, upstream is
// linked by it. An honest relay that has links with both comes when it is called.
type scene struct {
	t                *testing.T
	caller, upstream *node.Node
	relay            *node.Node
	mallory          *mallory.Relay
	address          string // mallory's
	stop             func() // ends mallory
	key              sign.Signer
	set              map[string]bool // the keys that the nodes have set
}

// newScene starts all but the honest relay; and that before all others if early, and
// then the nodes link to it.
func newScene(t *testing.T, toward mallory.Toward, names string, early bool) *scene {
	t.Helper()
	s := &scene{t: t, set: make(map[string]bool)}
	var honest []string
	if early {
		s.relay = s.up("relay", node.Options{Relay: true, Topics: []string{node.DefaultTopic}})
		honest = s.relay.ListenAddrs()
	}
	s.upstream = s.up("upstream", node.Options{Peers: honest})
	s.write(s.upstream, "first", "second") // before anybody links
	s.meet(toward, names, s.upstream.ListenAddrs()[0])
	s.caller = s.up("caller", node.Options{Peers: append([]string{s.address}, honest...)})
	s.write(s.caller, "caller first")
	return s
}

func (s *scene) up(name string, o node.Options) *node.Node {
	s.t.Helper()
	if o.Dir == "" {
		o.Dir = filepath.Join(s.t.TempDir(), "data")
	}
	if o.Listen == nil {
		o.Listen = []string{"127.0.0.1:0"}
	}
	o.AnyKey, o.HeadInterval = true, 100*time.Millisecond
	o.Log = slog.New(slog.NewTextHandler(s.t.Output(), nil)).With("node", name)
	n, err := node.Open(s.t.Context(), o)
	if err != nil {
		s.t.Fatalf("node %s: %v", name, err)
	}
	s.t.Cleanup(func() {
		if err := n.Close(); err != nil {
			s.t.Errorf("close %s: %v", name, err)
		}
	})
	return n
}

// meet starts mallory.
func (s *scene) meet(toward mallory.Toward, names, upstream string) {
	s.t.Helper()
	attacks, err := mallory.Find(names)
	if err != nil {
		s.t.Fatal(err)
	}
	key, err := keygen.Generate(keygen.Ed25519, 0)
	if err != nil {
		s.t.Fatal(err)
	}
	s.key = key
	s.mallory, err = mallory.New(mallory.Config{
		Upstream: link.Address{HostPort: upstream}, Attacks: attacks, Toward: toward, Seed: 1, Key: key,
		Log: slog.New(slog.NewTextHandler(s.t.Output(), nil)).With("node", "mallory"),
	})
	if err != nil {
		s.t.Fatal(err)
	}
	ln, err := s.mallory.Listen(s.t.Context(), "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	s.address = ln.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- s.mallory.Serve(ctx, ln) }()
	s.stop = func() {
		cancel()
		if err := <-served; err != nil {
			s.t.Errorf("mallory: %v", err)
		}
		served <- nil
		s.mallory.Close()
	}
	s.t.Cleanup(s.stop)
}

// help starts the honest relay.
func (s *scene) help() {
	s.t.Helper()
	if s.relay == nil {
		if s.status(s.caller).Sync[0].Current {
			s.t.Error("the caller counts as synced, and has mallory's word only")
		}
		s.relay = s.up("relay", node.Options{Relay: true, Topics: []string{node.DefaultTopic},
			Peers: []string{s.caller.ListenAddrs()[0], s.upstream.ListenAddrs()[0]}})
	}
}

// write sets keys to values that no other has.
func (s *scene) write(n *node.Node, keys ...string) {
	s.t.Helper()
	for _, k := range keys {
		if _, err := n.Set(s.t.Context(), k, []byte("honest "+k)); err != nil {
			s.t.Fatalf("set %q: %v", k, err)
		}
		s.set[k] = true
	}
}

// converges checks that both nodes end with the same values, all that they have set
// among them, and none that mallory made.
func (s *scene) converges() {
	s.t.Helper()
	s.help()
	s.write(s.upstream, "last of upstream")
	s.write(s.caller, "last of caller")
	var got, other string
	defer func() {
		if s.t.Failed() {
			s.t.Logf("the caller has%s\nupstream has%s", got, other)
		}
	}()
	s.eventually("both have all, and nothing of mallory's", func() bool {
		got, other = s.dump(s.caller), s.dump(s.upstream)
		return strings.Count(got, "\n") > len(s.set) && got == other && !strings.Contains(got, mallory.Mark)
	})
	for k := range s.set {
		if !strings.Contains(got, "\n"+k+"=honest "+k+" ") {
			s.t.Errorf("%q is not as it was set", k)
		}
	}
}

func (s *scene) dump(n *node.Node) string {
	s.t.Helper()
	b := bytes.NewBufferString("\n")
	for v, err := range n.Dump(s.t.Context()) {
		if err != nil {
			s.t.Fatal(err)
		}
		fmt.Fprintf(b, "%s=%s %v %d %v\n", v.Key, v.Value, v.Author, v.Seq, v.Hash)
	}
	return b.String()
}

func (s *scene) eventually(what string, ok func() bool) {
	s.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			s.t.Fatalf("not within %v: %s; mallory: %v", patience, what, s.mallory.Stats())
		}
	}
}

func (s *scene) status(n *node.Node) *node.Status {
	s.t.Helper()
	st, err := n.Status(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	return st
}

// peer returns how a node sees mallory, and nil if it does not.
func (s *scene) peer(n *node.Node) *node.Peer {
	s.t.Helper()
	for _, p := range s.status(n).Peers {
		if p.ID != nil && *p.ID == s.mallory.ID() || p.Address == s.address {
			return &p
		}
	}
	return nil
}

// refuses waits until a node refuses mallory for that reason.
func (s *scene) refuses(n *node.Node, reason string) {
	s.t.Helper()
	var last *node.Peer
	defer func() {
		if s.t.Failed() {
			s.t.Logf("mallory is %+v", last)
		}
	}()
	s.eventually("mallory is refused: "+reason, func() bool {
		last = s.peer(n)
		return last != nil && last.State == node.PeerRefused && strings.Contains(last.Reason, reason)
	})
}

// blamesNobody checks that a node has refused no peer, and no update.
func (s *scene) blamesNobody(n *node.Node) {
	s.t.Helper()
	st := s.status(n)
	for _, p := range st.Peers {
		if p.State == node.PeerRefused {
			s.t.Errorf("peer %+v is refused", p)
		}
	}
	if st.Counts.Rejected != 0 {
		s.t.Errorf("%d updates were refused", st.Counts.Rejected)
	}
}

func (s *scene) author(n *node.Node, id keys.NodeID) (a replica.AuthorStatus) {
	s.t.Helper()
	for _, a := range s.status(n).Authors {
		if a.ID == id {
			return a
		}
	}
	return a
}

// becomes waits until an author's state is so at a node.
func (s *scene) becomes(n *node.Node, id keys.NodeID, state replica.State) {
	s.t.Helper()
	s.eventually(fmt.Sprintf("%v is %s", id, state), func() bool { return s.author(n, id).State == state })
}

// explains waits until that is said of an update.
func (s *scene) explains(n *node.Node, id keys.NodeID, seq uint64, state replica.State) {
	s.t.Helper()
	s.eventually(fmt.Sprintf("update %d of %v is explained as %s", seq, id, state), func() bool {
		x, err := n.Explain(s.t.Context(), id, seq)
		return err == nil && x.State == state && x.Reason != ""
	})
}

// has waits until a node has a value.
func (s *scene) has(n *node.Node, key string) {
	s.t.Helper()
	s.eventually(fmt.Sprintf("%q is there", key), func() bool {
		v, err := n.Get(s.t.Context(), key)
		return err == nil && string(v.Value) == "honest "+key
	})
}

// done waits until mallory has counted so.
func (s *scene) done(what string, enough func(mallory.Stats) bool) {
	s.t.Helper()
	s.eventually("mallory has "+what, func() bool { return enough(s.mallory.Stats()) })
}

// linkedWith checks that a node has a link with another.
func (s *scene) linkedWith(n, other *node.Node) {
	s.t.Helper()
	s.eventually("the nodes are linked", func() bool {
		return slices.ContainsFunc(s.status(n).Peers, func(p node.Peer) bool {
			return p.ID != nil && *p.ID == other.ID() && p.State == node.PeerLinked
		})
	})
}
