package wire_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/internal/wiretest"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// forked returns two runs of s that share updates 1 to 3 and part at seq 4. The first
// begins at seq 2, the second at seq 4.
func forked(t testing.TB, s *signer) (a, b *wire.Run) {
	start := s.run(t, wire.Ref{Author: s.key.ID()}, wiretest.Change(1, "kv", "one"))
	a = s.run(t, start.End(), changes(5)...)
	b = s.run(t, a.Ref(1), wiretest.Change(9, "kv", "another four"), wiretest.Change(10, "", "another five"))
	return a, b
}

func TestProof(t *testing.T) {
	s := newSigner(t, 0)
	a, b := forked(t, s)
	p, err := wire.NewProof(a, b, 4)
	if err != nil {
		t.Fatal(err)
	}
	if q, err := wire.NewProof(b, a, 4); err != nil || !bytes.Equal(q.Body(), p.Body()) {
		t.Errorf("the other way round: %v", err)
	}
	if e := a.Entries()[2]; e.Absent || e.Change == nil {
		t.Errorf("the run has lost its change: %+v", e)
	}
	u, err := wire.ParseProof(topic, p.Body())
	if err != nil {
		t.Fatal(err)
	}
	if u.Topic() != topic || u.Author() != s.key.ID() || u.UnverifiedSeq() != 4 || u.Len() != 5 || u.Size() != len(p.Body()) ||
		u.Fingerprint() != sha256.Sum256(p.Body()) || !bytes.Equal(u.UnverifiedBody(), p.Body()) {
		t.Errorf("unverified proof: %+v", u)
	}
	q, err := u.Open(s.key)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []*wire.Proof{p, q} {
		if p.Topic() != topic || p.Author() != s.key.ID() || p.Key() != s.key || p.Seq() != 4 || p.Prev() != a.Ref(1) || p.Size() != len(u.UnverifiedBody()) {
			t.Errorf("proof: %+v", p)
		}
		wantChains(t, p, [][]wire.Ref{{a.Ref(2), a.Ref(3), a.Ref(4)}, {b.Ref(0), b.Ref(1)}}, a.Headers()[2:], b.Headers(), a.Signature(), b.Signature())
	}
}

// wantChains checks the chains of p, whose order is that of their first hashes.
func wantChains(t *testing.T, p *wire.Proof, refs [][]wire.Ref, one, two [][]byte, sigs ...[]byte) {
	t.Helper()
	headers := [][][]byte{one, two}
	if bytes.Compare(refs[0][0].Hash[:], refs[1][0].Hash[:]) > 0 {
		slices.Reverse(refs)
		slices.Reverse(headers)
		slices.Reverse(sigs)
	}
	for i, c := range p.Chains() {
		if !slices.Equal(c.Refs(), refs[i]) {
			t.Errorf("chain %d: refs %v, want %v", i, c.Refs(), refs[i])
		}
		if !slices.EqualFunc(c.Headers(), headers[i], bytes.Equal) {
			t.Errorf("chain %d: headers %x, want %x", i, c.Headers(), headers[i])
		}
		if !bytes.Equal(c.Signature(), sigs[i]) {
			t.Errorf("chain %d: signature %x, want %x", i, c.Signature(), sigs[i])
		}
	}
}

func TestNewProofRefuses(t *testing.T) {
	s, other := newSigner(t, 0), newSigner(t, 32)
	a, b := forked(t, s)
	elsewhere := func() *wire.Run {
		d, err := wire.NewDraft("elsewhere", b.Prev(), wiretest.Change(9, "kv", "another four"))
		if err != nil {
			t.Fatal(err)
		}
		r, err := d.Seal(s.key, s.sign("hearsay-update", d.Message()))
		if err != nil {
			t.Fatal(err)
		}
		return r
	}()
	ref := b.Prev()
	ref.Author = other.key.ID()
	for _, tt := range []struct {
		name string
		a, b *wire.Run
		seq  uint64
	}{
		{"before both", a, b, 1},
		{"before the second", a, b, 3},
		{"after the second", a, b, 6},
		{"after both", a, b, 7},
		{"seq 0", a, b, 0},
		{"above the fork", a, b, 5},
		{"the same run", a, a, 4},
		{"a copy cut at its front", a, a.CutFront(3), 5},
		{"another topic", a, elsewhere, 4},
		{"another author", a, other.run(t, ref, wiretest.Change(1, "kv", "x")), 4},
	} {
		if p, err := wire.NewProof(tt.a, tt.b, tt.seq); !errors.Is(err, wire.ErrNoProof) || p != nil {
			t.Errorf("%s: got %v, %v, want ErrNoProof", tt.name, p, err)
		}
	}
}

// TestHonestAuthorIsNotForked offers every two stretches of one honest history as a
// proof, with all the signatures that there are.
func TestHonestAuthorIsNotForked(t *testing.T) {
	s := newSigner(t, 0)
	runs := []*wire.Run{s.run(t, wire.Ref{Author: s.key.ID()}, changes(1)...)}
	for range 4 {
		runs = append(runs, s.run(t, runs[len(runs)-1].End(), changes(2)...))
	}
	var headers []*wire.Header
	for _, r := range runs {
		headers = append(headers, parseHeaders(t, r.Headers())...)
	}
	var chains [][]byte
	for from := range headers {
		for _, r := range runs {
			if int(r.Last()) > from {
				chains = append(chains, appendChain(nil, headers[from:r.Last()], r.Signature()))
			}
		}
	}
	tried := 0
	for _, at := range headers {
		start := binary.BigEndian.AppendUint64(at.Author[:], at.Seq)
		start = append(start, at.Prev[:]...)
		for _, one := range chains {
			for _, two := range chains {
				u, err := wire.ParseProof(topic, slices.Concat(start, one, two))
				if err != nil {
					wantMalformed(t, "proof", err)
					continue
				}
				tried++
				if p, err := u.Open(s.key); !errors.Is(err, wire.ErrBadSignature) {
					t.Fatalf("an honest author has forked at %d: %v, %v", at.Seq, p, err)
				}
			}
		}
	}
	if tried < 1000 {
		t.Errorf("only %d proofs were well-formed", tried)
	}
}

// appendChain encodes one chain of a proof.
func appendChain(b []byte, headers []*wire.Header, sig []byte) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(len(headers)))
	for _, h := range headers {
		b = binary.BigEndian.AppendUint64(b, h.Time)
		b = append(b, byte(h.Kind), byte(len(h.Channel)))
		b = append(b, h.Channel...)
		b = binary.BigEndian.AppendUint32(b, h.Size)
		b = append(b, h.Digest[:]...)
	}
	b = binary.BigEndian.AppendUint16(b, uint16(len(sig)))
	return append(b, sig...)
}

// TestLargestProof checks that a proof stays under 60 kB, with the longest chains,
// channels and signatures.
func TestLargestProof(t *testing.T) {
	s := newSigner(t, 0)
	entries := changes(wire.MaxEntries)
	for i := range entries {
		entries[i].Channel = strings.Repeat("c", wire.MaxChannel)
	}
	start := s.run(t, wire.Ref{Author: s.key.ID()}, changes(1)...).End()
	a := s.run(t, start, entries...)
	entries[0].Time++
	p, err := wire.NewProof(a, s.run(t, start, entries...), 2)
	if err != nil {
		t.Fatal(err)
	}
	if u, err := wire.ParseProof(topic, p.Body()); err != nil || u.Len() != 2*wire.MaxEntries {
		t.Fatal(err)
	}
	// The same, signed with RSA of 4096 bits.
	sig := keys.MarshalSignature("rsa-sha2-512", zeros(512))
	if len(sig) != keys.MaxSignatureSize {
		t.Fatalf("the longest signature has %d bytes", len(sig))
	}
	body := slices.Clone(p.Body()[:74])
	for _, c := range p.Chains() {
		body = appendChain(body, parseHeaders(t, c.Headers()), sig)
	}
	if _, err := wire.ParseProof(topic, body); err != nil || len(body) != wire.MaxProof || len(body) >= 60_000 {
		t.Errorf("proof of %d bytes: %v", len(body), err)
	}
}

// TestProofEntries checks the number of updates in a chain at its bound.
func TestProofEntries(t *testing.T) {
	s := newSigner(t, 0)
	start := s.run(t, wire.Ref{Author: s.key.ID()}, changes(1)...).End()
	p, err := wire.NewProof(s.run(t, start, wiretest.Change(1, "", "a")), s.run(t, start, wiretest.Change(1, "", "b")), 2)
	if err != nil {
		t.Fatal(err)
	}
	chain := func(i, n int) []byte {
		c := p.Chains()[i]
		return appendChain(nil, slices.Repeat(parseHeaders(t, c.Headers()), n), c.Signature())
	}
	for n, ok := range map[int]bool{0: false, 1: true, wire.MaxEntries: true, wire.MaxEntries + 1: false} {
		for name, b := range map[string][]byte{
			"first":  slices.Concat(p.Body()[:74], chain(0, n), chain(1, 1)),
			"second": slices.Concat(p.Body()[:74], chain(0, 1), chain(1, n)),
		} {
			if _, err := wire.ParseProof(topic, b); (err == nil) != ok {
				t.Errorf("%d updates in the %s chain: %v", n, name, err)
			}
		}
	}
}

func parseHeaders(t *testing.T, encoded [][]byte) (headers []*wire.Header) {
	t.Helper()
	for _, b := range encoded {
		h, err := wire.ParseHeader(b)
		if err != nil {
			t.Fatal(err)
		}
		headers = append(headers, h)
	}
	return headers
}
