package scuttlebutt

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/hearsaynet/hearsay/keys"
)

const (
	// lookEvery is how often a directory of keys is read at most.
	lookEvery = time.Second
	// maxKeyFiles bounds the files of a directory of keys.
	maxKeyFiles = 1 << 16
)

// InsecureKeyDir is an InsecureKeys in a directory: the public PEM files in it, whose
// names end in .pem, as the original's id is made of them. Which key a file holds is
// said by its content. A change takes effect within a second. While the directory, or
// one of its files, cannot be read, ids that are not found are unavailable.
type InsecureKeyDir struct {
	path string
	log  *slog.Logger

	mu     sync.Mutex // guards what follows
	looked time.Time
	files  map[string]keyFile
	byID   map[string]*InsecurePublicKey
	err    error // why the last look is not complete
}

type keyFile struct {
	size int64
	time time.Time
	key  *InsecurePublicKey // nil when it holds none
}

// OpenInsecureKeyDir reads a directory, which must exist. Files that hold no key are
// skipped, with a warning to log, which may be nil.
func OpenInsecureKeyDir(path string, log *slog.Logger) (*InsecureKeyDir, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	d := &InsecureKeyDir{path: path, log: log, files: make(map[string]keyFile)}
	if d.look(); d.err != nil {
		return nil, d.err
	}
	return d, nil
}

// Len returns how many keys the directory holds.
func (d *InsecureKeyDir) Len() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.byID)
}

// LookupInsecure implements InsecureKeys.
func (d *InsecureKeyDir) LookupInsecure(_ context.Context, id string) (*InsecurePublicKey, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if time.Since(d.looked) >= lookEvery {
		d.look()
	}
	if key, ok := d.byID[id]; ok {
		return key, nil
	}
	if d.err != nil {
		return nil, d.err
	}
	return nil, keys.ErrUnknown
}

// look reads the files that have changed.
func (d *InsecureKeyDir) look() {
	d.looked = time.Now()
	d.err = d.read(d.files)
	d.byID = make(map[string]*InsecurePublicKey, len(d.files))
	for _, f := range d.files {
		if f.key != nil {
			d.byID[f.key.id] = f.key
		}
	}
}

// read brings files up to date with the directory.
func (d *InsecureKeyDir) read(files map[string]keyFile) (err error) {
	root, err := os.OpenRoot(d.path)
	if err != nil {
		return fmt.Errorf("scuttlebutt: keys: %w", err)
	}
	defer root.Close()
	entries, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return fmt.Errorf("scuttlebutt: keys: %w", err)
	}
	if len(entries) > maxKeyFiles {
		return fmt.Errorf("scuttlebutt: keys: %s has more than %d files", d.path, maxKeyFiles)
	}
	there := make(map[string]bool)
	for _, entry := range entries {
		name := entry.Name()
		if !strings.HasSuffix(name, ".pem") {
			continue
		}
		info, e := root.Stat(name) // of what a link leads to
		switch {
		case e == nil && !info.Mode().IsRegular():
			continue
		case e != nil:
			err = errors.Join(err, fmt.Errorf("scuttlebutt: keys: %w", e))
			continue
		}
		there[name] = true
		if f := files[name]; f.size == info.Size() && f.time.Equal(info.ModTime()) {
			continue
		}
		file, e := readKeyFile(root, name)
		if e != nil {
			err = errors.Join(err, fmt.Errorf("scuttlebutt: keys: %w", e))
			continue
		}
		key, e := ParseInsecurePublicKey(file)
		if e != nil {
			d.log.Warn("a file in the directory of keys holds none", "file", name, "err", e)
		}
		files[name] = keyFile{info.Size(), info.ModTime(), key}
	}
	maps.DeleteFunc(files, func(name string, _ keyFile) bool { return !there[name] })
	return err
}

func readKeyFile(root *os.Root, name string) ([]byte, error) {
	f, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, MaxInsecureKey+1))
}
