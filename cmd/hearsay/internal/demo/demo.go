// Package demo is a short play: two authors, an honest relay and a lying one, in one
// process over real sockets.
package demo

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/link"
	"github.com/hearsaynet/hearsay/replica/model/kv"
	"github.com/hearsaynet/hearsay/replica/store"
	"github.com/hearsaynet/hearsay/sign"
)

const (
	topic = "demo"
	// patience bounds the wait for anything that must happen.
	patience = 20 * time.Second
)

// Run plays the demo to out. An error means that something did not go as it must.
func Run(ctx context.Context, out io.Writer) (err error) {
	p := &play{out: out}
	defer func() { err = errors.Join(err, p.close()) }()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if err := p.cast(ctx); err != nil {
		return err
	}
	for _, act := range []func(context.Context) error{p.writing, p.altering, p.withholding, p.forging, p.healing, p.convergence} {
		if err := act(ctx); err != nil {
			return err
		}
	}
	return nil
}

// play is the cast and its stage.
type play struct {
	out               io.Writer
	alice, bob, relay *actor
	liar              *link.Endpoint
	liarKey           *sign.PrivateKey
	closers           []func() error
}

// actor is a node of the play.
type actor struct {
	name string
	key  *sign.PrivateKey
	*replica.Replica
	kv      *kv.Map
	ep      *link.Endpoint
	addr    string
	notices <-chan replica.Notice
}

func (p *play) say(format string, args ...any) { fmt.Fprintf(p.out, format+"\n", args...) }

func (p *play) close() error {
	var errs []error
	for i := len(p.closers) - 1; i >= 0; i-- {
		errs = append(errs, p.closers[i]())
	}
	return errors.Join(errs...)
}

// cast makes the four nodes. All but the liar admit Alice and Bob, and nobody else.
func (p *play) cast(ctx context.Context) error {
	var private []*sign.PrivateKey
	for range 4 {
		_, secret, err := ed25519.GenerateKey(nil)
		if err != nil {
			return err
		}
		k, err := sign.NewEd25519(secret)
		if err != nil {
			return err
		}
		private = append(private, k)
	}
	admitted := keys.NewMemory(private[0].Public(), private[1].Public())
	var err error
	if p.alice, err = p.actor(ctx, "alice", private[0], admitted, true); err != nil {
		return err
	}
	if p.bob, err = p.actor(ctx, "bob", private[1], admitted, true); err != nil {
		return err
	}
	if p.relay, err = p.actor(ctx, "honest relay", private[2], admitted, false); err != nil {
		return err
	}
	p.liarKey = private[3]
	p.liar, err = link.New(link.Config{Signer: p.liarKey})
	if err != nil {
		return err
	}
	p.closers = append(p.closers, p.liar.Close)
	p.say("Four nodes, each with a key of its own. An id is the hash of a key.\n")
	for _, a := range []*actor{p.alice, p.bob, p.relay} {
		p.say("  %-13s %v  %s", a.name, a.key.Public().ID(), a.addr)
	}
	p.say("  %-13s %v", "lying relay", p.liar.ID())
	return nil
}

func (p *play) actor(ctx context.Context, name string, key *sign.PrivateKey, admitted keys.Keystore, author bool) (*actor, error) {
	a := &actor{name: name, key: key}
	cfg := replica.Config{Topic: topic, Store: store.NewMemory(), Keystore: admitted}
	if author {
		cfg.Signer = key
	}
	var err error
	if a.Replica, err = replica.Open(ctx, cfg); err != nil {
		return nil, err
	}
	p.closers = append(p.closers, a.Replica.Close)
	if a.kv, err = kv.Mount(a.Replica, "", kv.Config{}); err != nil {
		return nil, err
	}
	a.notices = a.Notices(ctx)
	if a.ep, err = link.New(link.Config{Signer: key}); err != nil {
		return nil, err
	}
	p.closers = append(p.closers, a.ep.Close)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	a.addr = ln.Addr().String()
	var serving sync.WaitGroup
	serving.Go(func() { a.ep.Serve(ctx, ln, a.hold) })
	p.closers = append(p.closers, func() error { ln.Close(); a.ep.Close(); serving.Wait(); return nil })
	return a, nil
}

// hold is one session over a link.
func (a *actor) hold(ctx context.Context, c *link.Conn) error {
	return a.Sync(ctx, c, replica.SyncConfig{Name: c.PeerID().Short()})
}

// await waits for a notice of a kind.
func (a *actor) await(ctx context.Context, kind replica.NoticeKind) (replica.Notice, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		select {
		case n := <-a.notices:
			if n.Kind == kind {
				return n, nil
			}
		case <-ctx.Done():
			return replica.Notice{}, fmt.Errorf("demo: %s saw nothing of kind %q in %v", a.name, kind, patience)
		}
	}
}
