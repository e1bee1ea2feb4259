package scuttlebutt

import (
	"bytes"
	"testing"

	"github.com/hearsaynet/hearsay/fuzz/fuzztest"
)

// lineAlloc: 1e9 has 21 digits when it is written as JavaScript does, and the tree that
// they stand in is walked several times.
var lineAlloc = fuzztest.Alloc{PerByte: 128, Constant: 128 << 10}

func FuzzParseUpdate(f *testing.F) {
	fuzztest.Decoder[*entry]{
		Corpus: "scuttlebutt-update", Loose: true, Alloc: lineAlloc,
		Decode: func(line []byte) (*entry, error) { return parseUpdate(line, map[string]string{}) },
		Encode: func(e *entry) ([]byte, error) { return e.line, nil },
		Check: func(t *testing.T, _ []byte, e *entry) {
			if !(e.ts > 0) || len(e.source) > MaxSource || !bytes.Contains(e.line, e.change) || !bytes.Contains(e.line, e.sig) {
				t.Fatalf("%+v", e)
			}
			if again := newEntry(e.change, e.ts, e.source); !bytes.Equal(again.line, e.signed()) {
				t.Fatalf("%s is signed as %s", again.line, e.signed())
			}
		},
	}.Fuzz(f)
}

func FuzzParseHeader(f *testing.F) {
	fuzztest.Decoder[*Header]{
		Corpus: "scuttlebutt-header", Decode: parseHeader, Loose: true, Alloc: lineAlloc,
		Encode: func(h *Header) ([]byte, error) { return h.Raw, nil },
		Check: func(t *testing.T, _ []byte, h *Header) {
			for source, ts := range h.Clock {
				if !(ts > 0) {
					t.Fatalf("%q has %v", source, ts)
				}
			}
		},
	}.Fuzz(f)
}

func FuzzParseInsecurePublicKey(f *testing.F) {
	fuzztest.Decoder[*InsecurePublicKey]{
		Corpus: "scuttlebutt-key", Decode: ParseInsecurePublicKey, Alloc: fuzztest.Alloc{PerByte: 64, Constant: 512 << 10}, // it tries the key once
		Check: func(t *testing.T, _ []byte, k *InsecurePublicKey) {
			if k.Bits() > maxInsecureBits || len(k.ID()) != 28 {
				t.Fatalf("%d bits, id %q", k.Bits(), k.ID())
			}
		},
	}.Fuzz(f)
}
