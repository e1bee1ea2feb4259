// Package keygen makes node keys and keeps them in files: an OpenSSH private key
// file of mode 0600 and, beside it, the public half in a ".pub" file, as
// ssh-keygen does. ssh-keygen reads what this package writes and the reverse.
//
//	k, err := keygen.Generate(keygen.Ed25519, 0)
//	err = keygen.WriteFiles("id_ed25519", k, "ada@example", nil)
//	k, warning, err := keygen.ReadFile("id_ed25519", nil)
package keygen

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"fmt"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/sign"
)

// The kinds that Generate makes.
const (
	Ed25519 = "ed25519"
	RSA     = "rsa"
)

// DefaultRSABits is the length of an RSA modulus when nobody says otherwise, in
// bits: the 128-bit level of NIST SP 800-57 part 1, table 2.
const DefaultRSABits = 3072

// Generate makes a key of the given kind. bits is the length of an RSA modulus,
// keys.MinRSABits to keys.MaxRSABits; 0 means DefaultRSABits. For ed25519 it must
// be 0 or 256.
func Generate(kind string, bits int) (*sign.PrivateKey, error) {
	switch kind {
	case Ed25519:
		return generateEd25519(bits)
	case RSA:
		return generateRSA(bits)
	}
	return nil, fmt.Errorf("keygen: unknown kind of key %q (want %s or %s)", kind, Ed25519, RSA)
}

func generateEd25519(bits int) (*sign.PrivateKey, error) {
	if bits != 0 && bits != 256 {
		return nil, fmt.Errorf("keygen: an ed25519 key has 256 bits, not %d", bits)
	}
	_, priv, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("keygen: %w", err)
	}
	return sign.NewEd25519(priv)
}

func generateRSA(bits int) (*sign.PrivateKey, error) {
	if bits == 0 {
		bits = DefaultRSABits
	}
	if bits < keys.MinRSABits || bits > keys.MaxRSABits {
		return nil, fmt.Errorf("keygen: RSA of %d bits is not admitted (want %d to %d)", bits, keys.MinRSABits, keys.MaxRSABits)
	}
	priv, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		return nil, fmt.Errorf("keygen: %w", err)
	}
	return sign.NewRSA(priv)
}
