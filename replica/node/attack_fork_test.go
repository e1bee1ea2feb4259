package node_test

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"github.com/hearsaynet/hearsay/replica/internal/wiretest"
	"github.com/hearsaynet/hearsay/replica/node"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// fork signs n updates of another history, which leaves runs after their update of seq
// at.
func fork(x *wiretest.Author, runs []*wire.Run, at uint64, value string, n, size int) (other []*wire.Run) {
	prev := x.Start()
	var entries []wire.Entry
	for _, r := range runs {
		if r.Last() <= at {
			other, prev = append(other, r), r.End()
		} else if r.First() <= at {
			entries = slices.Clone(r.Entries()[:at-r.First()+1])
		}
	}
	entries = append(entries, setting(lately(at+1), fmt.Sprintf("k%d", at+1), value))
	first := x.Run(node.DefaultTopic, prev, entries...)
	return append(append(other, first), history(x, value, first.End(), n-1, size)...)
}

// attackForkOrder: two nodes hear two histories in opposite order, a third hears the one
// and then of the other, and a fourth comes when all is over.
func attackForkOrder(t *testing.T) {
	x := wiretest.NewAuthor("x")
	a := history(x, "a", x.Start(), 9, 3)
	b := fork(x, a, 4, "b", 5, 2)
	one := up(t, "one", node.Options{AnyKey: true})
	two := up(t, "two", node.Options{AnyKey: true})
	for n, histories := range map[*node.Node][][]*wire.Run{one: {a, b}, two: {b, a}} {
		p := play(t, n)
		for _, h := range histories {
			p.tell(x, h...)
			p.sync()
		}
	}
	three := up(t, "three", node.Options{AnyKey: true, Peers: []string{at(one), at(two)}})
	play(t, three).tell(x, a...)
	cutAt(t, x.ID(), 5, "a", one, two, three)
	late := up(t, "late", node.Options{AnyKey: true, Peers: []string{at(three)}})
	cutAt(t, x.ID(), 5, "a", late)
	alike(t, one, two, three, late)
	for _, n := range []*node.Node{one, two, three, late} {
		got := proofs(t, n)
		if len(got) != 1 || !bytes.Equal(got[0].Body(), proofs(t, one)[0].Body()) {
			t.Errorf("%d proofs, or another one", len(got))
		}
		blamesOnly(t, n)
	}
}

// attackForkLate: two histories are built upon for long before they meet.
func attackForkLate(t *testing.T) {
	x := wiretest.NewAuthor("x")
	a := history(x, "a", x.Start(), 3000, 200)
	b := fork(x, a, 10, "b", 700, 30)
	relay := up(t, "relay", node.Options{Relay: true, AnyKey: true})
	one := up(t, "one", node.Options{AnyKey: true, Peers: []string{at(relay)}})
	play(t, one).tell(x, a...)
	reaches(t, relay, x.ID(), 3000)
	set(t, one, "mine", "v")
	two := up(t, "two", node.Options{AnyKey: true})
	play(t, two).tell(x, b...)
	reaches(t, two, x.ID(), 710)
	set(t, two, "mine too", "v")
	stop(t, two)
	two = up(t, "two again", node.Options{Dir: two.Dir(), AnyKey: true, Peers: []string{at(relay)}})
	cutAt(t, x.ID(), 11, "a", one, two)
	for _, n := range []*node.Node{one, two} {
		waitValue(t, n, "mine", "v")
		waitValue(t, n, "mine too", "v")
		blamesOnly(t, n)
	}
	alike(t, one, two)
	blamesOnly(t, relay)
}

// attackForkMidRun: the two histories part within a run that has one signature.
func attackForkMidRun(t *testing.T) {
	x := wiretest.NewAuthor("x")
	a := history(x, "a", x.Start(), 12, 10)
	n := up(t, "n", node.Options{AnyKey: true})
	play(t, n).tell(x, a...)
	reaches(t, n, x.ID(), 12)
	play(t, n).tell(x, fork(x, a, 6, "b", 1, 1)...)
	cutAt(t, x.ID(), 7, "a", n)
	listener := play(t, n)
	listener.listen()
	listener.until("the run that the cut falls into is passed on whole, and the proof", func() bool {
		return len(listener.runs) == 1 && bytes.Equal(listener.runs[0].UnverifiedBody(), a[0].Body()) && len(listener.proofs) == 1
	})
	dir := n.Dir()
	stop(t, n)
	n = up(t, "again", node.Options{Dir: dir, AnyKey: true})
	late := up(t, "late", node.Options{AnyKey: true, Peers: []string{at(n)}})
	cutAt(t, x.ID(), 7, "a", n, late)
	alike(t, n, late)
	blamesOnly(t, late)
}

// attackForkStorm: one author proves its fork at ever smaller seqs, and a crowd of
// authors forks once each. Others write on.
func attackForkStorm(t *testing.T) {
	const proofsOfX, crowd = 40, 60
	x := wiretest.NewAuthor("x")
	runs := history(x, "a", x.Start(), proofsOfX, 1)
	n := up(t, "n", node.Options{AnyKey: true})
	b := up(t, "b", node.Options{AnyKey: true, Peers: []string{at(n)}})
	storm := play(t, n)
	storm.tell(x, runs...)
	reaches(t, b, x.ID(), proofsOfX)
	var last []*wire.Run
	for at := proofsOfX - 1; at > 0; at-- {
		last = fork(x, runs, uint64(at), "b", 1, 1)
		storm.tell(x, last[at])
	}
	others := wiretest.NewAuthors("other", crowd)
	for _, o := range others {
		storm.tell(o, history(o, "a", o.Start(), 1, 1)...)
		storm.tell(o, history(o, "b", o.Start(), 1, 1)...)
	}
	for i := range 5 {
		key := fmt.Sprint("honest ", i)
		set(t, b, key, "v")
		waitValue(t, n, key, "v")
	}
	cutAt(t, x.ID(), 2, "a", n, b)
	for _, n := range []*node.Node{n, b} {
		eventually(t, "each of the crowd is cut", func() bool { return len(proofs(t, n)) == crowd+1 })
		if got := counts(t, n, others[0].ID()); got != "" {
			t.Errorf("of an author that forked at once %q counts", got)
		}
	}
	alike(t, n, b)
	storm.tell(x, fork(x, runs, 20, "c", 1, 1)[20]) // no news any more
	storm.sync()
	if got := len(proofs(t, n)); got != crowd+1 {
		t.Errorf("%d proofs, want one an author", got)
	}
	blamesOnly(t, n)
	blamesOnly(t, b)
}

// attackForkParent: others have built upon an author that is cut, and have been
// overwritten by it.
func attackForkParent(t *testing.T) {
	x, y := wiretest.NewAuthor("x"), wiretest.NewAuthor("y")
	n := up(t, "n", node.Options{AnyKey: true})
	b := up(t, "b", node.Options{AnyKey: true, Peers: []string{at(n)}})
	p := play(t, n)
	p.tell(y, y.Run(node.DefaultTopic, y.Start(), setting(lately(0), "k1", "of y"), setting(lately(0), "k2", "of y")))
	waitValue(t, b, "k1", "of y")
	a := history(x, "of x", x.Start(), 3, 1) // later
	p.tell(x, a...)
	waitValue(t, b, "k1", "of x")
	waitValue(t, b, "k3", "of x")
	set(t, b, "k3", "on top of x")
	waitValue(t, n, "k3", "on top of x")
	p.tell(x, fork(x, a, 0, "fork of x", 2, 1)...)
	cutAt(t, x.ID(), 1, "", n, b)
	for _, n := range []*node.Node{n, b} {
		waitValue(t, n, "k1", "of y")
		waitValue(t, n, "k2", "of y")
		waitValue(t, n, "k3", "on top of x")
	}
	alike(t, n, b)
	blamesOnly(t, n)
}
