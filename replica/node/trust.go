package node

import (
	"errors"
	"fmt"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/keys/dir"
)

// Trust admits the key in pub, a public key file that keys.ParsePublicFile reads, as an
// author in the data directory at path ("" is DefaultDir's), which is made if it is not
// there. added tells whether it was new. A node that runs there follows within a second.
func Trust(path string, pub []byte) (id keys.NodeID, added bool, err error) {
	key, comment, err := keys.ParsePublicFile(pub)
	if err != nil {
		return id, false, fmt.Errorf("node: %w", err)
	}
	err = withTrusted(path, makeDir, func(trusted *dir.Dir) error {
		id, added, err = trusted.Add(key, comment)
		return err
	})
	return id, added, err
}

// Untrust withdraws an author. What it wrote stays in the store, and counts no more.
// The error wraps keys.ErrUnknown when it was not trusted.
func Untrust(path string, id keys.NodeID) error {
	return withTrusted(path, openDir, func(trusted *dir.Dir) error {
		err := trusted.Remove(id)
		if errors.Is(err, keys.ErrUnknown) {
			return fmt.Errorf("%v is not trusted here: %w", id, err)
		}
		return err
	})
}

// withTrusted calls f while no other process changes who is trusted.
func withTrusted(path string, open func(string) (*dataDir, error), f func(*dir.Dir) error) error {
	return withDirTrusted(path, open, func(_ *dataDir, trusted *dir.Dir) error { return f(trusted) })
}

func withDirTrusted(path string, open func(string) (*dataDir, error), f func(*dataDir, *dir.Dir) error) error {
	path, err := resolveDir(path)
	if err != nil {
		return err
	}
	d, err := open(path)
	if err != nil {
		return err
	}
	defer d.close()
	lock, err := d.lockTrust()
	if err != nil {
		return err
	}
	defer lock.Unlock()
	trusted, err := dir.Open(d.join(dirTrusted), nil)
	if err != nil {
		return fmt.Errorf("node: trusted keys: %w", err)
	}
	defer trusted.Close()
	if err := f(d, trusted); err != nil {
		return fmt.Errorf("node: %w", err)
	}
	return nil
}
