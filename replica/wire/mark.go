package wire

import (
	"encoding/binary"
	"hash/crc32"

	"golang.org/x/crypto/cryptobyte"
)

// These frames stand in export files only. A reader that does not know them skips them.
const (
	FrameBase FrameType = 128 // what the file follows
	FrameMark FrameType = 129 // up to here the file is as it was written
)

// Place is how far an export has come with an author.
type Place struct {
	Ref        // its last update that was written, Seq 0 for none
	Cut uint64 // the seq of the fork proof that was written, 0 for none
}

const (
	placeInBase   = refSize + 8
	placesPerBase = MaxFrame / placeInBase
)

// Base names what comes before the file and is not in it, ascending by author. It is
// written before the first statement.
//
//	struct { opaque author[34]; uint64 seq; opaque hash[32]; uint64 cut; } Place;
//	struct { Place places<..>; } Base;  // up to the end of the frame; another Base may go on
func (e *ExportWriter) Base(topic string, places []Place) error {
	handle, err := e.handle(topic)
	if err != nil {
		return err
	}
	for len(places) > 0 {
		n := min(len(places), placesPerBase)
		body := make([]byte, 0, n*placeInBase)
		for _, p := range places[:n] {
			body = binary.BigEndian.AppendUint64(appendRef(body, p.Ref), p.Cut)
		}
		if err := e.frame(FrameBase, handle, body); err != nil {
			return err
		}
		places = places[n:]
	}
	return nil
}

// ParseBase reads the body of a Base frame.
func ParseBase(body []byte) ([]Place, error) {
	s := cryptobyte.String(body)
	if len(body)%placeInBase != 0 {
		return nil, malformed("base of %d bytes", len(body))
	}
	places := make([]Place, len(body)/placeInBase)
	for i := range places {
		p := &places[i]
		if !readRef(&s, &p.Ref) || !s.ReadUint64(&p.Cut) || p.Cut > MaxInteger {
			return nil, malformed("base: place %d is none", i)
		}
		if err := checkFrontier(p.Ref); err != nil {
			return nil, err
		}
		if i > 0 && places[i-1].Author.Compare(p.Author) >= 0 {
			return nil, malformed("base: authors repeat or are out of order at %v", p.Author)
		}
	}
	return places, nil
}

// Mark vouches for the bytes of a file before it, back to the mark before.
//
//	struct { uint64 offset; uint32 sum; } Mark;
type Mark struct {
	Offset uint64 // of the frame in the file
	Sum    uint32 // CRC-32C of the bytes from the end of the mark before, or the file's start, up to Offset
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Note counts bytes that a file goes on with.
func (m *Mark) Note(b []byte) {
	m.Offset += uint64(len(b))
	m.Sum = crc32.Update(m.Sum, castagnoli, b)
}

// Mark writes a mark. What a file holds up to its last one is whole, also when the file
// has no end because it is still being written, or its writer was stopped. If the
// underlying writer has a Flush method, as bufio's, it is called.
func (e *ExportWriter) Mark() error {
	body := binary.BigEndian.AppendUint64(nil, e.mark.Offset)
	body = binary.BigEndian.AppendUint32(body, e.mark.Sum)
	err := e.frame(FrameMark, 0, body)
	e.mark.Sum = 0
	return e.flush(err)
}

// ParseMark reads the body of a Mark frame.
func ParseMark(body []byte) (m Mark, err error) {
	s := cryptobyte.String(body)
	if !s.ReadUint64(&m.Offset) || !s.ReadUint32(&m.Sum) || !s.Empty() {
		return Mark{}, malformed("mark of %d bytes", len(body))
	}
	return m, nil
}
