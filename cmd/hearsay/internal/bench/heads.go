package bench

import (
	"bufio"
	"context"
	"errors"
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

const (
	// headLinks is how many links the relay has: one brings heads, the others are told.
	headLinks = 4
	// roundInterval is the relay's interval while a round of heads goes through it, which
	// takes about as long. So its regular work is done about once a round, as it is at
	// the default interval.
	roundInterval = time.Second
)

// heads measures what one round of heads of that many authors costs a relay that is given
// them as fast as it goes; divided by the default interval, that is what they cost it there.
// The rate is in CPU time, where it is known.
func heads(authors int) measure {
	return func(ctx context.Context, dir string) (measured, error) {
		first, second, err := rounds(ctx, authors)
		if err != nil {
			return measured{}, err
		}
		return relayed(ctx, dir, authors, first, second)
	}
}

// rounds signs two rounds of heads. Keys come with the first.
func rounds(ctx context.Context, n int) (first, second []byte, err error) {
	authors, err := newAuthors("author", n)
	if err != nil {
		return nil, nil, err
	}
	signed := make([][2]*wire.Head, n)
	err = onAllCores(n, func(i int) error {
		a := authors[i]
		for r := range signed[i] {
			h, err := a.head(ctx, a.now+uint64(r))
			if err != nil {
				return err
			}
			signed[i][r] = h
		}
		return nil
	})
	for i, a := range authors {
		first = appendFrame(first, wire.FrameKey, a.signer.Public().Wire())
		if err == nil {
			first = appendFrame(first, wire.FrameHead, signed[i][0].Body())
			second = appendFrame(second, wire.FrameHead, signed[i][1].Body())
		}
	}
	return first, second, err
}

// relayed sends two rounds through a relay and measures the second: what is known of an
// author stays.
func relayed(ctx context.Context, dir string, authors int, first, second []byte) (measured, error) {
	file, err := store.OpenBolt(filepath.Join(dir, "relay.db"), store.BoltOptions{})
	if err != nil {
		return measured{}, err
	}
	defer file.Close()
	s := &headCounter{Store: file}
	r, err := replica.Open(ctx, replica.Config{Topic: topic, Store: s, Verify: verify.AnyKey(), HeadInterval: roundInterval})
	if err != nil {
		return measured{}, err
	}
	defer r.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var told []*listener
	for range headLinks - 1 {
		l := &listener{}
		conn, stop, err := joined(ctx, r, "told", l.listen)
		if err != nil {
			return measured{}, err
		}
		defer stop()
		l.conn = conn
		told = append(told, l)
	}
	all := func(round int) func() bool {
		return func() bool {
			for _, l := range told {
				if l.heads.Load() < int64(round*authors) {
					return false
				}
			}
			return s.heads.Load() >= int64(round*authors)
		}
	}
	next := make(chan struct{})
	bringer, stop, err := joined(ctx, r, "bringer", func(ctx context.Context, c net.Conn) error {
		_, err := c.Write(append(greeting(), first...))
		select {
		case <-next:
		case <-ctx.Done():
		}
		_, err2 := c.Write(second)
		<-ctx.Done()
		return errors.Join(err, err2)
	})
	if err != nil {
		return measured{}, err
	}
	defer stop()
	if err := until(ctx, all(1)); err != nil {
		return measured{}, err
	}
	in, out := bringer.BytesOut(), told[0].conn.BytesIn()
	m := startMeter()
	inUse, cpu := m.base, cpuTime()
	close(next)
	if err := until(ctx, all(2)); err != nil {
		return measured{}, err
	}
	cpu = cpuTime() - cpu
	got := m.rate(authors)
	if cpu > 0 {
		got.rate = float64(authors) / cpu.Seconds()
	}
	in, out = bringer.BytesOut()-in, told[0].conn.BytesIn()-out
	interval := replica.DefaultHeadInterval.Seconds()
	got.figures = []Figure{
		{"CPU at the default interval, peers' included", 100 * cpu.Seconds() / interval, "% of a core"},
		{"CPU a head", float64(cpu.Microseconds()) / float64(authors), "µs"},
		{"in, on the link that brings them", float64(in) / interval, "B/s"},
		{"out, on each other link", float64(out) / interval, "B/s"},
		{"heap in use", float64(inUse), "B"},
	}
	return got, nil
}

// headCounter counts the records that are stored.
type headCounter struct {
	store.Store
	heads atomic.Int64
}

func (s *headCounter) PutRecords(ctx context.Context, topic, kind string, records ...store.Record) error {
	err := s.Store.PutRecords(ctx, topic, kind, records...)
	if err == nil {
		s.heads.Add(int64(len(records)))
	}
	return err
}

// listener is a peer that wants everything, and counts heads.
type listener struct {
	conn  *link.Conn
	heads atomic.Int64
}

func (l *listener) listen(ctx context.Context, c net.Conn) error {
	var reading sync.WaitGroup
	reading.Go(func() {
		in := bufio.NewReaderSize(c, 64<<10)
		for {
			f, err := wire.ReadFrame(in)
			if err != nil {
				return
			}
			if f.Type == wire.FrameHead {
				l.heads.Add(1)
			}
		}
	})
	want := &wire.Digest{Nonce: 1, Unnamed: wire.UnnamedWanted}
	_, err := c.Write(appendFrame(greeting(), wire.FrameDigest, want.Append(nil)))
	<-ctx.Done()
	c.Close()
	reading.Wait()
	return err
}
