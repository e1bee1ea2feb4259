package wire_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"testing"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/wire"
)

func TestAttack(t *testing.T) {
	t.Run("cross-topic", crossTopic)
	t.Run("hostile-frame", hostileFrame)
	t.Run("wrong-key", wrongKey)
	t.Run("bad-copy", badCopy)
	t.Run("config-split", configSplit)
}

// crossTopic presents what an author has signed for something else.
func crossTopic(t *testing.T) {
	s := newSigner(t, 0)
	r := s.run(t, wire.Ref{Author: s.key.ID()}, changes(2)...)
	u, err := wire.ParseRun("another topic", r.Body())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := u.Open(s.key); !errors.Is(err, wire.ErrBadSignature) {
		t.Errorf("run in another topic: %v", err)
	}
	head, err := wire.SealHead(topic, r.End(), 1, s.key, s.sign("hearsay-head", wire.HeadMessage(topic, r.End(), 1)))
	if err != nil {
		t.Fatal(err)
	}
	uh, err := wire.ParseHead("another topic", head.Body())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := uh.Open(s.key); !errors.Is(err, wire.ErrBadSignature) {
		t.Errorf("head in another topic: %v", err)
	}

	if _, err := moved(t, "another topic", vectorProof(t, s).Body()).Open(s.key); !errors.Is(err, wire.ErrBadSignature) {
		t.Errorf("proof in another topic: %v", err)
	}

	d, err := wire.NewDraft(topic, r.Prev(), changes(2)...)
	if err != nil {
		t.Fatal(err)
	}
	header, statement := d.Message(), wire.HeadMessage(topic, r.End(), 1)
	for _, namespace := range []string{"", "git", "file", "hearsay-link", "hearsay-head", "hearsay-update ", "hearsay-updat", "HEARSAY-UPDATE"} {
		if _, err := d.Seal(s.key, s.sign(namespace, header)); !errors.Is(err, wire.ErrBadSignature) {
			t.Errorf("header signed in namespace %q: %v", namespace, err)
		}
	}
	if _, err := wire.SealHead(topic, r.End(), 1, s.key, s.sign("hearsay-update", statement)); !errors.Is(err, wire.ErrBadSignature) {
		t.Errorf("head signed as an update: %v", err)
	}
	// An SSH login signs a string without the preamble of SSHSIG (RFC 4252 section 7).
	login := keys.MarshalSignature("ssh-ed25519", ed25519.Sign(s.private, header))
	if _, err := d.Seal(s.key, login); !errors.Is(err, wire.ErrBadSignature) {
		t.Errorf("header signed as it is: %v", err)
	}
	if _, err := wire.ParseHeader(statement); err == nil {
		t.Error("a head's message is a header")
	}
}

// moved parses the body of the proof vector under another topic or author, where the
// hashes are others: perhaps the chains must change places.
func moved(t *testing.T, topic string, body []byte) *wire.UnverifiedProof {
	t.Helper()
	u, err := wire.ParseProof(topic, body)
	if err != nil {
		u, err = wire.ParseProof(topic, slices.Concat(body[:74], body[209:], body[74:209]))
	}
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func hostileFrame(t *testing.T) {
	header := func(kind byte, length uint32) []byte {
		return binary.BigEndian.AppendUint32([]byte{kind, 0, 1}, length)
	}
	for _, tt := range []struct {
		name      string
		b         []byte
		malformed bool // else cut short
	}{
		{"length 2^32-1", append(header(3, 1<<32-1), ones(100)...), true},
		{"length 2^31", header(3, 1<<31), true},
		{"one byte above the limit", append(header(3, wire.MaxFrame+1), zeros(wire.MaxFrame+1)...), true},
		{"type 0", header(0, 0), true},
		{"type 0 with garbage", zeros(100), true},
		{"cut short", append(header(3, 100), zeros(99)...), false},
		{"header cut short", header(3, 100)[:6], false},
		{"header alone", header(3, 1), false},
		{"HTTP", []byte("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"), true},
	} {
		f, err := wire.ReadFrame(bytes.NewReader(tt.b))
		if f.Body != nil || errors.Is(err, wire.ErrMalformed) != tt.malformed || errors.Is(err, io.ErrUnexpectedEOF) == tt.malformed {
			t.Errorf("%s: %d bytes, %v", tt.name, len(f.Body), err)
		}
		if got := allocated(func() { _, _ = wire.ReadFrame(bytes.NewReader(tt.b)) }); got > 80<<10 {
			t.Errorf("%s: %d bytes allocated", tt.name, got)
		}
	}
	for name, p := range parsers(t) {
		for _, b := range [][]byte{nil, {}, {0}, ones(7), zeros(7), zeros(300), ones(300), zeros(wire.MaxFrame)} {
			if name == "done" && len(b) == 8 {
				continue
			}
			if err := p.parse(b); err == nil {
				t.Errorf("%s of %d bytes is taken", name, len(b))
			}
		}
	}
}

func wrongKey(t *testing.T) {
	s, mallory := newSigner(t, 0), newSigner(t, 32)
	d, err := wire.NewDraft(topic, wire.Ref{Author: s.key.ID()}, changes(1)...)
	if err != nil {
		t.Fatal(err)
	}
	// Under mallory's key the signature is right: only the id says no.
	if _, err := d.Seal(mallory.key, mallory.sign("hearsay-update", d.Message())); !errors.Is(err, wire.ErrWrongKey) {
		t.Errorf("run: %v", err)
	}
	ref := wire.Ref{Author: s.key.ID()}
	if _, err := wire.SealHead(topic, ref, 1, mallory.key, mallory.sign("hearsay-head", wire.HeadMessage(topic, ref, 1))); !errors.Is(err, wire.ErrWrongKey) {
		t.Errorf("head: %v", err)
	}
	// A thief of no key accuses s of what mallory has signed.
	body := vectorProof(t, mallory).Body()
	id := s.key.ID()
	u := moved(t, topic, patch(body, 0, id[:]...))
	if _, err := u.Open(mallory.key); !errors.Is(err, wire.ErrWrongKey) {
		t.Errorf("proof: %v", err)
	}
	if _, err := u.Open(s.key); !errors.Is(err, wire.ErrBadSignature) {
		t.Errorf("proof: %v", err)
	}
	if _, err := u.Open(keys.PublicKey{}); !errors.Is(err, wire.ErrWrongKey) {
		t.Errorf("proof without a key: %v", err)
	}
}

// badCopy checks that a copy with another signature is another thing in the table of
// runs in flight, and the same update.
func badCopy(t *testing.T) {
	s := newSigner(t, 0)
	r := s.run(t, wire.Ref{Author: s.key.ID()}, changes(2)...)
	genuine, err := wire.ParseRun(topic, r.Body())
	if err != nil {
		t.Fatal(err)
	}
	for bit := range 8 * 64 {
		body := bytes.Clone(r.Body())
		body[len(body)-64+bit/8] ^= 1 << (bit % 8)
		bad, err := wire.ParseRun(topic, body)
		if err != nil {
			t.Fatal(err)
		}
		if bad.Fingerprint() == genuine.Fingerprint() {
			t.Error("the fingerprint does not cover the signature")
		}
		if bad.UnverifiedEnd() != genuine.UnverifiedEnd() {
			t.Error("the signature is part of the hash")
		}
		if _, err := bad.Open(s.key); !errors.Is(err, wire.ErrBadSignature) {
			t.Errorf("bit %d: %v", bit, err)
		}
	}
	if _, err := genuine.Open(s.key); err != nil {
		t.Error(err)
	}
	badProof(t, s)
}

// badProof checks that each of a proof's signatures counts.
func badProof(t *testing.T, s *signer) {
	good := vectorProof(t, s).Body()
	genuine, err := wire.ParseProof(topic, good)
	if err != nil {
		t.Fatal(err)
	}
	for name, from := range map[string]int{"first": 145, "second": 326} {
		for bit := range 8 * 64 {
			bad, err := wire.ParseProof(topic, patch(good, from+bit/8, good[from+bit/8]^1<<(bit%8)))
			if err != nil {
				t.Fatal(err)
			}
			if bad.Fingerprint() == genuine.Fingerprint() {
				t.Error("the fingerprint does not cover the signatures")
			}
			if p, err := bad.Open(s.key); !errors.Is(err, wire.ErrBadSignature) || p != nil {
				t.Errorf("bit %d of the %s signature: %v", bit, name, err)
			}
		}
	}
	for name, b := range map[string][]byte{
		"the first chain's signature twice":  slices.Concat(good[:307], good[126:209]),
		"the second chain's signature twice": slices.Concat(good[:126], good[307:], good[209:]),
	} {
		u, err := wire.ParseProof(topic, b)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := u.Open(s.key); !errors.Is(err, wire.ErrBadSignature) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// configSplit pins the constants that decide what is accepted: another value would be
// another protocol.
func configSplit(t *testing.T) {
	for name, v := range map[string][2]int{
		"MaxFrame":      {wire.MaxFrame, 1048576},
		"MaxEntries":    {wire.MaxEntries, 256},
		"MaxChange":     {wire.MaxChange, 1044480},
		"MaxProof":      {wire.MaxProof, 57466},
		"MaxTopic":      {wire.MaxTopic, 255},
		"MaxChannel":    {wire.MaxChannel, 64},
		"MaxTopics":     {wire.MaxTopics, 64},
		"MaxMeta":       {wire.MaxMeta, 4096},
		"MaxAgent":      {wire.MaxAgent, 255},
		"MaxCloseText":  {wire.MaxCloseText, 255},
		"MaxDigestRefs": {wire.MaxDigestRefs, 14169},
		"RunRoom":       {wire.RunRoom, 1047966},
		"Version":       {wire.Version, 1},
	} {
		if v[0] != v[1] {
			t.Errorf("%s is %d, want %d", name, v[0], v[1])
		}
	}
}
