package replica_test

import (
	"context"
	"errors"
	"iter"
	"slices"
	"sync"
	"sync/atomic"
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

type keyring struct {
	mu      sync.Mutex
	in      map[keys.NodeID]keys.PublicKey
	changed chan struct{}
}

func (k *keyring) Lookup(_ context.Context, id keys.NodeID) (keys.PublicKey, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if key, ok := k.in[id]; ok {
		return key, nil
	}
	return keys.PublicKey{}, keys.ErrUnknown
}
func (k *keyring) Changed() <-chan struct{} {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.changed
}
func (k *keyring) set(in bool, a *wiretest.Author) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.in, a.ID())
	if in {
		k.in[a.ID()] = a.Key()
	}
	close(k.changed)
	k.changed = make(chan struct{})
}

// An author that is admitted while a rebuild is due moves the clock as any other.
func TestClockFollowsAdmission(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x, y, z := wiretest.NewAuthor("x"), wiretest.NewAuthor("y"), wiretest.NewAuthor("z")
		k := &keyring{in: map[keys.NodeID]keys.PublicKey{}, changed: make(chan struct{})}
		for _, a := range []*wiretest.Author{x, y, z} {
			k.in[a.ID()] = a.Key()
		}
		st := store.NewMemory()
		cfg := func(c *replica.Config) { atModern(c); c.Store, c.Keystore, c.Verify = st, k, nil }
		p := open(t, "me", cfg)
		link := dial(t, p)
		at := uint64(modern().Add(100 * time.Second).UnixNano())
		link.run(x.Run(topic, x.Start(), wiretest.Change(at, "test", "x")), y.Run(topic, y.Start(), wiretest.Change(1, "test", "y")), z.Run(topic, z.Start(), wiretest.Change(1, "test", "z")))
		link.sync()
		synctest.Wait()
		p.Close()
		link.conn.Close()
		delete(k.in, x.ID())
		p = open(t, "me", cfg)
		k.set(false, z)
		synctest.Wait()
		k.set(false, y)
		synctest.Wait()
		k.set(true, x)
		synctest.Wait()
		rest(time.Second)
		if n := len(p.journal.of(x.ID())); n != 1 {
			t.Errorf("x is folded %d times", n)
		}
		p.write(t, "mine")
		for u, err := range p.History(nil, replica.ByAuthor) {
			if err == nil && u.Author == p.Self() && u.Time <= at {
				t.Errorf("our update is dated %v before one that has taken effect here", time.Duration(at-u.Time))
			}
		}
		p.Close()
		synctest.Wait()
	})
}

// A copy without the author's key, first, does not make the copy with the key be refused.
func TestKeylessCopyDisplacesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := wiretest.NewAuthor("x")
		gate := make(chan struct{})
		p := open(t, "", func(c *replica.Config) {
			atModern(c)
			c.Verify = func(ctx context.Context, r *verify.Request, done func(verify.Verdict, error)) {
				<-gate // a machine that is busy
				verify.AnyKey()(ctx, r, done)
			}
		})
		honest := open(t, "", atModern)
		runs := x.Chain(topic, x.Start(), 1)
		tell(t, honest, x, runs...)
		evil := dialAs(t, p, "evil")
		evil.run(runs...)
		rest(time.Millisecond)
		hold(t, honest, p, "honest")
		rest(100 * time.Millisecond)
		close(gate)
		rest(time.Hour)
		if p.Clock()[x.ID()].Seq != 1 {
			t.Errorf("an hour later the author is not here: %+v", p.Status().Authors)
		}
		evil.conn.Close()
		p.Close()
		honest.Close()
		rest(5 * time.Second)
	})
}

// The same old own head is not verified again each time.
func TestOwnOldHeadIsNotVerifiedAgain(t *testing.T) {
	me := wiretest.NewAuthor("me")
	var n atomic.Int64
	p := open(t, "me", func(c *replica.Config) {
		c.Verify = func(ctx context.Context, r *verify.Request, done func(verify.Verdict, error)) {
			n.Add(1)
			verify.AnyKey()(ctx, r, done)
		}
	})
	link := dial(t, p)
	old := head(me, me.Start(), time.Now().Add(-time.Hour)).Body()
	for range 2000 {
		link.send(wire.FrameHead, old)
	}
	link.sync()
	time.Sleep(300 * time.Millisecond)
	if n.Load() > 100 {
		t.Errorf("one head was verified %d times of 2000", n.Load())
	}
}

// failing is a store of which some reads fail.
type failing struct {
	store.Store
	fail *atomic.Int32
}

func (f failing) Runs(topic string, after wire.Ref) iter.Seq2[*wire.Run, error] {
	if f.fail.Load() > 0 && after.Seq == 0 {
		f.fail.Add(-1)
		return func(yield func(*wire.Run, error) bool) { yield(nil, errors.New("input/output error")) }
	}
	return f.Store.Runs(topic, after)
}

func TestFailedReadIsReadAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var fail atomic.Int32
		x, y := wiretest.NewAuthor("x"), wiretest.NewAuthor("y")
		k := &keyring{in: map[keys.NodeID]keys.PublicKey{x.ID(): x.Key(), y.ID(): y.Key()}, changed: make(chan struct{})}
		p := open(t, "", func(c *replica.Config) {
			atModern(c)
			c.Store, c.Keystore, c.Verify = failing{store.NewMemory(), &fail}, k, nil
		})
		link := dial(t, p)
		link.run(x.Chain(topic, x.Start(), 3)...)
		link.run(y.Chain(topic, y.Start(), 3)...)
		link.sync()
		synctest.Wait()
		fail.Store(1)
		k.set(false, y)
		rest(time.Hour)
		if n := len(p.journal.of(x.ID())); n != 3 {
			t.Errorf("an hour after one failed read %d of 3 updates of x are in the model; rebuild status %+v, state %v", n, p.Status().Rebuild, p.authorOf(t, x.ID()).State)
		}
		link.conn.Close()
		p.Close()
		rest(time.Minute)
	})
}

// Runs of throw-away ids that find no room while the keystore is down do not make this
// node ask its honest peer so often that the peer ends the link.
func TestWhatWasDroppedIsAskedForTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := open(t, "", func(c *replica.Config) {
			atModern(c)
			c.Verify = func(_ context.Context, r *verify.Request, done func(verify.Verdict, error)) {
				done(verify.Unavailable, errors.New("down"))
			}
		})
		honest := open(t, "", atModern)
		ca, cb := pipe()
		ended := make(chan error, 1)
		go p.Sync(t.Context(), ca, replica.SyncConfig{Name: "honest"})
		var asked atomic.Int64
		count := func(string, *wire.Digest) { asked.Add(1) }
		go func() {
			ended <- honest.Sync(t.Context(), cb, replica.SyncConfig{Name: "p", Trace: replica.Trace{DigestReceived: count}})
		}()
		rest(time.Second)
		evil := dialAs(t, p, "evil")
		stop := make(chan struct{})
		go func() {
			for {
				select {
				case <-evil.digests:
				case <-stop:
					return
				}
			}
		}()
		for _, x := range wiretest.NewAuthors("sybil", 9000) {
			evil.run(x.Run(topic, x.Start(), wiretest.Change(1, "test", "u")))
		}
		select {
		case err := <-ended:
			t.Errorf("the honest peer has ended the link: %v", err)
		case <-time.After(5 * time.Minute):
		}
		if n := asked.Load(); n > 300 {
			t.Errorf("the honest peer was asked %d times in five minutes", n)
		}
		close(stop)
		evil.conn.Close()
		p.Close()
		honest.Close()
		rest(time.Minute)
	})
}

// hasty is a keyring that changes as soon as somebody has been looked up.
type hasty struct {
	*keyring
	once sync.Once
	then func()
}

func (h *hasty) Lookup(ctx context.Context, id keys.NodeID) (keys.PublicKey, error) {
	defer h.once.Do(h.then)
	return h.keyring.Lookup(ctx, id)
}

// A key that is withdrawn while a replica opens is out.
func TestWithdrawnWhileOpening(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := wiretest.NewAuthor("x")
		st := store.NewMemory()
		if err := st.Append(t.Context(), x.Chain(topic, x.Start(), 1)...); err != nil {
			t.Fatal(err)
		}
		k := &keyring{in: map[keys.NodeID]keys.PublicKey{x.ID(): x.Key()}, changed: make(chan struct{})}
		ks := &hasty{keyring: k, then: func() { k.set(false, x) }}
		p := open(t, "", func(c *replica.Config) { c.Store, c.Keystore, c.Verify = st, ks, nil })
		rest(time.Minute)
		if a := p.authorOf(t, x.ID()); a.State != replica.StateUnknown {
			t.Errorf("the author is %v: %s", a.State, a.Reason)
		}
	})
}

// down is a keystore that does not answer.
type down struct{}

func (down) Lookup(context.Context, keys.NodeID) (keys.PublicKey, error) {
	return keys.PublicKey{}, errors.New("no answer")
}

// An author that was withdrawn stays out over a restart while the keystore is down,
// and one that was admitted stays in.
func TestWithdrawnStaysOutWhileTheKeystoreIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x, y := wiretest.NewAuthor("x"), wiretest.NewAuthor("y")
		st := store.NewMemory()
		if err := st.Append(t.Context(), append(x.Chain(topic, x.Start(), 1), y.Chain(topic, y.Start(), 1)...)...); err != nil {
			t.Fatal(err)
		}
		counts := func(ks keys.Keystore, change func(), want ...*wiretest.Author) {
			t.Helper()
			p := open(t, "", func(c *replica.Config) { c.Store, c.Keystore, c.Verify = st, ks, nil })
			change()
			rest(time.Minute)
			for _, a := range []*wiretest.Author{x, y} {
				if got, want := len(p.journal.of(a.ID())) == 1, slices.Contains(want, a); got != want {
					t.Errorf("%v counts: %v, want %v", a.ID(), got, want)
				}
			}
			p.Close()
		}
		none := func() {}
		k := &keyring{in: map[keys.NodeID]keys.PublicKey{x.ID(): x.Key(), y.ID(): y.Key()}, changed: make(chan struct{})}
		counts(k, func() { k.set(false, x) }, y)
		counts(down{}, none, y)
		k.set(false, y)
		counts(k, none)
		counts(down{}, none)
		k.set(true, x)
		counts(k, none, x)
		counts(down{}, none, x)
	})
}
