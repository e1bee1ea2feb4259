package keys

import (
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/big"

	"filippo.io/edwards25519"
	"golang.org/x/crypto/cryptobyte"
)

// The two admitted key types, as they stand in the wire form.
const (
	TypeEd25519 = "ssh-ed25519"
	TypeRSA     = "ssh-rsa"
)

// ErrNotAdmitted is wrapped by the error for a well-formed key of a kind or size
// that hearsay does not use: ECDSA, DSA, certificates, sk- keys, short RSA.
var ErrNotAdmitted = errors.New("key not admitted")

// ErrMalformed is wrapped by the error for bytes that are no key's one encoding.
var ErrMalformed = errors.New("malformed key")

// PublicKey is an admitted public key. It is immutable and comparable; the zero
// PublicKey is no key and verifies nothing.
type PublicKey struct{ blob string }

// ParsePublicKey reads the SSH wire form of a key, strictly.
func ParsePublicKey(sshWire []byte) (PublicKey, error) {
	if err := checkWire(sshWire); err != nil {
		return PublicKey{}, fmt.Errorf("keys: %w", err)
	}
	return PublicKey{string(sshWire)}, nil
}

func checkWire(sshWire []byte) error {
	s := cryptobyte.String(sshWire)
	kind, ok := readString(&s)
	if !ok {
		return fmt.Errorf("%w: no key type", ErrMalformed)
	}
	switch string(kind) {
	case TypeEd25519:
		return checkEd25519(s)
	case TypeRSA:
		return checkRSA(s)
	}
	return notAdmittedType(string(kind))
}

func checkEd25519(s cryptobyte.String) error {
	point, ok := readString(&s)
	if !ok || len(point) != ed25519.PublicKeySize || !s.Empty() {
		return fmt.Errorf("%w: an ed25519 key is 32 bytes and nothing after", ErrMalformed)
	}
	// RFC 8032 section 5.1.3 decodes; SetBytes also takes non-canonical points.
	p, err := new(edwards25519.Point).SetBytes(point)
	if err != nil || string(p.Bytes()) != string(point) {
		return fmt.Errorf("%w: the ed25519 point is not canonical", ErrMalformed)
	}
	if new(edwards25519.Point).MultByCofactor(p).Equal(edwards25519.NewIdentityPoint()) == 1 {
		return fmt.Errorf("%w: an ed25519 point of small order verifies anything", ErrNotAdmitted)
	}
	return nil
}

func checkRSA(s cryptobyte.String) error {
	e, ok1 := readPositive(&s)
	n, ok2 := readPositive(&s)
	if !ok1 || !ok2 || !s.Empty() {
		return fmt.Errorf("%w: an RSA key is two positive minimal integers and nothing after", ErrMalformed)
	}
	if bits := bitLen(n); bits < MinRSABits || bits > MaxRSABits {
		return fmt.Errorf("%w: RSA of %d bits (%d to %d are)", ErrNotAdmitted, bits, MinRSABits, MaxRSABits)
	}
	if n[len(n)-1]&1 == 0 {
		return fmt.Errorf("%w: even RSA modulus", ErrMalformed)
	}
	if exp, ok := smallUint(e); !ok || exp < 3 || exp >= maxRSAExponent || exp&1 == 0 {
		return fmt.Errorf("%w: RSA exponent (odd, 3 to 2^24 are)", ErrNotAdmitted)
	}
	return nil
}

// readString reads an SSH string (RFC 4251 section 5).
func readString(s *cryptobyte.String) ([]byte, bool) {
	var n uint32
	var out []byte
	rest := *s
	if !rest.ReadUint32(&n) || uint64(n) > uint64(len(rest)) || !rest.ReadBytes(&out, int(n)) {
		return nil, false
	}
	*s = rest
	return out, true
}

// readPositive reads an SSH mpint that is positive and minimal, and returns its
// magnitude without the sign byte.
func readPositive(s *cryptobyte.String) ([]byte, bool) {
	b, ok := readString(s)
	if !ok || len(b) == 0 || b[0]&0x80 != 0 {
		return nil, false
	}
	if b[0] == 0 {
		if len(b) == 1 || b[1]&0x80 == 0 {
			return nil, false
		}
		b = b[1:]
	}
	return b, true
}

func bitLen(magnitude []byte) int {
	bits := 8 * (len(magnitude) - 1)
	for top := magnitude[0]; top != 0; top >>= 1 {
		bits++
	}
	return bits
}

func smallUint(magnitude []byte) (v uint64, ok bool) {
	if len(magnitude) > 8 {
		return 0, false
	}
	for _, b := range magnitude {
		v = v<<8 | uint64(b)
	}
	return v, true
}

// Wire returns the SSH wire form, a copy.
func (k PublicKey) Wire() []byte { return []byte(k.blob) }

// IsZero reports whether k is no key.
func (k PublicKey) IsZero() bool { return k.blob == "" }

// ID returns the node id that k proves.
func (k PublicKey) ID() NodeID { return idOfDigest(sha256.Sum256([]byte(k.blob))) }

// Type returns "ssh-ed25519" or "ssh-rsa", and "" for the zero key.
func (k PublicKey) Type() string {
	s := cryptobyte.String(k.blob)
	kind, _ := readString(&s)
	return string(kind)
}

// Bits returns 256 for ed25519, and the length of the modulus for RSA.
func (k PublicKey) Bits() int {
	if k.Type() == TypeEd25519 {
		return 256
	}
	if n := k.modulus(); n != nil {
		return bitLen(n)
	}
	return 0
}

// String returns the key as an authorized_keys line without comment or newline.
func (k PublicKey) String() string {
	if k.IsZero() {
		return "(no key)"
	}
	return k.AuthorizedKey("")
}

func (k PublicKey) modulus() []byte {
	s := cryptobyte.String(k.blob)
	if kind, ok := readString(&s); !ok || string(kind) != TypeRSA {
		return nil
	}
	readPositive(&s)
	n, _ := readPositive(&s)
	return n
}

func (k PublicKey) ed25519() ed25519.PublicKey {
	return ed25519.PublicKey(k.blob[len(k.blob)-ed25519.PublicKeySize:])
}

func (k PublicKey) rsa() *rsa.PublicKey {
	s := cryptobyte.String(k.blob)
	readString(&s)
	e, _ := readPositive(&s)
	n, _ := readPositive(&s)
	exp, _ := smallUint(e)
	return &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(exp)}
}
