package replica_test

import (
	"bytes"
	"io"
	"testing"

	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/internal/wiretest"
	"github.com/hearsaynet/hearsay/replica/store"
	"github.com/hearsaynet/hearsay/replica/wire"
	"github.com/hearsaynet/hearsay/verify"
)

// BenchmarkHistory is updates a second out of a store in memory: in each order, and as an
// export.
func BenchmarkHistory(b *testing.B) {
	const authors, each = 10, 2560
	r, err := replica.Open(b.Context(), replica.Config{Topic: topic, Store: store.NewMemory(), Verify: verify.AnyKey()})
	if err != nil {
		b.Fatal(err)
	}
	defer r.Close()
	var file bytes.Buffer
	for _, x := range wiretest.NewAuthors("author", authors) {
		file.Reset()
		writeExport(b, &file, x, each/256)
		if _, err := r.Import(b.Context(), &file); err != nil {
			b.Fatal(err)
		}
	}
	run := func(name string, once func() error) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := once(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N*authors*each)/b.Elapsed().Seconds(), "updates/s")
		})
	}
	all := func(s replica.Selection) func() error {
		return func() (err error) {
			for _, err = range r.Select(s) {
			}
			return err
		}
	}
	run("by author", all(replica.Selection{}))
	run("by time", all(replica.Selection{Order: replica.ByTime}))
	run("sorted", all(replica.Selection{Sort: func(a, b replica.Update) int { return bytes.Compare(b.Change, a.Change) }}))
	run("export", func() error {
		_, err := r.Export(b.Context(), io.Discard, replica.ExportConfig{})
		return err
	})
}

// writeExport writes runs of 256 updates.
func writeExport(b *testing.B, w io.Writer, x *wiretest.Author, runs int) {
	b.Helper()
	out, err := wire.NewExportWriter(w, "bench", topic)
	if err != nil {
		b.Fatal(err)
	}
	lengths := make([]int, runs)
	for i := range lengths {
		lengths[i] = 256
	}
	for _, run := range x.Chain(topic, x.Start(), lengths...) {
		if err := out.Write(run); err != nil {
			b.Fatal(err)
		}
	}
	if err := out.Close(); err != nil {
		b.Fatal(err)
	}
}
