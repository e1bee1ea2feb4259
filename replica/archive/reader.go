package archive

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// Reader reads an archive as one export file. It is for one goroutine. Files that are
// being written may be read.
type Reader struct {
	path  string
	root  *os.Root
	topic string
	files []*file
	after places // what the first file follows
	end   places // where the last one leads

	buf     bytes.Buffer
	out     *wire.ExportWriter // into buf
	offered map[keys.NodeID]keys.PublicKey
	file    int      // the one that is being read
	span    int      // of it
	in      *os.File // nil until it is open
	frames  *frames  // of the span, nil until it is begun
	err     error    // io.EOF when all is in buf
}

// Open reads the archive in a directory, finds out what it holds, and begins to give it.
func Open(dir string) (*Reader, error) {
	r := &Reader{path: dir, offered: make(map[keys.NodeID]keys.PublicKey)}
	if err := r.open(); err != nil {
		if r.root != nil {
			err = errors.Join(err, r.root.Close())
		}
		return nil, fmt.Errorf("archive: %s: %w", dir, err)
	}
	return r, nil
}

func (r *Reader) open() (err error) {
	if r.root, err = os.OpenRoot(r.path); err != nil {
		return err
	}
	names, err := fileNames(r.root)
	if err != nil {
		return err
	}
	if len(names) == 0 {
		return ErrNoArchive
	}
	var s seams
	for _, name := range names {
		f, err := scan(r.root, name)
		if err != nil {
			return err
		}
		r.join(&s, f)
	}
	if err := r.oneTopic(); err != nil {
		return err
	}
	if r.out, err = wire.NewExportWriter(&r.buf, "hearsay archive", r.topic); err != nil {
		return err
	}
	return r.out.Base(r.topic, r.after.list())
}

// joint is a mark behind which a later file may go on.
type joint struct {
	file    int // that it is in
	offset  int64
	leads   places
	damaged bool // bytes before it
}

// seams is what decides how the next file follows those before it.
type seams struct {
	joints []joint
	// after are the joints that files have gone on behind without having again, so far, all
	// that is behind them.
	after []seam
}

// seam is a joint and the file that has gone on behind it.
type seam struct {
	joint
	next int
}

// join finds out how a file follows those before it, which may be from any of the joints on:
// a writer goes on from the last good mark, and may have found more of them good. What
// comes behind that mark is left to the files that follow, as soon as they have it all. What
// the file says of authors is not kept: there may be many of both.
func (r *Reader) join(s *seams, f *file) {
	i := len(r.files)
	r.files = append(r.files, f)
	base, end, there, then := f.base, f.end, f.there, f.then
	f.base, f.end, f.there, f.then = nil, nil, nil, nil
	if !f.based {
		if len(end) > 0 { // kills may leave many files that have nothing
			s.joints = append(s.joints, joint{i, f.marked, r.end.with(then), true})
			r.end = r.end.with(end)
		}
		return
	}
	at := slices.IndexFunc(s.joints, func(j joint) bool { return maps.Equal(j.leads, base) })
	if at < 0 || s.joints[at].damaged {
		s.after = nil
	}
	switch id, lacks := r.end.lacks(base); {
	case i == 0:
		r.after = base
		if numberOf(f.name) > 1 {
			f.faults = append(f.faults, Fault{File: f.name, What: "the files before it are missing"})
		}
	case at >= 0:
		s.after = append(s.after, seam{s.joints[at], i})
	case lacks:
		f.faults = append(f.faults, Fault{File: f.name, What: hole(r.end, base, id).Error()})
	}
	if there.covers(r.end) {
		for _, a := range s.after {
			r.files[a.file].yield(a.offset)
			for _, between := range r.files[a.file+1 : a.next] {
				between.yield(0)
			}
		}
		s.after = nil
	}
	r.end = r.end.with(end)
	s.joints = []joint{{i, f.whole, there, false}, {i, f.marked, then, f.whole < f.marked}}
}

// yield leaves what is behind a mark to the next files.
func (f *file) yield(mark int64) {
	var spans []span
	for _, s := range f.spans {
		if s.from < mark {
			spans = append(spans, span{s.from, min(s.to, mark)})
		}
	}
	f.spans = spans
	for i := range f.faults {
		lost := &f.faults[i]
		lost.Healed = lost.Offset >= mark && (lost.Torn || lost.Bytes > 0) // else it is about what comes before
	}
}

// oneTopic finds out the topic, which is that of all files. One whose start no mark vouches
// for may say any.
func (r *Reader) oneTopic() error {
	for _, sure := range []bool{true, false} {
		for _, f := range r.files {
			switch {
			case f.topic == "" || f.based != sure:
			case r.topic == "":
				r.topic = f.topic
			case !sure:
				f.topic = r.topic
			case f.topic != r.topic:
				return fmt.Errorf("%s is of topic %q, those before of %q", f.name, f.topic, r.topic)
			}
		}
	}
	if r.topic == "" {
		return fmt.Errorf("%w, %s among them: %s", ErrNoArchive, r.files[0].name, r.files[0].faults[0].What)
	}
	return nil
}

// Topic returns the topic of the archive.
func (r *Reader) Topic() string { return r.topic }

// Files returns the names of the files.
func (r *Reader) Files() (names []string) {
	for _, f := range r.files {
		names = append(names, f.name)
	}
	return names
}

// Faults returns what the archive lacks, file by file.
func (r *Reader) Faults() (all []Fault) {
	for _, f := range r.files {
		all = append(all, f.faults...)
	}
	return all
}

// After returns the last update of each author that the archive follows and does not have:
// nothing, unless its first export was one of what is behind a clock.
func (r *Reader) After() map[keys.NodeID]wire.Ref { return r.after.clock() }

// Clock returns the last update of each author that the archive leads to.
func (r *Reader) Clock() map[keys.NodeID]wire.Ref { return r.end.clock() }

// Read gives the next bytes of the export file.
func (r *Reader) Read(b []byte) (int, error) {
	for r.buf.Len() == 0 && r.err == nil {
		if err := r.step(); errors.Is(err, io.EOF) {
			r.err = err
		} else if err != nil {
			r.err = fmt.Errorf("archive: %s: %w", r.path, err)
		}
	}
	if r.buf.Len() == 0 {
		return 0, r.err
	}
	return r.buf.Read(b)
}

// step puts the next frame into buf, or goes to where one may be.
func (r *Reader) step() (err error) {
	if r.file == len(r.files) {
		if err := r.out.Close(); err != nil {
			return err
		}
		return io.EOF
	}
	f := r.files[r.file]
	switch {
	case r.span == len(f.spans):
		if r.in != nil {
			err = r.in.Close()
		}
		r.file, r.span, r.in = r.file+1, 0, nil
		return err
	case r.in == nil:
		r.in, err = r.root.Open(f.name)
		return err
	case r.frames == nil:
		r.frames = f.frames(r.in, f.spans[r.span])
		return nil
	}
	frame, err := r.frames.next()
	if errors.Is(err, io.EOF) {
		r.span, r.frames = r.span+1, nil
		return nil
	}
	if err == nil {
		err = r.pass(f, frame)
	}
	if err != nil {
		return fmt.Errorf("%s has changed since it was opened: %w", f.name, err)
	}
	return nil
}

// pass puts a statement into buf.
func (r *Reader) pass(f *file, frame wire.Frame) error {
	if frame.Type == wire.FrameDone {
		return nil
	}
	f.offered = r.offered
	u, err := f.read(frame)
	if err != nil || u == nil {
		return err
	}
	return r.out.WriteUnverified(frame, u, r.offered[u.Author()])
}

// Close lets the archive go.
func (r *Reader) Close() error {
	var err error
	if r.in != nil {
		err = r.in.Close()
	}
	if r.err = ErrClosed; r.root != nil {
		err = errors.Join(err, r.root.Close())
	}
	r.buf.Reset()
	r.root, r.in = nil, nil
	return err
}
