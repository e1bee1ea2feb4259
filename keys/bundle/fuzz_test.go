package bundle_test

import (
	"bytes"
	"crypto/ed25519"
	"testing"

	"github.com/hearsaynet/hearsay/fuzz/fuzztest"
	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/keys/bundle"
)

// textAlloc: a line has fields, and the key of its own, of which the text is made again.
var textAlloc = fuzztest.Alloc{PerByte: 256, Constant: 256 << 10}

func FuzzParse(f *testing.F) {
	fuzztest.Decoder[*bundle.Bundle]{
		Corpus: "key-bundle", Decode: bundle.Parse, Errors: []error{bundle.ErrMalformed},
		Encode: (*bundle.Bundle).Text, Loose: true, Alloc: textAlloc,
	}.Fuzz(f)
}

// FuzzOpen reads a text and, from "-----BEGIN" on, its signature: none but the one that
// was signed is taken.
func FuzzOpen(f *testing.F) {
	public := ed25519.NewKeyFromSeed(fuzztest.KeySeed(9)).Public().(ed25519.PublicKey)
	admin, err := keys.ParsePublicKey(keys.MarshalSignature(keys.TypeEd25519, public))
	if err != nil {
		f.Fatal(err)
	}
	split := func(b []byte) (text, armored []byte) {
		at := max(0, bytes.LastIndex(b, []byte("-----BEGIN ")))
		return b[:at], b[at:]
	}
	fuzztest.Decoder[*bundle.Bundle]{
		Corpus: "signed-key-bundle", Errors: []error{bundle.ErrMalformed, bundle.ErrSigner}, Alloc: textAlloc,
		Decode: func(b []byte) (*bundle.Bundle, error) {
			text, armored := split(b)
			return bundle.Open(text, armored, admin.ID())
		},
		Check: func(t *testing.T, b []byte, got *bundle.Bundle) {
			text, _ := split(b)
			if want, err := got.Text(); err != nil || !bytes.Equal(text, want) || got.Version != 3 || len(got.Members) != 2 {
				t.Fatalf("a bundle that the admin has not signed: %q, %v", b, err)
			}
		},
	}.Fuzz(f)
}
