package replica_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/internal/wiretest"
	"github.com/hearsaynet/hearsay/replica/store"
)

// moody is a keystore whose look-ups first hear what answer says of them: a key or an
// error is what they return. Its changes are told only when it is asked to.
type moody struct {
	keys.Memory
	told keys.Memory // for its Changed

	mu      sync.Mutex // guards the fields below
	answer  func(ctx context.Context, id keys.NodeID) (keys.PublicKey, error)
	batches []int
}

func (m *moody) set(answer func(context.Context, keys.NodeID) (keys.PublicKey, error)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.answer = answer
}

func (m *moody) Changed() <-chan struct{} { return m.told.Changed() }

func (m *moody) Lookup(ctx context.Context, id keys.NodeID) (keys.PublicKey, error) {
	m.mu.Lock()
	answer := m.answer
	m.mu.Unlock()
	if answer != nil {
		if k, err := answer(ctx, id); err != nil || !k.IsZero() {
			return k, err
		}
	}
	return m.Memory.Lookup(ctx, id)
}

func hang(ctx context.Context, _ keys.NodeID) (k keys.PublicKey, err error) {
	<-ctx.Done()
	return k, ctx.Err()
}

func refuse(context.Context, keys.NodeID) (k keys.PublicKey, err error) {
	return k, errors.New("no answer")
}

// batching is a moody that is a keys.Batcher.
type batching struct{ *moody }

func (b batching) LookupAll(ctx context.Context, ids []keys.NodeID) []keys.Answer {
	b.mu.Lock()
	b.batches = append(b.batches, len(ids))
	b.mu.Unlock()
	answers := make([]keys.Answer, len(ids))
	for i, id := range ids {
		answers[i].Key, answers[i].Err = b.Lookup(ctx, id)
	}
	return answers
}

// aThousand are authors with an update each in a store.
func aThousand(t *testing.T) ([]*wiretest.Author, store.Store) {
	t.Helper()
	disk := store.NewMemory()
	authors := wiretest.NewAuthors("a", 1000)
	for _, a := range authors {
		if err := disk.Append(t.Context(), a.Chain(topic, a.Start(), 1)...); err != nil {
			t.Fatal(err)
		}
	}
	return authors, disk
}

// TestHangingKeystore: a keystore that hangs costs one time-out, however many authors are
// stored, when a replica opens and when the keystore says that it has changed. They
// stand as they stood.
func TestHangingKeystore(t *testing.T) {
	authors, disk := aThousand(t)
	for name, of := range map[string]func(*moody) keys.Keystore{
		"one by one": func(m *moody) keys.Keystore { return m },
		"batches":    func(m *moody) keys.Keystore { return batching{m} },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := &moody{answer: hang}
				start := time.Now()
				p := open(t, "", by(of(m), disk))
				if d := time.Since(start); d > 6*time.Second {
					t.Errorf("opening took %v", d)
				}
				if got := p.Status().Counts.Applied; got != 1000 {
					t.Errorf("%d count, want all 1000", got)
				}
				for _, a := range authors[1:] {
					m.Add(a.Key())
				}
				m.set(nil)
				m.told.Add(authors[0].Key())
				rest(time.Second)
				if got := p.Status().Counts.Applied; got != 999 {
					t.Errorf("%d count, want all but the one that is not admitted", got)
				}

				m.Add(authors[0].Key())
				one := authors[1].ID()
				m.set(func(ctx context.Context, id keys.NodeID) (k keys.PublicKey, err error) {
					if id == one {
						return hang(ctx, id)
					}
					return k, nil
				})
				m.told.Add(authors[0].Key())
				rest(6 * time.Second)
				if got := p.Status().Counts.Applied; name == "one by one" && got != 1000 {
					t.Errorf("one look-up hangs, and %d count, want 1000", got)
				}
				for _, n := range m.batches {
					if n > 256 || n < 1000%256 {
						t.Errorf("%d in one look-up", n)
					}
				}
			})
		})
	}
}

// mixing is a keys.Batcher whose answers are not those that were asked for.
type mixing struct {
	batching
	mix func([]keys.Answer) []keys.Answer
}

func (m mixing) LookupAll(ctx context.Context, ids []keys.NodeID) []keys.Answer {
	return m.mix(m.batching.LookupAll(ctx, ids))
}

// TestBatchesOfOtherAnswers: who is admitted stands as it stood when a batch has fewer
// answers than ids, and when they come in another order. More do no harm.
func TestBatchesOfOtherAnswers(t *testing.T) {
	out := keys.Answer{Err: keys.ErrUnknown}
	for name, tt := range map[string]struct {
		mix   func([]keys.Answer) []keys.Answer
		knows bool
	}{
		"none":       {func([]keys.Answer) []keys.Answer { return nil }, false},
		"without":    {func(all []keys.Answer) []keys.Answer { return make([]keys.Answer, len(all)) }, false},
		"turned":     {func(all []keys.Answer) []keys.Answer { slices.Reverse(all); return all }, false},
		"and others": {func(all []keys.Answer) []keys.Answer { return append(all, out, out) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				disk, m := store.NewMemory(), &moody{}
				authors := wiretest.NewAuthors("a", 4)
				for _, a := range authors {
					if err := disk.Append(t.Context(), a.Chain(topic, a.Start(), 1)...); err != nil {
						t.Fatal(err)
					}
				}
				open(t, "", by(m, disk)).Close() // nobody is admitted
				for _, a := range authors {
					m.Add(a.Key())
				}
				p := open(t, "", by(mixing{batching{m}, tt.mix}, disk))
				want := uint64(0)
				if tt.knows {
					want = 4
				}
				if got := p.Status().Counts.Applied; got != want {
					t.Errorf("%d count, want %d", got, want)
				}
			})
		})
	}
}

// TestPanickingKeystore: a keystore that panics about a stored author is one that cannot
// say: it stands as it stood, and is asked about again.
func TestPanickingKeystore(t *testing.T) {
	for name, of := range map[string]func(*moody) keys.Keystore{
		"one by one": func(m *moody) keys.Keystore { return m },
		"batches":    func(m *moody) keys.Keystore { return batching{m} },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := wiretest.NewAuthor("a")
				disk := store.NewMemory()
				if err := disk.Append(t.Context(), a.Chain(topic, a.Start(), 1)...); err != nil {
					t.Fatal(err)
				}
				m := &moody{answer: func(context.Context, keys.NodeID) (keys.PublicKey, error) { panic("of the keystore") }}
				p := open(t, "", by(of(m), disk))
				if got := p.Status().Counts.Applied; got != 1 {
					t.Errorf("%d count, want the one that did", got)
				}
				m.set(nil) // who is asked now says that nobody is admitted
				rest(31 * time.Second)
				if got := p.authorOf(t, a.ID()); got.State != replica.StateUnknown {
					t.Errorf("it is %v: %s", got.State, got.Reason)
				}
			})
		})
	}
}

// TestAskedAgainAfterAnOutage: what the keystore could not say when a replica opened it is
// asked again, though it never says that it has changed.
func TestAskedAgainAfterAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x, y := wiretest.NewAuthor("x"), wiretest.NewAuthor("y")
		disk := store.NewMemory()
		if err := disk.Append(t.Context(), append(x.Chain(topic, x.Start(), 1), y.Chain(topic, y.Start(), 1)...)...); err != nil {
			t.Fatal(err)
		}
		m := &moody{answer: refuse}
		m.Add(x.Key())
		p := open(t, "", by(m, disk))
		rest(time.Hour)
		if len(p.journal.of(x.ID())) != 1 || len(p.journal.of(y.ID())) != 1 {
			t.Error("an outage took somebody out")
		}
		m.set(nil)
		rest(31 * time.Second)
		if a := p.authorOf(t, y.ID()); a.State != replica.StateUnknown {
			t.Errorf("y is %v: %s", a.State, a.Reason)
		}
		if a := p.authorOf(t, x.ID()); a.State != replica.StateOK {
			t.Errorf("x is %v: %s", a.State, a.Reason)
		}
	})
}

// TestKeyOfSomebodyElse: a keystore that answers with another key has not said who is
// admitted, so who was out stays out.
func TestKeyOfSomebodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := wiretest.NewAuthor("x")
		disk := store.NewMemory()
		if err := disk.Append(t.Context(), x.Chain(topic, x.Start(), 1)...); err != nil {
			t.Fatal(err)
		}
		p := open(t, "", by(&keys.Memory{}, disk))
		p.counts(t, x.ID(), 0)
		p.Close()
		open(t, "", by(liar{wiretest.NewAuthor("y").Key()}, disk)).counts(t, x.ID(), 0)
	})
}

// TestWindowsAreKeptWhileTheKeystoreIsDown: a restart while the keystore is down changes
// nothing of which updates count.
func TestWindowsAreKeptWhileTheKeystoreIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := wiretest.NewAuthor("a")
		ks, disk := newWindowed(a), store.NewMemory()
		p := open(t, "", by(ks, disk))
		p.take(t, exported(t, runsAt(a, a.Start(), []int{2, 2}, 100, 101, 102, 103)...))
		for _, step := range []struct {
			change func()
			count  uint64
		}{
			{func() {}, 4},
			{func() { ks.set(until(102)) }, 3},
			{func() { ks.set(keys.Window{After: time.Unix(200, 0)}, keys.Window{Before: time.Unix(100, 0)}) }, 1},
			{func() { ks.Remove(a.ID()) }, 0},
			{func() { ks.set(keys.Window{After: time.Unix(101, 0)}) }, 0},
			{func() { ks.set() }, 4},
		} {
			step.change()
			p.counts(t, a.ID(), step.count)
			p.Close()
			p = open(t, "", by(down{}, disk))
			p.counts(t, a.ID(), step.count)
			p.Close()
			p = open(t, "", by(ks, disk))
		}
	})
}
