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

// TestVectors pins the bytes: what the package encodes is what the annotated files say.
func TestVectors(t *testing.T) {
	a, b := newSigner(t, 0), newSigner(t, 32)
	one, two := vectorRuns(t, a)
	head, err := wire.SealHead(topic, two.End(), vectorIssued, a.key, a.sign("hearsay-head", wire.HeadMessage(topic, two.End(), vectorIssued)))
	if err != nil {
		t.Fatal(err)
	}
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
	var export bytes.Buffer
	w, err := wire.NewExportWriter(&export, "test", topic)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []*wire.Run{one, two} {
		if err := w.Write(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
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
		"export":       export.Bytes(),
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
	e, err := wire.NewExportReader(bytes.NewReader(vector(t, "export")))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		u, offered, err := e.Next()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := wire.Open(u, offered); err != nil {
			t.Error(err)
		}
	}
	if _, _, err := e.Next(); err != io.EOF {
		t.Errorf("export ends with %v", err)
	}
}
