package wire_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"testing"

	"github.com/hearsaynet/hearsay/replica/wire"
)

// The seeds are the annotated vectors and what one breaks of them, so that no target
// runs without any.

// seed adds the vector, and cuts and flips of it.
func seed(f *testing.F, name string) {
	f.Helper()
	good := vector(f, name)
	f.Add(good)
	for i := 0; i < len(good); i += 1 + len(good)/16 {
		f.Add(good[:i])
		f.Add(patch(good, i, good[i]^0x80))
	}
}

// verdict checks what every parser promises: a value or an error of the encoding.
func verdict[T any](t *testing.T, v *T, err error) (ok bool) {
	t.Helper()
	if (v == nil) != (err != nil) {
		t.Fatalf("got %v with error %v", v, err)
	}
	if err != nil && !errors.Is(err, wire.ErrMalformed) {
		t.Fatalf("the error does not wrap ErrMalformed: %v", err)
	}
	return err == nil
}

func same(t *testing.T, got, want []byte) {
	t.Helper()
	if !bytes.Equal(got, want) {
		t.Fatalf("encodes to %x, was parsed from %x", got, want)
	}
}

func FuzzParseHeader(f *testing.F) {
	seed(f, "header")
	f.Fuzz(func(t *testing.T, b []byte) {
		if h, err := wire.ParseHeader(b); verdict(t, h, err) {
			same(t, h.Append(nil), b)
		}
	})
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
	seed(f, "run")
	s := newSigner(f, 0)
	f.Add(s.run(f, wire.Ref{Author: s.key.ID()}, changes(20)...).Body())
	f.Fuzz(func(t *testing.T, b []byte) {
		u, err := wire.ParseRun(topic, b)
		if !verdict(t, u, err) {
			return
		}
		head := encodeRun(u)
		if len(b) < len(head)+3 || int(binary.BigEndian.Uint16(b[len(head):])) != len(b)-len(head)-2 {
			t.Fatalf("%d bytes before the signature, %d in all", len(head), len(b))
		}
		same(t, head, b[:len(head)])
		if u.Last()-u.First()+1 != uint64(u.Len()) || u.Last() > wire.MaxInteger || u.Size() != len(b) {
			t.Fatalf("run from %d to %d of %d", u.First(), u.Last(), u.Len())
		}
		if r, err := u.Open(s.key); (r == nil) != (err != nil) {
			t.Fatalf("opened %v with error %v", r, err)
		} else if err == nil {
			same(t, r.Body(), b)
			for after := r.First(); after < r.Last(); after++ {
				if cut, err := wire.ParseRun(topic, r.CutFront(after).Body()); err != nil || cut.UnverifiedEnd() != r.End() {
					t.Fatalf("cut after %d: %v", after, err)
				}
			}
		}
	})
}

func FuzzParseHead(f *testing.F) {
	seed(f, "head")
	s := newSigner(f, 0)
	f.Fuzz(func(t *testing.T, b []byte) {
		u, err := wire.ParseHead(topic, b)
		if !verdict(t, u, err) {
			return
		}
		ref := u.Ref()
		want := binary.BigEndian.AppendUint64(ref.Author[:], ref.Seq)
		want = binary.BigEndian.AppendUint64(append(want, ref.Hash[:]...), u.Issued())
		same(t, want, b[:len(want)])
		if h, err := u.Open(s.key); (h == nil) != (err != nil) {
			t.Fatalf("opened %v with error %v", h, err)
		} else if err == nil {
			same(t, h.Body(), b)
		}
	})
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
	seed(f, "proof")
	s := newSigner(f, 0)
	a, b := forked(f, s)
	long, err := wire.NewProof(a, b, 4)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(long.Body())
	f.Fuzz(func(t *testing.T, b []byte) {
		u, err := wire.ParseProof(topic, b)
		if !verdict(t, u, err) {
			return
		}
		same(t, u.UnverifiedBody(), b)
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
	})
}

func FuzzParseHello(f *testing.F) {
	seed(f, "hello")
	f.Fuzz(func(t *testing.T, b []byte) {
		if h, err := wire.ParseHello(b); verdict(t, h, err) {
			same(t, h.Append(nil), b)
		}
	})
}

func FuzzParseDigest(f *testing.F) {
	seed(f, "digest")
	f.Fuzz(func(t *testing.T, b []byte) {
		if d, err := wire.ParseDigest(b); verdict(t, d, err) {
			same(t, d.Append(nil), b)
		}
	})
}

func FuzzParseClose(f *testing.F) {
	seed(f, "close")
	f.Fuzz(func(t *testing.T, b []byte) {
		if c, err := wire.ParseClose(b); verdict(t, c, err) {
			same(t, c.Append(nil), b)
		}
	})
}

func FuzzParseDone(f *testing.F) {
	seed(f, "done")
	f.Fuzz(func(t *testing.T, b []byte) {
		n, err := wire.ParseDone(b)
		if err == nil {
			same(t, wire.AppendDone(nil, n), b)
		} else if n != 0 {
			t.Fatalf("got %d with error %v", n, err)
		}
	})
}

func FuzzParseKey(f *testing.F) {
	seed(f, "key")
	f.Fuzz(func(t *testing.T, b []byte) {
		k, err := wire.ParseKey(b)
		if err == nil {
			same(t, k.Wire(), b)
		} else if !k.IsZero() {
			t.Fatalf("got a key with error %v", err)
		}
	})
}

func FuzzReadFrame(f *testing.F) {
	seed(f, "frame")
	f.Add(vector(f, "export")[16:])
	f.Fuzz(func(t *testing.T, b []byte) {
		r := bytes.NewReader(b)
		var again []byte
		for {
			frame, err := wire.ReadFrame(r)
			if err != nil {
				if frame.Type != 0 || frame.Body != nil {
					t.Fatalf("got %+v with error %v", frame, err)
				}
				if clean := len(again) == len(b); clean != (err == io.EOF) {
					t.Fatalf("%d of %d bytes read: %v", len(again), len(b), err)
				}
				if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, wire.ErrMalformed) {
					t.Fatal(err)
				}
				return
			}
			again = wire.AppendFrame(again, frame)
			same(t, again, b[:len(again)])
		}
	})
}

func FuzzExport(f *testing.F) {
	seed(f, "export")
	seed(f, "export-statements")
	f.Fuzz(func(t *testing.T, b []byte) {
		runs, offered, err := readExport(b)
		if err == nil || len(runs) != len(offered) {
			t.Fatalf("%d runs, %d keys, %v", len(runs), len(offered), err)
		}
		if err != io.EOF && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, wire.ErrMalformed) {
			t.Fatal(err)
		}
		for i, u := range runs {
			if !offered[i].IsZero() && offered[i].ID() != u.Author() {
				t.Fatalf("run %d comes with a key of somebody else", i)
			}
		}
	})
}
