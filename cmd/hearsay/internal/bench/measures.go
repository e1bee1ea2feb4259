package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/link"
	"github.com/hearsaynet/hearsay/replica/store"
	"github.com/hearsaynet/hearsay/replica/wire"
	"github.com/hearsaynet/hearsay/verify"
)

// measure returns updates a second, with its files in dir.
type measure func(ctx context.Context, dir string) (float64, error)

// bulk measures an import: no network, everything else.
func bulk(perRun, updates int) measure {
	return func(ctx context.Context, dir string) (float64, error) {
		var file bytes.Buffer
		n, err := exportOf(ctx, &file, perRun, updates)
		if err != nil {
			return 0, err
		}
		t, err := openTarget(ctx, dir, "bulk", nil)
		if err != nil {
			return 0, err
		}
		defer t.close()
		start := time.Now()
		res, err := t.Import(ctx, &file)
		if err := errors.Join(err, res.First); err != nil {
			return 0, err
		}
		if err := t.reach(ctx, n); err != nil {
			return 0, err
		}
		return float64(n) / time.Since(start).Seconds(), nil
	}
}

// exportOf writes an export file of two authors' updates, and returns how many.
func exportOf(ctx context.Context, w io.Writer, perRun, updates int) (n int, err error) {
	out, err := wire.NewExportWriter(w, replica.Agent, topic)
	if err != nil {
		return 0, err
	}
	authors, err := newAuthors(2)
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

func newAuthors(n int) ([]*author, error) {
	authors := make([]*author, n)
	for i := range authors {
		a, err := newAuthor(fmt.Sprintf("author-%d", i))
		if err != nil {
			return nil, err
		}
		authors[i] = a
	}
	return authors, nil
}

// linkBulk measures two replicas, a link between them, and a disk under each.
func linkBulk(updates int) measure {
	return func(ctx context.Context, dir string) (float64, error) { return overLink(ctx, dir, updates) }
}

func overLink(ctx context.Context, dir string, updates int) (float64, error) {
	s, err := store.OpenBolt(filepath.Join(dir, "source.db"), store.BoltOptions{})
	if err != nil {
		return 0, err
	}
	defer s.Close()
	n, err := fill(ctx, s, updates)
	if err != nil {
		return 0, err
	}
	source, err := replica.Open(ctx, replica.Config{Topic: topic, Store: s, Verify: verify.AnyKey()})
	if err != nil {
		return 0, err
	}
	defer source.Close()
	t, err := openTarget(ctx, dir, "target", nil)
	if err != nil {
		return 0, err
	}
	defer t.close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	start := time.Now()
	stop, err := joined(ctx, t.Replica, func(ctx context.Context, c net.Conn) error {
		return source.Sync(ctx, c, replica.SyncConfig{})
	})
	if err != nil {
		return 0, err
	}
	defer stop()
	if err := t.reach(ctx, n); err != nil {
		return 0, err
	}
	return float64(n) / time.Since(start).Seconds(), nil
}

// fill puts two authors' runs of 256 into a store.
func fill(ctx context.Context, s store.Store, updates int) (n int, err error) {
	authors, err := newAuthors(2)
	if err != nil {
		return 0, err
	}
	var batch []*wire.Run
	for n < updates {
		for _, a := range authors {
			r, err := a.run(ctx, wire.MaxEntries)
			if err != nil {
				return 0, err
			}
			batch = append(batch, r)
			n += r.Len()
		}
		if len(batch) >= 64 || n >= updates {
			if err := s.Append(ctx, batch...); err != nil {
				return 0, err
			}
			batch = batch[:0]
		}
	}
	return n, nil
}

// joined links r, which accepts, to whatever talk says over the dialed side. stop ends
// both.
func joined(ctx context.Context, r *replica.Replica, talk func(context.Context, net.Conn) error) (stop func(), err error) {
	accepting, err := newAuthor("")
	if err != nil {
		return nil, err
	}
	dialing, err := newAuthor("")
	if err != nil {
		return nil, err
	}
	server, err := link.New(link.Config{Signer: accepting.signer})
	if err != nil {
		return nil, err
	}
	client, err := link.New(link.Config{Signer: dialing.signer})
	if err != nil {
		return nil, errors.Join(err, server.Close())
	}
	ctx, cancel := context.WithCancel(ctx)
	var tasks sync.WaitGroup
	stop = func() {
		cancel()
		client.Close()
		server.Close()
		tasks.Wait()
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		stop()
		return nil, err
	}
	tasks.Go(func() {
		server.Serve(ctx, ln, func(ctx context.Context, c *link.Conn) error {
			return r.Sync(ctx, c, replica.SyncConfig{})
		})
	})
	conn, err := client.Dial(ctx, link.Address{HostPort: ln.Addr().String()})
	if err != nil {
		stop()
		return nil, err
	}
	tasks.Go(func() {
		defer conn.Close()
		talk(ctx, conn)
	})
	return stop, nil
}

// live measures single updates of many authors, signed beforehand: the receiving side.
func live(perAuthor int) measure {
	return func(ctx context.Context, dir string) (float64, error) { return singles(ctx, dir, perAuthor) }
}

func singles(ctx context.Context, dir string, perAuthor int) (float64, error) {
	authors, err := newAuthors(100)
	if err != nil {
		return 0, err
	}
	const handle = 1
	hello := wire.Hello{Version: wire.Version, Agent: replica.Agent, Topics: []wire.TopicHandle{{Handle: handle, Topic: topic}}}
	frames := wire.AppendFrame(nil, wire.Frame{Type: wire.FrameHello, Body: hello.Append(nil)})
	for _, a := range authors {
		frames = wire.AppendFrame(frames, wire.Frame{Type: wire.FrameKey, Handle: handle, Body: a.signer.Public().Wire()})
	}
	for range perAuthor {
		for _, a := range authors {
			r, err := a.run(ctx, 1)
			if err != nil {
				return 0, err
			}
			frames = wire.AppendFrame(frames, wire.Frame{Type: wire.FrameRun, Handle: handle, Body: r.Body()})
		}
	}
	t, err := openTarget(ctx, dir, "live", nil)
	if err != nil {
		return 0, err
	}
	defer t.close()
	start := time.Now()
	stop, err := joined(ctx, t.Replica, func(ctx context.Context, c net.Conn) error {
		go io.Copy(io.Discard, c)
		_, err := c.Write(frames)
		<-ctx.Done()
		return err
	})
	if err != nil {
		return 0, err
	}
	defer stop()
	n := perAuthor * len(authors)
	if err := t.reach(ctx, n); err != nil {
		return 0, err
	}
	return float64(n) / time.Since(start).Seconds(), nil
}

// localUpdate measures 64 writers, each of which waits for its update to be durable.
func localUpdate(span time.Duration) measure {
	return func(ctx context.Context, dir string) (float64, error) { return writers(ctx, dir, span) }
}

func writers(ctx context.Context, dir string, span time.Duration) (float64, error) {
	a, err := newAuthor("")
	if err != nil {
		return 0, err
	}
	t, err := openTarget(ctx, dir, "local", a.signer)
	if err != nil {
		return 0, err
	}
	defer t.close()
	var n atomic.Int64
	var failed atomic.Pointer[error]
	var tasks sync.WaitGroup
	start := time.Now()
	for w := range 64 {
		tasks.Go(func() {
			value := make([]byte, changeSize)
			for i := 0; time.Since(start) < span; i++ {
				if _, err := t.kv.Set(ctx, fmt.Sprintf("%d/%d", w, i), value); err != nil {
					failed.Store(&err)
					return
				}
				n.Add(1)
			}
		})
	}
	tasks.Wait()
	if err := failed.Load(); err != nil {
		return 0, *err
	}
	return float64(n.Load()) / time.Since(start).Seconds(), nil
}
