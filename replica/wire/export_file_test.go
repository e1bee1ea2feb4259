package wire_test

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/internal/wiretest"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// readExport reads all statements of a file, up to the error that ends it.
func readExport(b []byte) (held []wire.Unverified, offered []keys.PublicKey, err error) {
	e, err := wire.NewExportReader(bytes.NewReader(b))
	if err != nil {
		return nil, nil, err
	}
	for {
		u, k, err := e.Next()
		if err != nil {
			return held, offered, err
		}
		held, offered = append(held, u), append(offered, k)
	}
}

func TestExport(t *testing.T) {
	a, b := wiretest.NewAuthor("a"), wiretest.NewAuthor("b")
	want := slices.Concat(a.Chain("one", a.Start(), 3, 1), b.Chain("two", b.Start(), 2), a.Chain("two", a.Start(), 1))
	var file bytes.Buffer
	w, err := wire.NewExportWriter(&file, "test", "one", "two")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range want {
		if err := w.Write(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Write(a.Chain("three", a.Start(), 1)[0]); err == nil {
		t.Error("a topic that was not named is taken")
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	e, err := wire.NewExportReader(bytes.NewReader(file.Bytes()))
	if err != nil || !slices.Equal(e.Topics(), []string{"one", "two"}) {
		t.Fatalf("topics %v, %v", e.Topics(), err)
	}
	runs, offered, err := readExport(file.Bytes())
	if err != io.EOF || len(runs) != len(want) {
		t.Fatalf("%d runs, %v", len(runs), err)
	}
	for i, u := range runs {
		s, err := wire.Open(u, offered[i])
		if err != nil || !bytes.Equal(s.Body(), want[i].Body()) || s.Topic() != want[i].Topic() {
			t.Errorf("statement %d: %v, %v", i, s, err)
		}
	}
}

// TestExportCutShort checks that a file is whole or says that it is not.
func TestExportCutShort(t *testing.T) {
	whole := vector(t, "export")
	if _, _, err := readExport(whole); err != io.EOF {
		t.Fatal(err)
	}
	for n := range whole {
		runs, _, err := readExport(whole[:n])
		if err == nil || errors.Is(err, io.EOF) || !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, wire.ErrMalformed) {
			t.Errorf("cut to %d bytes: %d runs, %v", n, len(runs), err)
		}
	}
}

func TestExportStrict(t *testing.T) {
	whole := vector(t, "export")
	done := len(whole) - 15 // the last frame
	key := bytes.Index(whole, append([]byte{5, 0, 1}, 0, 0, 0, 51))
	run := bytes.Index(whole, []byte{3, 0, 1, 0, 0})
	if key < 0 || run < 0 {
		t.Fatal("no Key or Run frame")
	}
	frame := func(f wire.Frame) []byte { return wire.AppendFrame(nil, f) }
	for _, tt := range []struct {
		name string
		b    []byte
	}{
		{"empty", nil},
		{"other magic", patch(whole, 0, 'H')},
		{"later version", patch(whole, 14, 2)},
		{"a byte after it", append(slices.Clone(whole), 0)},
		{"two files", slices.Concat(whole, whole)},
		{"too small a count", patch(whole, len(whole)-1, 1)},
		{"too large a count", patch(whole, len(whole)-1, 3)},
		{"end on a handle", patch(whole, done+2, 1)},
		{"end with a byte more", slices.Concat(whole[:done], frame(wire.Frame{Type: wire.FrameDone, Body: zeros(9)}))},
		{"no hello", slices.Concat(whole[:16], whole[key:])},
		{"hello on a handle", patch(whole, 18, 1)},
		{"two hellos", slices.Concat(whole[:key], whole[16:])},
		{"malformed hello", patch(whole, 24, 0)},
		{"key on a handle that was not named", patch(whole, key+2, 9)},
		{"malformed key", patch(whole, key+30, 0xff)},
		{"run on a handle that was not named", patch(whole, run+2, 9)},
		{"malformed run", patch(whole, run+7, 0)},
		{"frame type 0", patch(whole, run, 0)},
		{"digest", splice(whole, run, 0, frame(wire.Frame{Type: wire.FrameDigest, Handle: 1, Body: vector(t, "digest")})...)},
		{"unknown type", splice(whole, run, 0, frame(wire.Frame{Type: 127})...)},
	} {
		_, _, err := readExport(tt.b)
		wantMalformed(t, tt.name, err)
	}

	runs, _, err := readExport(splice(whole, run, 0, frame(wire.Frame{Type: 128, Handle: 99, Body: []byte("later")})...))
	if err != io.EOF || len(runs) != 2 {
		t.Errorf("with a frame to skip: %d runs, %v", len(runs), err)
	}
	runs, offered, err := readExport(slices.Concat(whole[:key], whole[run:]))
	if err != io.EOF || len(runs) != 2 || !offered[0].IsZero() {
		t.Errorf("without keys: %d runs, keys %v, %v", len(runs), offered, err)
	}
}

func TestExportWriterRefuses(t *testing.T) {
	many := make([]string, wire.MaxTopics+1)
	for i := range many {
		many[i] = strings.Repeat("t", i+1)
	}
	for name, topics := range map[string][]string{
		"a topic twice":   {"a", "a"},
		"too many topics": many,
		"empty topic":     {""},
		"long topic":      {strings.Repeat("t", 256)},
	} {
		var b bytes.Buffer
		if _, err := wire.NewExportWriter(&b, "test", topics...); err == nil || b.Len() > 0 {
			t.Errorf("%s: %v, %d bytes written", name, err, b.Len())
		}
	}
	if _, err := wire.NewExportWriter(&bytes.Buffer{}, "test", many[:wire.MaxTopics]...); err != nil {
		t.Error(err)
	}
	a := wiretest.NewAuthor("a")
	for room := range 3 { // the writer's errors come through
		w, err := wire.NewExportWriter(&narrow{room: room + 2}, "test", "t")
		if err != nil {
			t.Fatal(err)
		}
		err = errors.Join(w.Write(a.Chain("t", a.Start(), 1)[0]), w.Close())
		if !errors.Is(err, io.ErrShortWrite) {
			t.Errorf("room for %d writes: %v", room+2, err)
		}
	}
}

// narrow takes a number of writes.
type narrow struct{ room int }

func (n *narrow) Write(b []byte) (int, error) {
	if n.room--; n.room < 0 {
		return 0, io.ErrShortWrite
	}
	return len(b), nil
}

// TestExportUnreadable: a file that cannot be read is not said to be malformed.
func TestExportUnreadable(t *testing.T) {
	broken := errors.New("input/output error")
	for _, whole := range []string{"", "hears"} {
		r := io.MultiReader(strings.NewReader(whole), iotest.ErrReader(broken))
		if _, err := wire.NewExportReader(r); !errors.Is(err, broken) {
			t.Errorf("after %q: %v", whole, err)
		}
		if _, err := wire.NewExportReader(strings.NewReader(whole)); !errors.Is(err, wire.ErrMalformed) {
			t.Errorf("%q alone: %v", whole, err)
		}
	}
}
