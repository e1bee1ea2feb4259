package sign

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"math/big"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/hearsaynet/hearsay/keys"
)

var (
	oidRSA     = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1} // RFC 8017, appendix A.1
	oidEd25519 = asn1.ObjectIdentifier{1, 3, 101, 112}             // RFC 8410, section 3
)

// parsePKCS1 reads an RSAPrivateKey (RFC 8017, appendix A.1.2). Its public half is
// admitted before x509 does the mathematics.
func parsePKCS1(der []byte) (*PrivateKey, error) {
	damaged := fmt.Errorf("%w: the PKCS #1 key is damaged, or has more than two primes", ErrMalformed)
	s := cryptobyte.String(der)
	var key cryptobyte.String
	var version int
	n, e := new(big.Int), new(big.Int)
	if !s.ReadASN1(&key, cbasn1.SEQUENCE) || !s.Empty() ||
		!key.ReadASN1Integer(&version) || version != 0 || !key.ReadASN1Integer(n) || !key.ReadASN1Integer(e) {
		return nil, damaged
	}
	if _, err := rsaPublic(n, e); err != nil {
		return nil, err
	}
	for range 6 { // d, p, q, d mod p-1, d mod q-1, q^-1 mod p
		if !key.ReadASN1Integer(new(big.Int)) {
			return nil, damaged
		}
	}
	if !key.Empty() { // x509 lets it pass
		return nil, damaged
	}
	raw, err := x509.ParsePKCS1PrivateKey(der)
	if err != nil {
		return nil, damaged
	}
	return newRSA(raw)
}

// parsePKCS8 reads a PrivateKeyInfo (RFC 5208, section 5) or OneAsymmetricKey, which
// adds a public half (RFC 5958, section 2).
func parsePKCS8(der []byte) (*PrivateKey, error) {
	damaged := fmt.Errorf("%w: the PKCS #8 key is damaged", ErrMalformed)
	s := cryptobyte.String(der)
	var info, algorithm, key, public cryptobyte.String
	var version int
	var oid asn1.ObjectIdentifier
	if !s.ReadASN1(&info, cbasn1.SEQUENCE) || !s.Empty() ||
		!info.ReadASN1Integer(&version) || version < 0 || version > 1 ||
		!info.ReadASN1(&algorithm, cbasn1.SEQUENCE) || !algorithm.ReadASN1ObjectIdentifier(&oid) {
		return nil, damaged
	}
	if !oid.Equal(oidRSA) && !oid.Equal(oidEd25519) {
		return nil, keys.NotAdmittedAlgorithm(oid)
	}
	var hasPublic bool
	if !info.ReadASN1(&key, cbasn1.OCTET_STRING) ||
		!info.SkipOptionalASN1(cbasn1.Tag(0).ContextSpecific().Constructed()) || // attributes
		!info.ReadOptionalASN1(&public, &hasPublic, cbasn1.Tag(1).ContextSpecific()) || hasPublic && version == 0 ||
		!info.Empty() {
		return nil, damaged
	}
	var k *PrivateKey
	var err error
	var want []byte // in a BIT STRING, without its count of unused bits
	if oid.Equal(oidEd25519) {
		var seed cryptobyte.String
		if !algorithm.Empty() || !key.ReadASN1(&seed, cbasn1.OCTET_STRING) || !key.Empty() || len(seed) != ed25519.SeedSize {
			return nil, damaged
		}
		own := ed25519.NewKeyFromSeed(seed)
		want = own[ed25519.SeedSize:]
		k, err = newEd25519(own)
	} else {
		var null cryptobyte.String
		if !algorithm.ReadASN1(&null, cbasn1.NULL) || !null.Empty() || !algorithm.Empty() {
			return nil, damaged
		}
		if k, err = parsePKCS1(key); err == nil {
			want = x509.MarshalPKCS1PublicKey(&k.secret().(*rsa.PrivateKey).PublicKey)
		}
	}
	if err == nil && hasPublic && !bytes.Equal(public, append([]byte{0}, want...)) {
		return nil, errHalves
	}
	return k, err
}
