package node_test

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/hearsaynet/hearsay/keygen"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/internal/wiretest"
	"github.com/hearsaynet/hearsay/replica/node"
	"github.com/hearsaynet/hearsay/replica/wire"
	"github.com/hearsaynet/hearsay/sign"
)

// twin is an author that a node can be, and that puppets write as.
func twin(t *testing.T, seed string) (keyFile string, x *wiretest.Author) {
	t.Helper()
	x = wiretest.NewAuthor(seed)
	secret := sha256.Sum256([]byte("wiretest " + seed))
	key, err := sign.NewEd25519(ed25519.NewKeyFromSeed(secret[:]))
	if err != nil {
		t.Fatal(err)
	}
	if key.Public().ID() != x.ID() {
		t.Fatal("package wiretest makes its keys in another way now")
	}
	keyFile = filepath.Join(t.TempDir(), "key")
	if err := keygen.WriteFiles(keyFile, key, "", nil); err != nil {
		t.Fatal(err)
	}
	return keyFile, x
}

// stopped checks that n does not write, and says why.
func stopped(t *testing.T, n *node.Node, code string, why error) {
	t.Helper()
	eventually(t, "writing has stopped: "+code, func() bool { return status(t, n).WriteCode == code })
	if _, err := n.Set(t.Context(), "k", nil); !errors.Is(err, why) {
		t.Errorf("set: %v, want %v", err, why)
	}
}

// attackForkSelf: an author by its own accident.
func attackForkSelf(t *testing.T) {
	t.Run("restored backup", attackRestored)
	t.Run("key on two machines", attackTwoMachines)
	t.Run("second history", attackSecondHistory)
}

// attackRestored: a store goes back to an older state of itself.
func attackRestored(t *testing.T) {
	p := up(t, "peer", node.Options{AnyKey: true})
	dir := newDir(t)
	o := node.Options{Dir: dir, AnyKey: true, Peers: []string{at(p)}}
	n := up(t, "n", o)
	id := n.ID()
	set(t, n, "k", "1")
	stop(t, n)
	path := filepath.Join(dir, "store.db")
	backup, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	n = up(t, "later", o)
	set(t, n, "k", "2")
	set(t, n, "k", "3")
	waitValue(t, p, "k", "3")
	stop(t, n)
	if err := os.Rename(path, path+".lost"); err != nil {
		t.Fatal(err)
	}
	write(t, path, string(backup))
	n = up(t, "restored", o)
	ref, err := n.Set(t.Context(), "k", []byte("4"))
	if err != nil || ref.Seq != 4 {
		t.Errorf("the first write of a restored store: %+v, %v; want seq 4", ref, err)
	}
	waitValue(t, p, "k", "4")
	if a := authorAt(t, p, id); a.State != replica.StateOK || len(proofs(t, p)) != 0 {
		t.Errorf("at the peer the author is %+v", a)
	}
}

// attackTwoMachines: another machine goes on with our history.
func attackTwoMachines(t *testing.T) {
	key, x := twin(t, "x")
	b := up(t, "b", node.Options{AnyKey: true})
	n := up(t, "n", node.Options{KeyFile: key, Force: true, AnyKey: true, Peers: []string{at(b)}})
	set(t, n, "mine", "v")
	waitValue(t, b, "mine", "v")
	listener := play(t, b)
	listener.listen()
	listener.until("our history is known", func() bool { return len(listener.runs) == 1 })
	elsewhere := history(x, "elsewhere", listener.runs[0].UnverifiedEnd(), 1, 1)
	play(t, b).tell(x, elsewhere...)
	stopped(t, n, "writes-elsewhere", replica.ErrWritesElsewhere)
	waitValue(t, n, "k2", "elsewhere") // it counts all the same
	if got := len(proofs(t, n)) + len(proofs(t, b)); got != 0 {
		t.Errorf("%d proofs: nobody has forked", got)
	}
	blamesOnly(t, b)
}

// attackSecondHistory: another machine has begun where we did.
func attackSecondHistory(t *testing.T) {
	key, x := twin(t, "x")
	b := up(t, "b", node.Options{AnyKey: true})
	n := up(t, "n", node.Options{KeyFile: key, Force: true, AnyKey: true, Peers: []string{at(b)}})
	set(t, n, "mine", "v")
	set(t, b, "others", "v")
	waitValue(t, b, "mine", "v")
	play(t, b).tell(x, history(x, "elsewhere", x.Start(), 2, 1)...)
	stopped(t, n, "forked", replica.ErrForked)
	cutAt(t, x.ID(), 1, "", n, b)
	waitValue(t, n, "others", "v")
	alike(t, n, b)
	dir := n.Dir()
	stop(t, n)
	n = up(t, "again", node.Options{Dir: dir, AnyKey: true, Force: true})
	stopped(t, n, "forked", replica.ErrForked) // nothing repairs that
}

// attackGuardLies: what the only peer of a restored author may say.
func attackGuardLies(t *testing.T) {
	t.Run("yesterday", attackOldFrontier)
	t.Run("tail withheld", attackOwnTail)
	t.Run("claims", attackOwnClaims)
	t.Run("mirror", attackMirror)
}

// attackOldFrontier: the relay knows seq 1 only, as it says. When another peer shows
// what came after it, writing stops at once.
func attackOldFrontier(t *testing.T) {
	key, x := twin(t, "x")
	runs := history(x, "before", x.Start(), 3, 1)
	s := newStage(t, keyFrame(x), runFrame(runs[0].Body()))
	n := up(t, "n", node.Options{KeyFile: key, AnyKey: true, Peers: []string{s.address}})
	reaches(t, n, x.ID(), 1)
	ref, err := n.Set(t.Context(), "mine", []byte("v"))
	if err != nil || ref.Seq != 2 {
		t.Fatalf("set: %+v, %v; want seq 2", ref, err)
	}
	play(t, n).tell(x, runs[1:]...)
	stopped(t, n, "forked", replica.ErrForked)
	cutAt(t, x.ID(), 2, "before", n)
	blamesOnly(t, n)
}

// attackOwnTail: the relay keeps back own updates, and not the own head that tells of
// them.
func attackOwnTail(t *testing.T) {
	key, x := twin(t, "x")
	runs := history(x, "before", x.Start(), 3, 1)
	s := newStage(t, keyFrame(x), headFrame(head(x, runs[2].End(), time.Now().Add(-time.Hour))), runFrame(runs[0].Body()))
	n := up(t, "n", node.Options{KeyFile: key, AnyKey: true, Peers: []string{s.address}})
	reaches(t, n, x.ID(), 1)
	waits(t, n)
	play(t, n).tell(x, runs[1:]...)
	reaches(t, n, x.ID(), 3)
	ref, err := n.Set(t.Context(), "mine", []byte("v"))
	if err != nil || ref.Seq != 4 {
		t.Errorf("set: %+v, %v; want seq 4", ref, err)
	}
	blamesOnly(t, n)
}

// waits checks that n holds a write up.
func waits(t *testing.T, n *node.Node) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := n.Set(ctx, "k", nil); !errors.Is(err, replica.ErrUnconfirmed) {
		t.Errorf("set: %v, want it held up", err)
	}
}

// writes checks that nothing holds a write of n up: what does, does for 30 s.
func writes(t *testing.T, n *node.Node) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if _, err := n.Set(ctx, "more", nil); err != nil {
		t.Errorf("set: %v", err)
	}
}

// attackOwnClaims: a mere claim about own updates lets nobody write, and stops nobody
// who may.
func attackOwnClaims(t *testing.T) {
	far := func(n *node.Node) wire.Ref { return wire.Ref{Author: n.ID(), Seq: wire.MaxInteger, Hash: wire.Hash{1}} }
	n := up(t, "n", node.Options{AnyKey: true})
	set(t, n, "k", "v")
	liar := play(t, n)
	liar.listen(far(n))
	writes(t, n)

	key, _ := keyFile(t)
	s := newStage(t)
	restored := up(t, "restored", node.Options{KeyFile: key, AnyKey: true, Peers: []string{s.address}})
	s.next(t).listen(far(restored))
	eventually(t, "the liar has answered", func() bool {
		l, ok := oneSession(status(t, restored))
		return ok && l.Drained
	})
	waits(t, restored) // package replica tests that this ends
	if a := authorAt(t, restored, restored.ID()); a.Seq != 0 {
		t.Errorf("a claim has moved the own frontier: %+v", a)
	}
	blamesOnly(t, n)
	blamesOnly(t, restored)
}

// attackMirror: the only peer leads back to the node itself.
func attackMirror(t *testing.T) {
	key, _ := keyFile(t)
	address, to := mirror(t)
	n := up(t, "n", node.Options{KeyFile: key, AnyKey: true, Peers: []string{address}})
	to <- n.ListenAddrs()[0]
	eventually(t, "the mirror is refused", func() bool { return status(t, n).Peers[0].State == node.PeerRefused })
	waits(t, n)
	if s := status(t, n); s.WriteCode == "" {
		t.Error("a reflection was taken for an answer")
	}
}
