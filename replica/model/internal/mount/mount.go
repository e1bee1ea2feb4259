// Package mount is what every model does with its replica: it is mounted on a channel,
// writes there, and is closed.
package mount

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// ErrClosed is wrapped by the errors of a model that has been closed.
var ErrClosed = errors.New("closed")

// Channel is a model's place in a replica. Its zero value belongs to a model without
// one, and can be closed.
type Channel struct {
	name    string // of the model, in errors
	replica *replica.Replica
	channel string
	unmount func()
	closed  atomic.Bool

	mu   sync.Mutex // guards dice
	dice *rand.Rand // nil until Random is called
}

// Open folds what the replica has of a channel, "" for the one with the model's name,
// into model, which follows from then on.
func Open(name string, r *replica.Replica, channel string, model replica.Model) (*Channel, error) {
	if channel == "" {
		channel = name
	}
	unmount, err := r.Mount(channel, model)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return &Channel{name: name, replica: r, channel: channel, unmount: unmount}, nil
}

// Write signs changes, 1 to 256, which stay in order and are stored together or not at
// all, and returns when they are durable and applied.
func (c *Channel) Write(ctx context.Context, changes ...[]byte) ([]wire.Ref, error) {
	if c.closed.Load() {
		return nil, fmt.Errorf("%s: %w", c.name, ErrClosed)
	}
	refs, err := c.replica.LocalUpdates(ctx, c.channel, changes...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.name, err)
	}
	return refs, nil
}

// WriteOne is Write for one change.
func (c *Channel) WriteOne(ctx context.Context, change []byte) (wire.Ref, error) {
	refs, err := c.Write(ctx, change)
	if err != nil {
		return wire.Ref{}, err
	}
	return refs[0], nil
}

// Random returns a number below n, which is not 0. Which ones it returns follows from the
// own author, the channel, and what the author had written before the first call: so
// authors choose differently, and a simulation plays the same twice.
func (c *Channel) Random(n uint64) uint64 {
	if c.replica == nil {
		return rand.Uint64N(n)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dice == nil {
		self := c.replica.Self()
		last := c.replica.Clock()[self].Hash
		c.dice = rand.New(rand.NewChaCha8(sha256.Sum256(slices.Concat(self[:], last[:], []byte(c.channel)))))
	}
	return c.dice.Uint64N(n)
}

// Close unmounts the model. What it holds can still be read.
func (c *Channel) Close() {
	c.closed.Store(true)
	if c.unmount != nil {
		c.unmount()
	}
}
