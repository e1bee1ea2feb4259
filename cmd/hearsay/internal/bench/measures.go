package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/wire"
	"github.com/hearsaynet/hearsay/sign"
	"github.com/hearsaynet/hearsay/verify"
)

// bulk measures an import: no network, everything else.
func bulk(perRun, updates int) measure {
	return func(ctx context.Context, dir string) (measured, error) {
		var file bytes.Buffer
		n, err := exportOf(ctx, &file, perRun, updates)
		if err != nil {
			return measured{}, err
		}
		t, err := openTarget(ctx, dir, "bulk", nil)
		if err != nil {
			return measured{}, err
		}
		defer t.close()
		m := startMeter()
		res, err := t.Import(ctx, &file)
		if err := errors.Join(err, res.First); err != nil {
			return measured{}, err
		}
		if err := t.reach(ctx, n); err != nil {
			return measured{}, err
		}
		return m.rate(n), nil
	}
}

// exportOf writes an export file of two authors' updates, and returns how many.
func exportOf(ctx context.Context, w io.Writer, perRun, updates int) (n int, err error) {
	out, err := wire.NewExportWriter(w, replica.Agent, topic)
	if err != nil {
		return 0, err
	}
	authors, err := newAuthors("author", 2)
	if err != nil {
		return 0, err
	}
	for n < updates {
		for _, a := range authors {
			r, err := a.run(ctx, perRun)
			if err != nil {
				return 0, err
			}
			if err := out.Write(r); err != nil {
				return 0, err
			}
			n += perRun
		}
	}
	return n, out.Close()
}

// linkBulk measures two replicas, a link between them, and a disk under each.
func linkBulk(updates int) measure {
	return func(ctx context.Context, dir string) (measured, error) { return overLink(ctx, dir, updates) }
}

func overLink(ctx context.Context, dir string, updates int) (measured, error) {
	n := 0
	var all []*wire.Run
	authors, err := newAuthors("author", 2)
	if err != nil {
		return measured{}, err
	}
	for _, a := range authors {
		runs, err := a.runs(ctx, wire.MaxEntries, updates/len(authors))
		if err != nil {
			return measured{}, err
		}
		n += len(runs) * wire.MaxEntries
		all = append(all, runs...)
	}
	s, err := newStore(ctx, dir, "source", all)
	if err != nil {
		return measured{}, err
	}
	defer s.Close()
	all = nil
	source, err := replica.Open(ctx, replica.Config{Topic: topic, Store: s, Verify: verify.AnyKey()})
	if err != nil {
		return measured{}, err
	}
	defer source.Close()
	t, err := openTarget(ctx, dir, "target", nil)
	if err != nil {
		return measured{}, err
	}
	defer t.close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	m := startMeter()
	_, stop, err := joined(ctx, t.Replica, "source", func(ctx context.Context, c net.Conn) error {
		return source.Sync(ctx, c, replica.SyncConfig{})
	})
	if err != nil {
		return measured{}, err
	}
	defer stop()
	if err := t.reach(ctx, n); err != nil {
		return measured{}, err
	}
	return m.rate(n), nil
}

// live measures single updates of many authors, signed beforehand: the receiving side.
func live(c *crowd, all float64) measure {
	return func(ctx context.Context, dir string) (measured, error) {
		if err := c.sign(ctx); err != nil {
			return measured{}, err
		}
		m, err := c.through(ctx, dir, attack{})
		m.base, m.to = all, toAll
		return m, err
	}
}

// localUpdate measures 64 writers, each of which waits for its update to be durable.
func localUpdate(span time.Duration) measure {
	return func(ctx context.Context, dir string) (measured, error) {
		a, err := newAuthor("")
		if err != nil {
			return measured{}, err
		}
		return writing(ctx, dir, a.signer, 64, span)
	}
}

// writing measures that many writers of one author.
func writing(ctx context.Context, dir string, signer sign.Signer, writers int, span time.Duration) (measured, error) {
	counted := &counter{Signer: signer}
	t, err := openTarget(ctx, dir, fmt.Sprintf("local-%d", stores.Add(1)), counted)
	if err != nil {
		return measured{}, err
	}
	defer t.close()
	var n atomic.Int64
	var failed atomic.Pointer[error]
	var tasks sync.WaitGroup
	m := startMeter()
	for w := range writers {
		tasks.Go(func() {
			value := make([]byte, changeSize)
			for i := 0; i == 0 || time.Since(m.began) < span; i++ {
				if _, err := t.kv.Set(ctx, fmt.Sprintf("%d/%d", w, i), value); err != nil {
					failed.Store(&err)
					return
				}
				n.Add(1)
			}
		})
	}
	tasks.Wait()
	got := m.rate(int(n.Load()))
	if err := failed.Load(); err != nil {
		return measured{}, *err
	}
	got.figures = []Figure{{"updates a signature", float64(n.Load()) / float64(counted.n.Load()), ""}}
	return got, nil
}

// counter counts signatures.
type counter struct {
	sign.Signer
	n atomic.Int64
}

func (c *counter) Sign(ctx context.Context, namespace string, msg []byte) ([]byte, error) {
	c.n.Add(1)
	return c.Signer.Sign(ctx, namespace, msg)
}
