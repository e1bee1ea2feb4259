package archive_test

import (
	"bytes"
	"testing"

	"github.com/hearsaynet/hearsay/replica/archive"
	"github.com/hearsaynet/hearsay/replica/internal/wiretest"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// exportOf is an export of runs of the given length, 300 bytes a change.
func exportOf(b *testing.B, runs, updates int, marks bool) []byte {
	b.Helper()
	var file bytes.Buffer
	out, err := wire.NewExportWriter(&file, "bench", topic)
	must(b, err)
	x := wiretest.NewAuthor("x")
	at := x.Start()
	change := string(make([]byte, 300))
	for range runs {
		entries := make([]wire.Entry, updates)
		for i := range entries {
			entries[i] = wiretest.Change(1, "c", change)
		}
		run := x.Run(topic, at, entries...)
		at = run.End()
		must(b, out.Write(run))
		if marks {
			must(b, out.Mark())
		}
	}
	must(b, out.Close())
	return file.Bytes()
}

// BenchmarkWriter is updates a second into an archive, durably: in bulk, and when each
// run is flushed by itself.
func BenchmarkWriter(b *testing.B) {
	for _, bb := range []struct {
		name          string
		runs, updates int
		marks         bool
	}{
		{"bulk, 256 a run", 64, 256, false},
		{"bulk, 1 a run", 2000, 1, false},
		{"flushed, 1 a run", 100, 1, true},
	} {
		b.Run(bb.name, func(b *testing.B) {
			file := exportOf(b, bb.runs, bb.updates, bb.marks)
			n := 0
			for b.Loop() {
				w, err := archive.Create(b.TempDir(), archive.Config{})
				must(b, err)
				_, err = w.Write(file)
				must(b, err)
				must(b, w.Close())
				n += bb.runs * bb.updates
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "updates/s")
			b.ReportMetric(float64(len(file))/float64(bb.runs*bb.updates), "B/update")
		})
	}
}

// BenchmarkReader is updates a second out of an archive, read and not verified.
func BenchmarkReader(b *testing.B) {
	dir := b.TempDir()
	w, err := archive.Create(dir, archive.Config{})
	must(b, err)
	const runs, updates = 64, 256
	_, err = w.Write(exportOf(b, runs, updates, false))
	must(b, err)
	must(b, w.Close())
	n := 0
	for b.Loop() {
		r, err := archive.Open(dir)
		must(b, err)
		in, err := wire.NewExportReader(r)
		must(b, err)
		for err == nil {
			_, _, err = in.Next()
		}
		must(b, r.Close())
		n += runs * updates
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "updates/s")
}
