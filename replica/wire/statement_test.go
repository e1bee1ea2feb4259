package wire_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"slices"
	"testing"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// statements returns one of each kind of s.
func statements(t testing.TB, s *signer) []wire.Statement {
	one, _ := vectorRuns(t, s)
	return []wire.Statement{one, vectorHead(t, s), vectorProof(t, s)}
}

// TestOpen checks that Open opens each kind as its own method does, and nothing else.
func TestOpen(t *testing.T) {
	s, other := newSigner(t, 0), newSigner(t, 32)
	for _, want := range statements(t, s) {
		u := unverified(t, want)
		if u.Topic() != topic || u.Author() != s.key.ID() || u.Size() != len(want.Body()) || u.Size() != want.Size() || u.Fingerprint() != sha256.Sum256(want.Body()) {
			t.Errorf("%T: topic %q, author %v, %d bytes", u, u.Topic(), u.Author(), u.Size())
		}
		got, err := wire.Open(u, s.key)
		if err != nil || !bytes.Equal(got.Body(), want.Body()) || got.Key() != s.key || got.Author() != s.key.ID() || got.Topic() != topic {
			t.Errorf("%T opens to %+v, %v", u, got, err)
		}
		if got, err := wire.Open(u, other.key); !errors.Is(err, wire.ErrWrongKey) || got != nil {
			t.Errorf("%T with a wrong key: %v, %v", u, got, err)
		}
		b := bytes.Clone(want.Body())
		b[len(b)-1] ^= 1
		bad, err := wire.ParseAs(want, topic, b)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := wire.Open(bad, s.key); !errors.Is(err, wire.ErrBadSignature) || got != nil {
			t.Errorf("%T with a bad signature: %v, %v", u, got, err)
		}
		if bad, err := wire.ParseAs(want, topic, b[:len(b)-1]); !errors.Is(err, wire.ErrMalformed) || bad != nil {
			t.Errorf("%T cut short: %v, %v", u, bad, err)
		}
	}
	foreign := struct{ wire.Unverified }{unverified(t, vectorProof(t, s))}
	for _, u := range []wire.Unverified{nil, foreign} {
		if got, err := wire.Open(u, s.key); err == nil || got != nil {
			t.Errorf("%T opens to %v", u, got)
		}
	}
}

// unverified returns s as if it had just arrived.
func unverified(t testing.TB, s wire.Statement) wire.Unverified {
	t.Helper()
	u, err := wire.ParseAs(s, s.Topic(), s.Body())
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// TestInsecureReopenHead checks that a stored head comes back as it was.
func TestInsecureReopenHead(t *testing.T) {
	s := newSigner(t, 0)
	want := vectorHead(t, s)
	h, err := wire.InsecureReopenHead(topic, s.key, want.Body())
	if err != nil || h.Ref() != want.Ref() || h.Issued() != want.Issued() || h.Key() != s.key || h.Topic() != topic || !bytes.Equal(h.Body(), want.Body()) {
		t.Errorf("got %+v, %v", h, err)
	}
	h, err = wire.InsecureReopenHead(topic, s.key, want.Body()[1:])
	wantMalformed(t, "a part of a head", err)
	if h != nil {
		t.Errorf("a part of a head is %+v", h)
	}
}

// TestExportStatements checks that a file carries every kind of statement, in any order,
// with each author's key before the first.
func TestExportStatements(t *testing.T) {
	a, b := newSigner(t, 0), newSigner(t, 32)
	as, bs := statements(t, a), statements(t, b)
	want := []wire.Statement{as[1], bs[2], as[0], bs[1], as[2], bs[0]}
	held, offered, err := readExport(vectorExport(t, want...))
	if err != io.EOF || len(held) != len(want) {
		t.Fatalf("%d statements, %v", len(held), err)
	}
	for i, u := range held {
		s, err := wire.Open(u, offered[i])
		if err != nil || s.Author() != want[i].Author() || !bytes.Equal(s.Body(), want[i].Body()) {
			t.Errorf("statement %d: %v, %v", i, s, err)
		}
	}

	w, err := wire.NewExportWriter(io.Discard, "test", topic)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []wire.Statement{nil, struct{ wire.Statement }{as[0]}} {
		if err := w.Write(s); err == nil {
			t.Errorf("%T is written", s)
		}
	}
}

func TestExportStatementsStrict(t *testing.T) {
	whole := vector(t, "export-statements")
	place := func(start ...byte) int {
		i := bytes.Index(whole, start)
		if i < 0 {
			t.Fatalf("no frame begins with %x", start)
		}
		return i
	}
	key, run, head, fork := place(5, 0, 1, 0, 0), place(3, 0, 1, 0, 0), place(4, 0, 1, 0, 0), place(6, 0, 1, 0, 0)
	last := len(whole) - 1
	for _, tt := range []struct {
		name string
		b    []byte
	}{
		{"a head less than it says", splice(whole, head, fork-head)},
		{"a proof more than it says", splice(whole, fork, 0, whole[fork:last-14]...)},
		{"head on a handle that was not named", patch(whole, head+2, 9)},
		{"proof on a handle that was not named", patch(whole, fork+2, 9)},
		{"malformed head", patch(whole, head+7, 0)},
		{"malformed proof", patch(whole, fork+7, 0)},
		{"head in a frame of proofs", patch(whole, head, 6)},
		{"too small a count", patch(whole, last, 2)},
	} {
		_, _, err := readExport(tt.b)
		wantMalformed(t, tt.name, err)
	}
	held, offered, err := readExport(slices.Concat(whole[:key], whole[run:]))
	if err != io.EOF || len(held) != 3 || offered[1] != (keys.PublicKey{}) {
		t.Errorf("without keys: %d statements, %v", len(held), err)
	}
}
