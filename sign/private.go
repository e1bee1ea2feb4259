package sign

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"

	"golang.org/x/crypto/ssh"

	"github.com/hearsaynet/hearsay/keys"
)

// PrivateKey is an admitted private key and a Signer. It is immutable and not
// comparable; the zero PrivateKey is no key and signs nothing.
type PrivateKey struct {
	_       [0]func()
	pub     keys.PublicKey
	comment string
	// secret returns an ed25519.PrivateKey or *rsa.PrivateKey. It is a function
	// because no printer can look into one, even where this struct lies in an
	// unexported field and its methods are not called.
	secret func() crypto.PrivateKey
}

// NewEd25519 takes a private key of crypto/ed25519; a copy is kept. The error
// wraps ErrMalformed or those of keys.ParsePublicKey.
func NewEd25519(priv ed25519.PrivateKey) (*PrivateKey, error) {
	return prefixed(newEd25519(priv))
}

// NewRSA takes an RSA private key of two primes; a copy is kept. The public half
// is checked first, then that the numbers belong together. The error
// wraps ErrMalformed or those of keys.ParsePublicKey.
func NewRSA(priv *rsa.PrivateKey) (*PrivateKey, error) {
	return prefixed(newRSA(priv))
}

func prefixed(k *PrivateKey, err error) (*PrivateKey, error) {
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	return k, nil
}

func newEd25519(priv ed25519.PrivateKey) (*PrivateKey, error) {
	if len(priv) != ed25519.PrivateKeySize {
		return nil, fmt.Errorf("%w: an ed25519 key of %d bytes, want %d", ErrMalformed, len(priv), ed25519.PrivateKeySize)
	}
	own := ed25519.NewKeyFromSeed(priv.Seed())
	if !own.Equal(priv) {
		return nil, fmt.Errorf("%w: the two halves of the ed25519 key do not belong together", ErrMalformed)
	}
	pub, err := keys.ParsePublicKey(ssh.Marshal(struct {
		Type  string
		Point []byte
	}{keys.TypeEd25519, own[ed25519.SeedSize:]}))
	if err != nil {
		return nil, err
	}
	return &PrivateKey{pub: pub, secret: func() crypto.PrivateKey { return own }}, nil
}

func newRSA(priv *rsa.PrivateKey) (*PrivateKey, error) {
	if priv == nil || priv.N == nil || priv.D == nil {
		return nil, fmt.Errorf("%w: an RSA number is missing", ErrMalformed)
	}
	pub, err := rsaPublic(priv.N, big.NewInt(int64(priv.E)))
	if err != nil {
		return nil, err
	}
	if len(priv.Primes) != 2 {
		return nil, fmt.Errorf("%w: RSA key of %d primes, want 2", ErrMalformed, len(priv.Primes))
	}
	for _, n := range []*big.Int{priv.D, priv.Primes[0], priv.Primes[1]} {
		if n == nil || n.Sign() <= 0 || n.Cmp(priv.N) >= 0 { // a large prime would cost Validate minutes
			return nil, fmt.Errorf("%w: an RSA number is not between 0 and the modulus", ErrMalformed)
		}
	}
	own := &rsa.PrivateKey{
		PublicKey: rsa.PublicKey{N: new(big.Int).Set(priv.N), E: priv.E},
		D:         new(big.Int).Set(priv.D),
		Primes:    []*big.Int{new(big.Int).Set(priv.Primes[0]), new(big.Int).Set(priv.Primes[1])},
	}
	if err := own.Validate(); err != nil {
		return nil, fmt.Errorf("%w: the numbers of the RSA key do not belong together", ErrMalformed)
	}
	own.Precompute()
	return &PrivateKey{pub: pub, secret: func() crypto.PrivateKey { return own }}, nil
}

// rsaPublic builds the wire form (RFC 4253, section 6.6) and has it checked.
func rsaPublic(n, e *big.Int) (keys.PublicKey, error) {
	if n.Sign() <= 0 || e.Sign() <= 0 {
		return keys.PublicKey{}, fmt.Errorf("%w: an RSA number is not positive", keys.ErrMalformed)
	}
	return keys.ParsePublicKey(ssh.Marshal(struct {
		Type string
		E, N *big.Int
	}{keys.TypeRSA, e, n}))
}

// Public implements Signer.
func (k PrivateKey) Public() keys.PublicKey { return k.pub }

// Comment returns the comment of the OpenSSH file that k was parsed from. PKCS files
// have none.
func (k PrivateKey) Comment() string { return k.comment }

// String returns the node id, and no secret.
func (k PrivateKey) String() string {
	if k.secret == nil {
		return "(no private key)"
	}
	return "(private key of " + k.pub.ID().String() + ")"
}

// GoString returns String.
func (k PrivateKey) GoString() string { return k.String() }

// Format writes String for every verb.
func (k PrivateKey) Format(f fmt.State, _ rune) { io.WriteString(f, k.String()) }

// LogValue implements slog.LogValuer with String.
func (k PrivateKey) LogValue() slog.Value { return slog.StringValue(k.String()) }

var errNoText = errors.New("sign: a private key is not encoded as text or JSON (its Marshal methods write key files)")

// MarshalText always fails.
func (k PrivateKey) MarshalText() ([]byte, error) { return nil, errNoText }

// MarshalJSON always fails.
func (k PrivateKey) MarshalJSON() ([]byte, error) { return nil, errNoText }
