package wire_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/internal/wiretest"
	"github.com/hearsaynet/hearsay/replica/wire"
)

const topic = "tö"

// vector reads testdata/vectors/name.txt: hex, with comments behind "#".
func vector(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "vectors", name+".txt"))
	if err != nil {
		t.Fatal(err)
	}
	var digits strings.Builder
	for line := range strings.Lines(string(text)) {
		data, _, _ := strings.Cut(line, "#")
		digits.WriteString(strings.TrimSpace(data))
	}
	b, err := hex.DecodeString(digits.String())
	if err != nil || len(b) == 0 {
		t.Fatalf("%s: %d bytes, %v", name, len(b), err)
	}
	return b
}

// signer is an author whose ed25519 seed counts up from first.
type signer struct {
	private ed25519.PrivateKey
	key     keys.PublicKey
}

func newSigner(t testing.TB, first byte) *signer {
	t.Helper()
	seed := make([]byte, ed25519.SeedSize)
	for i := range seed {
		seed[i] = first + byte(i)
	}
	private := ed25519.NewKeyFromSeed(seed)
	key, err := keys.ParsePublicKey(keys.MarshalSignature("ssh-ed25519", private.Public().(ed25519.PublicKey)))
	if err != nil {
		t.Fatal(err)
	}
	return &signer{private, key}
}

func (s *signer) sign(namespace string, msg []byte) []byte {
	data := keys.SignedData(namespace, sha256.Sum256(msg))
	return keys.MarshalSignature("ssh-ed25519", ed25519.Sign(s.private, data))
}

func (s *signer) run(t testing.TB, prev wire.Ref, entries ...wire.Entry) *wire.Run {
	t.Helper()
	d, err := wire.NewDraft(topic, prev, entries...)
	if err != nil {
		t.Fatal(err)
	}
	r, err := d.Seal(s.key, s.sign("hearsay-update", d.Message()))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// changes makes n entries that differ.
func changes(n int) []wire.Entry {
	es := make([]wire.Entry, n)
	for i := range es {
		es[i] = wiretest.Change(uint64(1000+i), "kv", strings.Repeat("x", i%7)+string(rune('a'+i%26)))
	}
	return es
}

// patch returns b with the bytes from off on replaced by with.
func patch(b []byte, off int, with ...byte) []byte {
	b = slices.Clone(b)
	copy(b[off:], with)
	return b
}

// splice returns b with the n bytes at off replaced by with.
func splice(b []byte, off, n int, with ...byte) []byte {
	return slices.Concat(b[:off], with, b[off+n:])
}

func zeros(n int) []byte { return make([]byte, n) }

func ones(n int) []byte { return bytes.Repeat([]byte{0xff}, n) }

func wantMalformed(t *testing.T, name string, err error) {
	t.Helper()
	if !errors.Is(err, wire.ErrMalformed) {
		t.Errorf("%s: got error %v, want malformed", name, err)
	}
}
