package replica_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/internal/wiretest"
	"github.com/hearsaynet/hearsay/replica/store"
	"github.com/hearsaynet/hearsay/replica/wire"
	"github.com/hearsaynet/hearsay/verify"
)

// forkAttacks are by an author x that signs two histories.
func forkAttacks(x *wiretest.Author) map[string]func(t *testing.T) {
	return map[string]func(t *testing.T){
		"fork-order":   forkOrder,
		"fork-late":    func(t *testing.T) { synctest.Test(t, func(t *testing.T) { forkLate(t, x) }) },
		"fork-mid-run": func(t *testing.T) { synctest.Test(t, func(t *testing.T) { forkMidRun(t, x) }) },
		"fork-parent":  func(t *testing.T) { synctest.Test(t, func(t *testing.T) { forkParent(t, x) }) },
		"fork-storm":   func(t *testing.T) { synctest.Test(t, forkStorm) },
		"fork-deep":    func(t *testing.T) { synctest.Test(t, func(t *testing.T) { forkDeep(t, x) }) },
		"fork-import":  func(t *testing.T) { forkImport(t, x) },
		"fork-crash":   func(t *testing.T) { forkCrash(t, x) },
		"fork-unknown": func(t *testing.T) { synctest.Test(t, func(t *testing.T) { forkUnknown(t, x) }) },
		"fork-flying":  func(t *testing.T) { synctest.Test(t, func(t *testing.T) { forkFlying(t, x) }) },
		"fork-drained": func(t *testing.T) { forkDrained(t, x) },
		"fork-third":   func(t *testing.T) { synctest.Test(t, func(t *testing.T) { forkThird(t, x) }) },
		"fork-again":   func(t *testing.T) { synctest.Test(t, func(t *testing.T) { forkAgain(t, x) }) },
	}
}

// branch signs updates after prev, n of them in runs of at most size, whose content
// says which branch they are of.
func branch(x *wiretest.Author, name string, prev wire.Ref, n, size int) (runs []*wire.Run) {
	for n > 0 {
		entries := make([]wire.Entry, min(n, size))
		for i := range entries {
			seq := prev.Seq + uint64(i) + 1
			entries[i] = wiretest.Change(seq, "test", fmt.Sprintf("%s %d", name, seq))
		}
		run := x.Run(topic, prev, entries...)
		runs, prev, n = append(runs, run), run.End(), n-len(entries)
	}
	return runs
}

// tell gives runs to p as a peer would, and waits until each has a verdict.
func tell(t *testing.T, p *peer, x *wiretest.Author, runs ...*wire.Run) {
	t.Helper()
	link := dial(t, p)
	link.key(x)
	link.run(runs...)
	link.sync()
	link.conn.Close()
}

// folded returns the changes of an author that count.
func (j *journal) folded(id keys.NodeID) (changes []string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, u := range j.updates {
		if u.Author == id {
			changes = append(changes, string(u.Change))
		}
	}
	return changes
}

// settle lets a bubble come to rest: longer than any wait between questions.
func settle() {
	time.Sleep(3 * time.Minute)
	synctest.Wait()
}

// cutAt checks that p counts an author's first updates and no others.
func (p *peer) cutAt(t *testing.T, id keys.NodeID, seq uint64, below []string) {
	t.Helper()
	seqs := p.proofs(t)
	if !slices.Equal(seqs, []uint64{seq}) {
		e, _ := p.Explain(t.Context(), id, 0)
		t.Errorf("the proofs are of seqs %d, want one of seq %d; the author is %v: %s", seqs, seq, e.State, e.Reason)
		return
	}
	if got := p.journal.folded(id); !slices.Equal(got, below) {
		t.Errorf("%d updates count, want %d: %q", len(got), len(below), got)
	}
	if got := p.Clock()[id].Seq; got != seq-1 {
		t.Errorf("the frontier is %d, want %d", got, seq-1)
	}
}

func forkOrder(t *testing.T) {
	for seed := range uint64(60) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { forkOrderOnce(t, rand.New(rand.NewPCG(seed, 1))) })
		})
	}
}

// forkOrderOnce hands random parts of two to four branches to replicas in a line, in
// random order, and sees all end alike.
func forkOrderOnce(t *testing.T, rng *rand.Rand) {
	x := wiretest.NewAuthor("x")
	branches := [][]*wire.Run{branch(x, "0", x.Start(), 1+rng.IntN(30), 1+rng.IntN(6))}
	lowest := uint64(1 << 60)
	for i := range 1 + rng.IntN(3) {
		of := branches[rng.IntN(len(branches))]
		at := rng.IntN(len(of)) // after so many of its runs, and some updates more
		prev := x.Start()
		if at > 0 {
			prev = of[at-1].End()
		}
		shared := rng.IntN(of[at].Len())
		entries := slices.Clone(of[at].Entries()[:shared])
		for j := range 1 + rng.IntN(3) {
			entries = append(entries, wiretest.Change(prev.Seq+uint64(shared+j)+1, "test", fmt.Sprintf("branch %d, %d", i+1, j)))
		}
		lowest = min(lowest, prev.Seq+uint64(shared)+1)
		fork := append(slices.Clone(of[:at]), x.Run(topic, prev, entries...))
		branches = append(branches, append(fork, branch(x, fmt.Sprint(i+1), fork[at].End(), rng.IntN(20), 1+rng.IntN(6))...))
	}
	below := wantBelow(branches[0], lowest)

	var peers []*peer
	for i := range 3 + rng.IntN(2) {
		p := open(t, fmt.Sprint("peer", i), nil)
		peers = append(peers, p)
	}
	for i, runs := range branches { // each branch somewhere, and some of them elsewhere too
		tell(t, peers[i%len(peers)], x, runs...)
		if rng.IntN(2) == 0 {
			tell(t, peers[rng.IntN(len(peers))], x, runs[:rng.IntN(len(runs)+1)]...)
		}
	}
	for _, i := range rng.Perm(len(peers) - 1) {
		link(t, peers[i].Replica, peers[i+1].Replica)
		if rng.IntN(2) == 0 {
			settle()
		}
	}
	settle()
	late := open(t, "late", nil)
	link(t, late.Replica, peers[rng.IntN(len(peers))].Replica)
	settle()
	for _, p := range append(peers, late) {
		p.cutAt(t, x.ID(), lowest, below)
	}
}

// wantBelow returns the changes of a branch below seq.
func wantBelow(runs []*wire.Run, seq uint64) (changes []string) {
	for _, run := range runs {
		for i, e := range run.Entries() {
			if run.First()+uint64(i) < seq {
				changes = append(changes, string(e.Change))
			}
		}
	}
	return changes
}

// forkLate: both branches are built upon for long before they meet.
func forkLate(t *testing.T, x *wiretest.Author) {
	shared := branch(x, "shared", x.Start(), 10, 4)
	a := append(slices.Clone(shared), branch(x, "a", shared[2].End(), 3000, 200)...)
	b := append(slices.Clone(shared), branch(x, "b", shared[2].End(), 700, 30)...)
	one, two := open(t, "one", atModern), open(t, "two", atModern)
	tell(t, one, x, a...)
	tell(t, two, x, b...)
	one.write(t, "mine")
	link(t, one.Replica, two.Replica)
	settle()
	for _, p := range []*peer{one, two} {
		p.cutAt(t, x.ID(), 11, wantBelow(a, 11))
		if got := p.journal.folded(one.author.ID()); !slices.Equal(got, []string{"mine"}) {
			t.Errorf("another author has %q after the rebuild, want its update", got)
		}
	}
}

// forkMidRun: the kept part has no signature but the one of a run that goes on.
func forkMidRun(t *testing.T, x *wiretest.Author) {
	whole := branch(x, "a", x.Start(), 10, 10)[0]
	entries := slices.Clone(whole.Entries()[:6])
	other := x.Run(topic, x.Start(), append(entries, wiretest.Change(7, "test", "b 7"))...)
	p := open(t, "p", nil)
	tell(t, p, x, append([]*wire.Run{whole}, branch(x, "a", whole.End(), 2, 1)...)...)
	synctest.Wait()
	tell(t, p, x, other)
	below := wantBelow([]*wire.Run{whole}, 7)
	settle()
	p.cutAt(t, x.ID(), 7, below)
	if n := p.wait(t, "retracted", ofKind(replica.Retracted)); n.Ref.Author != x.ID() || n.Ref.Seq != 7 || n.N != 6 {
		t.Errorf("retracted %d updates from %v, want 6 from seq 7", n.N, n.Ref)
	}
	late := open(t, "late", nil)
	link(t, p.Replica, late.Replica)
	settle()
	late.cutAt(t, x.ID(), 7, below)
	if n := late.Status().Counts.Rejected; n != 0 {
		t.Errorf("%d updates above the cut were sent to a late joiner", n)
	}
	var body []byte
	for run, err := range late.store.Runs(topic, x.Start()) {
		if err != nil {
			t.Fatal(err)
		}
		body = run.Body()
	}
	if string(body) != string(whole.Body()) {
		t.Error("the run that the cut falls into was not passed on whole")
	}
	n := 0
	for u, err := range late.History(nil, replica.ByAuthor) {
		if err != nil {
			t.Fatal(err)
		}
		if n++; u.Seq > 6 {
			t.Errorf("history holds update %d, above the cut", u.Seq)
		}
	}
	if n != 6 {
		t.Errorf("history holds %d updates, want 6", n)
	}
}

// forkParent: updates of others stay when an author that they followed is cut.
func forkParent(t *testing.T, x *wiretest.Author) {
	p := open(t, "p", atModern)
	tell(t, p, x, branch(x, "a", x.Start(), 3, 1)...)
	synctest.Wait()
	p.write(t, "on top of it")
	tell(t, p, x, branch(x, "b", x.Start(), 1, 1)...)
	settle()
	p.cutAt(t, x.ID(), 1, nil)
	if got := p.journal.folded(p.author.ID()); !slices.Equal(got, []string{"on top of it"}) {
		t.Errorf("own updates: %q", got)
	}
}

// forkStorm: an author publishes proofs of ever smaller seqs.
func forkStorm(t *testing.T) {
	const n = 200
	x := wiretest.NewAuthor("x")
	runs := branch(x, "a", x.Start(), n, 1)
	verified := 0
	p := open(t, "p", func(c *replica.Config) {
		c.Verify = func(ctx context.Context, r *verify.Request, done func(verify.Verdict, error)) {
			verified++ // one author: one at a time
			verify.AnyKey()(ctx, r, done)
		}
	})
	tell(t, p, x, runs...)
	q := open(t, "q", nil)
	link(t, p.Replica, q.Replica)
	synctest.Wait()
	storm := dial(t, p)
	storm.key(x)
	for i := n - 1; i >= 1; i-- {
		storm.run(branch(x, "b", runs[i-1].End(), 1, 1)...)
		synctest.Wait()
		storm.run(branch(x, "c", runs[i-1].End(), 1, 1)...) // no news any more
	}
	storm.sync()
	settle()
	if verified > 2*n+10 {
		t.Errorf("%d statements were verified: some above the cut, want about %d", verified, 2*n)
	}
	for _, r := range []*peer{p, q} {
		r.cutAt(t, x.ID(), 2, []string{"a 1"})
		r.journal.mu.Lock()
		resets := r.journal.resets
		r.journal.mu.Unlock()
		if resets > n/4 {
			t.Errorf("%d rebuilds for %d proofs: they were not gathered", resets, n)
		}
	}
}

// forkDeep: two long histories part near the beginning, and meet at their ends.
func forkDeep(t *testing.T, x *wiretest.Author) {
	const n = 40_000
	shared := branch(x, "shared", x.Start(), 700, 250)
	a := append(slices.Clone(shared), branch(x, "a", shared[2].End(), n, 256)...)
	b := append(slices.Clone(shared), branch(x, "b", shared[2].End(), n, 256)...)
	one, two := open(t, "one", nil), open(t, "two", nil)
	tell(t, one, x, a...)
	tell(t, two, x, b...)
	var counters replica.Counters
	ca, cb := pipe()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go one.Sync(ctx, ca, replica.SyncConfig{Counters: &counters})
	go two.Sync(ctx, cb, replica.SyncConfig{})
	settle()
	for _, p := range []*peer{one, two} {
		p.cutAt(t, x.ID(), 701, wantBelow(a, 701))
	}
	if in := counters.UpdatesIn.Load(); in > n/2 {
		t.Errorf("the search took %d updates of the other history, want less than %d", in, n/2)
	}
}

// forkImport: the second history comes in a file.
func forkImport(t *testing.T, x *wiretest.Author) {
	export := func(runs ...*wire.Run) *peer {
		p := open(t, "exporter", nil)
		link := dial(t, p)
		link.key(x)
		link.run(runs...)
		p.reach(t, x.ID(), runs[len(runs)-1].Last())
		return p
	}
	one := branch(x, "a", x.Start(), 3, 3)
	a := export(append(one, branch(x, "a", one[0].End(), 3, 3)...)...)
	b := export(append(one, branch(x, "b", one[0].End(), 2, 2)...)...)
	exchange(t, b, a)
	a.wait(t, "retracted", ofKind(replica.Retracted))
	a.cutAt(t, x.ID(), 4, wantBelow(one, 4))
	exchange(t, a, b) // a's file holds the proof
	b.wait(t, "retracted", ofKind(replica.Retracted))
	b.cutAt(t, x.ID(), 4, wantBelow(one, 4))
}

// exchange imports what from exports into to.
func exchange(t *testing.T, from, to *peer) {
	t.Helper()
	var file bytes.Buffer
	if _, err := from.Export(t.Context(), &file, replica.ExportConfig{}); err != nil {
		t.Fatal(err)
	}
	if _, err := to.Import(t.Context(), &file); err != nil {
		t.Fatal(err)
	}
}

// forkCrash: the process ends between the proof and the cut.
func forkCrash(t *testing.T, x *wiretest.Author) {
	shared := branch(x, "a", x.Start(), 2, 2)
	st := store.NewMemory()
	p := open(t, "p", func(c *replica.Config) { c.Store = failingTruncate{st} })
	link := dial(t, p)
	link.key(x)
	link.run(append(shared, branch(x, "a", shared[0].End(), 5, 5)...)...)
	p.reach(t, x.ID(), 7)
	link.run(branch(x, "b", shared[0].End(), 1, 1)...)
	p.wait(t, "trouble", ofKind(replica.Failed))
	p.Close()
	again := open(t, "p", func(c *replica.Config) { c.Store = st })
	again.cutAt(t, x.ID(), 3, wantBelow(shared, 3))
}

// failingTruncate is a store of which no history can be cut.
type failingTruncate struct{ store.Store }

func (failingTruncate) Truncate(context.Context, string, keys.NodeID, uint64) error {
	return fmt.Errorf("no room to cut")
}

// forkUnknown: proofs of an author that is not admitted move nothing, and come again
// when it is.
func forkUnknown(t *testing.T, x *wiretest.Author) {
	ks := keys.NewMemory()
	p := open(t, "p", nil)
	q := open(t, "q", func(c *replica.Config) { c.Verify, c.Keystore = nil, ks })
	unlisted := open(t, "r", func(c *replica.Config) {
		c.Verify, c.Keystore = nil, struct {
			keys.Keystore
			keys.Notifier
		}{ks, ks}
	})
	link(t, p.Replica, unlisted.Replica)
	shared := branch(x, "a", x.Start(), 2, 2)
	tell(t, p, x, append(shared, branch(x, "a", shared[0].End(), 5, 5)...)...)
	synctest.Wait()
	tell(t, p, x, branch(x, "b", shared[0].End(), 1, 1)...)
	link(t, p.Replica, q.Replica)
	settle()
	if got := q.proofs(t); len(got) != 0 {
		t.Errorf("proofs of a stranger: %v", got)
	}
	ks.Add(x.Key())
	settle()
	q.cutAt(t, x.ID(), 3, wantBelow(shared, 3))
	unlisted.cutAt(t, x.ID(), 3, wantBelow(shared, 3))
}

// slowRecords is a store that writes records when it is let.
type slowRecords struct {
	store.Store
	let chan struct{}
}

func (s slowRecords) PutRecords(ctx context.Context, topic, kind string, rs ...store.Record) error {
	if kind == "proof" {
		<-s.let
	}
	return s.Store.PutRecords(ctx, topic, kind, rs...)
}

// forkFlying: runs are verified while the author is being cut.
func forkFlying(t *testing.T, x *wiretest.Author) {
	shared := branch(x, "a", x.Start(), 4, 2)
	whole := branch(x, "a", shared[1].End(), 4, 4)[0]
	st := slowRecords{store.NewMemory(), make(chan struct{})}
	p := open(t, "p", func(c *replica.Config) { c.Store = st })
	link := dial(t, p)
	link.key(x)
	link.run(append(shared, whole)...)
	p.reach(t, x.ID(), 8)
	entries := slices.Clone(whole.Entries()[:1])
	link.run(x.Run(topic, shared[1].End(), append(entries, wiretest.Change(6, "test", "b"))...)) // cuts at 6
	synctest.Wait()
	link.run(branch(x, "a", whole.End(), 3, 3)...)                                                       // above it
	link.run(x.Run(topic, shared[1].End(), append(whole.Entries(), wiretest.Change(9, "test", "a"))...)) // across it
	synctest.Wait()
	close(st.let)
	settle()
	p.cutAt(t, x.ID(), 6, append(wantBelow(shared, 6), "a 5"))
	if n := p.Status(); n.Write != nil {
		t.Errorf("the store is in trouble: %v", n.Write)
	}
}

// forkDrained: a session that ends when drained has brought the proofs.
func forkDrained(t *testing.T, x *wiretest.Author) {
	parted := make(chan struct{})
	p := open(t, "p", nil)
	late := open(t, "late", func(c *replica.Config) {
		c.Verify = func(ctx context.Context, r *verify.Request, done func(verify.Verdict, error)) {
			<-parted
			verify.AnyKey()(ctx, r, done)
		}
	})
	link := dial(t, p)
	link.key(x)
	link.run(branch(x, "a", x.Start(), 1, 1)...)
	link.run(branch(x, "b", x.Start(), 1, 1)...)
	p.wait(t, "forked", ofKind(replica.Forked))
	ca, cb := pipe()
	ended := make(chan error, 2)
	go func() {
		ended <- p.Sync(t.Context(), ca, replica.SyncConfig{StopWhenDrained: true})
		close(parted)
	}()
	go func() { ended <- late.Sync(t.Context(), cb, replica.SyncConfig{StopWhenDrained: true}) }()
	for range 2 {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	late.cutAt(t, x.ID(), 1, nil)
}

// forkThird: after a cut, what is left is shown to all, who may have a third history.
func forkThird(t *testing.T, x *wiretest.Author) {
	p := open(t, "p", nil)
	runs := branch(x, "a", x.Start(), 5, 1)
	tell(t, p, x, runs...)
	synctest.Wait()
	link := dial(t, p)
	link.digest(1, wire.UnnamedWanted)
	link.sync()
	for len(link.digests) > 0 {
		<-link.digests
	}
	tell(t, p, x, branch(x, "b", runs[2].End(), 1, 1)...)
	if ref := link.asked(x.ID()); ref != runs[2].End() {
		t.Errorf("shown %v, want what is left: %v", ref, runs[2].End())
	}
}

// forkAgain: a peer that is told of a cut and shows a history above it is told again.
func forkAgain(t *testing.T, x *wiretest.Author) {
	p := open(t, "p", nil)
	runs := branch(x, "a", x.Start(), 3, 1)
	tell(t, p, x, runs...)
	synctest.Wait()
	tell(t, p, x, branch(x, "b", x.Start(), 1, 1)...)
	p.wait(t, "forked", ofKind(replica.Forked))
	link := dial(t, p)
	for range 3 {
		link.digest(1, wire.UnnamedNotWanted, runs[2].End())
		for <-link.dones != 1 {
		}
		if len(link.proofs) != 1 {
			t.Fatalf("%d proofs came before Done, want 1", len(link.proofs))
		}
		if proof := <-link.proofs; proof.UnverifiedSeq() != 1 {
			t.Errorf("a proof of seq %d, want 1", proof.UnverifiedSeq())
		}
	}
}
