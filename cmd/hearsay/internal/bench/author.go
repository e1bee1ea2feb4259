package bench

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/hearsaynet/hearsay/replica/model/kv"
	"github.com/hearsaynet/hearsay/replica/wire"
	"github.com/hearsaynet/hearsay/sign"
)

// author is a key that signs outside a replica. A copy of it signs a second history.
type author struct {
	signer *sign.PrivateKey
	prev   wire.Ref
	now    uint64
	label  string
	same   bool // all its updates are of one key, else each of another
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
	return &author{signer: k, prev: wire.Ref{Author: k.Public().ID()}, now: uint64(time.Now().UnixNano()), label: label}, nil
}

func newAuthors(label string, n int) ([]*author, error) {
	authors := make([]*author, n)
	for i := range authors {
		a, err := newAuthor(fmt.Sprintf("%s-%d", label, i))
		if err != nil {
			return nil, err
		}
		authors[i] = a
	}
	return authors, nil
}

// branch returns a second history of the author from here on.
func (a *author) branch() *author {
	b := *a
	b.now += uint64(time.Second) // another time, so another update
	return &b
}

// draft makes the author's next n updates, and the frontier that they lead to.
func (a *author) draft(n int) (*wire.Draft, error) {
	entries := make([]wire.Entry, n)
	for i := range entries {
		key := a.label
		if !a.same {
			key = fmt.Sprintf("%s/%08d", a.label, a.prev.Seq+uint64(i))
		}
		c, err := kv.SetChange(key, make([]byte, changeSize-3-len(key)))
		if err != nil {
			return nil, err
		}
		a.now++
		entries[i] = wire.Entry{Time: a.now, Kind: wire.KindChange, Channel: kv.DefaultChannel, Change: c}
	}
	d, err := wire.NewDraft(topic, a.prev, entries...)
	if err == nil {
		a.prev = d.Ref(n - 1)
	}
	return d, err
}

func (a *author) seal(ctx context.Context, d *wire.Draft) (*wire.Run, error) {
	sig, err := a.signer.Sign(ctx, wire.NamespaceUpdate, d.Message())
	if err != nil {
		return nil, err
	}
	return d.Seal(a.signer.Public(), sig)
}

// run signs the author's next n updates.
func (a *author) run(ctx context.Context, n int) (*wire.Run, error) {
	d, err := a.draft(n)
	if err != nil {
		return nil, err
	}
	return a.seal(ctx, d)
}

// runs signs the author's next updates, at least that many, on all cores.
func (a *author) runs(ctx context.Context, perRun, updates int) ([]*wire.Run, error) {
	var drafts []*wire.Draft
	for n := 0; n < updates; n += perRun {
		d, err := a.draft(perRun)
		if err != nil {
			return nil, err
		}
		drafts = append(drafts, d)
	}
	runs := make([]*wire.Run, len(drafts))
	return runs, onAllCores(len(drafts), func(i int) (err error) {
		runs[i], err = a.seal(ctx, drafts[i])
		return err
	})
}

// head signs the author's frontier, issued at a time.
func (a *author) head(ctx context.Context, issued uint64) (*wire.Head, error) {
	sig, err := a.signer.Sign(ctx, wire.NamespaceHead, wire.HeadMessage(topic, a.prev, issued))
	if err != nil {
		return nil, err
	}
	return wire.SealHead(topic, a.prev, issued, a.signer.Public(), sig)
}

// onAllCores calls f with 0 to n-1, and returns what went wrong.
func onAllCores(n int, f func(i int) error) error {
	cores := runtime.GOMAXPROCS(0)
	errs := make([]error, cores)
	var wg sync.WaitGroup
	for c := range cores {
		wg.Go(func() {
			for i := c; i < n && errs[c] == nil; i += cores {
				errs[c] = f(i)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}
