package keys

import (
	"encoding/asn1"
	"encoding/pem"
	"fmt"
	"math/big"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

const (
	pemPKIX  = "PUBLIC KEY"     // RFC 7468, section 13
	pemPKCS1 = "RSA PUBLIC KEY" // RFC 8017, appendix A.1.1
)

var (
	oidRSA     = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1} // RFC 8017, appendix A.1
	oidEd25519 = asn1.ObjectIdentifier{1, 3, 101, 112}             // RFC 8410, section 3
)

// NotAdmittedAlgorithm returns the error for a key of an X.509 algorithm (the OID of
// an AlgorithmIdentifier, RFC 5280) that is neither RSA nor ed25519. It wraps
// ErrNotAdmitted.
func NotAdmittedAlgorithm(oid asn1.ObjectIdentifier) error {
	name := "algorithm " + oid.String()
	switch oid.String() {
	case "1.2.840.10045.2.1":
		name = "ECDSA"
	case "1.2.840.10040.4.1":
		name = "DSA"
	case "1.2.840.113549.1.1.10":
		name = "RSA that is bound to PSS, which SSH has not"
	case "1.3.101.110", "1.3.101.111":
		name = "X25519 or X448, which agree on keys and sign nothing"
	case "1.3.101.113":
		name = "Ed448"
	}
	return fmt.Errorf("%w: type %s: %s", ErrNotAdmitted, name, advice)
}

// parsePKIX reads a SubjectPublicKeyInfo (RFC 5280, section 4.1).
func parsePKIX(der []byte) (PublicKey, error) {
	damaged := fmt.Errorf("%w: the PEM block holds no public key, or a damaged one", ErrMalformed)
	s := cryptobyte.String(der)
	var info, algorithm cryptobyte.String
	var oid asn1.ObjectIdentifier
	var bits []byte
	if !s.ReadASN1(&info, cbasn1.SEQUENCE) || !s.Empty() ||
		!info.ReadASN1(&algorithm, cbasn1.SEQUENCE) || !algorithm.ReadASN1ObjectIdentifier(&oid) {
		return PublicKey{}, damaged
	}
	if !oid.Equal(oidRSA) && !oid.Equal(oidEd25519) {
		return PublicKey{}, NotAdmittedAlgorithm(oid)
	}
	if !info.ReadASN1BitStringAsBytes(&bits) || !info.Empty() {
		return PublicKey{}, damaged
	}
	if oid.Equal(oidEd25519) { // RFC 8410, section 3: no parameters
		if !algorithm.Empty() {
			return PublicKey{}, damaged
		}
		return fromFields([]byte(TypeEd25519), bits)
	}
	var null cryptobyte.String
	if !algorithm.ReadASN1(&null, cbasn1.NULL) || !null.Empty() || !algorithm.Empty() { // RFC 3279, section 2.3.1
		return PublicKey{}, damaged
	}
	return parsePKCS1(bits)
}

// parsePKCS1 reads an RSAPublicKey.
func parsePKCS1(der []byte) (PublicKey, error) {
	s := cryptobyte.String(der)
	var key cryptobyte.String
	n, e := new(big.Int), new(big.Int)
	if !s.ReadASN1(&key, cbasn1.SEQUENCE) || !s.Empty() ||
		!key.ReadASN1Integer(n) || !key.ReadASN1Integer(e) || !key.Empty() || n.Sign() <= 0 || e.Sign() <= 0 {
		return PublicKey{}, fmt.Errorf("%w: an RSA key is two positive minimal integers and nothing after", ErrMalformed)
	}
	return fromFields([]byte(TypeRSA), mpint(e), mpint(n))
}

// fromFields builds the wire form and has it checked.
func fromFields(fields ...[]byte) (PublicKey, error) {
	var b cryptobyte.Builder
	for _, f := range fields {
		addString(&b, f)
	}
	wire := b.BytesOrPanic()
	if err := checkWire(wire); err != nil {
		return PublicKey{}, err
	}
	return PublicKey{string(wire)}, nil
}

// mpint is the SSH form of a positive integer (RFC 4251, section 5).
func mpint(n *big.Int) []byte {
	b := n.Bytes()
	if b[0]&0x80 != 0 {
		b = append([]byte{0}, b...)
	}
	return b
}

// MarshalPEM returns k as a PEM file, "PUBLIC KEY". The zero key has none: nil.
func (k PublicKey) MarshalPEM() []byte {
	if k.IsZero() {
		return nil
	}
	oid, bits := oidEd25519, []byte(nil)
	if k.Type() == TypeEd25519 {
		bits = k.ed25519()
	} else {
		oid = oidRSA
		pub := k.rsa()
		var b cryptobyte.Builder
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1BigInt(pub.N)
			b.AddASN1Int64(int64(pub.E))
		})
		bits = b.BytesOrPanic()
	}
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(oid)
			if oid.Equal(oidRSA) {
				b.AddASN1NULL()
			}
		})
		b.AddASN1BitString(bits)
	})
	return pem.EncodeToMemory(&pem.Block{Type: pemPKIX, Bytes: b.BytesOrPanic()})
}
