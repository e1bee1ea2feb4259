package bench

import (
	"context"
	"errors"
	"io"
	"net"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/link"
	"github.com/hearsaynet/hearsay/replica/model/kv"
	"github.com/hearsaynet/hearsay/replica/store"
	"github.com/hearsaynet/hearsay/replica/wire"
	"github.com/hearsaynet/hearsay/sign"
	"github.com/hearsaynet/hearsay/verify"
)

// target is a replica on disk with a kv model that is to reach a number of keys.
type target struct {
	*replica.Replica
	store *store.Bolt
	kv    *kv.Map
	first time.Duration // what folding what it began with took
}

// openTarget opens one on a new store that holds runs.
func openTarget(ctx context.Context, dir, name string, signer sign.Signer, runs ...[]*wire.Run) (*target, error) {
	return openTargetFor(ctx, dir, name, verify.AnyKey(), signer, runs...)
}

// openTargetFor is openTarget with a rule of who is admitted.
func openTargetFor(ctx context.Context, dir, name string, admits verify.Func, signer sign.Signer, runs ...[]*wire.Run) (*target, error) {
	s, err := newStore(ctx, dir, name, runs...)
	if err != nil {
		return nil, err
	}
	r, err := replica.Open(ctx, replica.Config{Topic: topic, Store: s, Signer: signer, Verify: admits})
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	began := time.Now()
	m, err := kv.Mount(r, "", kv.Config{})
	if err != nil {
		return nil, errors.Join(err, r.Close(), s.Close())
	}
	return &target{r, s, m, time.Since(began)}, nil
}

func (t *target) close() error {
	t.kv.Close()
	return errors.Join(t.Replica.Close(), t.store.Close())
}

// reach waits until the model has n keys.
func (t *target) reach(ctx context.Context, n int) error {
	return until(ctx, func() bool { return t.kv.Len() >= n })
}

// until waits until something is so.
func until(ctx context.Context, so func() bool) error {
	for !so() {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(2 * time.Millisecond):
		}
	}
	return nil
}

// newStore makes a store that holds runs.
func newStore(ctx context.Context, dir, name string, runs ...[]*wire.Run) (*store.Bolt, error) {
	s, err := store.OpenBolt(filepath.Join(dir, name+".db"), store.BoltOptions{})
	if err != nil {
		return nil, err
	}
	all := slices.Concat(runs...)
	for batch := range slices.Chunk(all, 4096) {
		if err := s.Append(ctx, batch...); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	return s, nil
}

// joined links r, which accepts, to whatever talk says over the dialed side, which is
// returned. name is what r calls the link. stop ends both.
func joined(ctx context.Context, r *replica.Replica, name string, talk func(context.Context, net.Conn) error) (conn *link.Conn, stop func(), err error) {
	accepting, err := newAuthor("")
	if err != nil {
		return nil, nil, err
	}
	dialing, err := newAuthor("")
	if err != nil {
		return nil, nil, err
	}
	server, err := link.New(link.Config{Signer: accepting.signer})
	if err != nil {
		return nil, nil, err
	}
	client, err := link.New(link.Config{Signer: dialing.signer})
	if err != nil {
		return nil, nil, errors.Join(err, server.Close())
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
		return nil, nil, err
	}
	tasks.Go(func() {
		server.Serve(ctx, ln, func(ctx context.Context, c *link.Conn) error {
			return r.Sync(ctx, c, replica.SyncConfig{Name: name, Peer: c.PeerID()})
		})
	})
	conn, err = client.Dial(ctx, link.Address{HostPort: ln.Addr().String()})
	if err != nil {
		stop()
		return nil, nil, err
	}
	tasks.Go(func() {
		defer conn.Close()
		talk(ctx, conn)
	})
	return conn, stop, nil
}

// handle is how a peer that is played by hand calls the topic.
const handle = 1

// greeting is what such a peer says first.
func greeting() []byte {
	hello := wire.Hello{Version: wire.Version, Agent: replica.Agent, Topics: []wire.TopicHandle{{Handle: handle, Topic: topic}}}
	return wire.AppendFrame(nil, wire.Frame{Type: wire.FrameHello, Body: hello.Append(nil)})
}

func appendFrame(b []byte, t wire.FrameType, body []byte) []byte {
	return wire.AppendFrame(b, wire.Frame{Type: t, Handle: handle, Body: body})
}

// says is a peer that greets, writes frames as fast as the link takes them, and reads
// without an answer until ctx ends.
func says(frames []byte) func(context.Context, net.Conn) error {
	return func(ctx context.Context, c net.Conn) error {
		go io.Copy(io.Discard, c)
		_, err := c.Write(greeting())
		if err == nil {
			_, err = c.Write(frames)
		}
		<-ctx.Done()
		return err
	}
}

// cuts returns the seqs at which authors are cut, by author.
func (t *target) cuts() (seqs []uint64) {
	for _, a := range t.Status().Authors {
		if a.Cut > 0 {
			seqs = append(seqs, a.Cut)
		}
	}
	return seqs
}
