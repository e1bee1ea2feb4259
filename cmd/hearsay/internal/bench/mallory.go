package bench

import (
	"bufio"
	"context"
	"net"
	"sync"
	"time"

	"github.com/hearsaynet/hearsay/fuzz/mallory"
	"github.com/hearsaynet/hearsay/replica/link"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// mallorySays is what mallory says at most, in bytes.
const mallorySays = 16 << 20

// liveMallory has package mallory flood another link with all that attacks say, or the first
// part of it, in bytes.
func liveMallory(c *crowd, attacks string, most int) measure {
	return func(ctx context.Context, dir string) (measured, error) {
		frames, err := recorded(ctx, attacks, most)
		if err != nil {
			return measured{}, err
		}
		return c.beside(ctx, dir, attack{frames: frames, took: func(t *target) []Figure {
			taken := -c.updates
			for _, ref := range t.Clock() {
				taken += int(ref.Seq)
			}
			return []Figure{{"said by mallory", float64(len(frames)), "B"}, {"of its updates taken", float64(taken), ""}, {"of its authors", float64(len(t.Clock()) - crowdAuthors), ""}}
		}})
	}
}

// recorded returns what mallory says to an upstream peer that answers nothing but Hello,
// behind one genuine update: all of it, or as many bytes as are asked for.
func recorded(ctx context.Context, names string, most int) ([]byte, error) {
	attacks, err := mallory.Find(names)
	if err != nil {
		return nil, err
	}
	genuine, err := genuineUpdate(ctx)
	if err != nil {
		return nil, err
	}
	rec, err := newRecorder()
	if err != nil {
		return nil, err
	}
	defer rec.ep.Close()
	m, err := mallory.New(mallory.Config{Upstream: link.Address{HostPort: rec.ln.Addr().String()}, Attacks: attacks, Toward: mallory.TowardUpstream, Topic: topic})
	if err != nil {
		return nil, err
	}
	defer m.Close()
	ln, err := m.Listen(ctx, "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	var tasks sync.WaitGroup
	defer tasks.Wait()
	defer cancel()
	tasks.Go(func() { rec.ep.Serve(ctx, rec.ln, rec.hold) })
	tasks.Go(func() { m.Serve(ctx, ln) })
	calling, err := newLinks()
	if err != nil {
		return nil, err
	}
	defer calling.Close()
	caller, err := calling.Dial(ctx, link.Address{HostPort: ln.Addr().String()})
	if err != nil {
		return nil, err
	}
	defer caller.Close()
	if _, err := caller.Write(append(greeting(), genuine...)); err != nil {
		return nil, err
	}
	err = until(ctx, func() bool { return rec.enough(most) })
	return rec.said(), err
}

func genuineUpdate(ctx context.Context) ([]byte, error) {
	a, err := newAuthor("genuine")
	if err != nil {
		return nil, err
	}
	r, err := a.run(ctx, 1)
	if err != nil {
		return nil, err
	}
	return appendFrame(appendFrame(nil, wire.FrameKey, a.signer.Public().Wire()), wire.FrameRun, r.Body()), nil
}

// recorder is a peer that keeps what it is told.
type recorder struct {
	ep *link.Endpoint // accepts
	ln net.Listener

	mu     sync.Mutex // guards the fields below
	frames []byte
	last   time.Time
}

// idleAfter is how long a recorder hears nothing before all is said.
const idleAfter = 500 * time.Millisecond

func newRecorder() (*recorder, error) {
	ep, err := newLinks()
	if err != nil {
		return nil, err
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	return &recorder{ep: ep, ln: ln}, nil
}

func newLinks() (*link.Endpoint, error) {
	a, err := newAuthor("")
	if err != nil {
		return nil, err
	}
	return link.New(link.Config{Signer: a.signer})
}

// hold keeps all frames but the Hello.
func (r *recorder) hold(_ context.Context, c *link.Conn) error {
	if _, err := c.Write(greeting()); err != nil {
		return err
	}
	for in := bufio.NewReaderSize(c, 64<<10); ; {
		f, err := wire.ReadFrame(in)
		if err != nil {
			return err
		}
		if f.Type != wire.FrameHello {
			r.keep(f)
		}
	}
}

func (r *recorder) keep(f wire.Frame) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.frames, r.last = wire.AppendFrame(r.frames, f), time.Now()
}

// enough reports whether so much was said, or all.
func (r *recorder) enough(most int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.frames) >= most || !r.last.IsZero() && time.Since(r.last) > idleAfter
}

func (r *recorder) said() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.frames
}
