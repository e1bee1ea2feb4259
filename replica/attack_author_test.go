package replica_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/internal/wiretest"
	"github.com/hearsaynet/hearsay/replica/store"
	"github.com/hearsaynet/hearsay/replica/wire"
)

func ownID(t *testing.T) {
	p := open(t, "p", nil)
	p.write(t, "mine")
	me := wiretest.NewAuthor("p")
	link := dial(t, p)
	forged := me.Run(topic, p.Clock()[me.ID()], wiretest.Change(1, "test", "not mine"))
	link.send(wire.FrameRun, tampered(forged, 1))
	link.blamed(wire.CloseRefused)
	if got := p.Clock()[me.ID()].Seq; got != 1 {
		t.Errorf("own frontier is %d, want 1", got)
	}
	p.write(t, "still mine")
}

// gated is a store whose appends wait, or fail.
type gated struct {
	store.Store
	mu   sync.Mutex
	fail error
}

func (g *gated) Append(ctx context.Context, runs ...*wire.Run) error {
	g.mu.Lock()
	err := g.fail
	g.mu.Unlock()
	if err != nil {
		return err
	}
	return g.Store.Append(ctx, runs...)
}

func (g *gated) set(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.fail = err
}

func sentBeforeDurable(t *testing.T) {
	g := &gated{Store: store.NewMemory(), fail: errors.New("disk full")}
	var signed [][]byte
	var mu sync.Mutex
	agent := signer{Author: wiretest.NewAuthor("p")}
	p := open(t, "p", func(c *replica.Config) {
		c.Store = g
		c.Signer = recording{agent, &mu, &signed}
	})
	other := dial(t, p)
	other.digest(1, wire.UnnamedWanted)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := p.LocalUpdate(ctx, "test", []byte("first"))
		done <- err
	}()
	p.wait(t, "trouble", ofKind(replica.Failed))
	mustErr(t, p.Status().Write, g.fail)
	cancel()
	mustErr(t, <-done, context.Canceled)
	other.sync()
	if len(other.runs) != 0 || len(p.Clock()) != 0 {
		t.Error("something left the process before it was durable")
	}
	g.set(nil)
	p.write(t, "second")
	mustErr(t, p.Status().Write, nil)
	var changes []string
	for _, u := range p.journal.updates {
		changes = append(changes, string(u.Change))
	}
	if !slices.Equal(changes, []string{"first", "second"}) {
		t.Errorf("wrote %q, want what was signed first, then the second", changes)
	}
	mu.Lock()
	defer mu.Unlock()
	seen := map[uint64]wire.Hash{}
	for _, msg := range signed {
		h, err := wire.ParseHeader(msg)
		if err != nil {
			t.Fatal(err)
		}
		if old, ok := seen[h.Seq]; ok && old != h.Hash() {
			t.Errorf("seq %d was signed with two contents", h.Seq)
		}
		seen[h.Seq] = h.Hash()
	}
}

// recording keeps the messages that it signed.
type recording struct {
	signer
	mu     *sync.Mutex
	signed *[][]byte
}

func (r recording) Sign(ctx context.Context, namespace string, msg []byte) ([]byte, error) {
	r.mu.Lock()
	*r.signed = append(*r.signed, msg)
	r.mu.Unlock()
	return r.signer.Sign(ctx, namespace, msg)
}

func forkSelf(t *testing.T) {
	p, q := open(t, "p", nil), open(t, "q", nil)
	cut := link(t, p.Replica, q.Replica)
	p.write(t, "1", "2", "3")
	q.reach(t, p.author.ID(), 3)
	cut()
	p.Close()

	// A new store under the old key: refuses to write until it has asked.
	again := open(t, "p", func(c *replica.Config) { c.Guard = replica.Guard{Suspect: true} })
	_, err := again.LocalUpdate(t.Context(), "test", []byte("too early"))
	mustErr(t, err, replica.ErrUnconfirmed)
	link(t, again.Replica, q.Replica)
	again.wait(t, "drained", ofKind(replica.Drained))
	ref, err := again.LocalUpdate(t.Context(), "test", []byte("4"))
	if err != nil || ref.Seq != 4 {
		t.Errorf("wrote seq %d, %v after asking; want 4", ref.Seq, err)
	}
	q.reach(t, p.author.ID(), 4)

	// A second node with the same key: writing stops when its updates show up.
	twin := open(t, "p", nil)
	copy := dial(t, twin)
	for run, err := range again.store.Runs(topic, wire.Ref{Author: p.author.ID()}) {
		if err != nil {
			t.Fatal(err)
		}
		copy.run(run)
	}
	twin.wait(t, "trouble", ofKind(replica.Failed))
	_, err = twin.LocalUpdate(t.Context(), "test", []byte("second history"))
	mustErr(t, err, replica.ErrWritesElsewhere)
}

func guardLies(t *testing.T) {
	me := wiretest.NewAuthor("p")
	p := open(t, "p", func(c *replica.Config) {
		c.Now = modern
		c.Guard = replica.Guard{Suspect: true, Peers: []string{"relay"}}
	})
	relay := dialAs(t, p, "relay") // answers every digest with Done
	relay.digest(1, wire.UnnamedWanted, wire.Ref{Author: me.ID(), Seq: wire.MaxInteger, Hash: wire.Hash{1}})
	relay.sync()
	start := time.Now()
	ref, err := p.LocalUpdate(t.Context(), "test", []byte("mine"))
	if err != nil || ref.Seq != 1 {
		t.Fatalf("wrote %v, %v", ref, err)
	}
	if took := time.Since(start); took < 29*time.Second || took > 31*time.Second {
		t.Errorf("a mere claim held writing up for %v, want 30 s", took)
	}
}

func eraseByRelay(t *testing.T, x *wiretest.Author) {
	p := open(t, "p", nil)
	whole := x.Chain(topic, x.Start(), 1)[0]
	headers := whole.Headers()
	h, err := wire.ParseHeader(headers[0])
	if err != nil {
		t.Fatal(err)
	}
	erased := x.Run(topic, x.Start(), wire.Entry{Time: h.Time, Kind: h.Kind, Channel: h.Channel, Absent: true, Size: h.Size, Digest: h.Digest})
	link := dial(t, p)
	link.key(x)
	link.run(erased)
	p.wait(t, "refused", rejected(nil))
	link.head(head(x, whole.End(), time.Now())) // says that there is more, which hides nothing
	for p.authorOf(t, x.ID()).State != replica.StateBehind {
		link.sync()
	}
	if e, _ := p.Explain(t.Context(), x.ID(), 1); e.State != replica.StateRefused || !strings.Contains(e.Reason, "from raw") || !strings.Contains(e.Reason, "up to seq 1") {
		t.Errorf("the update without its change is %v: %s", e.State, e.Reason)
	}
	link.run(whole)
	p.reach(t, x.ID(), 1)
}

func newerKind(t *testing.T, x *wiretest.Author) {
	p := open(t, "p", nil)
	link := dial(t, p)
	link.key(x)
	link.run(x.Chain(topic, x.Start(), 1)...)
	p.reach(t, x.ID(), 1)
	link.run(x.Run(topic, p.Clock()[x.ID()], wire.Entry{Time: 1, Kind: 77, Channel: "test"}))
	p.wait(t, "refused", rejected(nil))
	if e, _ := p.Explain(t.Context(), x.ID(), 0); e.State != replica.StateNewer {
		t.Errorf("the author is %v, want newer", e.State)
	}
	link.sync() // and nobody is blamed
}
