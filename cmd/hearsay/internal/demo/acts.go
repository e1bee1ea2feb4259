package demo

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/link"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// writing: Alice signs three updates.
func (p *play) writing(ctx context.Context) error {
	p.say("\n1. Alice writes, each update signed by her key:\n")
	for _, kv := range [][2]string{{"price", "100"}, {"stock", "7"}, {"price", "120"}} {
		ref, err := p.alice.kv.Set(ctx, kv[0], []byte(kv[1]))
		if err != nil {
			return err
		}
		p.say("  alice/%d  %s = %s", ref.Seq, kv[0], kv[1])
	}
	return nil
}

// altering: the liar changes a value on the way.
func (p *play) altering(ctx context.Context) error {
	p.say("\n2. The lying relay passes the first to Bob, and makes 900 of 100:\n")
	err := p.lie(ctx, func(runs []*wire.UnverifiedRun, out *teller) {
		out.run(swap(runs[0], "100", "900"))
	}, func() error { return p.refused(ctx) })
	if err != nil {
		return err
	}
	return p.bobHas(0, "nothing")
}

// withholding: the liar leaves one update out.
func (p *play) withholding(ctx context.Context) error {
	p.say("\n3. It tries again, honestly, but leaves update 2 out:\n")
	err := p.lie(ctx, func(runs []*wire.UnverifiedRun, out *teller) {
		for _, u := range runs {
			if u.First() != 2 {
				out.run(u.UnverifiedBody())
			}
		}
	}, func() error {
		n, err := p.bob.await(ctx, replica.Gap)
		if err != nil {
			return err
		}
		p.say("  bob sees a gap: alice/%d is missing (%s). What comes after it waits.", n.Ref.Seq, n.Reason)
		return nil
	})
	if err != nil {
		return err
	}
	x, err := p.bob.Explain(ctx, p.alice.Self(), 3)
	if err != nil {
		return err
	}
	p.say("  $ hearsay explain alice 3\n  %s: %s", x.State, x.Reason)
	return nil
}

// forging: the liar signs in Alice's name with its own key.
func (p *play) forging(ctx context.Context) error {
	p.say("\n4. It writes an update 2 itself, in Alice's name, with its own key:\n")
	return p.lie(ctx, func(runs []*wire.UnverifiedRun, out *teller) {
		forged, err := forge(ctx, p, runs[1])
		if err == nil {
			out.run(forged)
		}
	}, func() error { return p.refused(ctx) })
}

// healing: the honest relay brings what was withheld.
func (p *play) healing(ctx context.Context) error {
	p.say("\n5. Bob also knows an honest relay, which Alice reaches too:\n")
	for _, a := range []*actor{p.alice, p.bob} {
		c, err := a.ep.Dial(ctx, link.Address{HostPort: p.relay.addr, ID: p.relay.key.Public().ID()})
		if err != nil {
			return err
		}
		var talking sync.WaitGroup
		talking.Go(func() { a.hold(ctx, c) })
		p.closers = append(p.closers, func() error { c.Close(); talking.Wait(); return nil })
	}
	for {
		n, err := p.bob.await(ctx, replica.Applied)
		if err != nil {
			return err
		}
		p.say("  bob applies alice/%d", n.Ref.Seq)
		if n.Ref.Seq == 3 {
			return p.bobHas(2, "all of it")
		}
	}
}

// convergence: both end with the same state.
func (p *play) convergence(ctx context.Context) error {
	p.say("\n6. Bob writes too; the relay carries it, and cannot change it:\n")
	if _, err := p.bob.kv.Set(ctx, "stock", []byte("6")); err != nil {
		return err
	}
	for {
		n, err := p.alice.await(ctx, replica.Applied)
		if err != nil {
			return err
		}
		if n.Ref.Author == p.bob.Self() {
			break
		}
	}
	for key, a := range p.alice.kv.All() {
		b, ok := p.bob.kv.Get(key)
		if !ok || string(a.Value) != string(b.Value) {
			return fmt.Errorf("demo: alice and bob differ in %q", key)
		}
		p.say("  %-6s alice: %-4s bob: %-4s", key, a.Value, b.Value)
	}
	p.say("\nBoth hold the same, and nothing that the liar made.")
	return nil
}

func (p *play) refused(ctx context.Context) error {
	n, err := p.bob.await(ctx, replica.Rejected)
	if err != nil {
		return err
	}
	p.say("  bob refuses alice/%d from %s:\n  %s", n.Ref.Seq, n.Peer, n.Reason)
	down, err := p.bob.await(ctx, replica.LinkDown)
	if err != nil {
		return err
	}
	p.say("  and ends the link: %s", down.Reason)
	return nil
}

func (p *play) bobHas(n int, what string) error {
	if got := p.bob.kv.Len(); got != n {
		return fmt.Errorf("demo: bob has %d keys, want %d", got, n)
	}
	p.say("  bob has %s.", what)
	return nil
}

// lie has the liar fetch Alice's runs like any peer, and tell Bob what it makes of them.
func (p *play) lie(ctx context.Context, tell func([]*wire.UnverifiedRun, *teller), then func() error) error {
	runs, err := p.eavesdrop(ctx)
	if err != nil {
		return err
	}
	c, err := p.liar.Dial(ctx, link.Address{HostPort: p.bob.addr})
	if err != nil {
		return err
	}
	defer c.Close()
	go io.Copy(io.Discard, c)
	out := &teller{w: c}
	out.hello()
	out.frame(wire.FrameKey, p.alice.key.Public().Wire())
	tell(runs, out)
	return then()
}

// eavesdrop reads what Alice sends to any peer that asks.
func (p *play) eavesdrop(ctx context.Context) (runs []*wire.UnverifiedRun, err error) {
	c, err := p.liar.Dial(ctx, link.Address{HostPort: p.alice.addr})
	if err != nil {
		return nil, err
	}
	defer c.Close()
	out := &teller{w: c}
	out.hello()
	out.frame(wire.FrameDigest, (&wire.Digest{Nonce: 1, Unnamed: wire.UnnamedWanted}).Append(nil))
	in := bufio.NewReader(c)
	for {
		f, err := wire.ReadFrame(in)
		if err != nil {
			return nil, err
		}
		switch f.Type {
		case wire.FrameRun:
			u, err := wire.ParseRun(topic, f.Body)
			if err != nil {
				return nil, err
			}
			runs = append(runs, u)
		case wire.FrameDone:
			if len(runs) == 0 {
				return nil, errors.New("demo: alice sent nothing")
			}
			return runs, nil
		}
	}
}
