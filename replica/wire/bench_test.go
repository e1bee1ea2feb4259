package wire_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/hearsaynet/hearsay/replica/internal/wiretest"
	"github.com/hearsaynet/hearsay/replica/wire"
)

var benchSizes = []int{1, 16, 256}

// benchEntries are n changes of 200 bytes.
func benchEntries(n int) []wire.Entry {
	es := make([]wire.Entry, n)
	for i := range es {
		es[i] = wiretest.Change(uint64(i), "kv", string(bytes.Repeat([]byte{byte(i)}, 200)))
	}
	return es
}

func perUpdate(b *testing.B, n int) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/update")
	b.ReportAllocs()
}

func BenchmarkParseRun(b *testing.B) {
	s := newSigner(b, 0)
	for _, n := range benchSizes {
		body := s.run(b, wire.Ref{Author: s.key.ID()}, benchEntries(n)...).Body()
		b.Run(fmt.Sprintf("entries=%d", n), func(b *testing.B) {
			for b.Loop() {
				if _, err := wire.ParseRun(topic, body); err != nil {
					b.Fatal(err)
				}
			}
			perUpdate(b, n)
		})
	}
}

func BenchmarkOpen(b *testing.B) {
	s := newSigner(b, 0)
	for _, n := range benchSizes {
		u, err := wire.ParseRun(topic, s.run(b, wire.Ref{Author: s.key.ID()}, benchEntries(n)...).Body())
		if err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprintf("entries=%d", n), func(b *testing.B) {
			for b.Loop() {
				if _, err := u.Open(s.key); err != nil {
					b.Fatal(err)
				}
			}
			perUpdate(b, n)
		})
	}
}

// BenchmarkSeal drafts and seals; it checks the signature, and does not make it.
func BenchmarkSeal(b *testing.B) {
	s := newSigner(b, 0)
	for _, n := range benchSizes {
		entries, start := benchEntries(n), wire.Ref{Author: s.key.ID()}
		sig := s.run(b, start, entries...).Signature()
		b.Run(fmt.Sprintf("entries=%d", n), func(b *testing.B) {
			for b.Loop() {
				d, err := wire.NewDraft(topic, start, entries...)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := d.Seal(s.key, sig); err != nil {
					b.Fatal(err)
				}
			}
			perUpdate(b, n)
		})
	}
}

func BenchmarkReadFrame(b *testing.B) {
	s := newSigner(b, 0)
	body := s.run(b, wire.Ref{Author: s.key.ID()}, benchEntries(256)...).Body()
	frame := wire.AppendFrame(nil, wire.Frame{Type: wire.FrameRun, Handle: 1, Body: body})
	r := bytes.NewReader(frame)
	for b.Loop() {
		r.Reset(frame)
		if _, err := wire.ReadFrame(r); err != nil {
			b.Fatal(err)
		}
	}
	perUpdate(b, 256)
}
