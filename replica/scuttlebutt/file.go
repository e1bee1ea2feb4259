package scuttlebutt

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/gofrs/flock"

	"github.com/hearsaynet/hearsay/keys/durable"
)

// Loaded says what a file held.
type Loaded struct {
	Updates int    // read
	Refused uint64 // of these, not taken: unverified, or without room; see Node.Refusals
	Torn    int    // bytes of a last line that was not finished when its writer ended
	End     int64  // where the torn line begins, in bytes, or the file ends
}

// Load takes the updates of a file, which the original writes by
//
//	node.createReadStream().pipe(fs.createWriteStream(file))
//
// and Save and OpenFile do likewise: the lines of a session. Updates are verified as
// those of a peer are, and waited for while nobody can say; no date is too far ahead. A
// malformed line is an error, except for a last one without a newline.
func (n *Node) Load(ctx context.Context, file io.Reader) (Loaded, error) {
	ctx, end := context.WithCancel(ctx)
	defer end()
	return newReceiver(ctx, n, "file").load(ctx, end, file)
}

func (r *receiver) load(ctx context.Context, end func(), file io.Reader) (Loaded, error) {
	n := r.node
	r.trusted = true
	if r.pipe != nil {
		defer r.pipe.close()
		defer end()
	}
	before := n.Stats()
	counted := &countReader{r: file}
	rest, err := r.all(newLineReader(counted, 0, 0))
	if err != nil {
		return Loaded{}, err
	}
	l := Loaded{End: counted.n}
	if len(rest) > 0 {
		if err := r.line(rest); malformed(err) {
			l.Torn = len(rest)
			l.End -= int64(len(rest))
		} else if err != nil {
			return Loaded{}, err
		}
	}
	if err := r.flush(); err != nil {
		return Loaded{}, err
	}
	if r.pipe != nil {
		if err := r.pipe.drain(true); err != nil {
			return Loaded{}, err
		}
	}
	after := n.Stats()
	l.Updates = r.updates
	l.Refused = after.Refused - before.Refused + after.Muted - before.Muted
	return l, nil
}

type countReader struct {
	r io.Reader
	n int64
}

func (c *countReader) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n += int64(n)
	return n, err
}

// Save writes the history as a file that Load and the original read.
func (n *Node) Save(w io.Writer) error {
	_, err := n.save(w)
	return err
}

// save returns the place of the newest update that it has written.
func (n *Node) save(w io.Writer) (uint64, error) {
	b := bufio.NewWriterSize(w, chunk)
	header := n.headerLine(SyncConfig{})
	entries, seq := n.history(nil)
	b.Write(header)
	b.WriteByte('\n')
	writeLines(b, entries)
	b.Write(syncLine)
	b.WriteByte('\n')
	return seq, b.Flush()
}

// writeLines keeps its error in b.
func writeLines(b *bufio.Writer, entries []*entry) {
	for _, e := range entries {
		b.Write(e.line)
		b.WriteByte('\n')
	}
}

// File keeps a node's history in a file, as it is applied.
type File struct {
	node *Node
	id   uint64 // not 0
	file *os.File
	lock *flock.Flock
	end  context.CancelFunc
	work sync.WaitGroup

	mu      sync.Mutex // guards what follows, and writes
	w       *bufio.Writer
	written uint64 // the place of the last update in the file
	held    uint64 // the session by which the file was loaded
	err     error
}

// OpenFile loads the file at path, if there is one, and appends to it what the node
// applies, until Close. An unfinished last line is cut off. A file of which most has been
// replaced since is written anew, unless something in it was refused. What is applied is
// in the file a moment later and safe from the system's end after Flush; a second
// OpenFile of the same path fails.
func OpenFile(ctx context.Context, n *Node, path string) (*File, Loaded, error) {
	lock := flock.New(path + ".lock")
	if ok, err := lock.TryLock(); err != nil || !ok {
		return nil, Loaded{}, fmt.Errorf("scuttlebutt: %s is in use: %w", path, errors.Join(err, os.ErrExist))
	}
	f := &File{node: n, id: n.files.Add(1), lock: lock}
	loaded, err := f.open(ctx, path)
	if err != nil {
		return nil, loaded, errors.Join(fmt.Errorf("scuttlebutt: %s: %w", path, err), lock.Unlock())
	}
	f.w = bufio.NewWriterSize(f.file, chunk)
	f.journal(f.note)
	ctx, f.end = context.WithCancel(context.WithoutCancel(ctx))
	f.work.Go(func() { f.follow(ctx) })
	return f, loaded, nil
}

// open loads the file and opens it for appending.
func (f *File) open(ctx context.Context, path string) (loaded Loaded, err error) {
	old, err := os.OpenFile(path, os.O_RDWR, 0)
	switch {
	case errors.Is(err, os.ErrNotExist):
	case err != nil:
		return loaded, err
	default:
		ctx, end := context.WithCancel(ctx)
		defer end()
		r := newReceiver(ctx, f.node, path)
		var own float64
		r.header = func(h *Header) error {
			if h.ID == f.node.id {
				own = max(own, h.Clock[h.ID])
			}
			return nil
		}
		if loaded, err = r.load(ctx, end, old); err != nil {
			return loaded, errors.Join(err, old.Close())
		}
		f.node.resume(own)
		if live := f.node.Stats().Updates; loaded.Refused > 0 || loaded.Updates < 2*live {
			f.file, f.held = old, r.session
			return loaded, f.mend(loaded)
		}
		if err := old.Close(); err != nil {
			return loaded, err
		}
	}
	if f.written, err = f.replace(path); err != nil {
		return loaded, err
	}
	f.file, err = os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	return loaded, err
}

// mend cuts an unfinished line off, and ends a finished one that has no newline.
func (f *File) mend(l Loaded) error {
	if err := f.file.Truncate(l.End); err != nil {
		return err
	}
	if _, err := f.file.Seek(max(0, l.End-1), io.SeekStart); err != nil {
		return err
	}
	last := make([]byte, 1)
	if n, err := f.file.Read(last); err != nil && !errors.Is(err, io.EOF) || n == 0 || last[0] == '\n' {
		return nil
	}
	_, err := f.file.Write([]byte{'\n'})
	return err
}

// replace writes the history in the place of path.
func (f *File) replace(path string) (uint64, error) {
	root, err := os.OpenRoot(filepath.Dir(path))
	if err != nil {
		return 0, err
	}
	defer root.Close()
	var b bytes.Buffer
	seq, _ := f.node.save(&b)
	return seq, durable.Replace(root, filepath.Base(path), b.Bytes(), 0o600)
}

// journal has the node call note with its own updates.
func (f *File) journal(note func(*entry) error) {
	f.node.localMu.Lock()
	defer f.node.localMu.Unlock()
	f.node.journal = note
}

// note writes an own update that is about to be applied, behind all that was applied
// before: an earlier own one that stood behind it would be old when the file is loaded.
func (f *File) note(e *entry) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, err := f.appendLocked(); err != nil {
		return err
	}
	writeLines(f.w, []*entry{e})
	e.noted = f.id
	f.err = f.w.Flush()
	return f.err
}

func (f *File) follow(ctx context.Context) {
	for {
		changed, err := f.append()
		if err != nil {
			f.node.log.Error("the history is no longer kept", "file", f.file.Name(), "err", err)
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

// append writes what is not in the file yet, and returns what is closed when there is
// more.
func (f *File) append() (<-chan struct{}, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.appendLocked()
}

func (f *File) appendLocked() (<-chan struct{}, error) {
	for f.err == nil {
		entries, last, changed := f.node.after(f.written)
		if len(entries) == 0 {
			f.written = last
			return changed, nil
		}
		writeLines(f.w, slices.DeleteFunc(entries, func(e *entry) bool { return e.noted == f.id || f.held != 0 && e.from == f.held }))
		if f.err = f.w.Flush(); f.err == nil {
			f.written = last
		}
	}
	return nil, f.err
}

// Flush returns once all that has been applied is in the file and on the disk.
func (f *File) Flush() error {
	if _, err := f.append(); err != nil {
		return err
	}
	return f.file.Sync()
}

// Close flushes the file and lets it go.
func (f *File) Close() error {
	f.journal(nil)
	f.end()
	f.work.Wait()
	return errors.Join(f.Flush(), f.file.Close(), f.lock.Unlock())
}
