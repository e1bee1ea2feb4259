package archive

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// span is a part of a file.
type span struct{ from, to int64 }

// file is what has been found in one file of an archive.
type file struct {
	name  string
	size  int64
	topic string
	based bool   // base is known
	base  places // what the file follows
	end   places // where it leads
	spans []span // the frames to read; they begin behind Hello

	// Up to whole all marks are good, and lead to there; behind marked there are none, and
	// those before it lead to then.
	whole, marked int64
	there, then   places
	faults        []Fault

	handle  uint16
	start   int64 // of the frames behind Hello
	count   uint64
	offered map[keys.NodeID]keys.PublicKey // used while scanning
}

var (
	errStart   = errors.New("it does not begin as an export file of one topic")
	errAltered = errors.New("the bytes are not those that were written")
	errNoMark  = errors.New("no mark vouches for it")
)

// scan finds out what a file holds. Its error says only that it could not.
func scan(root *os.Root, name string) (*file, error) {
	in, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return nil, err
	}
	return examine(name, in, info.Size())
}

func examine(name string, in io.ReaderAt, size int64) (*file, error) {
	f := &file{name: name, size: size, base: places{}, end: places{}, offered: make(map[keys.NodeID]keys.PublicKey)}
	r := f.frames(in, span{0, f.size})
	if why := f.head(r); why != nil {
		f.fault(0, f.size, why)
		return f, nil
	}
	for more, from := true, f.start; more; from = r.at() {
		var why error
		if more, why = f.segment(r, from); why == nil {
			f.then = nil
			continue
		}
		f.marked, f.then = from, maps.Clone(f.end)
		if f.there == nil {
			f.there = f.then
		}
		to := f.salvage(in, from)
		if to == f.size {
			break
		}
		next := f.size
		if len(f.faults) < maxFaults {
			var err error
			if next, err = findMark(in, to, f.size); err != nil {
				return nil, err
			}
		}
		f.fault(to, next, why)
		r, more = f.frames(in, span{next, f.size}), next < f.size
	}
	if f.then == nil {
		f.marked, f.then = f.size, f.end
	}
	if f.there == nil {
		f.there = f.end
	}
	f.offered = nil
	return f, nil
}

// fault notes bytes that are not read.
func (f *file) fault(from, to int64, why error) {
	f.faults = append(f.faults, Fault{File: f.name, Offset: from, Bytes: to - from, Torn: to == f.size, What: why.Error()})
}

// take adds what is read to the spans.
func (f *file) take(from, to int64) {
	if n := len(f.spans); n > 0 && f.spans[n-1].to == from {
		f.spans[n-1].to = to
	} else if from < to {
		f.spans = append(f.spans, span{from, to})
	}
}

// frames reads frames, and knows where it is.
type frames struct {
	in   *bufio.Reader
	mark wire.Mark
}

func (f *file) frames(in io.ReaderAt, s span) *frames {
	size := int(min(s.to-s.from, 64<<10))
	return &frames{bufio.NewReaderSize(io.NewSectionReader(in, s.from, s.to-s.from), size), wire.Mark{Offset: uint64(s.from)}}
}

// Read implements io.Reader.
func (r *frames) Read(b []byte) (int, error) {
	n, err := r.in.Read(b)
	r.mark.Note(b[:n])
	return n, err
}

func (r *frames) at() int64 { return int64(r.mark.Offset) }

// head reads the start of a file, and what it follows.
func (f *file) head(r *frames) error {
	hello, err := wire.ReadExportStart(r)
	if err != nil {
		return err
	}
	if len(hello.Topics) != 1 {
		return errStart
	}
	f.topic, f.handle, f.start = hello.Topics[0].Topic, hello.Topics[0].Handle, r.at()
	return nil
}

// segment reads up to the next mark, or the end. It says why what is there is not to be
// believed.
func (f *file) segment(r *frames, from int64) (more bool, why error) {
	ahead, base := places{}, places{}
	for {
		before := r.mark
		frame, err := r.next()
		switch {
		case errors.Is(err, io.EOF) && int64(before.Offset) == from && f.based:
			return false, nil
		case errors.Is(err, io.EOF):
			return false, errNoMark
		case err != nil:
			return false, err
		}
		switch frame.Type {
		case wire.FrameMark:
			if m, err := wire.ParseMark(frame.Body); err != nil || m != before || frame.Handle != 0 {
				return false, errAltered
			}
			r.mark.Sum = 0
			f.believe(from, r.at(), base, ahead)
			return true, nil
		case wire.FrameDone:
			n, err := wire.ParseDone(frame.Body)
			marked := int64(before.Offset) == from || from == f.start // right behind a mark, or in a file without
			if err != nil || !marked || n != f.count && len(f.faults) == 0 || r.at() != f.size || frame.Handle != 0 {
				return false, errAltered
			}
			f.believe(from, r.at(), base, ahead)
			return false, nil
		case wire.FrameBase:
			list, err := wire.ParseBase(frame.Body)
			if err != nil {
				return false, err
			}
			for _, at := range list {
				base[at.Author] = at
			}
		default:
			u, err := f.read(frame)
			if err != nil {
				return false, err
			}
			if u != nil {
				f.count++
				ahead[u.Author()], _ = follow(ahead.or(f.end, u.Author()), u)
			}
		}
	}
}

// or returns an author's place in p, else in q.
func (p places) or(q places, id keys.NodeID) wire.Place {
	if at, ok := p[id]; ok {
		return at
	}
	return q[id]
}

// believe takes a segment in. The first one says what the file follows.
func (f *file) believe(from, to int64, base, ahead places) {
	if from == f.start {
		f.base, f.based = base, true
		maps.Copy(f.end, base)
	}
	maps.Copy(f.end, ahead)
	f.take(from, to)
	if f.there == nil {
		f.whole = to
	}
}

func (r *frames) next() (wire.Frame, error) { return wire.ReadFrame(r) }

// read reads a frame: a statement, or a key, which it keeps, or one that may be skipped.
func (f *file) read(frame wire.Frame) (wire.Unverified, error) {
	if frame.Type.Skippable() {
		return nil, nil
	}
	if frame.Handle != f.handle {
		return nil, fmt.Errorf("%w: handle %d was not named", wire.ErrMalformed, frame.Handle)
	}
	if frame.Type == wire.FrameKey {
		k, err := wire.ParseKey(frame.Body)
		if err == nil {
			f.offered[k.ID()] = k
		}
		return nil, err
	}
	return wire.ParseStatement(frame.Type, f.topic, frame.Body)
}

// salvage takes the frames from from on for which no mark vouches, as long as they are
// whole and their signatures good, and returns where that ends.
func (f *file) salvage(in io.ReaderAt, from int64) (to int64) {
	r := f.frames(in, span{from, f.size})
	to = from
	for {
		frame, err := r.next()
		if err != nil || frame.Type.Skippable() {
			break
		}
		u, err := f.read(frame)
		if err != nil {
			break
		}
		if u != nil {
			if _, err := wire.Open(u, f.offered[u.Author()]); err != nil {
				break
			}
			f.end[u.Author()], _ = follow(f.end[u.Author()], u)
		}
		to = r.at()
	}
	f.take(from, to)
	return to
}

// markSize is the length of a Mark frame, markStart how it begins: type, handle, length.
const markSize = 7 + 12

var markStart = []byte{byte(wire.FrameMark), 0, 0, 0, 0, 0, markSize - 7}

// findMark returns where the first mark behind from ends that says itself where it is, or
// else size.
func findMark(in io.ReaderAt, from, size int64) (int64, error) {
	b := make([]byte, min(searchBytes, max(0, size-from)))
	for at := from; at+markSize <= size; {
		n, err := in.ReadAt(b[:min(int64(len(b)), size-at)], at)
		if err != nil && !errors.Is(err, io.EOF) {
			return 0, err
		}
		for i := 0; ; i++ {
			found := bytes.Index(b[i:n], markStart)
			if found < 0 || i+found+markSize > n {
				break
			}
			i += found
			if binary.BigEndian.Uint64(b[i+len(markStart):]) == uint64(at)+uint64(i) {
				return at + int64(i) + markSize, nil
			}
		}
		if int64(n) == size-at {
			break
		}
		at += int64(n) - markSize + 1
	}
	return size, nil
}
