package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"

	"github.com/hearsaynet/hearsay/keygen"
	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/sign"
	"github.com/hearsaynet/hearsay/sign/agent"
)

// identity is the node's key. It is a sign.Signer that opens the key file when it is
// first needed, so that commands that only read ask for no passphrase.
type identity struct {
	public     keys.PublicKey
	agent      *agent.Signer // nil: the key is in a file
	offline    bool
	path       string
	passphrase func() ([]byte, error)
	log        *slog.Logger

	mu  sync.Mutex // guards key
	key *sign.PrivateKey
}

// Public implements sign.Signer.
func (id *identity) Public() keys.PublicKey { return id.public }

// Sign implements sign.Signer.
func (id *identity) Sign(ctx context.Context, namespace string, msg []byte) ([]byte, error) {
	if id.agent != nil {
		return id.agent.Sign(ctx, namespace, msg)
	}
	key, err := id.unlock()
	if err != nil {
		return nil, err
	}
	return key.Sign(ctx, namespace, msg)
}

// ready finds out before a write whether the key can sign. An agent that is away is an
// error only offline: a node that runs waits for it.
func (id *identity) ready(ctx context.Context) error {
	switch {
	case id.agent == nil:
		_, err := id.unlock()
		return err
	case id.offline:
		return agentError(id.agent.Check(ctx))
	}
	return nil
}

// Unlock opens the key file, and asks for its passphrase, if that has not been done yet; or
// looks for the key in the agent. A node that is Offline does so at its first write otherwise.
func (n *Node) Unlock(ctx context.Context) error { return n.id.ready(ctx) }

// unlock opens the key file.
func (id *identity) unlock() (*sign.PrivateKey, error) {
	id.mu.Lock()
	defer id.mu.Unlock()
	if id.key != nil {
		return id.key, nil
	}
	key, err := readKey(id.path, id.passphrase, id.log)
	if err != nil {
		return nil, err
	}
	if key.Public() != id.public {
		return nil, otherKey(id.path, key.Public().ID(), id.public.ID())
	}
	id.key = key
	return key, nil
}

func readKey(path string, passphrase func() ([]byte, error), log *slog.Logger) (*sign.PrivateKey, error) {
	key, warning, err := keygen.ReadFile(path, passphrase)
	if err != nil {
		return nil, fmt.Errorf("node: %w", err)
	}
	if warning != "" {
		log.Warn(warning)
	}
	return key, nil
}

func otherKey(path string, got, want keys.NodeID) error {
	return fmt.Errorf("node: %s is the key of %v, and the data directory belongs to %v: a directory keeps its key; give another one with --data, or that key with --key", path, got, want)
}

// identify brings config and key together: those of a directory that has them, or
// those that are given or made for a new one.
func (d *dataDir) identify(ctx context.Context, o Options) (c config, id *identity, err error) {
	c, err = d.readConfig()
	switch {
	case errors.Is(err, ErrNoNode) && !o.Offline && !o.Agent.IsZero():
		return d.newAgentIdentity(ctx, o)
	case errors.Is(err, ErrNoNode) && !o.Offline:
		return d.newIdentity(o)
	case err != nil:
		return c, nil, err
	}
	public, err := c.publicKey()
	if err != nil {
		return c, nil, err
	}
	id = &identity{public: public, offline: o.Offline, path: d.keyPath(c), passphrase: o.Passphrase, log: o.Log}
	switch {
	case o.KeyFile != "":
		if c.Key, err = filepath.Abs(o.KeyFile); err != nil {
			return c, nil, fmt.Errorf("node: %w", err)
		}
		id.path, c.Agent = c.Key, false
	case !o.Agent.IsZero():
		if o.Agent != public.ID() {
			return c, nil, otherKey(o.Agent.Fingerprint(), o.Agent, public.ID())
		}
		c.Key, c.Agent = "", true
	}
	if c.Agent {
		id.agent = agent.New("", public)
	}
	if o.Offline {
		return c, id, nil
	}
	return c, id, id.start(ctx)
}

// start opens the key file of a node that is to run. An agent may come later.
func (id *identity) start(ctx context.Context) error {
	if id.agent == nil {
		_, err := id.unlock()
		return err
	}
	err := id.agent.Check(ctx)
	if err != nil && ctx.Err() == nil {
		id.log.Warn("nothing is signed, and no link made, until the ssh-agent has the key", "key", id.public.ID().Fingerprint(), "error", err)
		return nil
	}
	return err
}

// newAgentIdentity takes a key that the user's agent holds.
func (d *dataDir) newAgentIdentity(ctx context.Context, o Options) (c config, id *identity, err error) {
	switch there, err := d.has(fileKey); {
	case err != nil:
		return c, nil, fmt.Errorf("node: %w", err)
	case there:
		return c, nil, d.ownKey()
	}
	signer, err := agent.Find(ctx, "", o.Agent)
	if err != nil {
		return c, nil, agentError(err)
	}
	c.Agent, c.PublicKey = true, signer.Public().AuthorizedKey("")
	return c, &identity{public: signer.Public(), agent: signer, log: o.Log}, nil
}

func agentError(err error) error {
	if err != nil {
		err = fmt.Errorf("node: %w", err)
	}
	return err
}

func (d *dataDir) ownKey() error {
	return fmt.Errorf("node: the data directory %s has a key of its own, %s: give another directory with --data", d.path, fileKey)
}

func (d *dataDir) keyPath(c config) string {
	if c.Key == "" {
		return d.join(fileKey)
	}
	return c.Key
}

// newIdentity takes the key that was given, or one that was put into the directory,
// or makes one.
func (d *dataDir) newIdentity(o Options) (c config, id *identity, err error) {
	path := d.join(fileKey)
	there, err := d.has(fileKey)
	if err != nil {
		return c, nil, fmt.Errorf("node: %w", err)
	}
	switch {
	case o.KeyFile != "":
		if path, err = filepath.Abs(o.KeyFile); err != nil {
			return c, nil, fmt.Errorf("node: %w", err)
		}
		if there && !sameFile(path, d.join(fileKey)) {
			return c, nil, d.ownKey()
		}
		c.Key = path
	case !there:
		if err := d.makeKey(path); err != nil {
			return c, nil, err
		}
		c.KeyMadeHere = true
	}
	key, err := readKey(path, o.Passphrase, o.Log)
	if err != nil {
		return c, nil, err
	}
	c.PublicKey = key.Public().AuthorizedKey("")
	return c, &identity{public: key.Public(), path: path, passphrase: o.Passphrase, log: o.Log, key: key}, nil
}

func (d *dataDir) makeKey(path string) error {
	key, err := keygen.Generate(keygen.Ed25519, 0)
	if err == nil {
		err = keygen.WriteFiles(path, key, "hearsay", nil)
	}
	if err != nil {
		return fmt.Errorf("node: make a key: %w", err)
	}
	return nil
}

func sameFile(a, b string) bool {
	x, err := os.Stat(a)
	if err != nil {
		return false
	}
	y, err := os.Stat(b)
	return err == nil && os.SameFile(x, y)
}
