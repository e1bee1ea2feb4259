package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/hearsaynet/hearsay/keygen"
	"github.com/hearsaynet/hearsay/replica/store"
	"github.com/hearsaynet/hearsay/sign"
)

// Fsck checks a data directory ("" is DefaultDir's) in which no node runs: every
// checksum, hash, signature and index of the store, the trusted keys, the other sources of
// admitted keys as of its last run, the key file, and config.json. Each thing wrong is a Fault, whose Where is the file's name for
// what is not in the store. The error says that the check could not be made.
func Fsck(ctx context.Context, path string, report func(store.Fault)) error {
	path, err := resolveDir(path)
	if err != nil {
		return err
	}
	d, err := openDir(path)
	if err != nil {
		return err
	}
	defer d.close()
	if there, err := d.has(fileConfig); err == nil && !there {
		if stored, err := d.has(fileStore); err == nil && !stored {
			return noNode(path)
		}
	}
	lock, err := d.lock()
	if err != nil {
		return err
	}
	defer lock.Close()
	d.checkConfig(report)
	d.checkSources(ctx, report)
	return d.checkStore(ctx, report)
}

func fault(where string, err error) store.Fault {
	return store.Fault{Where: where, What: err.Error()}
}

func (d *dataDir) checkConfig(report func(store.Fault)) {
	c, err := d.parseConfig()
	if err != nil {
		report(fault(fileConfig, err))
		return
	}
	if c.Agent {
		return // there is no key file
	}
	path := d.keyPath(c)
	key, _, err := keygen.ReadFile(path, nil)
	if errors.Is(err, sign.ErrPassphraseNeeded) {
		return // its public half has been read, and is admitted
	}
	if err == nil {
		want, _ := c.publicKey() // parseConfig has read it
		if key.Public() != want {
			err = otherKey(path, key.Public().ID(), want.ID())
		}
	}
	if err != nil {
		report(fault(filepath.Base(path), err))
	}
	if info, err := os.Stat(path); err == nil && runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		report(fault(filepath.Base(path), fmt.Errorf("mode %04o: others on this machine may use the key: chmod 600 %s", info.Mode().Perm(), path)))
	}
}

// checkSources reports what admits nobody in the sources of admitted keys, and what is
// remembered of bundles and cannot be read.
func (d *dataDir) checkSources(ctx context.Context, report func(store.Fault)) {
	c, err := d.parseConfig()
	if err != nil {
		c = config{} // checkConfig has said so
	}
	for _, r := range d.reportSources(ctx, c.Keys) {
		for _, f := range r.faults {
			if within, ok := strings.CutPrefix(f.Where, d.path+string(filepath.Separator)); ok {
				f.Where = within
			}
			report(f)
		}
	}
	for _, name := range d.bundleNames() {
		if _, err := d.readBundle(name); err != nil {
			report(fault(filepath.Join(dirBundles, name), err))
		}
	}
}

func (d *dataDir) checkStore(ctx context.Context, report func(store.Fault)) error {
	path := d.join(fileStore)
	if there, err := d.has(fileStore); err != nil || !there {
		if err == nil {
			report(store.Fault{Where: fileStore, What: "it is not there"})
		}
		return err
	}
	st, err := store.OpenBolt(path, store.BoltOptions{ReadDamaged: true})
	switch f, ok := errors.AsType[*store.Fault](err); {
	case ok:
		report(*f)
		return nil
	case errors.Is(err, store.ErrDamaged), errors.Is(err, store.ErrNotStore):
		report(fault(fileStore, err))
		return nil
	case err != nil:
		return fmt.Errorf("node: %w", err)
	}
	return errors.Join(st.Check(ctx, report), st.Close())
}
