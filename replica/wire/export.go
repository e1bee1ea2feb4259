package wire

import (
	"errors"
	"fmt"
	"io"

	"github.com/hearsaynet/hearsay/keys"
)

// exportMagic starts an export file.
const exportMagic = "hearsay export\x01\n"

// ExportWriter writes verified statements as one file: the magic, a Hello that names
// the topics, then Key, Run, Head and Fork frames, and a Done whose nonce is the number
// of statements. Base and Mark frames may stand between them.
type ExportWriter struct {
	w       io.Writer
	handles map[string]uint16
	keyed   map[keys.NodeID]bool
	count   uint64
	mark    Mark // of all that is written
}

// NewExportWriter starts a file for the given topics, at most MaxTopics and no two the
// same.
func NewExportWriter(w io.Writer, agent string, topics ...string) (*ExportWriter, error) {
	e := &ExportWriter{w: w, handles: map[string]uint16{}, keyed: map[keys.NodeID]bool{}}
	hello := Hello{Version: Version, Agent: agent}
	for i, t := range topics {
		e.handles[t] = uint16(i + 1)
		hello.Topics = append(hello.Topics, TopicHandle{uint16(i + 1), t})
	}
	body := hello.Append(nil)
	if _, err := ParseHello(body); err != nil {
		return nil, err
	}
	if err := e.write([]byte(exportMagic)); err != nil {
		return nil, err
	}
	return e, e.frame(FrameHello, 0, body)
}

func (e *ExportWriter) write(b []byte) error {
	e.mark.Note(b)
	_, err := e.w.Write(b)
	return err
}

func (e *ExportWriter) frame(t FrameType, handle uint16, body []byte) error {
	return e.write(AppendFrame(nil, Frame{t, handle, body}))
}

func (e *ExportWriter) handle(topic string) (uint16, error) {
	handle, ok := e.handles[topic]
	if !ok {
		return 0, fmt.Errorf("wire: topic %q was not named when the export was started", topic)
	}
	return handle, nil
}

// Size returns how many bytes have been written.
func (e *ExportWriter) Size() int64 { return int64(e.mark.Offset) }

// Write adds a statement, and its author's key before the author's first.
func (e *ExportWriter) Write(s Statement) error {
	t := frameOf(s)
	if t == 0 {
		return fmt.Errorf("wire: an export does not carry a %T", s)
	}
	return e.add(t, s.Topic(), s.Author(), s.Key(), s.Body())
}

// WriteUnverified adds a statement as it came in a frame, for a copy that changes nothing.
// A zero key is left out.
func (e *ExportWriter) WriteUnverified(f Frame, u Unverified, key keys.PublicKey) error {
	return e.add(f.Type, u.Topic(), u.Author(), key, f.Body)
}

func (e *ExportWriter) add(t FrameType, topic string, id keys.NodeID, key keys.PublicKey, body []byte) error {
	handle, err := e.handle(topic)
	if err != nil {
		return err
	}
	if !e.keyed[id] && !key.IsZero() {
		if err := e.frame(FrameKey, handle, key.Wire()); err != nil {
			return err
		}
		e.keyed[id] = true
	}
	e.count++
	return e.frame(t, handle, body)
}

// Close writes the count. It does not close the underlying writer, but flushes it if it
// has a Flush method.
func (e *ExportWriter) Close() error {
	return e.flush(e.frame(FrameDone, 0, AppendDone(nil, e.count)))
}

func (e *ExportWriter) flush(err error) error {
	if f, ok := e.w.(interface{ Flush() error }); ok && err == nil {
		return f.Flush()
	}
	return err
}

// ExportReader reads what an ExportWriter wrote. Nothing that it returns is verified.
type ExportReader struct {
	r      io.Reader
	hello  *Hello
	topics map[uint16]string
	offer  map[keys.NodeID]keys.PublicKey
	count  uint64
}

// ReadExportStart reads the magic and the Hello of an export file.
func ReadExportStart(r io.Reader) (*Hello, error) {
	start := make([]byte, len(exportMagic))
	n, err := io.ReadFull(r, start)
	if err != nil && !errors.Is(cutShort(err), io.ErrUnexpectedEOF) {
		return nil, fmt.Errorf("wire: export: %w", err)
	}
	if string(start[:n]) != exportMagic {
		return nil, malformed("not a hearsay export (its first bytes are not %q)", exportMagic)
	}
	f, err := ReadFrame(r)
	if err != nil {
		return nil, fmt.Errorf("wire: export: %w", cutShort(err))
	}
	if f.Type != FrameHello || f.Handle != 0 {
		return nil, malformed("export: %v frame where Hello is due", f.Type)
	}
	return ParseHello(f.Body)
}

// NewExportReader reads the start of the file.
func NewExportReader(r io.Reader) (*ExportReader, error) {
	hello, err := ReadExportStart(r)
	if err != nil {
		return nil, err
	}
	e := &ExportReader{r: r, hello: hello, topics: map[uint16]string{}, offer: map[keys.NodeID]keys.PublicKey{}}
	for _, t := range hello.Topics {
		e.topics[t.Handle] = t.Topic
	}
	return e, nil
}

// Topics returns the topics that the file names.
func (e *ExportReader) Topics() []string {
	var out []string
	for _, t := range e.hello.Topics {
		out = append(out, t.Topic)
	}
	return out
}

// Next returns the next statement and the key that came with its author. io.EOF after
// the last one says that the file is whole.
func (e *ExportReader) Next() (Unverified, keys.PublicKey, error) {
	for {
		f, err := ReadFrame(e.r)
		if err != nil {
			return nil, keys.PublicKey{}, fmt.Errorf("wire: export, after statement %d: %w", e.count, cutShort(err))
		}
		topic, named := e.topics[f.Handle]
		switch f.Type {
		case FrameKey, FrameRun, FrameHead, FrameFork:
			if !named {
				return nil, keys.PublicKey{}, malformed("export: handle %d was not named", f.Handle)
			}
		}
		switch f.Type {
		case FrameKey:
			k, err := ParseKey(f.Body)
			if err != nil {
				return nil, keys.PublicKey{}, err
			}
			e.offer[k.ID()] = k
		case FrameRun, FrameHead, FrameFork:
			u, err := ParseStatement(f.Type, topic, f.Body)
			if err != nil {
				return nil, keys.PublicKey{}, err
			}
			e.count++
			return u, e.offer[u.Author()], nil
		case FrameDone:
			return nil, keys.PublicKey{}, e.finish(f)
		default:
			if !f.Type.Skippable() {
				return nil, keys.PublicKey{}, malformed("export: %v frame has no place here", f.Type)
			}
		}
	}
}

func (e *ExportReader) finish(f Frame) error {
	n, err := ParseDone(f.Body)
	if err != nil {
		return err
	}
	if f.Handle != 0 {
		return malformed("export: its end has handle %d", f.Handle)
	}
	if n != e.count {
		return malformed("export: %d statements, its end says %d", e.count, n)
	}
	if _, err := io.ReadFull(e.r, make([]byte, 1)); !errors.Is(err, io.EOF) {
		return malformed("export: bytes after its end")
	}
	return io.EOF
}

func cutShort(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
