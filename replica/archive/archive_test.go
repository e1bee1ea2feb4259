package archive_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/archive"
	"github.com/hearsaynet/hearsay/replica/internal/wiretest"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// TestArchive: what several exports have added comes out as one export, which another
// replica takes in.
func TestArchive(t *testing.T) {
	p := open(t, "p")
	dir := filepath.Join(t.TempDir(), "new")
	for range 3 {
		write(t, p, 4)
		send(t, p, dir, archive.Config{})
	}
	send(t, p, dir, archive.Config{}) // nothing is new
	if n := len(filesIn(t, dir)); n != 3 {
		t.Errorf("%d files, want one for each export that had something", n)
	}
	clock, _, faults := read(t, dir)
	if !covers(clock, p.Clock()) || len(faults) > 0 {
		t.Errorf("the archive leads to %v with %v, want %v", clock, faults, p.Clock())
	}
	q := open(t, "q")
	r, err := archive.Open(dir)
	must(t, err)
	defer r.Close()
	if res, err := q.Import(t.Context(), r); err != nil || res.Updates != 12 || res.Refused > 0 {
		t.Errorf("import: %+v, %v", res, err)
	}
	if !covers(q.Clock(), p.Clock()) {
		t.Errorf("imported %v, want %v", q.Clock(), p.Clock())
	}
}

// TestRotates: files are ended when they are full, and are whole by themselves.
func TestRotates(t *testing.T) {
	p := open(t, "p")
	dir := t.TempDir()
	write(t, p, 20)
	send(t, p, dir, archive.Config{MaxBytes: 1000})
	names := filesIn(t, dir)
	if len(names) < 3 {
		t.Fatalf("%d files", len(names))
	}
	for _, name := range names {
		b, err := os.ReadFile(name)
		must(t, err)
		in, err := wire.NewExportReader(bytes.NewReader(b))
		must(t, err)
		for err == nil {
			u, k, nerr := in.Next()
			if err = nerr; err == nil {
				_, err = wire.Open(u, k)
			}
		}
		if !errors.Is(err, io.EOF) || len(b) > 2000 {
			t.Errorf("%s has %d bytes and ends with %v", name, len(b), err)
		}
	}
	if clock, _, faults := read(t, dir); !covers(clock, p.Clock()) || len(faults) > 0 {
		t.Errorf("the files lead to %v with %v", clock, faults)
	}
	must(t, os.Remove(names[1]))
	_, faults := readAny(t, dir)
	if len(faults) != 1 || faults[0].File != filepath.Base(names[2]) || !strings.Contains(faults[0].What, "there is a hole") {
		t.Errorf("without the second file: %v", faults)
	}
	must(t, os.Remove(names[0]))
	write(t, p, 1)
	send(t, p, dir, archive.Config{})
	_, faults = readAny(t, dir)
	if len(faults) != 1 || faults[0].File != filepath.Base(names[2]) || !strings.Contains(faults[0].What, "are missing") {
		t.Errorf("without the first two files: %v", faults)
	}
}

// TestManyAuthors: what a file says of the authors before it neither makes most of an
// archive nor, with many files, is kept in memory.
func TestManyAuthors(t *testing.T) {
	const authors, files = 2000, 60
	p, dir := open(t, "p"), t.TempDir()
	before := replica.Clock{}
	for i := range authors {
		id := keys.NodeID{0x12, 0x20, byte(i >> 8), byte(i)}
		before[id] = wire.Ref{Author: id, Seq: 1, Hash: wire.Hash{1}}
	}
	small := archive.TestOnlyUnsynced
	small.MaxBytes = 1000
	for range files {
		write(t, p, 1)
		w, err := archive.Create(dir, small)
		must(t, err)
		o := replica.ExportConfig{After: before}
		if len(w.Clock()) > 0 {
			o.After = w.Clock()
		}
		_, err = p.Export(t.Context(), w, o)
		must(t, err)
		must(t, w.Close())
	}
	write(t, p, 20)
	send(t, p, dir, small)
	if n := len(filesIn(t, dir)); n != files+1 {
		t.Errorf("%d files, want %d: one for each export", n, files+1)
	}
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	was := heap()
	r, err := archive.Open(dir)
	must(t, err)
	defer r.Close()
	if now := heap(); now > was+files*authors*100 {
		t.Errorf("an archive of %d files takes %d bytes", files+1, now-was)
	}
	if n := len(r.Clock()); n != authors+1 || len(r.Faults()) > 0 {
		t.Errorf("it leads to %d authors, with %v", n, r.Faults())
	}
}

// readAny is read of an archive with holes: it only counts.
func readAny(t *testing.T, dir string) (runs int, faults []archive.Fault) {
	t.Helper()
	r, err := archive.Open(dir)
	must(t, err)
	defer r.Close()
	in, err := wire.NewExportReader(r)
	must(t, err)
	for err == nil {
		if _, _, err = in.Next(); err == nil {
			runs++
		}
	}
	if !errors.Is(err, io.EOF) {
		t.Error(err)
	}
	return runs, r.Faults()
}

// TestFollows: what is durable is in the clock, and a fork proof is in the archive once.
func TestFollows(t *testing.T) {
	p := open(t, "p")
	x := wiretest.NewAuthor("x")
	one := x.Chain(topic, x.Start(), 1, 1)
	two := x.Run(topic, one[0].End(), wiretest.Change(1, "c", "another second"))
	dir := t.TempDir()
	for range 2 {
		w, err := archive.Create(dir, archive.Config{})
		must(t, err)
		if _, err := archive.Create(dir, archive.Config{}); !errors.Is(err, archive.ErrInUse) {
			t.Errorf("a second writer: %v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		watch := &watched{w: w, wrote: make(chan replica.Clock, 100)}
		var over sync.WaitGroup
		over.Go(func() {
			_, err := p.Export(ctx, watch, replica.ExportConfig{After: w.Clock(), Follow: true})
			must(t, err)
		})
		write(t, p, 3)
		take(t, p, x, one[0], one[1])
		take(t, p, x, two)
		write(t, p, 1)
		for clock := range watch.wrote {
			if clock[p.Self()].Seq == p.Clock()[p.Self()].Seq {
				break
			}
		}
		cancel()
		over.Wait()
		must(t, w.Close())
	}
	_, proofs, faults := read(t, dir)
	if proofs != 1 || len(faults) > 0 {
		t.Errorf("%d proofs, %v", proofs, faults)
	}
}

// watched tells how far the archive has come.
type watched struct {
	w     *archive.Writer
	wrote chan replica.Clock
}

func (w *watched) Write(b []byte) (int, error) {
	n, err := w.w.Write(b)
	select {
	case w.wrote <- w.w.Clock():
	default:
	}
	return n, err
}

// take takes runs in as from a file.
func take(t *testing.T, p *replica.Replica, x *wiretest.Author, runs ...*wire.Run) {
	t.Helper()
	var file bytes.Buffer
	out, err := wire.NewExportWriter(&file, "test", topic)
	must(t, err)
	for _, run := range runs {
		must(t, out.Write(run))
	}
	must(t, out.Close())
	_, err = p.Import(t.Context(), &file)
	must(t, err)
}

// TestWriterRefuses: nothing is taken that the archive does not go on with, and what was
// taken before stays.
func TestWriterRefuses(t *testing.T) {
	x, y := wiretest.NewAuthor("x"), wiretest.NewAuthor("y")
	runs := x.Chain(topic, x.Start(), 1, 1, 1)
	file := func(topics []string, runs ...*wire.Run) []byte {
		var b bytes.Buffer
		out, err := wire.NewExportWriter(&b, "test", topics...)
		must(t, err)
		for _, run := range runs {
			must(t, out.Write(run))
		}
		must(t, out.Close())
		return b.Bytes()
	}
	var based bytes.Buffer
	out, err := wire.NewExportWriter(&based, "test", topic)
	must(t, err)
	must(t, out.Base(topic, []wire.Place{{Ref: runs[1].End()}}))
	for _, tt := range []struct {
		name string
		b    []byte
		want error
	}{
		{"a hole", file([]string{topic}, runs[2]), archive.ErrHole},
		{"a base that is not there", based.Bytes(), archive.ErrHole},
		{"another topic", file([]string{"other"}, y.Chain("other", y.Start(), 1)...), nil},
		{"two topics", file([]string{topic, "other"}), nil},
		{"something else", []byte("something else, which is longer than any start"), wire.ErrMalformed},
		{"two exports", append(file([]string{topic}, runs[1]), file([]string{topic}, runs[2])...), wire.ErrMalformed},
		{"a digest", wire.AppendFrame(file([]string{topic})[:len(file([]string{topic}))-15], wire.Frame{Type: wire.FrameDigest, Handle: 1}), wire.ErrMalformed},
		{"a frame that is too long", append(file([]string{topic})[:len(file([]string{topic}))-15], 3, 0, 1, 255, 255, 255, 255), wire.ErrMalformed},
	} {
		dir := t.TempDir()
		w, err := archive.Create(dir, archive.Config{})
		must(t, err)
		_, err = w.Write(file([]string{topic}, runs[0]))
		must(t, err)
		must(t, w.Close())
		w, err = archive.Create(dir, archive.Config{})
		must(t, err)
		for _, b := range tt.b { // one at a time
			if _, err = w.Write([]byte{b}); err != nil {
				break
			}
		}
		if err == nil || tt.want != nil && !errors.Is(err, tt.want) {
			t.Errorf("%s: %v", tt.name, err)
		}
		if _, again := w.Write([]byte{0}); again != err {
			t.Errorf("%s: after %v, %v", tt.name, err, again)
		}
		must(t, w.Close())
		if clock, _, faults := read(t, dir); clock[x.ID()].Seq == 0 || len(faults) > 0 {
			t.Errorf("%s: the archive leads to %v with %v", tt.name, clock, faults)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	if _, err := archive.Open(dir); !errors.Is(err, archive.ErrNoArchive) {
		t.Errorf("an empty directory: %v", err)
	}
	must(t, os.WriteFile(filepath.Join(dir, "00000001.hearsay"), []byte("something else"), 0o600))
	if _, err := archive.Open(dir); !errors.Is(err, archive.ErrNoArchive) {
		t.Errorf("a file of something else: %v", err)
	}
	if _, err := archive.Open(filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no directory: %v", err)
	}
	if _, err := archive.Create(filepath.Join(dir, "none", "none"), archive.Config{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no parent directory: %v", err)
	}
}
