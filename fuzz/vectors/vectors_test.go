package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/wire"
	"github.com/hearsaynet/hearsay/verify"
)

const vectorDir = "../../testdata/vectors"

// made is what the command makes.
var made = sync.OnceValue(files)

// TestPinned compares what the command makes with what is checked in, byte for byte.
func TestPinned(t *testing.T) {
	want := made()
	for name, b := range want {
		got, err := os.ReadFile(filepath.Join(vectorDir, name))
		if err != nil || !bytes.Equal(got, b) {
			t.Errorf("%s is not what this code makes (%v): run go run ./fuzz/vectors, and look at what differs", name, err)
		}
	}
	found, err := filepath.Glob(filepath.Join(vectorDir, "*.json"))
	if err != nil || len(found) != len(want) {
		t.Errorf("%d files of vectors, %d are made (%v)", len(found), len(want), err)
	}
}

// load reads a file of vectors as anybody would.
func load[V any](t *testing.T, name string) (f file[V]) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(vectorDir, name))
	if err != nil {
		t.Fatal(err)
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&f); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if len(f.Good) < 3 || len(f.Bad) < 5 {
		t.Fatalf("%s: %d good vectors, %d bad ones", name, len(f.Good), len(f.Bad))
	}
	return f
}

// classes are what the errors of a class wrap.
var classes = map[string]error{
	"malformed": wire.ErrMalformed, "wrong-key": wire.ErrWrongKey, "bad-signature": wire.ErrBadSignature,
	"cut-short": io.ErrUnexpectedEOF, "no-key": verify.ErrNoKey, "bad-id": keys.ErrBadID, "not-admitted": keys.ErrNotAdmitted,
}

// texts is what our errors say of the checks that share their sentinel with others.
var texts = map[string]string{
	"key.type-string": "no key type", "key.type": "type", "key.ed25519-form": "an ed25519 key is 32 bytes", "key.ed25519-point": "not canonical",
	"key.ed25519-order": "small order", "key.rsa-form": "two positive minimal integers", "key.rsa-bits": "RSA of", "key.rsa-odd": "even RSA modulus",
	"key.rsa-exponent": "RSA exponent", "id.multihash": "want 34 bytes", "id.base58": "", "id.fingerprint": "SHA256 fingerprint",
	"signature.form": "not an SSH signature blob", "signature.format": "does not go with", "signature.size": "signature of",
	"signature.ed25519": "not this key's", "signature.rsa": "not this key's",
	"header.magic": "starts with", "header.form": "cut short or has bytes after it", "header.author": "not a node id", "header.topic": "topic",
	"header.size": "change of", "header.seq": "out of range", "header.prev": "zeros if and only if", "header.time": "time", "header.kind": "kind 0", "header.channel": "channel",
	"run.size": "run of", "run.form": "cut short", "run.author": "not a node id", "run.announced": "announces", "run.signature-size": "signature of",
	"run.topic": "topic", "run.entries": "run of 0 entries", "run.seq": "out of range", "run.prev": "zeros if and only if", "run.last": "run ends at",
	"entry.presence": "entry form", "entry.size": "change of", "entry.time": "time", "entry.kind": "kind 0", "entry.channel": "channel",
	"head.form": "head is cut short", "head.author": "names no author", "head.signature-size": "signature of", "head.topic": "topic", "head.seq": "out of range",
	"head.issued": "issued", "head.hash": "zeros if and only if",
	"proof.size": "proof of", "proof.form": "", "proof.author": "not a node id", "proof.order": "start alike or are not in the order",
	"chain.announced": "announces", "chain.signature-size": "signature of", "chain.topic": "topic", "chain.updates": "run of 0 entries",
	"chain.seq": "out of range", "chain.prev": "zeros if and only if", "chain.last": "run ends at",
	"frame.type": "frame type 0", "frame.length": "frame of", "frame.whole": "", "frame.key": "key",
	"hello.form": "hello", "hello.version": "version 0", "hello.meta": "meta of", "hello.agent": "agent", "hello.topics": "topics, at most", "hello.topic": "topic",
	"hello.handle": "zero or named twice", "digest.form": "digest is cut short", "digest.nonce": "nonce", "digest.more": "more 2", "digest.unnamed": "unnamed",
	"digest.refs": "digest of", "digest.author": "not a node id", "digest.seq": "out of range", "digest.hash": "zeros if and only if", "digest.order": "repeat or are out of order",
	"done.form": "done of", "done.nonce": "done of", "close.form": "close of", "close.code": "close of", "close.text": "close text",
	"export.magic": "not a hearsay export", "export.hello": "where Hello is due", "export.handle": "was not named", "export.type": "has no place here",
	"export.count": "its end says", "export.end-handle": "its end has handle", "export.after": "bytes after its end", "export.key": "",
	"session.hello-first": "where Hello is due", "session.version": "is not spoken", "session.topic": "no topic in common", "session.hello-once": "Hello",
	"session.handle": "names no common topic", "session.type": "is not understood", "session.digest-parts": "does not continue",
	"session.digest-more": "cannot have more", "run.signature": "bad signature: not the author's", "head.signature": "came for the head", "proof.signature": "came for the fork",
}

// refused checks that err is of the class, and about the check, of a bad vector.
func refused(t *testing.T, v verdict, err error) {
	t.Helper()
	want := classes[v.Class]
	if v.Class == "malformed" && strings.HasPrefix(v.Check, "key.") {
		want = keys.ErrMalformed
	}
	if v.Class == "bad-signature" && strings.HasPrefix(v.Check, "signature.") {
		want = keys.ErrBadSignature
	}
	if want == nil || !errors.Is(err, want) {
		t.Errorf("%s: got error %v, want one of class %s", v.Name, err, v.Class)
		return
	}
	if text, ok := texts[v.Check]; !ok && want == wire.ErrMalformed || !strings.Contains(err.Error(), text) {
		t.Errorf("%s: the error %q is not about %s (%q)", v.Name, err, v.Check, text)
	}
}

// same checks what a good vector means.
func same(t *testing.T, v verdict, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s:\n got %+v\nwant %+v", v.Name, got, want)
	}
}

func noError(t *testing.T, v verdict, err error) bool {
	t.Helper()
	if err != nil {
		t.Errorf("%s: %v", v.Name, err)
	}
	return err == nil
}

func TestKeys(t *testing.T) {
	f := load[keyVector](t, "keys.json")
	for _, v := range f.Good {
		if k, err := keys.ParsePublicKey(v.Wire); noError(t, v.verdict, err) {
			id := k.ID()
			same(t, v.verdict, *v.Means, keyMeaning{k.Type(), k.Bits(), id[:], id.String(), id.Fingerprint()})
		}
	}
	for _, v := range f.Bad {
		_, err := keys.ParsePublicKey(v.Wire)
		refused(t, v.verdict, err)
	}
	ids := load[idVector](t, "ids.json")
	for _, v := range ids.Good {
		if id, err := v.parse(); noError(t, v.verdict, err) {
			same(t, v.verdict, *v.Means, idMeaning{id[:], id.String(), id.Fingerprint()})
		}
	}
	for _, v := range ids.Bad {
		_, err := v.parse()
		refused(t, v.verdict, err)
	}
}

func (v idVector) parse() (keys.NodeID, error) {
	if v.Bytes != nil {
		return keys.NodeIDFromBytes(*v.Bytes)
	}
	return keys.ParseNodeID(v.Text)
}

func TestSignatures(t *testing.T) {
	f := load[signatureVector](t, "signatures.json")
	check := func(v signatureVector) error {
		k, err := keys.ParsePublicKey(v.Key)
		if err != nil {
			return err
		}
		return k.Verify(v.Namespace, v.Message, v.Signature)
	}
	for _, v := range f.Good {
		noError(t, v.verdict, check(v))
		same(t, v.verdict, v.Means.Signed, data(keys.SignedData(v.Namespace, [32]byte(sha256Of(v.Message)))))
	}
	for _, v := range f.Bad {
		refused(t, v.verdict, check(v))
	}
}

func TestUpdates(t *testing.T) {
	f := load[updateVector](t, "updates.json")
	for _, v := range f.Good {
		if h, err := wire.ParseHeader(v.Header); noError(t, v.verdict, err) {
			got := goodUpdate(v.Name, *h, nil)
			same(t, v.verdict, got.Means, v.Means)
			same(t, v.verdict, got.Header, v.Header)
			if v.Change != nil && !bytes.Equal(sha256Of(*v.Change), v.Means.Digest) {
				t.Errorf("%s: the digest is not the change's", v.Name)
			}
		}
	}
	for _, v := range f.Bad {
		_, err := wire.ParseHeader(v.Header)
		refused(t, v.verdict, err)
	}
}

// openKey is the key of a vector; that it is good is not the question there.
func openKey(t *testing.T, wire []byte) keys.PublicKey {
	t.Helper()
	k, err := keys.ParsePublicKey(wire)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestStatements(t *testing.T) {
	runs := load[runVector](t, "runs.json")
	for _, v := range runs.Good {
		if s, err := parseAndOpen(t, wire.FrameRun, v.Topic, v.Key, v.Body); noError(t, v.verdict, err) {
			same(t, v.verdict, goodRun(v.Name, s.(*wire.Run)), v)
		}
	}
	for _, v := range runs.Bad {
		_, err := parseAndOpen(t, wire.FrameRun, v.Topic, v.Key, v.Body)
		refused(t, v.verdict, err)
	}
	heads := load[headVector](t, "heads.json")
	for _, v := range heads.Good {
		if s, err := parseAndOpen(t, wire.FrameHead, v.Topic, v.Key, v.Body); noError(t, v.verdict, err) {
			same(t, v.verdict, goodHead(v.Name, s.(*wire.Head)), v)
		}
	}
	for _, v := range heads.Bad {
		_, err := parseAndOpen(t, wire.FrameHead, v.Topic, v.Key, v.Body)
		refused(t, v.verdict, err)
	}
	proofs := load[proofVector](t, "proofs.json")
	for _, v := range proofs.Good {
		if s, err := parseAndOpen(t, wire.FrameFork, v.Topic, v.Key, v.Body); noError(t, v.verdict, err) {
			same(t, v.verdict, goodProof(v.Name, s.(*wire.Proof)), v)
		}
	}
	for _, v := range proofs.Bad {
		_, err := parseAndOpen(t, wire.FrameFork, v.Topic, v.Key, v.Body)
		refused(t, v.verdict, err)
	}
}

func parseAndOpen(t *testing.T, kind wire.FrameType, topic string, key, body []byte) (wire.Statement, error) {
	t.Helper()
	var u wire.Unverified
	var err error
	switch kind {
	case wire.FrameRun:
		u, err = wire.ParseRun(topic, body)
	case wire.FrameHead:
		u, err = wire.ParseHead(topic, body)
	case wire.FrameFork:
		u, err = wire.ParseProof(topic, body)
	}
	if err != nil {
		return nil, err
	}
	return wire.Open(u, openKey(t, key))
}

func TestFrames(t *testing.T) {
	f := load[frameVector](t, "frames.json")
	for _, v := range f.Good {
		r := bytes.NewReader(v.Bytes)
		x, err := wire.ReadFrame(r)
		if noError(t, v.verdict, err) && noError(t, v.verdict, parseBody(x)) {
			same(t, v.verdict, goodFrame(v.Name, x.Type, x.Handle, x.Body), v)
		}
		if r.Len() != 0 {
			t.Errorf("%s: %d bytes after it", v.Name, r.Len())
		}
	}
	for _, v := range f.Bad {
		x, err := wire.ReadFrame(bytes.NewReader(v.Bytes))
		if err == nil {
			err = parseBody(x)
		}
		refused(t, v.verdict, err)
	}
}

// parseBody parses the body of a frame that is no statement.
func parseBody(f wire.Frame) (err error) {
	switch f.Type {
	case wire.FrameHello:
		_, err = wire.ParseHello(f.Body)
	case wire.FrameDigest:
		_, err = wire.ParseDigest(f.Body)
	case wire.FrameKey:
		_, err = wire.ParseKey(f.Body)
	case wire.FrameDone:
		_, err = wire.ParseDone(f.Body)
	case wire.FrameClose:
		_, err = wire.ParseClose(f.Body)
	}
	return err
}

func TestExports(t *testing.T) {
	f := load[exportVector](t, "exports.json")
	for _, v := range f.Good {
		if m, err := readExport(v.File); noError(t, v.verdict, err) {
			same(t, v.verdict, m, v.Means)
		}
	}
	for _, v := range f.Bad {
		_, err := readExport(v.File)
		refused(t, v.verdict, err)
	}
}

func readExport(file []byte) (*exportMeaning, error) {
	r, err := wire.NewExportReader(bytes.NewReader(file))
	if err != nil {
		return nil, err
	}
	m := &exportMeaning{Hello: helloOf(file), Statements: []statementMeaning{}}
	for i, topic := range r.Topics() {
		if m.Hello.Topics[i].Topic != topic {
			return nil, fmt.Errorf("topic %d is %q", i, topic)
		}
	}
	for {
		u, k, err := r.Next()
		if errors.Is(err, io.EOF) {
			return m, nil
		}
		if err != nil {
			return nil, err
		}
		if k.IsZero() {
			return nil, fmt.Errorf("%w of %v", verify.ErrNoKey, u.Author())
		}
		s, err := wire.Open(u, k)
		if err != nil {
			return nil, err
		}
		m.Statements = append(m.Statements, statementOf(s))
	}
}
