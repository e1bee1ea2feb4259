package wire_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"testing"

	"github.com/hearsaynet/hearsay/fuzz/fuzztest"
	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/wire"
)

var malformed = []error{wire.ErrMalformed}

func same(t *testing.T, got, want []byte) {
	t.Helper()
	if !bytes.Equal(got, want) {
		t.Fatalf("encodes to %x, was parsed from %x", got, want)
	}
}

// plain is the Encode of a decoder whose encoding cannot fail.
func plain[T any](encode func(T) []byte) func(T) ([]byte, error) {
	return func(v T) ([]byte, error) { return encode(v), nil }
}

func FuzzParseHeader(f *testing.F) {
	fuzztest.Decoder[*wire.Header]{
		Corpus: "header", Decode: wire.ParseHeader, Errors: malformed,
		Encode: plain(func(h *wire.Header) []byte { return h.Append(nil) }),
	}.Fuzz(f)
}

// encodeRun encodes a run without its signature, by the definition in the package doc.
func encodeRun(u *wire.UnverifiedRun) []byte {
	author, prev := u.Author(), u.Prev().Hash
	b := binary.BigEndian.AppendUint64(author[:], u.First())
	b = append(b, prev[:]...)
	b = binary.BigEndian.AppendUint16(b, uint16(u.Len()))
	for _, e := range u.UnverifiedEntries() {
		b = binary.BigEndian.AppendUint64(b, e.Time)
		b = append(b, byte(e.Kind), byte(len(e.Channel)))
		b = append(b, e.Channel...)
		if e.Absent {
			b = binary.BigEndian.AppendUint32(append(b, 2), e.Size)
			b = append(b, e.Digest[:]...)
		} else {
			b = binary.BigEndian.AppendUint32(append(b, 1), uint32(len(e.Change)))
			b = append(b, e.Change...)
		}
	}
	return b
}

func FuzzParseRun(f *testing.F) {
	s := newSigner(f, 0)
	fuzztest.Decoder[*wire.UnverifiedRun]{
		Corpus: "run", Errors: malformed,
		Decode: func(b []byte) (*wire.UnverifiedRun, error) { return wire.ParseRun(topic, b) },
		Encode: plain((*wire.UnverifiedRun).UnverifiedBody),
		Check: func(t *testing.T, b []byte, u *wire.UnverifiedRun) {
			head := encodeRun(u)
			if len(b) < len(head)+3 || int(binary.BigEndian.Uint16(b[len(head):])) != len(b)-len(head)-2 {
				t.Fatalf("%d bytes before the signature, %d in all", len(head), len(b))
			}
			same(t, head, b[:len(head)])
			if u.Last()-u.First()+1 != uint64(u.Len()) || u.Last() > wire.MaxInteger || u.Size() != len(b) {
				t.Fatalf("run from %d to %d of %d", u.First(), u.Last(), u.Len())
			}
			r, err := u.Open(s.key)
			if (r == nil) != (err != nil) {
				t.Fatalf("opened %v with error %v", r, err)
			}
			if err == nil {
				same(t, r.Body(), b)
				cutsOf(t, r)
			}
		},
	}.Fuzz(f)
}

// cutsOf checks that a run can be cut in front of each entry but the last.
func cutsOf(t *testing.T, r *wire.Run) {
	for after := r.First(); after < r.Last(); after++ {
		if cut, err := wire.ParseRun(topic, r.CutFront(after).Body()); err != nil || cut.UnverifiedEnd() != r.End() {
			t.Fatalf("cut after %d: %v", after, err)
		}
	}
}

func FuzzParseHead(f *testing.F) {
	s := newSigner(f, 0)
	fuzztest.Decoder[*wire.UnverifiedHead]{
		Corpus: "head", Errors: malformed,
		Decode: func(b []byte) (*wire.UnverifiedHead, error) { return wire.ParseHead(topic, b) },
		Encode: plain((*wire.UnverifiedHead).UnverifiedBody),
		Check: func(t *testing.T, b []byte, u *wire.UnverifiedHead) {
			ref := u.Ref()
			want := binary.BigEndian.AppendUint64(ref.Author[:], ref.Seq)
			want = binary.BigEndian.AppendUint64(append(want, ref.Hash[:]...), u.Issued())
			same(t, want, b[:len(want)])
			if h, err := u.Open(s.key); (h == nil) != (err != nil) {
				t.Fatalf("opened %v with error %v", h, err)
			} else if err == nil {
				same(t, h.Body(), b)
			}
		},
	}.Fuzz(f)
}

// encodeProof encodes a verified proof, by the definition in the package doc.
func encodeProof(t *testing.T, p *wire.Proof) []byte {
	author, prev := p.Author(), p.Prev().Hash
	b := binary.BigEndian.AppendUint64(author[:], p.Seq())
	b = append(b, prev[:]...)
	for _, c := range p.Chains() {
		b = appendChain(b, parseHeaders(t, c.Headers()), c.Signature())
	}
	return b
}

func FuzzParseProof(f *testing.F) {
	s := newSigner(f, 0)
	fuzztest.Decoder[*wire.UnverifiedProof]{
		Corpus: "proof", Errors: malformed,
		Decode: func(b []byte) (*wire.UnverifiedProof, error) { return wire.ParseProof(topic, b) },
		Encode: plain((*wire.UnverifiedProof).UnverifiedBody),
		Check: func(t *testing.T, b []byte, u *wire.UnverifiedProof) {
			if u.UnverifiedSeq() == 0 || u.UnverifiedSeq() > wire.MaxInteger || u.Len() < 2 || u.Len() > 2*wire.MaxEntries || len(b) > wire.MaxProof {
				t.Fatalf("proof at seq %d with %d updates in %d bytes", u.UnverifiedSeq(), u.Len(), len(b))
			}
			// Without a key: no fuzzer makes signatures.
			p := u.TestOnlyOpen()
			same(t, encodeProof(t, p), b)
			chains := p.Chains()
			one, two := chains[0].Refs(), chains[1].Refs()
			if bytes.Compare(one[0].Hash[:], two[0].Hash[:]) >= 0 || one[0].Seq != two[0].Seq || len(one)+len(two) != u.Len() {
				t.Fatalf("chains begin at %v and %v", one[0], two[0])
			}
			if p, err := u.Open(s.key); (p == nil) != (err != nil) {
				t.Fatalf("opened %v with error %v", p, err)
			} else if err == nil {
				same(t, p.Body(), b)
			}
		},
	}.Fuzz(f)
}

func FuzzParseHello(f *testing.F) {
	fuzztest.Decoder[*wire.Hello]{
		Corpus: "hello", Decode: wire.ParseHello, Errors: malformed,
		Encode: plain(func(h *wire.Hello) []byte { return h.Append(nil) }),
	}.Fuzz(f)
}

func FuzzParseDigest(f *testing.F) {
	fuzztest.Decoder[*wire.Digest]{
		Corpus: "digest", Decode: wire.ParseDigest, Errors: malformed,
		Encode: plain(func(d *wire.Digest) []byte { return d.Append(nil) }),
	}.Fuzz(f)
}

func FuzzParseClose(f *testing.F) {
	fuzztest.Decoder[*wire.Close]{
		Corpus: "close", Decode: wire.ParseClose, Errors: malformed,
		Encode: plain(func(c *wire.Close) []byte { return c.Append(nil) }),
	}.Fuzz(f)
}

func FuzzParseDone(f *testing.F) {
	fuzztest.Decoder[uint64]{
		Corpus: "done", Decode: wire.ParseDone, Errors: malformed,
		Encode: plain(func(nonce uint64) []byte { return wire.AppendDone(nil, nonce) }),
	}.Fuzz(f)
}

func FuzzParseKey(f *testing.F) {
	fuzztest.Decoder[keys.PublicKey]{
		Corpus: "key", Decode: wire.ParseKey, Errors: malformed,
		Encode: plain(keys.PublicKey.Wire),
	}.Fuzz(f)
}

func FuzzReadFrame(f *testing.F) {
	fuzztest.Decoder[[]wire.Frame]{
		Corpus: "frame", Decode: readFrames,
		Errors: []error{io.EOF, io.ErrUnexpectedEOF, wire.ErrMalformed},
		Encode: plain(func(frames []wire.Frame) (b []byte) {
			for _, frame := range frames {
				b = wire.AppendFrame(b, frame)
			}
			return b
		}),
	}.Fuzz(f)
}

// readFrames reads frames up to a clean end.
func readFrames(b []byte) (frames []wire.Frame, err error) {
	for r := bytes.NewReader(b); ; {
		frame, err := wire.ReadFrame(r)
		switch {
		case err == io.EOF && r.Len() == 0:
			return frames, nil
		case err != nil && (frame.Type != 0 || frame.Handle != 0 || frame.Body != nil):
			panic("a frame beside an error")
		case err != nil:
			return nil, err
		}
		frames = append(frames, frame)
	}
}

// exported is a whole export file.
type exported struct {
	topics     []string
	statements []wire.Unverified
	offered    []keys.PublicKey
}

func FuzzExport(f *testing.F) {
	fuzztest.Decoder[*exported]{
		Corpus: "export", Errors: []error{io.ErrUnexpectedEOF, wire.ErrMalformed},
		Decode: func(b []byte) (*exported, error) {
			e, err := wire.NewExportReader(bytes.NewReader(b))
			if err != nil {
				return nil, err
			}
			held, offered, err := readExport(b)
			if !errors.Is(err, io.EOF) {
				return nil, err
			}
			return &exported{e.Topics(), held, offered}, nil
		},
		Check: func(t *testing.T, b []byte, x *exported) {
			for i, u := range x.statements {
				if !x.offered[i].IsZero() && x.offered[i].ID() != u.Author() {
					t.Fatalf("statement %d comes with a key of somebody else", i)
				}
				s, err := wire.Open(u, x.offered[i])
				if (s == nil) != (err != nil) {
					t.Fatalf("opened %v with error %v", s, err)
				}
			}
		},
	}.Fuzz(f)
}

func FuzzParseBase(f *testing.F) {
	fuzztest.Decoder[[]wire.Place]{
		Corpus: "base", Decode: wire.ParseBase, Errors: malformed,
		Encode: func(places []wire.Place) ([]byte, error) {
			var file bytes.Buffer
			w, err := wire.NewExportWriter(&file, "test", topic)
			if err != nil || len(places) == 0 {
				return nil, err
			}
			file.Reset()
			err = w.Base(topic, places)
			return file.Bytes()[7:], err
		},
	}.Fuzz(f)
}

func FuzzParseMark(f *testing.F) {
	fuzztest.Decoder[wire.Mark]{
		Corpus: "mark", Decode: wire.ParseMark, Errors: malformed,
		Encode: plain(func(m wire.Mark) []byte {
			return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint64(nil, m.Offset), m.Sum)
		}),
	}.Fuzz(f)
}
