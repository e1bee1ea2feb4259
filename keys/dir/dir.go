// Package dir is a keystore in a directory: who is admitted is who has a file
// there.
//
// A file whose name ends in ".pub" or ".pem", or is "authorized_keys", holds one public
// key in any format that keys.ParsePublicFile reads, told apart by its content, or several
// of them as lines of authorized_keys ("ssh-ed25519 AAAA… comment"). A file whose name
// starts with a node id ("ID.pub", as [Dir.Add] writes it) must hold that key and no other.
// A file that anybody adds, replaces or removes takes effect within a second; the
// directory is polled. Files of other names admit nobody, so that one can be put aside.
//
// What holds no admitted key is skipped, logged once and listed by [Dir.Problems], a line
// that holds none as well; the others count. So is a private key, whatever its name: it
// belongs to its node and nowhere else.
//
// While the directory cannot be read, what was admitted stays so, and every other
// id is unavailable rather than unknown. The same holds for the id of a single
// file that is there and cannot be read.
package dir

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/keys/durable"
)

// suffix ends the names of files that Add writes.
const suffix = ".pub"

var errClosed = errors.New("keys/dir: closed")

// Dir is a keystore in a directory. It implements keys.Keystore, keys.Notifier,
// keys.Lister and io.Closer, and is safe for concurrent use.
type Dir struct {
	path string
	log  *slog.Logger
	done chan struct{} // closed by Close
	poll sync.WaitGroup

	lookMu sync.Mutex      // held for one look at the directory; guards files
	files  map[string]file // by name, as of the last look

	mu          sync.RWMutex // guards what follows
	admitted    map[keys.NodeID]keys.PublicKey
	unavailable map[keys.NodeID]error // by id: its file is there and cannot be read
	problems    map[string][]*Problem // by file name
	unreadable  error                 // why the last look failed
	changed     chan struct{}         // nil when nobody waits
	closed      bool
}

// Problem says why a file of the directory, or a line of it, admits nobody.
type Problem struct {
	File string // its name in the directory
	Line int    // from 1; 0 is all of the file
	Err  error
}

func (p *Problem) Error() string { return fmt.Sprintf("keys/dir: %s: %v", p.Where(), p.Err) }

// Where returns the file, and the line if there is one: FILE:LINE.
func (p *Problem) Where() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d", p.File, p.Line)
}

// Unwrap returns p.Err.
func (p *Problem) Unwrap() error { return p.Err }

// Open reads the directory at path, which must exist, and follows it until Close.
// A nil log discards.
func Open(path string, log *slog.Logger) (*Dir, error) {
	d := &Dir{path: path, log: log, done: make(chan struct{})}
	if log == nil {
		d.log = slog.New(slog.DiscardHandler)
	}
	if err := d.look(); err != nil {
		return nil, fmt.Errorf("keys/dir: %w", err)
	}
	d.poll.Go(d.follow)
	return d, nil
}

// Close ends the following, and waits for it. Every later call fails.
func (d *Dir) Close() error {
	d.mu.Lock()
	if !d.closed {
		d.closed = true
		close(d.done)
	}
	d.mu.Unlock()
	d.poll.Wait()
	return nil
}

func (d *Dir) follow() {
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		select {
		case <-d.done:
			return
		case <-tick.C:
			d.look() // its error is kept for Lookup, and logged
		}
	}
}

// Lookup implements keys.Keystore. It does not block.
func (d *Dir) Lookup(_ context.Context, id keys.NodeID) (keys.PublicKey, error) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if d.closed {
		return keys.PublicKey{}, errClosed
	}
	if k, ok := d.admitted[id]; ok {
		return k, nil
	}
	if err := cmp.Or(d.unreadable, d.unavailable[id]); err != nil {
		return keys.PublicKey{}, fmt.Errorf("keys/dir: %w", err)
	}
	return keys.PublicKey{}, keys.ErrUnknown
}

// Has reports whether id is admitted.
func (d *Dir) Has(id keys.NodeID) bool {
	_, err := d.Lookup(context.Background(), id)
	return err == nil
}

// List implements keys.Lister, in the order of keys.NodeID.Compare. While the
// directory cannot be read it returns what was admitted last, and no error.
func (d *Dir) List(context.Context) ([]keys.NodeID, error) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if d.closed {
		return nil, errClosed
	}
	return slices.SortedFunc(maps.Keys(d.admitted), keys.NodeID.Compare), nil
}

// Changed implements keys.Notifier.
func (d *Dir) Changed() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.changed == nil {
		d.changed = make(chan struct{})
	}
	return d.changed
}

// Problems returns a *Problem for each file and line that was skipped at the last look,
// by file name, and before them why the directory could not be read, if so.
func (d *Dir) Problems() []error {
	d.mu.RLock()
	defer d.mu.RUnlock()
	var out []error
	if d.unreadable != nil {
		out = append(out, fmt.Errorf("keys/dir: %w", d.unreadable))
	}
	for _, name := range slices.Sorted(maps.Keys(d.problems)) {
		for _, p := range d.problems[name] {
			out = append(out, p)
		}
	}
	return out
}

// Add admits k, durably and at once. added is false if it was admitted already;
// then the file, with its comment, stays as it is. Control characters in comment
// become blanks.
func (d *Dir) Add(k keys.PublicKey, comment string) (id keys.NodeID, added bool, err error) {
	if k.IsZero() {
		return keys.NodeID{}, false, errors.New("keys/dir: no key to add")
	}
	id = k.ID()
	line := []byte(k.AuthorizedKey(comment) + "\n")
	if len(line) > keys.MaxFileSize {
		return keys.NodeID{}, false, fmt.Errorf("keys/dir: the comment is too long: a key file has at most %d bytes", keys.MaxFileSize)
	}
	if err := d.look(); err != nil { // somebody else may have changed it since
		return keys.NodeID{}, false, fmt.Errorf("keys/dir: %w", err)
	}
	if d.Has(id) {
		return id, false, nil
	}
	if err := d.change(func(root *os.Root) error {
		return durable.Replace(root, id.String()+suffix, line, 0o644)
	}); err != nil {
		return keys.NodeID{}, false, err
	}
	return id, true, nil
}

// AddAll is Add for many keys, with a comment for each, and returns the ids that were
// not admitted yet. After an error some of them may be.
func (d *Dir) AddAll(all []keys.PublicKey, comments []string) (added []keys.NodeID, err error) {
	lines := make([][]byte, len(all))
	for i, k := range all {
		if k.IsZero() {
			return nil, errors.New("keys/dir: no key to add")
		}
		lines[i] = []byte(k.AuthorizedKey(comments[i]) + "\n")
		if len(lines[i]) > keys.MaxFileSize {
			return nil, fmt.Errorf("keys/dir: the comment of %v is too long: a key file has at most %d bytes", k.ID(), keys.MaxFileSize)
		}
	}
	if err := d.look(); err != nil { // somebody else may have changed it since
		return nil, fmt.Errorf("keys/dir: %w", err)
	}
	err = d.change(func(root *os.Root) error {
		for i, k := range all {
			if d.Has(k.ID()) {
				continue
			}
			if err := durable.Put(root, k.ID().String()+suffix, lines[i], 0o644); err != nil {
				return err
			}
			added = append(added, k.ID())
		}
		return durable.SyncDir(root)
	})
	return added, err
}

// Remove withdraws id, durably and at once: its file is removed, or its lines in files
// that hold others too. The error wraps keys.ErrUnknown if it has none.
func (d *Dir) Remove(id keys.NodeID) error {
	if err := d.look(); err != nil { // somebody else may have changed it since
		return fmt.Errorf("keys/dir: %w", err)
	}
	own := id.String() + suffix // whatever is in it
	with := d.filesWith(id)
	return d.change(func(root *os.Root) error {
		err := root.Remove(own)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err != nil && len(with) == 0 {
			return keys.ErrUnknown
		}
		for _, name := range with {
			if err := removeFrom(root, name, id); err != nil {
				return err
			}
		}
		return durable.SyncDir(root)
	})
}

// change runs f on the directory and then looks at it.
func (d *Dir) change(f func(*os.Root) error) error {
	d.mu.RLock()
	closed := d.closed
	d.mu.RUnlock()
	if closed {
		return errClosed
	}
	root, err := os.OpenRoot(d.path)
	if err != nil {
		return fmt.Errorf("keys/dir: %w", err)
	}
	defer root.Close()
	if err := f(root); err != nil {
		return fmt.Errorf("keys/dir: %w", err)
	}
	if err := d.look(); err != nil {
		return fmt.Errorf("keys/dir: %w", err)
	}
	return nil
}
