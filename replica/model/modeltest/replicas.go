package modeltest

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"slices"
	"sync"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/internal/wiretest"
	"github.com/hearsaynet/hearsay/replica/store"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// node is a replica with a model under examination. It lives in a synctest bubble.
type node struct {
	*replica.Replica
	*subject
	admitted *keys.Memory
	unmount  func()
}

// node opens a replica whose own author is self, nil for none, and which has runs.
func (k Kit) node(t *rapid.T, self *wiretest.Author, admitted []*wiretest.Author, runs ...*wire.Run) *node {
	t.Helper()
	n := &node{admitted: keys.NewMemory()}
	for _, a := range admitted {
		n.admitted.Add(a.Key())
	}
	cfg := replica.Config{Topic: topic, Store: store.NewMemory(), Keystore: n.admitted, Now: Now}
	if self != nil {
		cfg.Signer = wiretest.Signer{Author: self}
	}
	if err := cfg.Store.Append(t.Context(), runs...); err != nil {
		t.Fatal(err)
	}
	var err error
	if n.Replica, err = replica.Open(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Replica.Close() })
	n.mount(t, k)
	return n
}

// mount puts a new model in the place of the one before.
func (n *node) mount(t *rapid.T, k Kit) {
	t.Helper()
	if n.unmount != nil {
		n.unmount()
	}
	n.subject = k.open(t)
	var err error
	if n.unmount, err = n.Mount(channel, n.Model); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.unmount)
}

// take imports statements and waits until they are settled.
func (n *node) take(t *rapid.T, statements ...wire.Statement) {
	t.Helper()
	var file bytes.Buffer
	w, err := wire.NewExportWriter(&file, "modeltest", topic)
	for _, s := range statements {
		if err == nil {
			err = w.Write(s)
		}
	}
	if err == nil {
		err = w.Close()
	}
	if err == nil {
		_, err = n.Import(t.Context(), &file)
	}
	if err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
}

// due returns those of us whose time has come for n.
func (n *node) due(us []replica.Update) []replica.Update {
	limit := uint64(n.Now().Add(replica.DefaultMaxSkew).UnixNano())
	return slices.DeleteFunc(slices.Clone(us), func(u replica.Update) bool { return u.Time > limit })
}

// shows checks that n's readers see what the due ones of us make.
func (n *node) shows(t *rapid.T, k Kit, us []replica.Update, who string) {
	t.Helper()
	due := n.due(us)
	if got, want := n.State(), k.fold(t, due).State(); got != want {
		t.Fatalf("%s does not show what the %d updates make that count.%s\nThose updates:\n%s",
			who, len(due), differ(got, want), list(due))
	}
}

// join holds a session between two nodes until the check ends.
func join(t *rapid.T, a, b *node) {
	left, right := net.Pipe()
	ctx, cancel := context.WithCancel(context.Background())
	var sessions sync.WaitGroup
	sessions.Go(func() { a.Sync(ctx, left, replica.SyncConfig{}) })
	sessions.Go(func() { b.Sync(ctx, right, replica.SyncConfig{}) })
	t.Cleanup(func() { cancel(); sessions.Wait() })
}

// sign has an author sign its updates in us as runs of drawn lengths.
func sign(t *rapid.T, a *wiretest.Author, us []replica.Update) (runs []*wire.Run) {
	us = of(us, a.ID())
	prev := a.Start()
	for len(us) > 0 {
		n := rapid.IntRange(1, len(us)).Draw(t, "run")
		run := a.Run(topic, prev, entries(us[:n])...)
		runs, prev, us = append(runs, run), run.End(), us[n:]
	}
	return runs
}

func entries(us []replica.Update) []wire.Entry {
	es := make([]wire.Entry, len(us))
	for i, u := range us {
		es[i] = wire.Entry{Time: u.Time, Kind: wire.KindChange, Channel: u.Channel, Change: u.Change}
	}
	return es
}

// statements are the runs of all authors in a drawn order.
func statements(t *rapid.T, us []replica.Update) (mixed []wire.Statement) {
	left := make(map[string][]*wire.Run)
	var turns []string
	for i, a := range cast {
		left[names[i]] = sign(t, a, us)
		for range left[names[i]] {
			turns = append(turns, names[i])
		}
	}
	for _, name := range rapid.Permutation(turns).Draw(t, "runs") {
		mixed, left[name] = append(mixed, left[name][0]), left[name][1:]
	}
	return mixed
}

// replicas: however the updates came, all replicas show the same.
func (k Kit) replicas(t *rapid.T) {
	h := drawHistory(t, k)
	files := [2][]wire.Statement{statements(t, h.updates), statements(t, h.updates)}
	rapid.SyncTest(t, func(t *rapid.T) {
		writer := k.node(t, cast[0], cast, sign(t, cast[0], h.updates)...)
		writer.take(t, files[0]...)
		reader := k.node(t, nil, cast)
		reader.take(t, files[1]...)
		reader.take(t, files[0]...) // again, in other runs
		late := k.node(t, cast[1], cast)
		join(t, late, writer)
		join(t, reader, late)
		check := func(when string) {
			t.Helper()
			synctest.Wait()
			for name, n := range map[string]*node{"the first author's replica": writer, "a reader's replica": reader, "a replica that got all from peers": late} {
				if got := len(slices.Collect(refs(n))); got != len(h.updates) {
					t.Fatalf("%s has %d updates of %d", name, got, len(h.updates))
				}
				n.shows(t, k, h.updates, name+" "+when)
			}
		}
		time.Sleep(30 * time.Second)
		check("at first")
		time.Sleep(2 * time.Minute)
		check("when parked updates have had their time")
		reader.mount(t, k)
		check("when it has been mounted again")
	})
}

// refs yields what counts for a replica.
func refs(n *node) func(yield func(wire.Ref) bool) {
	return func(yield func(wire.Ref) bool) {
		for u, err := range n.History(nil, replica.ByAuthor) {
			if err != nil {
				panic(err) // a store in memory has no errors
			}
			if !yield(u.Ref) {
				return
			}
		}
	}
}

// step is something that happens to a replica.
type step struct {
	did, who string
	seq      int // where a fork begins
}

func (s step) String() string   { return s.did + " " + s.who }
func (s step) GoString() string { return fmt.Sprintf("\n  %v, seq %d", s, s.seq) }

var drawStep = rapid.Custom(func(t *rapid.T) step {
	return step{
		rapid.SampledFrom([]string{"send", "send all", "withdraw", "admit", "fork", "wait"}).Draw(t, "step"),
		rapid.SampledFrom(names).Draw(t, "author"),
		rapid.IntRange(1, maxHistory).Draw(t, "seq"),
	}
})

// admissions: only what counts now matters, not what has counted meanwhile.
func (k Kit) admissions(t *rapid.T) {
	h := drawHistory(t, k)
	runs := make(map[string][]*wire.Run)
	for i, a := range cast {
		runs[names[i]] = sign(t, a, h.updates)
	}
	var steps []step
	for range 3 {
		steps = append(steps, rapid.SliceOfN(drawStep, 0, 8).Draw(t, "steps")...)
	}
	rapid.SyncTest(t, func(t *rapid.T) {
		n := k.node(t, nil, cast)
		for _, s := range steps {
			n.happens(t, s, h.updates, runs)
		}
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		counts := slices.Collect(refs(n))
		us := slices.DeleteFunc(slices.Clone(h.updates), func(u replica.Update) bool { return !slices.Contains(counts, u.Ref) })
		if len(us) != len(counts) {
			t.Fatalf("the replica counts %d updates, %d of the history", len(counts), len(us))
		}
		n.shows(t, k, us, fmt.Sprintf("behind %q a replica", steps))
		n.mount(t, k)
		n.shows(t, k, us, fmt.Sprintf("behind %q a replica that was mounted anew", steps))
	})
}

// happens does a step. It takes the runs that it sends from runs.
func (n *node) happens(t *rapid.T, s step, us []replica.Update, runs map[string][]*wire.Run) {
	t.Helper()
	a := cast[slices.Index(names, s.who)]
	switch left := runs[s.who]; s.did {
	case "send", "send all":
		count := len(left)
		if s.did == "send" {
			count = min(count, 1)
		}
		for _, run := range left[:count] {
			n.take(t, run)
		}
		runs[s.who] = left[count:]
	case "withdraw":
		n.admitted.Remove(a.ID())
	case "admit":
		n.admitted.Add(a.Key())
	case "fork":
		if us := of(us, a.ID()); len(us) > 0 {
			n.take(t, fork(a, us, 1+(s.seq-1)%len(us)))
		}
	case "wait":
		time.Sleep(time.Second)
	}
}

// fork is the proof that an author has signed two updates of one seq.
func fork(a *wiretest.Author, us []replica.Update, seq int) *wire.Proof {
	prev := a.Start()
	if seq > 1 {
		prev = us[seq-2].Ref
	}
	one := entries(us[seq-1 : seq])
	other := slices.Clone(one)
	other[0].Time ^= 1
	p, err := wire.NewProof(a.Run(topic, prev, one...), a.Run(topic, prev, other...), us[seq-1].Seq)
	if err != nil {
		panic(err)
	}
	return p
}

// explained: what means nothing to the model is counted, and the reason is told.
func (k Kit) explained(t *rapid.T) {
	h := drawHistory(t, k)
	for range rapid.IntRange(1, maxHostile).Draw(t, "hostile") {
		h.write(drawAuthor(t, "author"), began, h.drawHostile(t))
	}
	rapid.SyncTest(t, func(t *rapid.T) {
		n := k.node(t, nil, cast)
		notices := n.Notices(t.Context())
		judge := k.start(t)
		var ignored uint64
		for _, a := range cast {
			for i, u := range of(h.updates, a.ID()) {
				prev := a.Start()
				if i > 0 {
					prev = of(h.updates, a.ID())[i-1].Ref
				}
				n.take(t, a.Run(topic, prev, entries([]replica.Update{u})...))
				want, state := replica.Parked, replica.StateParked
				if len(n.due([]replica.Update{u})) > 0 {
					changed, err := judge.applyOne(t, u)
					want, state = replica.Superseded, replica.StateApplied
					if err != nil {
						want, state = replica.Ignored, replica.StateIgnored
						ignored++
					} else if changed {
						want = replica.Applied
					}
				}
				told(t, notices, u, want)
				if x, err := n.Explain(t.Context(), u.Author, u.Seq); err != nil || x.State != state || x.Reason == "" {
					t.Fatalf("the replica explains it as %v (%q), %v, want %v: %s", x.State, x.Reason, err, state, describe(u))
				}
			}
		}
		if got := n.Status().Counts.Ignored; got != ignored {
			t.Fatalf("the replica has counted %d updates that are an error, want %d, of\n%s", got, ignored, h)
		}
	})
}

// told checks the notice of an update.
func told(t *rapid.T, notices <-chan replica.Notice, u replica.Update, want replica.NoticeKind) {
	t.Helper()
	for {
		select {
		case got := <-notices:
			if got.Ref != u.Ref {
				continue
			}
			if got.Kind != want || want == replica.Ignored && got.Reason == "" {
				t.Fatalf("the notice is %v (%q), want %v, of %s", got.Kind, got.Reason, want, describe(u))
			}
			return
		default:
			t.Fatalf("there is no notice, want %v, of %s", want, describe(u))
		}
	}
}
