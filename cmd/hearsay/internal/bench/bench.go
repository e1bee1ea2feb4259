// Package bench measures a whole hearsay on this machine. Every figure is meant to be
// read beside raw-verify of the same run: machines are noisy, ratios less so.
package bench

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/kv"
	"github.com/hearsaynet/hearsay/replica/store"
	"github.com/hearsaynet/hearsay/replica/wire"
	"github.com/hearsaynet/hearsay/sign"
	"github.com/hearsaynet/hearsay/verify"
)

// Result is one figure.
type Result struct {
	Name      string  `json:"name"`
	PerSecond float64 `json:"per_second"`
	// Ratio is to raw-verify, which is one core; of live-100-authors, to that of all cores.
	Ratio float64 `json:"ratio"`
	What  string  `json:"-"`
}

const (
	topic      = "bench"
	changeSize = 200 // bytes of a change
	span       = 1500 * time.Millisecond
)

// Run measures everything, and reports each figure when it is known.
func Run(ctx context.Context, report func(Result)) error { return run(ctx, 1, report) }

// run is Run with a part of the work, for tests.
func run(ctx context.Context, part int, report func(Result)) error {
	span := span / time.Duration(part)
	dir, err := os.MkdirTemp("", "hearsay-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	raw, all := rawVerify(1, span), rawVerify(runtime.GOMAXPROCS(0), span)
	report(Result{"raw-verify", raw, 1, "ed25519.Verify of 200 bytes, one core"})
	measures := []struct {
		name, what string
		base       float64
		run        measure
	}{
		{"bulk-1", "verified, stored and applied, 1 update a signature", raw, bulk(1, 20_000/part)},
		{"bulk-16", "the same, 16 updates a signature", raw, bulk(16, 150_000/part)},
		{"bulk-256", "the same, 256 updates a signature", raw, bulk(256, 500_000/part)},
		{"link-bulk", "from one replica to another over a loopback link, 256 a signature", raw, linkBulk(500_000 / part)},
		{"live-100-authors", "single updates of 100 authors over a link, receiving side", all, live(max(1, 250/part))},
		{"local-update", "signed, stored and applied, 64 writers at once", raw, localUpdate(span)},
	}
	for i, m := range measures {
		sub := filepath.Join(dir, fmt.Sprint(i))
		if err := os.Mkdir(sub, 0o700); err != nil {
			return err
		}
		rate, err := m.run(ctx, sub)
		if err != nil {
			return fmt.Errorf("bench: %s: %w", m.name, err)
		}
		report(Result{m.name, rate, rate / m.base, m.what})
		os.RemoveAll(sub)
		runtime.GC()
	}
	return nil
}

// rawVerify returns how many ed25519 signatures a second the given number of cores check.
func rawVerify(cores int, span time.Duration) float64 {
	public, private, _ := ed25519.GenerateKey(nil)
	msg := make([]byte, changeSize)
	sig := ed25519.Sign(private, msg)
	var total int
	var mu sync.Mutex
	var wg sync.WaitGroup
	start := time.Now()
	for range cores {
		wg.Go(func() {
			n := 0
			for ; time.Since(start) < span; n++ {
				if !ed25519.Verify(public, msg, sig) {
					panic("bench: a good signature does not verify")
				}
			}
			mu.Lock()
			defer mu.Unlock()
			total += n
		})
	}
	wg.Wait()
	return float64(total) / time.Since(start).Seconds()
}

// author is a key that signs runs outside a replica.
type author struct {
	signer *sign.PrivateKey
	prev   wire.Ref
	now    uint64
	label  string
}

func newAuthor(label string) (*author, error) {
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		return nil, err
	}
	k, err := sign.NewEd25519(private)
	if err != nil {
		return nil, err
	}
	return &author{k, wire.Ref{Author: k.Public().ID()}, uint64(time.Now().UnixNano()), label}, nil
}

// run signs the author's next n updates, each of another key.
func (a *author) run(ctx context.Context, n int) (*wire.Run, error) {
	entries := make([]wire.Entry, n)
	for i := range entries {
		key := fmt.Sprintf("%s/%08d", a.label, a.prev.Seq+uint64(i))
		c, err := kv.SetChange(key, make([]byte, changeSize-3-len(key)))
		if err != nil {
			return nil, err
		}
		a.now++
		entries[i] = wire.Entry{Time: a.now, Kind: wire.KindChange, Channel: "kv", Change: c}
	}
	d, err := wire.NewDraft(topic, a.prev, entries...)
	if err != nil {
		return nil, err
	}
	sig, err := a.signer.Sign(ctx, wire.NamespaceUpdate, d.Message())
	if err != nil {
		return nil, err
	}
	r, err := d.Seal(a.signer.Public(), sig)
	if err == nil {
		a.prev = r.End()
	}
	return r, err
}

// target is a replica on disk with a kv model that is to reach a number of keys.
type target struct {
	*replica.Replica
	store *store.Bolt
	kv    *kv.Map
}

func openTarget(ctx context.Context, dir, name string, signer sign.Signer) (*target, error) {
	s, err := store.OpenBolt(filepath.Join(dir, name+".db"), store.BoltOptions{})
	if err != nil {
		return nil, err
	}
	r, err := replica.Open(ctx, replica.Config{Topic: topic, Store: s, Signer: signer, Verify: verify.AnyKey()})
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	m, err := kv.Mount(r, "", kv.Config{})
	if err != nil {
		return nil, errors.Join(err, r.Close(), s.Close())
	}
	return &target{r, s, m}, nil
}

func (t *target) close() error {
	t.kv.Close()
	return errors.Join(t.Replica.Close(), t.store.Close())
}

// reach waits until the model has n keys.
func (t *target) reach(ctx context.Context, n int) error {
	for t.kv.Len() < n {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(2 * time.Millisecond):
		}
	}
	return nil
}
