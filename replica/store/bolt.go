package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gofrs/flock"
	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/hearsaynet/hearsay/keys"
)

// BoltOptions tune OpenBolt. The zero value works.
type BoltOptions struct {
	// LockTimeout is how long to wait for another process to let go of the file.
	// Default 1 s.
	LockTimeout time.Duration
	// ReadDamaged opens an existing file in spite of damage, if its pages can be
	// followed safely: for Check, and to rescue what can be read. Such a store takes no
	// writes, and what it yields may have holes or lack the last transaction.
	ReadDamaged bool
}

// Bolt is a Store in one file. One process at a time can have it open.
type Bolt struct {
	path    string
	db      *bolt.DB
	file    *os.File // db's
	queue   queue
	writer  sync.WaitGroup
	closing sync.Once
	closed  atomic.Bool

	committing sync.Mutex // guards failed, crashed; held until chains says what a transaction did
	failed     error      // not nil: no more writes
	crashed    bool       // bbolt panicked in a write; its locks may be held for ever

	mu          sync.RWMutex // guards the fields below
	chains      map[string]map[keys.NodeID]chain
	truncations uint64
	known       map[keys.NodeID]keys.PublicKey // a cache
	moved       bool
}

const (
	adviceDamaged = "; see what `hearsay fsck` says; if it cannot be read, move it away and sync again from peers"
	lockRetry     = 20 * time.Millisecond
)

// OpenBolt opens the store at path, and makes it when nothing is there; its directory
// must exist. The error wraps ErrLocked, ErrNotStore, ErrNewer or ErrDamaged when it is
// one of these, and names the file.
func OpenBolt(path string, o BoltOptions) (*Bolt, error) {
	if o.LockTimeout <= 0 {
		o.LockTimeout = time.Second
	}
	b, err := openBolt(path, o)
	switch {
	case errors.Is(err, ErrDamaged):
		return nil, fmt.Errorf("store: %s: %w%s", path, err, adviceDamaged)
	case err != nil:
		return nil, fmt.Errorf("store: %s: %w", path, err)
	}
	return b, nil
}

func openBolt(path string, o BoltOptions) (*Bolt, error) {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) && !o.ReadDamaged {
		if err := create(path); err != nil {
			return nil, err
		}
	}
	damage, err := inspect(path, o)
	if err != nil {
		return nil, err
	}
	b := &Bolt{
		path: path, failed: damage,
		chains: make(map[string]map[keys.NodeID]chain),
		known:  make(map[keys.NodeID]keys.PublicKey),
	}
	if err := b.open(o.LockTimeout); err != nil {
		return nil, err
	}
	if err := b.load(o.ReadDamaged); err != nil {
		return nil, errors.Join(err, b.release())
	}
	b.queue.wake = make(chan struct{}, 1)
	b.writer.Go(b.write)
	return b, nil
}

// inspect checks the file before bbolt maps it. damage is what o.ReadDamaged lets pass.
func inspect(path string, o BoltOptions) (damage, err error) {
	// While another process writes, the meta pages can be read half written. Windows'
	// locks are mandatory, and would keep us from reading, too.
	if runtime.GOOS != "windows" {
		lock := flock.New(path, flock.SetFlag(os.O_RDWR))
		ctx, cancel := context.WithTimeout(context.Background(), o.LockTimeout)
		defer cancel()
		got, err := lock.TryLockContext(ctx, lockRetry)
		if errors.Is(err, context.DeadlineExceeded) {
			return nil, ErrLocked
		}
		if err != nil || !got {
			return nil, err
		}
		defer lock.Close()
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%w: not a regular file", ErrNotStore)
	}
	m, err := checkFile(f, info.Size())
	if o.ReadDamaged && m != (meta{}) {
		damage, err = err, nil
	}
	if err != nil || int64(m.highWater)*m.pageSize > maxOpenWalk {
		return damage, err
	}
	err = checkPages(f, m)
	if o.ReadDamaged && errors.Is(err, ErrDamaged) && checkTree(f, m) == nil {
		return err, nil
	}
	return damage, err
}

// options are bbolt's. The free list is written with each commit: without it, opening
// scans the file, and a crash on a damaged page there could not be caught.
func options(timeout time.Duration, opened **os.File) *bolt.Options {
	o := &bolt.Options{
		Timeout:      timeout,
		FreelistType: bolt.FreelistMapType,
		NoStatistics: true,
		OpenFile: func(name string, flag int, mode os.FileMode) (f *os.File, err error) {
			f, err = os.OpenFile(name, flag&^os.O_CREATE, mode)
			*opened = f
			return f, err
		},
	}
	// On Windows the file itself would be made as long as the map.
	if math.MaxInt > math.MaxInt32 && runtime.GOOS != "windows" {
		var size int64 = initialMap
		o.InitialMmapSize = int(size)
	}
	return o
}

func (b *Bolt) open(timeout time.Duration) error {
	err := b.guard(func() (err error) {
		b.db, err = bolt.Open(b.path, 0o600, options(timeout, &b.file))
		return err
	})
	if err != nil && b.file != nil {
		_ = abandon(b.file) // closed already unless bbolt has panicked
	}
	if errors.Is(err, bolterrors.ErrTimeout) {
		return ErrLocked
	}
	return err
}

// guard runs f, which works on mapped pages, and turns a crash there into an error:
// pages that are damaged make bbolt panic or read where nothing is mapped.
func (b *Bolt) guard(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = &Fault{Where: "pages", What: fmt.Sprint(p)}
		}
	}()
	return f()
}

// create makes an empty store under another name first, so that a crash leaves no half
// of one at path.
func create(path string) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".new*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	o, err := originOf(tmp)
	if err = errors.Join(err, tmp.Close()); err != nil {
		return err
	}
	var file *os.File
	db, err := bolt.Open(tmp.Name(), 0o600, &bolt.Options{OpenFile: options(0, &file).OpenFile})
	if err != nil {
		return err
	}
	err = db.Update(func(tx *bolt.Tx) error { return initialize(tx, o) })
	if err = errors.Join(err, db.Close()); err != nil {
		return fmt.Errorf("cannot make it: %w", err)
	}
	// Unlike a rename, a link does not replace what another process has made meanwhile.
	if err := os.Link(tmp.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		if err := os.Rename(tmp.Name(), path); err != nil {
			return err
		}
	}
	return syncDir(path)
}

func initialize(tx *bolt.Tx, o origin) error {
	for _, name := range [][]byte{bucketMeta, bucketRuns, bucketFrontiers, bucketKeys, bucketRecords} {
		if _, err := tx.CreateBucket(name); err != nil {
			return err
		}
	}
	meta := tx.Bucket(bucketMeta)
	if err := meta.Put(keyFormat, seal(bucketMeta, keyFormat, encodeFormat())); err != nil {
		return err
	}
	return meta.Put(keyOrigin, seal(bucketMeta, keyOrigin, o.encode()))
}

// load reads everything but the runs, so that damage there shows at once.
func (b *Bolt) load(readDamaged bool) error {
	if err := b.loadMeta(); err != nil {
		return err
	}
	var faults []error
	err := b.eachSmall(func(f *Fault) { faults = append(faults, f) }, func(id chainID, c chain) { b.setChain(id, c) })
	if err == nil && len(faults) > 0 {
		err = faults[0]
	}
	if readDamaged && errors.Is(err, ErrDamaged) {
		b.failed, err = err, nil
	}
	return err
}

func (b *Bolt) loadMeta() error {
	var formatBody, originBody []byte
	err := b.view(func(tx *bolt.Tx) (err error) {
		meta := tx.Bucket(bucketMeta)
		if meta == nil {
			return ErrNotStore
		}
		if formatBody, err = getMeta(meta, keyFormat); err != nil {
			return err
		}
		if version, err := decodeFormat(formatBody); err != nil || version != format {
			return badFormat(version, err)
		}
		for _, name := range [][]byte{bucketRuns, bucketFrontiers, bucketKeys, bucketRecords} {
			if tx.Bucket(name) == nil {
				return &Fault{Where: string(name), What: "the bucket is missing"}
			}
		}
		originBody, err = getMeta(meta, keyOrigin)
		return err
	})
	if err != nil {
		return err
	}
	recorded, err := decodeOrigin(originBody)
	if err != nil {
		return metaFault(keyOrigin, err)
	}
	now, err := originOf(b.file)
	b.moved = recorded != now
	return err
}

func badFormat(version uint32, err error) error {
	if err == nil && version > format {
		return fmt.Errorf("%w (format %d, this one knows %d)", ErrNewer, version, format)
	}
	if err == nil {
		err = fmt.Errorf("format %d", version)
	}
	return metaFault(keyFormat, err)
}

func metaFault(key []byte, err error) *Fault {
	return &Fault{Where: string(bucketMeta), What: fmt.Sprintf("%s: %v", key, err)}
}

// getMeta returns a copy of a value's body.
func getMeta(meta *bolt.Bucket, key []byte) ([]byte, error) {
	body, err := unseal(bucketMeta, key, meta.Get(key))
	if err != nil {
		return nil, metaFault(key, err)
	}
	return append([]byte{}, body...), nil
}

// Path returns the name that the store was opened by.
func (b *Bolt) Path() string { return b.path }

// Moved reports whether this is not the very file on the very machine that wrote last:
// a copy, or a backup that was put back. What it holds may be old.
func (b *Bolt) Moved() bool {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.moved
}

// ConfirmOrigin records this file and machine as the store's own.
func (b *Bolt) ConfirmOrigin(ctx context.Context) error {
	o, err := originOf(b.file)
	if err != nil {
		return fmt.Errorf("store: %s: %w", b.path, err)
	}
	err = b.submit(ctx, &op{apply: func(t *batch) error {
		t.put(bucketMeta, keyOrigin, seal(bucketMeta, keyOrigin, o.encode()))
		return nil
	}})
	if err == nil {
		b.mu.Lock()
		b.moved = false
		b.mu.Unlock()
	}
	return err
}

// Close implements Store.
func (b *Bolt) Close() (err error) {
	b.closing.Do(func() {
		b.closed.Store(true)
		b.queue.close()
		b.writer.Wait()
		err = b.release()
	})
	return err
}

// release closes the file. Reads that have begun end first.
func (b *Bolt) release() error {
	b.committing.Lock()
	defer b.committing.Unlock()
	if b.crashed {
		return abandon(b.file)
	}
	return b.guard(b.db.Close)
}
