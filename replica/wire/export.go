package wire

import (
	"errors"
	"fmt"
	"io"

	"github.com/hearsaynet/hearsay/keys"
)

// exportMagic starts an export file.
const exportMagic = "hearsay export\x01\n"

// ExportWriter writes verified runs as one file: the magic, a Hello that names the
// topics, then Key and Run frames, and a Done whose nonce is the number of Runs.
type ExportWriter struct {
	w       io.Writer
	handles map[string]uint16
	keyed   map[keys.NodeID]bool
	runs    uint64
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
	if _, err := io.WriteString(w, exportMagic); err != nil {
		return nil, err
	}
	return e, e.frame(FrameHello, 0, body)
}

func (e *ExportWriter) frame(t FrameType, handle uint16, body []byte) error {
	_, err := e.w.Write(AppendFrame(nil, Frame{t, handle, body}))
	return err
}

// Write adds a run.
func (e *ExportWriter) Write(r *Run) error {
	handle, ok := e.handles[r.Topic()]
	if !ok {
		return fmt.Errorf("wire: topic %q was not named when the export was started", r.Topic())
	}
	if !e.keyed[r.Author()] {
		if err := e.frame(FrameKey, handle, r.Key().Wire()); err != nil {
			return err
		}
		e.keyed[r.Author()] = true
	}
	e.runs++
	return e.frame(FrameRun, handle, r.Body())
}

// Close writes the count. It does not close the underlying writer.
func (e *ExportWriter) Close() error { return e.frame(FrameDone, 0, AppendDone(nil, e.runs)) }

// ExportReader reads what an ExportWriter wrote. Nothing that it returns is verified.
type ExportReader struct {
	r      io.Reader
	hello  *Hello
	topics map[uint16]string
	offer  map[keys.NodeID]keys.PublicKey
	runs   uint64
}

// NewExportReader reads the start of the file.
func NewExportReader(r io.Reader) (*ExportReader, error) {
	start := make([]byte, len(exportMagic))
	if _, err := io.ReadFull(r, start); err != nil || string(start) != exportMagic {
		return nil, malformed("not a hearsay export (its first bytes are not %q)", exportMagic)
	}
	f, err := ReadFrame(r)
	if err != nil {
		return nil, fmt.Errorf("wire: export: %w", cutShort(err))
	}
	if f.Type != FrameHello || f.Handle != 0 {
		return nil, malformed("export: %v frame where Hello is due", f.Type)
	}
	e := &ExportReader{r: r, topics: map[uint16]string{}, offer: map[keys.NodeID]keys.PublicKey{}}
	if e.hello, err = ParseHello(f.Body); err != nil {
		return nil, err
	}
	for _, t := range e.hello.Topics {
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

// Next returns the next run and the key that came with its author. io.EOF after the
// last one says that the file is whole.
func (e *ExportReader) Next() (*UnverifiedRun, keys.PublicKey, error) {
	for {
		f, err := ReadFrame(e.r)
		if err != nil {
			return nil, keys.PublicKey{}, fmt.Errorf("wire: export, after run %d: %w", e.runs, cutShort(err))
		}
		topic, named := e.topics[f.Handle]
		if !named && (f.Type == FrameKey || f.Type == FrameRun) {
			return nil, keys.PublicKey{}, malformed("export: handle %d was not named", f.Handle)
		}
		switch f.Type {
		case FrameKey:
			k, err := ParseKey(f.Body)
			if err != nil {
				return nil, keys.PublicKey{}, err
			}
			e.offer[k.ID()] = k
		case FrameRun:
			u, err := ParseRun(topic, f.Body)
			if err != nil {
				return nil, keys.PublicKey{}, err
			}
			e.runs++
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
	if n != e.runs {
		return malformed("export: %d runs, its end says %d", e.runs, n)
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
