package replica

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"reflect"
	"sync"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/store"
	"github.com/hearsaynet/hearsay/verify"
)

// Clone opens a second replica of the topic in this process, and returns when it has
// what r had, or else with an error and no clone. From then on each is sent what the
// other stores, until either is closed; the other one goes on alone. ctx bounds Clone
// only.
//
// Of cfg, what is zero is as r has it, except that the store is one in memory, and that
// there is no Signer and no Guard: such a clone reads. With a Signer of its own, whose key is not
// r's, it writes too; for that to reach r, r must admit the key. Neither trusts the
// other: what it is sent passes its Verify.
func (r *Replica) Clone(ctx context.Context, cfg Config) (*Replica, error) {
	cfg, done, err := r.cloneConfig(cfg)
	if err != nil {
		return nil, err
	}
	c, err := Open(ctx, cfg)
	if err != nil {
		done()
		return nil, err
	}
	c.tasks.Go(func() { <-c.ctx.Done(); done() })
	if err := c.linkTo(ctx, r, SyncConfig{StopWhenDrained: true}); err != nil {
		return nil, errors.Join(fmt.Errorf("replica: clone: %w", err), c.Close())
	}
	c.tasks.Go(func() { c.keepUp(r) })
	return c, nil
}

// cloneConfig fills in what a clone's configuration leaves open. done is called when the
// clone has been closed.
func (r *Replica) cloneConfig(cfg Config) (_ Config, done func(), err error) {
	if cfg.Topic = cmp.Or(cfg.Topic, r.cfg.Topic); cfg.Topic != r.cfg.Topic {
		return cfg, nil, fmt.Errorf("replica: clone: Config.Topic is %q, the replica's %q", cfg.Topic, r.cfg.Topic)
	}
	if cfg.Signer != nil && cfg.Signer.Public().ID() == r.self {
		return cfg, nil, errors.New("replica: clone: Config.Signer is the replica's own: two stores that write with one key sign two histories")
	}
	if cfg.Store == nil {
		cfg.Store = store.NewMemory()
	} else if cfg.Store == r.store {
		return cfg, nil, errors.New("replica: clone: Config.Store is the replica's own: a clone needs another")
	}
	done = func() {}
	if cfg.Keystore == nil && cfg.Verify == nil {
		cfg.Keystore, cfg.Verify = r.cfg.Keystore, r.cfg.Verify
		if r.cfg.Signer != nil { // r admits its own author without asking
			done = admitToo(&cfg, r.cfg.Signer.Public())
		}
	}
	if reflect.ValueOf(cfg.Pipeline).IsZero() {
		cfg.Pipeline = r.cfg.Pipeline
	}
	setDefault(&cfg.MaxSkew, r.cfg.MaxSkew)
	setDefault(&cfg.MaxChange, r.cfg.MaxChange)
	setDefault(&cfg.HeadInterval, r.cfg.HeadInterval)
	setDefault(&cfg.MaxAuthors, r.cfg.MaxAuthors)
	if cfg.Log == nil {
		cfg.Log = r.cfg.Log
	}
	if cfg.Now == nil {
		cfg.Now = r.cfg.Now
	}
	return cfg, done, nil
}

// admitToo has a configuration admit one more author. done is called when it is not used
// any more.
func admitToo(cfg *Config, key keys.PublicKey) (done func()) {
	done = func() {}
	own := keys.NewMemory(key)
	if verifies := cfg.Verify; verifies != nil {
		admits := verify.Admitted(own)
		cfg.Verify = func(ctx context.Context, r *verify.Request, done func(verify.Verdict, error)) {
			if r.Statement.Author() == key.ID() {
				admits(ctx, r, done)
			} else {
				verifies(ctx, r, done)
			}
		}
	}
	switch {
	case cfg.Keystore != nil:
		both := keys.NewUnion(own, cfg.Keystore)
		cfg.Keystore, done = both, func() { both.Close() }
	case cfg.Verify == nil:
		cfg.Keystore = own
	}
	return done
}

// keepUp holds sessions with r until either is closed.
func (c *Replica) keepUp(r *Replica) {
	for c.ctx.Err() == nil && r.ctx.Err() == nil {
		if err := c.linkTo(c.ctx, r, SyncConfig{}); err != nil && c.ctx.Err() == nil && r.ctx.Err() == nil {
			c.trouble("keep in step with what it is a clone of", err)
		}
		again := time.NewTimer(storeRetryMin)
		select {
		case <-c.ctx.Done():
		case <-r.ctx.Done():
		case <-again.C:
		}
		again.Stop()
	}
}

// linkTo holds one session with r, at most until either is closed, and returns c's error.
func (c *Replica) linkTo(ctx context.Context, r *Replica, o SyncConfig) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	for _, end := range []context.Context{c.ctx, r.ctx} {
		defer context.AfterFunc(end, func() { cancel(ErrClosed) })()
	}
	mine, theirs := net.Pipe()
	var other sync.WaitGroup
	defer other.Wait()
	other.Go(func() { r.Sync(ctx, theirs, SyncConfig{Name: "clone", Peer: c.self}) })
	o.Name, o.Peer = "original", r.self
	return c.Sync(ctx, mine, o)
}
