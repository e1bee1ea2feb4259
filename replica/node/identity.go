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
)

// identity is the node's key. It is a sign.Signer that opens the key file when it is
// first needed, so that commands that only read ask for no passphrase.
type identity struct {
	public     keys.PublicKey
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
	key, err := id.unlock()
	if err != nil {
		return nil, err
	}
	return key.Sign(ctx, namespace, msg)
}

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
func (d *dataDir) identify(o Options) (c config, id *identity, err error) {
	c, err = d.readConfig()
	switch {
	case errors.Is(err, ErrNoNode) && !o.Offline:
		return d.newIdentity(o)
	case err != nil:
		return c, nil, err
	}
	public, err := c.publicKey()
	if err != nil {
		return c, nil, err
	}
	id = &identity{public: public, path: d.keyPath(c), passphrase: o.Passphrase, log: o.Log}
	if o.KeyFile != "" {
		if c.Key, err = filepath.Abs(o.KeyFile); err != nil {
			return c, nil, fmt.Errorf("node: %w", err)
		}
		id.path = c.Key
	}
	if o.Offline {
		return c, id, nil
	}
	_, err = id.unlock()
	return c, id, err
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
			return c, nil, fmt.Errorf("node: the data directory %s has a key of its own, %s: give another directory with --data", d.path, fileKey)
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
