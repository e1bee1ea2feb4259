package replica_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/internal/wiretest"
	"github.com/hearsaynet/hearsay/replica/store"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// stepped is a journal that takes an update when it is let.
type stepped struct {
	journal
	gate  chan struct{}
	early int // updates that came before their time
}

func (s *stepped) ApplyUpdate(u replica.Update) (bool, error) {
	if u.Time > uint64(modern().Add(replica.DefaultMaxSkew).UnixNano()) {
		s.early++
	}
	<-s.gate
	return s.journal.ApplyUpdate(u)
}

// refs returns what the journal has, sorted.
func (j *journal) refs() (refs []string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, u := range j.updates {
		refs = append(refs, refOf(u))
	}
	slices.Sort(refs)
	return refs
}

func refOf(u replica.Update) string { return fmt.Sprintf("%v/%04d", u.Author, u.Seq) }

// mount begins to mount s, which waits for its first update when this returns.
func (s *stepped) mount(p *peer) (ended chan error) {
	s.gate = make(chan struct{})
	ended = make(chan error, 1)
	go func() {
		_, err := p.Mount("late", s)
		ended <- err
	}()
	synctest.Wait()
	return ended
}

func TestNobodyWaitsForAMount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := open(t, "p", atModern)
		write := func() {
			t.Helper()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if _, err := p.LocalUpdate(ctx, "late", []byte("x")); err != nil {
				t.Error(err)
			}
		}
		write()
		write()
		model := &stepped{}
		ended := model.mount(p)
		write()
		if _, err := p.Mount("late", &journal{}); err == nil || !strings.Contains(err.Error(), "already") {
			t.Errorf("a second model on the channel: got error %v", err)
		}
		other := &journal{}
		if _, err := p.Mount("other", other); err != nil {
			t.Error(err)
		}
		model.gate <- struct{}{}
		model.gate <- struct{}{}
		synctest.Wait() // in the second round
		write()
		close(model.gate)
		if err := <-ended; err != nil {
			t.Error(err)
		}
		write()
		if got := model.of(p.Self()); !slices.Equal(got, count(5)) {
			t.Errorf("the model has %v, want %v", got, count(5))
		}
	})
}

// After a rebuild a model that is being mounted is told everything again, and updates are
// taken in meanwhile.
func TestRebuildWhileMounting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x, y := wiretest.NewAuthor("x"), wiretest.NewAuthor("y")
		ks := keys.NewMemory(x.Key(), y.Key())
		p := open(t, "", by(ks, store.NewMemory()))
		late := wiretest.Change(1, "late", "u")
		first := x.Run(topic, x.Start(), late, late)
		link := dial(t, p)
		link.run(first, y.Run(topic, y.Start(), wiretest.Change(1, "test", "u")))
		synctest.Wait()
		model := &stepped{}
		ended := model.mount(p)
		ks.Remove(y.ID())
		synctest.Wait()
		for range first.Entries() {
			model.gate <- struct{}{}
		}
		synctest.Wait()
		if model.resets != 2 {
			t.Fatalf("the model was reset %d times, want 2", model.resets)
		}
		link.run(x.Run(topic, first.End(), late))
		synctest.Wait()
		if got := p.Clock()[x.ID()].Seq; got != 3 {
			t.Errorf("x stands at %d while the model begins again, want 3", got)
		}
		close(model.gate)
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if got := model.of(x.ID()); !slices.Equal(got, count(3)) {
			t.Errorf("the model has %v, want %v", got, count(3))
		}
	})
}

func TestMountEndsWithTheReplica(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := open(t, "p", atModern)
		if _, err := p.LocalUpdate(t.Context(), "late", nil); err != nil {
			t.Fatal(err)
		}
		model := &stepped{}
		ended := model.mount(p)
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		close(model.gate)
		mustErr(t, <-ended, replica.ErrClosed)
	})
}

// Parked updates of which an author has more than are known one by one come once when their
// time comes while a model is mounted.
func TestMountWhileManyAreParked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := wiretest.NewAuthor("x")
		p := open(t, "", atModern)
		dated := func(ahead time.Duration, n int) []wire.Entry {
			return slices.Repeat([]wire.Entry{wiretest.Change(uint64(modern().Add(ahead).UnixNano()), "late", "u")}, n)
		}
		const known = 1024
		entries := slices.Concat(dated(0, 1), dated(time.Hour, 300), dated(10*time.Minute, known))
		link, prev := dial(t, p), x.Start()
		link.key(x)
		for part := range slices.Chunk(entries, wire.MaxEntries) {
			run := x.Run(topic, prev, part...)
			link.run(run)
			prev = run.End()
		}
		synctest.Wait()
		model := &stepped{}
		ended := model.mount(p)
		rest(15 * time.Minute)
		model.gate <- struct{}{}
		synctest.Wait() // in the second round
		rest(time.Hour)
		close(model.gate)
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if got := len(model.refs()); got != len(entries) || len(slices.Compact(model.refs())) != got {
			t.Errorf("the model has been told %d updates, %d of them once, want %d", got, len(slices.Compact(model.refs())), len(entries))
		}
		if model.early > 0 {
			t.Errorf("%d came before their time", model.early)
		}
	})
}

// crowd is who writes on the channel "late".
type crowd struct {
	*peer
	ks      *keys.Memory
	authors []*wiretest.Author
	ends    []wire.Ref // of the authors
	out     []bool     // not admitted now
	forked  []bool
	writing sync.WaitGroup
}

// Whatever happens while a model is mounted, it has in the end what counts, once.
func TestMountWhileMuchHappens(t *testing.T) {
	for range 20 {
		seed := rand.Uint64()
		name := fmt.Sprintf("seed %d", seed)
		ok := t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { mountInACrowd(t, rand.New(rand.NewPCG(seed, 0))) })
		})
		if !ok {
			return
		}
	}
}

func mountInACrowd(t *testing.T, rnd *rand.Rand) {
	const n = 3
	c := &crowd{ks: keys.NewMemory(), authors: wiretest.NewAuthors("mount", n), ends: make([]wire.Ref, n), out: make([]bool, n), forked: make([]bool, n)}
	for i, a := range c.authors {
		c.ends[i] = a.Start()
		c.ks.Add(a.Key())
	}
	c.peer = open(t, "p", func(cfg *replica.Config) { cfg.Now, cfg.Verify, cfg.Keystore = modern, nil, c.ks })
	for range 5 + rnd.IntN(10) {
		c.step(t, rnd)
	}
	model := &stepped{}
	began := time.Now()
	ended := model.mount(c.peer)
	for range rnd.IntN(15) {
		c.step(t, rnd)
		for range rnd.IntN(6) {
			select {
			case model.gate <- struct{}{}:
			default:
			}
			synctest.Wait()
		}
	}
	close(model.gate)
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	c.writing.Wait()
	rest(2*time.Hour + 10*time.Since(began)) // all that was parked has had its turn, and rebuilds have rested
	var want []string
	for u, err := range c.Select(replica.Selection{Channels: []string{"late"}}) {
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, refOf(u))
	}
	slices.Sort(want)
	if got := model.refs(); !slices.Equal(got, want) {
		t.Errorf("the model has %d updates, %d count:\n%v\n%v", len(got), len(want), got, want)
	}
	if model.early > 0 {
		t.Errorf("%d came before their time", model.early)
	}
	model.inOrder(t)
}

// inOrder checks that each author's updates came in order, but for those that were parked.
func (j *journal) inOrder(t *testing.T) {
	j.mu.Lock()
	defer j.mu.Unlock()
	last := make(map[keys.NodeID]uint64)
	for _, u := range j.updates {
		switch {
		case string(u.Change) == "ahead":
		case u.Seq <= last[u.Author]:
			t.Errorf("update %d of %v came behind %d", u.Seq, u.Author, last[u.Author])
		default:
			last[u.Author] = u.Seq
		}
	}
}

// step has somebody write, or the keystore say something else of an author, or time go by.
func (c *crowd) step(t *testing.T, rnd *rand.Rand) {
	i := rnd.IntN(len(c.authors))
	a := c.authors[i]
	switch rnd.IntN(12) {
	case 0, 1, 2:
		c.writing.Go(func() {
			if _, err := c.LocalUpdate(context.Background(), "late", []byte("own")); err != nil {
				t.Error(err)
			}
		})
	case 3, 4, 5, 6:
		c.writeAs(t, i, drawEntries(rnd, 1+rnd.IntN(4))...)
	case 7:
		if rnd.IntN(5) == 0 {
			c.writeAs(t, i, drawEntries(rnd, wire.MaxEntries)...)
		}
	case 8:
		if c.out[i] = !c.out[i]; c.out[i] {
			c.ks.Remove(a.ID())
		} else {
			c.ks.Add(a.Key())
		}
	case 9:
		if end := c.ends[i]; end.Seq > 0 && !c.out[i] && !c.forked[i] {
			c.forked[i] = true
			c.send(t, a, branch(a, "fork", a.Start(), int(end.Seq), 1)...)
		}
	case 10, 11:
		time.Sleep(time.Duration(rnd.IntN(20)) * time.Minute)
	}
	synctest.Wait()
}

func drawEntries(rnd *rand.Rand, n int) (entries []wire.Entry) {
	for range n {
		e := wiretest.Change(uint64(modern().UnixNano()), "late", "now")
		if rnd.IntN(3) == 0 {
			e = wiretest.Change(uint64(modern().Add(time.Duration(3+rnd.IntN(60))*time.Minute+time.Millisecond).UnixNano()), "late", "ahead")
		}
		entries = append(entries, e)
	}
	return entries
}

// writeAs has an author write, if it is admitted and has not forked.
func (c *crowd) writeAs(t *testing.T, i int, entries ...wire.Entry) {
	if c.out[i] || c.forked[i] {
		return
	}
	run := c.authors[i].Run(topic, c.ends[i], entries...)
	c.ends[i] = run.End()
	c.send(t, c.authors[i], run)
}

func (c *crowd) send(t *testing.T, a *wiretest.Author, runs ...*wire.Run) {
	link := dial(t, c.peer)
	link.key(a)
	link.run(runs...)
	synctest.Wait()
	link.conn.Close()
}
