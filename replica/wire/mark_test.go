package wire_test

import (
	"bufio"
	"bytes"
	"errors"
	"hash/crc32"
	"io"
	"slices"
	"testing"

	"github.com/hearsaynet/hearsay/replica/internal/wiretest"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// marked is a file with a base, and a mark behind each of its runs.
func marked(t testing.TB, base []wire.Place, runs ...*wire.Run) []byte {
	t.Helper()
	var file bytes.Buffer
	w, err := wire.NewExportWriter(bufio.NewWriterSize(&file, 1<<20), "test", topic)
	if err == nil {
		err = w.Base(topic, base)
	}
	for _, r := range runs {
		err = errors.Join(err, w.Write(r), w.Mark())
		if file.Len() != int(w.Size()) {
			t.Errorf("%d bytes are there when %d have been marked", file.Len(), w.Size())
		}
	}
	if err = errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

func TestBaseAndMarks(t *testing.T) {
	authors := wiretest.NewAuthors("a", 3)
	slices.SortFunc(authors, func(a, b *wiretest.Author) int { return a.ID().Compare(b.ID()) })
	a, b, c := authors[0], authors[1], authors[2]
	runs := c.Chain(topic, c.Start(), 2, 1, 3)
	base := []wire.Place{{Ref: a.Chain(topic, a.Start(), 2)[0].End()}, {Ref: wire.Ref{Author: b.ID()}, Cut: 7}}
	file := marked(t, base, runs...)

	if held, _, err := readExport(file); err != io.EOF || len(held) != len(runs) {
		t.Errorf("a reader that skips them reads %d runs, %v", len(held), err)
	}
	in := bytes.NewReader(file)
	if _, err := wire.ReadExportStart(in); err != nil {
		t.Fatal(err)
	}
	var got []wire.Place
	marks, from := 0, 0
	for in.Len() > 0 {
		at := len(file) - in.Len()
		f, err := wire.ReadFrame(in)
		if err != nil {
			t.Fatal(err)
		}
		switch f.Type {
		case wire.FrameBase:
			if got, err = wire.ParseBase(f.Body); err != nil {
				t.Error(err)
			}
		case wire.FrameMark:
			m, err := wire.ParseMark(f.Body)
			sum := crc32.Checksum(file[from:at], crc32.MakeTable(crc32.Castagnoli))
			if err != nil || m.Offset != uint64(at) || m.Sum != sum {
				t.Errorf("mark %+v at %d, %v; the sum is %d", m, at, err, sum)
			}
			marks, from = marks+1, len(file)-in.Len()
		}
	}
	if !slices.Equal(got, base) || marks != len(runs) {
		t.Errorf("base %v and %d marks, want %v and %d", got, marks, base, len(runs))
	}
}

// TestBaseIsLong: it takes as many frames as it needs.
func TestBaseIsLong(t *testing.T) {
	places := make([]wire.Place, 20_000)
	for i := range places {
		id := wiretest.NewAuthor("a").ID()
		id[2], id[3], id[4] = byte(i>>16), byte(i>>8), byte(i)
		places[i] = wire.Place{Ref: wire.Ref{Author: id, Seq: 1, Hash: wire.Hash{1}}}
	}
	in := bytes.NewReader(marked(t, places))
	if _, err := wire.ReadExportStart(in); err != nil {
		t.Fatal(err)
	}
	var got []wire.Place
	for {
		f, err := wire.ReadFrame(in)
		if err != nil || f.Type != wire.FrameBase {
			break
		}
		part, err := wire.ParseBase(f.Body)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, part...)
	}
	if !slices.Equal(got, places) {
		t.Errorf("%d places come back, of %d", len(got), len(places))
	}
}

func TestBaseAndMarkStrict(t *testing.T) {
	a, b := wiretest.NewAuthor("a"), wiretest.NewAuthor("b")
	bodyOf := func(places ...wire.Place) []byte {
		var file bytes.Buffer
		w, err := wire.NewExportWriter(&file, "test", topic)
		if err != nil {
			t.Fatal(err)
		}
		file.Reset()
		if err := w.Base(topic, places); err != nil {
			t.Fatal(err)
		}
		return file.Bytes()[7:]
	}
	one, two := wire.Place{Ref: a.Chain(topic, a.Start(), 1)[0].End()}, wire.Place{Ref: b.Chain(topic, b.Start(), 1)[0].End()}
	if one.Author.Compare(two.Author) > 0 {
		one, two = two, one
	}
	good := bodyOf(one, two)
	if places, err := wire.ParseBase(good); err != nil || len(places) != 2 {
		t.Fatalf("%v, %v", places, err)
	}
	for name, body := range map[string][]byte{
		"cut short":          good[:len(good)-1],
		"a byte more":        append(slices.Clone(good), 0),
		"out of order":       bodyOf(two, one),
		"an author twice":    bodyOf(one, one),
		"no node id":         patch(good, 0, 0x13),
		"seq 0 with a hash":  bodyOf(wire.Place{Ref: wire.Ref{Author: a.ID(), Hash: wire.Hash{1}}}),
		"seq beyond 2^63-1":  bodyOf(wire.Place{Ref: wire.Ref{Author: a.ID(), Seq: 1 << 63, Hash: wire.Hash{1}}}),
		"cut beyond 2^63-1":  bodyOf(wire.Place{Ref: one.Ref, Cut: 1 << 63}),
		"seq without a hash": bodyOf(wire.Place{Ref: wire.Ref{Author: a.ID(), Seq: 1}}),
	} {
		_, err := wire.ParseBase(body)
		wantMalformed(t, name, err)
	}
	for _, n := range []int{0, 11, 13} {
		_, err := wire.ParseMark(make([]byte, n))
		wantMalformed(t, "mark of another length", err)
	}
}
