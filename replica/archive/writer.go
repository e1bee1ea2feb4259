package archive

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"

	"github.com/gofrs/flock"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/keys/durable"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// Config says how an archive is written. Its zero value works.
type Config struct {
	// MaxBytes is the length at which a file is ended and the next one begun, at the next
	// statement, if half of it are statements: with many authors the Base is long. Default
	// 64 MiB.
	MaxBytes int64

	testOnlyUnsynced bool // the disk is not waited for
}

// Writer adds one export to an archive. It is for one goroutine.
type Writer struct {
	cfg  Config
	path string
	root *os.Root
	lock *flock.Flock

	topic   string // "" until it is known
	at      places // what the archive has, durably
	ahead   places // what it will have with the next mark
	number  int    // of the newest file
	offered map[keys.NodeID]keys.PublicKey
	err     error // why nothing is taken any more
	sick    bool  // and it was the disk

	// What has come and is not a whole frame yet.
	rest   []byte
	handle uint16 // of the topic, 0 before Hello
	agent  string
	ended  bool // Done has come

	file   *os.File // nil until there is something to write
	out    *wire.ExportWriter
	begun  int64 // where the statements begin
	marked int64 // where the last mark ends
	named  bool  // the directory's entry of the file is durable
}

// Create opens the archive in a directory, which it makes if there is none, to add to it.
// One Writer at a time can be open.
func Create(dir string, cfg Config) (*Writer, error) {
	if cfg.MaxBytes <= 0 {
		cfg.MaxBytes = DefaultMaxBytes
	}
	w := &Writer{cfg: cfg, path: dir, at: places{}, ahead: places{}, offered: make(map[keys.NodeID]keys.PublicKey)}
	if err := w.open(); err != nil {
		return nil, errors.Join(fmt.Errorf("archive: %s: %w", dir, err), w.release())
	}
	return w, nil
}

func (w *Writer) open() (err error) {
	if err := makeDir(w.path); err != nil {
		return err
	}
	if w.root, err = os.OpenRoot(w.path); err != nil {
		return err
	}
	lock := flock.New(filepath.Join(w.path, ".lock"))
	if got, err := lock.TryLock(); err != nil {
		return err
	} else if !got {
		return ErrInUse
	}
	w.lock = lock
	names, err := fileNames(w.root)
	if err != nil || len(names) == 0 {
		return err
	}
	w.number = numberOf(names[len(names)-1])
	for i := len(names) - 1; i >= 0; i-- {
		f, err := scan(w.root, names[i])
		if err != nil {
			return err
		}
		if f.based {
			w.topic, w.at = f.topic, f.there
			break
		}
	}
	return nil
}

// makeDir makes a directory that is there after a crash, unless it is there now.
func makeDir(path string) error {
	err := os.Mkdir(path, 0o777)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	parent, err := os.OpenRoot(filepath.Dir(filepath.Clean(path)))
	if err != nil {
		return err
	}
	return errors.Join(durable.SyncDir(parent), parent.Close())
}

// Topic returns the topic of the archive, "" as long as it has none.
func (w *Writer) Topic() string { return w.topic }

// Clock returns the last update of each author that is in the archive, safe from a crash
// of this process and of the system.
func (w *Writer) Clock() map[keys.NodeID]wire.Ref { return w.at.clock() }

// Write takes bytes of an export file, from its first on. When a wire.Mark has been
// written, all before it is durable. Statements that the archive does not continue with
// are an error that wraps ErrHole. After an error nothing more is taken.
func (w *Writer) Write(b []byte) (int, error) {
	if w.err != nil {
		return 0, w.err
	}
	w.rest = append(w.rest, b...)
	left, err := w.takeAll(w.rest)
	w.rest = append(w.rest[:0], left...)
	if err != nil {
		w.err = fmt.Errorf("archive: %s: %w", w.path, err)
		return 0, w.err
	}
	return len(b), nil
}

// takeAll takes what is whole, and returns what is left.
func (w *Writer) takeAll(b []byte) ([]byte, error) {
	if w.handle == 0 {
		n, err := w.begin(b)
		if err != nil || n == 0 {
			return b, err
		}
		b = b[n:]
	}
	const header = 7
	for len(b) >= header {
		n := binary.BigEndian.Uint32(b[3:])
		if n > wire.MaxFrame {
			return b, fmt.Errorf("%w: a frame of %d bytes, at most %d", wire.ErrMalformed, n, wire.MaxFrame)
		}
		if len(b) < header+int(n) {
			break
		}
		frame := wire.Frame{Type: wire.FrameType(b[0]), Handle: binary.BigEndian.Uint16(b[1:]), Body: b[header : header+n]}
		if err := w.take(frame); err != nil {
			return b, err
		}
		b = b[header+n:]
	}
	return b, nil
}

// begin takes the start of the export, and returns how long it is, 0 if it is not whole.
func (w *Writer) begin(b []byte) (int, error) {
	in := bytes.NewReader(b)
	hello, err := wire.ReadExportStart(in)
	switch {
	case len(b) < minStart, errors.Is(err, io.ErrUnexpectedEOF):
		return 0, nil
	case err != nil:
		return 0, err
	}
	if len(hello.Topics) != 1 {
		return 0, errStart
	}
	topic := hello.Topics[0]
	if w.topic != "" && topic.Topic != w.topic {
		return 0, fmt.Errorf("it is of topic %q, the export of %q", w.topic, topic.Topic)
	}
	w.topic, w.handle, w.agent = topic.Topic, topic.Handle, hello.Agent
	return len(b) - in.Len(), nil
}

// take takes one frame.
func (w *Writer) take(frame wire.Frame) error {
	switch {
	case w.ended:
		return fmt.Errorf("%w: bytes behind the export's end", wire.ErrMalformed)
	case frame.Type == wire.FrameBase:
		return w.follows(frame)
	case frame.Type == wire.FrameMark:
		return w.commit()
	case frame.Type == wire.FrameDone:
		w.ended = true
		return w.finish()
	case frame.Type.Skippable():
		return nil
	case frame.Handle != w.handle:
		return fmt.Errorf("%w: handle %d was not named", wire.ErrMalformed, frame.Handle)
	case frame.Type == wire.FrameKey:
		k, err := wire.ParseKey(frame.Body)
		if err == nil {
			w.offered[k.ID()] = k
		}
		return err
	}
	u, err := wire.ParseStatement(frame.Type, w.topic, frame.Body)
	if err != nil {
		return err
	}
	return w.add(frame, u)
}

// follows checks that the export begins where the archive ends. An archive that has
// nothing begins where the export does.
func (w *Writer) follows(frame wire.Frame) error {
	list, err := wire.ParseBase(frame.Body)
	if err != nil {
		return err
	}
	base := places{}
	for _, at := range list {
		base[at.Author] = at
	}
	if w.number == 0 && w.file == nil {
		maps.Copy(w.at, base)
	}
	if id, lacks := w.at.lacks(base); lacks {
		return hole(w.at, base, id)
	}
	return nil
}

// add writes a statement.
func (w *Writer) add(frame wire.Frame, u wire.Unverified) error {
	id := u.Author()
	at := w.ahead.or(w.at, id)
	next, news := follow(at, u)
	if run, ok := u.(*wire.UnverifiedRun); ok && run.First() > at.Seq+1 {
		return fmt.Errorf("%w: update %d of %v comes behind update %d", ErrHole, run.First(), id, at.Seq)
	}
	if !news {
		return nil
	}
	if w.file == nil {
		if err := w.disk(w.create()); err != nil {
			return err
		}
	}
	if err := w.disk(w.out.WriteUnverified(frame, u, w.offered[id])); err != nil {
		return err
	}
	w.ahead[id] = next
	switch size := w.out.Size(); {
	case size >= max(w.cfg.MaxBytes, 2*w.begun):
		return w.finish()
	case size-w.marked >= commitBytes:
		return w.commit()
	}
	return nil
}

// disk notes that the disk is in trouble: what it says later is not to be believed.
func (w *Writer) disk(err error) error {
	w.sick = w.sick || err != nil
	return err
}

// create begins the next file.
func (w *Writer) create() (err error) {
	w.number++
	if w.file, err = w.root.OpenFile(nameOf(w.number), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666); err != nil {
		return err
	}
	w.named, w.marked = false, 0
	if w.out, err = wire.NewExportWriter(bufio.NewWriterSize(w.file, 64<<10), w.agent, w.topic); err != nil {
		return err
	}
	if err := w.out.Base(w.topic, w.at.list()); err != nil {
		return err
	}
	if err := w.out.Mark(); err != nil {
		return err
	}
	w.begun, w.marked = w.out.Size(), w.out.Size()
	return nil
}

// commit makes what has been written durable.
func (w *Writer) commit() error {
	if w.file == nil || w.out.Size() == w.marked {
		return nil
	}
	if err := w.disk(w.out.Mark()); err != nil {
		return err
	}
	if err := w.disk(w.sync()); err != nil {
		return err
	}
	w.marked = w.out.Size()
	maps.Copy(w.at, w.ahead)
	clear(w.ahead)
	return nil
}

func (w *Writer) sync() error {
	if w.cfg.testOnlyUnsynced {
		return nil
	}
	if err := w.file.Sync(); err != nil || w.named {
		return err
	}
	w.named = true
	return durable.SyncDir(w.root)
}

// finish ends the file.
func (w *Writer) finish() error {
	if w.file == nil {
		return nil
	}
	if err := w.commit(); err != nil {
		return err
	}
	if err := w.disk(w.out.Close()); err != nil {
		return err
	}
	err := w.disk(errors.Join(w.sync(), w.file.Close()))
	w.file, w.out = nil, nil
	return err
}

// Close ends the file that is being written, with all whole statements that have come,
// and lets the archive go.
func (w *Writer) Close() error {
	if errors.Is(w.err, ErrClosed) {
		return nil
	}
	var err error
	if !w.sick {
		err = w.finish()
	}
	w.err = ErrClosed
	if err = errors.Join(err, w.release()); err != nil {
		return fmt.Errorf("archive: %s: %w", w.path, err)
	}
	return nil
}

func (w *Writer) release() (err error) {
	if w.file != nil {
		err = w.file.Close()
	}
	if w.lock != nil {
		err = errors.Join(err, w.lock.Unlock())
	}
	if w.root != nil {
		err = errors.Join(err, w.root.Close())
	}
	return err
}
