package wire_test

import (
	"bytes"
	"crypto/sha256"
	"io"
	"os"
	"testing"

	"github.com/hearsaynet/hearsay/replica/internal/wiretest"
	"github.com/hearsaynet/hearsay/replica/wire"
)

const (
	vectorTime   = 1_700_000_000_000_000_000
	vectorIssued = 1_700_000_001_000_000_000
)

// vectorRuns are the runs behind the vectors: update 1, and updates 2 and 3.
func vectorRuns(t testing.TB, s *signer) (one, two *wire.Run) {
	one = s.run(t, wire.Ref{Author: s.key.ID()}, wiretest.Change(vectorTime, "kv", "one"))
	two = s.run(t, one.End(), wiretest.Change(vectorTime+1, "kv", "two"), wire.Entry{
		Time: vectorTime + 2, Kind: wire.KindChange, Absent: true, Size: 24, Digest: sha256.Sum256([]byte("a change that was erased")),
	})
	return one, two
}

// vectorHead is the head behind the vector: of update 3.
func vectorHead(t testing.TB, s *signer) *wire.Head {
	t.Helper()
	_, two := vectorRuns(t, s)
	h, err := wire.SealHead(topic, two.End(), vectorIssued, s.key, s.sign("hearsay-head", wire.HeadMessage(topic, two.End(), vectorIssued)))
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// vectorProof is the proof behind the vector: updates 2 and 3, and another update 2.
func vectorProof(t testing.TB, s *signer) *wire.Proof {
	t.Helper()
	one, two := vectorRuns(t, s)
	p, err := wire.NewProof(two, s.run(t, one.End(), wiretest.Change(vectorTime+1, "kv", "another two")), 2)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// vectorExport is an export file of what is given.
func vectorExport(t testing.TB, statements ...wire.Statement) []byte {
	t.Helper()
	var file bytes.Buffer
	w, err := wire.NewExportWriter(&file, "test", topic)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range statements {
		if err := w.Write(s); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

// TestVectors pins the bytes: what the package encodes is what the annotated files say.
func TestVectors(t *testing.T) {
	a, b := newSigner(t, 0), newSigner(t, 32)
	one, two := vectorRuns(t, a)
	head, proof := vectorHead(t, a), vectorProof(t, a)
	hello := wire.Hello{Version: 1, Agent: "hearsay/1", Meta: []byte{0, 255}, Topics: []wire.TopicHandle{{Handle: 1, Topic: topic}, {Handle: 65535, Topic: "x"}}}
	digest := wire.Digest{Nonce: wire.MaxInteger, More: true, Unnamed: wire.UnnamedNotWanted, Refs: []wire.Ref{two.End(), {Author: b.key.ID()}}}
	if digest.Refs[0].Author.Compare(digest.Refs[1].Author) > 0 {
		digest.Refs[0], digest.Refs[1] = digest.Refs[1], digest.Refs[0]
	}
	closing := wire.Close{Code: wire.CloseBusy, Text: "1000 sessions"}
	first := wire.Header{
		Topic: topic, Author: a.key.ID(), Seq: 1, Time: vectorTime, Kind: wire.KindChange, Channel: "kv",
		Size: 3, Digest: sha256.Sum256([]byte("one")),
	}
	got := map[string][]byte{
		"header":       first.Append(nil),
		"run":          two.Body(),
		"head":         head.Body(),
		"head-message": wire.HeadMessage(topic, two.End(), vectorIssued),
		"hello":        hello.Append(nil),
		"digest":       digest.Append(nil),
		"done":         wire.AppendDone(nil, 7),
		"close":        closing.Append(nil),
		"key":          a.key.Wire(),
		"frame":        wire.AppendFrame(nil, wire.Frame{Type: wire.FrameDone, Handle: 258, Body: wire.AppendDone(nil, 7)}),
		"export":       vectorExport(t, one, two),
		"proof":        proof.Body(),

		"export-statements": vectorExport(t, one, head, proof),
	}
	files, err := os.ReadDir("testdata/vectors")
	if err != nil || len(files) != len(got) {
		t.Fatalf("%d vector files, %d tested (%v)", len(files), len(got), err)
	}
	for name, encoded := range got {
		if want := vector(t, name); !bytes.Equal(encoded, want) {
			t.Errorf("%s:\n got %x\nwant %x", name, encoded, want)
		}
	}
	if h := one.Headers()[0]; !bytes.Equal(h, got["header"]) {
		t.Errorf("header of the run: %x", h)
	}
	if one.End().Hash != first.Hash() || one.End().Hash != sha256.Sum256(vector(t, "header")) {
		t.Errorf("hash of the first update: %v", one.End().Hash)
	}
}

// TestVectorsParse reads the annotated files back.
func TestVectorsParse(t *testing.T) {
	a := newSigner(t, 0)
	_, two := vectorRuns(t, a)

	h, err := wire.ParseHeader(vector(t, "header"))
	if err != nil || !bytes.Equal(h.Append(nil), vector(t, "header")) {
		t.Errorf("header: %+v, %v", h, err)
	}
	u, err := wire.ParseRun(topic, vector(t, "run"))
	if err != nil {
		t.Fatal(err)
	}
	if u.Topic() != topic || u.Author() != a.key.ID() || u.First() != 2 || u.Last() != 3 || u.Len() != 2 || u.Size() != len(vector(t, "run")) || u.UnverifiedEnd() != two.End() {
		t.Errorf("run: %+v", u)
	}
	r, err := u.Open(a.key)
	if err != nil {
		t.Fatal(err)
	}
	if r.End() != two.End() || r.Prev() != two.Prev() || r.Key() != a.key || !bytes.Equal(r.Body(), two.Body()) {
		t.Errorf("run: %+v", r)
	}
	es := r.Entries()
	if string(es[0].Change) != "two" || es[0].Absent || !es[1].Absent || es[1].Size != 24 || es[1].Change != nil || es[1].Channel != "" || es[1].Time != vectorTime+2 {
		t.Errorf("entries: %+v", es)
	}
	uh, err := wire.ParseHead(topic, vector(t, "head"))
	if err != nil {
		t.Fatal(err)
	}
	head, err := uh.Open(a.key)
	if err != nil || head.Ref() != two.End() || head.Issued() != vectorIssued || head.Topic() != topic || head.Key() != a.key || !bytes.Equal(head.Body(), vector(t, "head")) {
		t.Errorf("head: %+v, %v", head, err)
	}
	hello, err := wire.ParseHello(vector(t, "hello"))
	if err != nil || !bytes.Equal(hello.Append(nil), vector(t, "hello")) {
		t.Errorf("hello: %+v, %v", hello, err)
	}
	d, err := wire.ParseDigest(vector(t, "digest"))
	if err != nil || len(d.Refs) != 2 || !d.More || d.Nonce != wire.MaxInteger || !bytes.Equal(d.Append(nil), vector(t, "digest")) {
		t.Errorf("digest: %+v, %v", d, err)
	}
	if n, err := wire.ParseDone(vector(t, "done")); err != nil || n != 7 {
		t.Errorf("done: %d, %v", n, err)
	}
	c, err := wire.ParseClose(vector(t, "close"))
	if err != nil || c.Code != wire.CloseBusy || c.Text != "1000 sessions" {
		t.Errorf("close: %+v, %v", c, err)
	}
	if k, err := wire.ParseKey(vector(t, "key")); err != nil || k != a.key {
		t.Errorf("key: %v, %v", k, err)
	}
	f, err := wire.ReadFrame(bytes.NewReader(vector(t, "frame")))
	if err != nil || f.Type != wire.FrameDone || f.Handle != 258 || !bytes.Equal(f.Body, vector(t, "done")) {
		t.Errorf("frame: %+v, %v", f, err)
	}
	up, err := wire.ParseProof(topic, vector(t, "proof"))
	if err != nil {
		t.Fatal(err)
	}
	proof, err := up.Open(a.key)
	if err != nil || proof.Seq() != 2 || proof.Prev() != two.Prev() || !bytes.Equal(proof.Body(), vector(t, "proof")) {
		t.Errorf("proof: %+v, %v", proof, err)
	}
	for name, n := range map[string]int{"export": 2, "export-statements": 3} {
		held, offered, err := readExport(vector(t, name))
		if err != io.EOF || len(held) != n {
			t.Errorf("%s: %d statements, %v", name, len(held), err)
		}
		for i, u := range held {
			if _, err := wire.Open(u, offered[i]); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}
