package archive

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// Reader reads an archive as one export file. It is for one goroutine. Files that are
// being written may be read.
type Reader struct {
	path  string
	root  *os.Root
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
	r.end = places{}
	joint := joint{whole: places{}}
	for _, name := range names {
		f, err := scan(r.root, name)
		if err != nil {
			return err
		}
		if err := r.join(&joint, f); err != nil {
			return err
		}
	}
	topic := r.Topic()
	if topic == "" {
		return fmt.Errorf("%w, %s among them: %s", ErrNoArchive, names[0], r.files[0].faults[0].What)
	}
	if r.out, err = wire.NewExportWriter(&r.buf, "hearsay archive", topic); err != nil {
		return err
	}
	return r.out.Base(topic, r.after.list())
}

// joint is the last good mark before a file.
type joint struct {
	whole places // where it leads
	file  int    // that it is in
}

// join finds out how a file follows those before it. Where it begins at the last good mark
// before it, those are read up to there and no further. What the file says of authors is
// not kept: there may be many of both.
func (r *Reader) join(before *joint, f *file) error {
	i := len(r.files)
	r.files = append(r.files, f)
	base, end, there := f.base, f.end, f.there
	f.base, f.end, f.there = nil, nil, nil
	if topic := r.Topic(); f.topic != "" && f.topic != topic {
		return fmt.Errorf("%s is of topic %q, those before of %q", f.name, f.topic, topic)
	}
	if !f.based {
		maps.Copy(r.end, end)
		return nil
	}
	switch id, lacks := r.end.lacks(base); {
	case i == 0:
		r.after = base
		if numberOf(f.name) > 1 {
			f.faults = append(f.faults, Fault{File: f.name, What: "the files before it are missing"})
		}
	case maps.Equal(before.whole, base):
		for _, earlier := range r.files[before.file:i] {
			earlier.yield()
		}
	case lacks:
		f.faults = append(f.faults, Fault{File: f.name, What: hole(r.end, base, id).Error()})
	}
	before.whole, before.file, r.end = there, i, maps.Clone(end)
	return nil
}

// yield leaves what is behind the last good mark to the next file.
func (f *file) yield() {
	var spans []span
	for _, s := range f.spans {
		if s.from < f.whole {
			spans = append(spans, span{s.from, min(s.to, f.whole)})
		}
	}
	f.spans = spans
	for i := range f.faults {
		f.faults[i].Healed = f.faults[i].Torn || f.faults[i].Bytes > 0 // else it is about what comes before
	}
}

// Topic returns the topic of the archive.
func (r *Reader) Topic() string {
	for _, f := range r.files {
		if f.topic != "" {
			return f.topic
		}
	}
	return ""
}

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
