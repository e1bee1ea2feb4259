package node

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/keys/bundle"
	"github.com/hearsaynet/hearsay/keys/dir"
	"github.com/hearsaynet/hearsay/keys/durable"
)

// dirBundles remembers which bundles were admitted: a file for each signer and name.
const dirBundles = "bundles"

// The refusals of TrustBundle that force overrules.
var (
	// ErrBundleRollback: a newer bundle of that signer and name was admitted before, or
	// another one of the same version.
	ErrBundleRollback = errors.New("rollback")
	// ErrBundleExpired: the bundle was not admitted in time.
	ErrBundleExpired = errors.New("the bundle has expired")
)

// BundleResult is what TrustBundle has done.
type BundleResult struct {
	*bundle.Bundle
	Trusted []keys.NodeID // those of its members that are trusted now
	Added   []keys.NodeID // those of them that were not before
	// Again says that this very bundle was admitted before, and nothing was done: who was
	// withdrawn since stays so.
	Again bool
}

// bundleRecord is what is remembered of the newest bundle.
type bundleRecord struct {
	Version uint64    `json:"version"`
	Expires time.Time `json:"expires"`
	SHA256  string    `json:"sha256"` // of the bundle's text
}

// TrustBundle admits all members of a bundle that signer has signed, or nobody, in the
// data directory at path as Trust does. A bundle older than one that was admitted there
// is refused with ErrBundleRollback, one that has expired with ErrBundleExpired, unless
// force is set.
func TrustBundle(path string, text, armored []byte, signer keys.NodeID, force bool) (*BundleResult, error) {
	b, err := bundle.Open(text, armored, signer)
	if err != nil {
		return nil, fmt.Errorf("node: %w", err)
	}
	r := &BundleResult{Bundle: b}
	err = withDirTrusted(path, makeDir, func(d *dataDir, trusted *dir.Dir) error {
		file := signer.String() + "-" + b.Name
		sum := sha256.Sum256(text)
		now := bundleRecord{b.Version, b.Expires, hex.EncodeToString(sum[:])}
		before, err := d.readBundle(file)
		if err != nil {
			return err
		}
		if !force {
			if r.Again = before.Version == now.Version && before.SHA256 == now.SHA256; r.Again {
				r.Trusted = trustedOf(trusted, b)
				return nil
			}
			if err := before.refuses(&now); err != nil {
				return err
			}
		}
		all, comments := make([]keys.PublicKey, len(b.Members)), make([]string, len(b.Members))
		for i, m := range b.Members {
			all[i], comments[i] = m.Key, m.Comment
		}
		if r.Added, err = trusted.AddAll(all, comments); err != nil {
			return err
		}
		r.Trusted = trustedOf(trusted, b)
		if now.Version < before.Version {
			return nil // forced: the newer one is remembered still
		}
		return d.writeBundle(file, now) // last: when it is there, all were admitted
	})
	if err != nil {
		return nil, err
	}
	return r, nil
}

func trustedOf(trusted *dir.Dir, b *bundle.Bundle) (ids []keys.NodeID) {
	for _, m := range b.Members {
		if trusted.Has(m.Key.ID()) {
			ids = append(ids, m.Key.ID())
		}
	}
	return ids
}

// refuses says why b must not be admitted after r.
func (r *bundleRecord) refuses(b *bundleRecord) error {
	switch {
	case b.Version < r.Version:
		return fmt.Errorf("%w: it is version %d, and version %d was admitted before; since then members may have been withdrawn", ErrBundleRollback, b.Version, r.Version)
	case b.Version == r.Version && b.SHA256 != r.SHA256:
		return fmt.Errorf("%w: another version %d was admitted before", ErrBundleRollback, r.Version)
	case !time.Now().Before(b.Expires):
		return fmt.Errorf("%w at %s, and may name members that were withdrawn since", ErrBundleExpired, b.Expires.UTC().Format(time.RFC3339))
	}
	return nil
}

// readBundle returns what is remembered, zeros if there is nothing. A file that is damaged
// is not passed over: with it the version that was seen would be forgotten.
func (d *dataDir) readBundle(name string) (r bundleRecord, err error) {
	sub, err := d.root.OpenRoot(dirBundles)
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err != nil {
		return r, err
	}
	defer sub.Close()
	f, err := sub.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err != nil {
		return r, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxConfig))
	if err == nil {
		err = json.Unmarshal(text, &r)
	}
	if err == nil && (r.Version == 0 || len(r.SHA256) != 2*sha256.Size) {
		err = errors.New("not what trust wrote")
	}
	if err != nil {
		return r, fmt.Errorf("%s is damaged (remove it to believe whatever bundle comes first): %w", d.join(dirBundles, name), err)
	}
	return r, nil
}

// bundleNames returns the names of the files that readBundle reads.
func (d *dataDir) bundleNames() (names []string) {
	entries, err := fs.ReadDir(d.root.FS(), dirBundles)
	if err != nil {
		return nil
	}
	for _, e := range entries {
		if e.Name()[0] != '.' {
			names = append(names, e.Name())
		}
	}
	return names
}

func (d *dataDir) writeBundle(name string, r bundleRecord) error {
	if err := d.root.Mkdir(dirBundles, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	sub, err := d.root.OpenRoot(dirBundles)
	if err != nil {
		return err
	}
	defer sub.Close()
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	if err := durable.Replace(sub, name, append(text, '\n'), privatePerm); err != nil {
		return err
	}
	return durable.SyncDir(d.root)
}
