package keys_test

import (
	"bytes"
	"crypto/ed25519"
	"slices"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/hearsaynet/hearsay/fuzz/fuzztest"
	"github.com/hearsaynet/hearsay/keys"
)

// keyErrors are what a key that is refused is refused with.
var keyErrors = []error{keys.ErrMalformed, keys.ErrNotAdmitted}

func FuzzParsePublicKey(f *testing.F) {
	for point := range smallOrderPoints {
		f.Add(joined([]byte("ssh-ed25519"), unhex(f, point)))
	}
	for _, name := range admittedKeys {
		f.Add(recorded(f, name).Wire())
	}
	fuzztest.Decoder[keys.PublicKey]{
		Corpus: "public-key", Decode: keys.ParsePublicKey, Errors: keyErrors,
		Encode: func(k keys.PublicKey) ([]byte, error) { return k.Wire(), nil },
		Check: func(t *testing.T, wire []byte, k keys.PublicKey) {
			if len(wire) > keys.MaxWireSize {
				t.Fatalf("a key of %d bytes", len(wire))
			}
			// Whatever is admitted x/crypto must read as the same key.
			judge, err := ssh.ParsePublicKey(wire)
			if err != nil || !bytes.Equal(judge.Marshal(), wire) {
				t.Fatalf("x/crypto disagrees about %x: %v", wire, err)
			}
			if got := ssh.FingerprintSHA256(judge); got != k.ID().Fingerprint() {
				t.Fatalf("fingerprint %s, x/crypto says %s", k.ID().Fingerprint(), got)
			}
			back, comment, err := keys.ParseAuthorizedKey([]byte(k.String()))
			if err != nil || back != k || comment != "" {
				t.Fatalf("its line reads back as %v, %q, %v", back, comment, err)
			}
			if k.Verify(testNamespace, testMessage, wire) == nil {
				t.Fatal("a key is no signature")
			}
		},
	}.Fuzz(f)
}

func FuzzParseNodeID(f *testing.F) {
	fuzztest.Decoder[keys.NodeID]{
		Corpus: "node-id", Errors: []error{keys.ErrBadID}, Loose: true,
		Decode: func(b []byte) (keys.NodeID, error) { return keys.ParseNodeID(string(b)) },
		Encode: func(id keys.NodeID) ([]byte, error) { return []byte(id.String()), nil },
		Check: func(t *testing.T, b []byte, id keys.NodeID) {
			if s := string(b); s != id.String() && s != id.Fingerprint() {
				t.Fatalf("%q is a third text of %v", s, id)
			}
		},
	}.Fuzz(f)
}

// FuzzVerify gives the key of the corpus any signature over its message: no other than
// the one that was made is taken.
func FuzzVerify(f *testing.F) {
	k, err := keys.ParsePublicKey(joined([]byte("ssh-ed25519"), ed25519.NewKeyFromSeed(fuzztest.KeySeed(0))[32:]))
	if err != nil {
		f.Fatal(err)
	}
	var only []byte
	fuzztest.Decoder[[]byte]{
		Corpus: "signature", Errors: []error{keys.ErrBadSignature},
		Decode: func(sig []byte) ([]byte, error) {
			if err := k.Verify("corpus", []byte("a message\n"), sig); err != nil {
				return nil, err
			}
			return slices.Clone(sig), nil
		},
		Check: func(t *testing.T, sig, _ []byte) {
			if only == nil {
				only = bytes.Clone(sig)
			}
			if !bytes.Equal(sig, only) {
				t.Fatalf("both %x and %x are taken", sig, only)
			}
		},
	}.Fuzz(f)
}

// commented is a key and what stands beside it.
type commented struct {
	key     keys.PublicKey
	comment string
}

func FuzzParseAuthorizedKey(f *testing.F) {
	fuzztest.Decoder[commented]{
		Corpus: "authorized-key", Loose: true,
		Decode: func(text []byte) (c commented, err error) {
			c.key, c.comment, err = keys.ParseAuthorizedKey(text)
			return c, err
		},
		Encode: func(c commented) ([]byte, error) { return []byte(c.key.AuthorizedKey(c.comment)), nil },
	}.Fuzz(f)
}

// signature is an armored one and what it says of itself.
type signature struct {
	key       keys.PublicKey
	namespace string
	sig       []byte
}

func FuzzParseArmoredSignature(f *testing.F) {
	fuzztest.Decoder[*signature]{
		Corpus: "armored-signature", Loose: true,
		Decode: func(file []byte) (*signature, error) {
			k, namespace, sig, err := keys.ParseArmoredSignature(file)
			if err != nil && (!k.IsZero() || namespace != "" || sig != nil) {
				panic("a signature beside an error")
			}
			if err != nil {
				return nil, err
			}
			return &signature{k, namespace, sig}, nil
		},
		Encode: func(s *signature) ([]byte, error) { return keys.ArmorSignature(s.key, s.namespace, s.sig), nil },
		Check: func(t *testing.T, _ []byte, s *signature) {
			_ = s.key.Verify(s.namespace, testMessage, s.sig)
		},
	}.Fuzz(f)
}

func FuzzParseSignerLine(f *testing.F) {
	fuzztest.Decoder[keys.SignerLine]{
		Corpus: "signer-line", Errors: keyErrors, Alloc: textAlloc,
		Decode: func(b []byte) (keys.SignerLine, error) { return keys.ParseSignerLine(string(b)) },
		Check: func(t *testing.T, b []byte, l keys.SignerLine) {
			if l.Key.IsZero() || len(l.Principals) == 0 {
				t.Fatalf("%q reads as %+v", b, l)
			}
			// Without principals and options what is left is the key's own line.
			k, _, err := keys.ParseAuthorizedKey([]byte(l.Key.AuthorizedKey(l.Comment)))
			if err != nil || k != l.Key {
				t.Fatalf("its key reads back as %v, %v", k, err)
			}
		},
	}.Fuzz(f)
}

// textAlloc is for lines of fields, whose strings have headers of 16 bytes and grow as
// slices do.
var textAlloc = fuzztest.Alloc{PerByte: 128, Constant: 96 << 10}

func FuzzParsePublicFile(f *testing.F) {
	f.Add([]byte("ada " + recorded(f, "ed25519").AuthorizedKey("of ada")))
	fuzztest.Decoder[commented]{
		Corpus: "public-file", Errors: keyErrors, Alloc: textAlloc,
		Decode: func(file []byte) (c commented, err error) {
			c.key, c.comment, err = keys.ParsePublicFile(file)
			return c, err
		},
		Check: func(t *testing.T, _ []byte, c commented) {
			for how, written := range map[string][]byte{
				"PEM": c.key.MarshalPEM(), "RFC 4716": c.key.MarshalRFC4716(c.comment), "line": []byte(c.key.AuthorizedKey(c.comment)),
			} {
				if back, _, err := keys.ParsePublicFile(written); err != nil || back != c.key {
					t.Fatalf("%s: %q reads back as %v, %v", how, written, back, err)
				}
			}
		},
	}.Fuzz(f)
}
