package sign

import (
	"encoding/asn1"
	"fmt"
	"math/big"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
	"golang.org/x/crypto/ssh"

	"github.com/hearsaynet/hearsay/keys"
)

// checkPlain reads the private part of an unencrypted OpenSSH file (PROTOCOL.key,
// section 3) so far as to check its public numbers against pub, which has been
// admitted, before any mathematics. It returns the comment.
func checkPlain(env envelope, pub keys.PublicKey) (comment string, err error) {
	damaged := fmt.Errorf("%w: its private part is damaged or belongs to another key", ErrMalformed)
	if env.KDFOptions != "" {
		return "", damaged
	}
	var head struct {
		Check1, Check2 uint32
		Type           string
		Rest           []byte `ssh:"rest"`
	}
	if ssh.Unmarshal(env.Private, &head) != nil || head.Check1 != head.Check2 || head.Type != pub.Type() {
		return "", damaged
	}
	var public []byte
	switch head.Type {
	case keys.TypeEd25519:
		var p struct {
			Public, Private []byte
			Comment         string
			Padding         []byte `ssh:"rest"`
		}
		if ssh.Unmarshal(head.Rest, &p) != nil {
			return "", damaged
		}
		comment = p.Comment
		public = ssh.Marshal(struct {
			Type  string
			Point []byte
		}{head.Type, p.Public})
	case keys.TypeRSA:
		var p struct {
			N, E, D, QInv, P, Q []byte
			Comment             string
			Padding             []byte `ssh:"rest"`
		}
		if ssh.Unmarshal(head.Rest, &p) != nil {
			return "", damaged
		}
		comment = p.Comment
		public = ssh.Marshal(struct {
			Type string
			E, N []byte
		}{head.Type, p.E, p.N})
	}
	if string(public) != string(pub.Wire()) {
		return "", damaged
	}
	return comment, nil
}

var (
	oidRSA     = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1} // RFC 8017, appendix A.1
	oidEd25519 = asn1.ObjectIdentifier{1, 3, 101, 112}             // RFC 8410, section 3
	oidEC      = asn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1}     // RFC 5480, section 2.1.1
	oidDSA     = asn1.ObjectIdentifier{1, 2, 840, 10040, 4, 1}     // RFC 3279, section 2.3.2
)

// parseDER has public admit the key before full, which does the mathematics.
func parseDER(der []byte, public func([]byte) error, full func([]byte) (any, error)) (*PrivateKey, error) {
	if err := public(der); err != nil {
		return nil, err
	}
	raw, err := full(der)
	if err != nil {
		return nil, fmt.Errorf("%w: the key in the PEM block is damaged", ErrMalformed)
	}
	return fromRaw(raw)
}

// publicOfPKCS1 checks the modulus and exponent of an RSAPrivateKey (RFC 8017,
// appendix A.1.2).
func publicOfPKCS1(der []byte) error {
	s := cryptobyte.String(der)
	var key cryptobyte.String
	var version int
	n, e := new(big.Int), new(big.Int)
	if !s.ReadASN1(&key, cbasn1.SEQUENCE) || !s.Empty() ||
		!key.ReadASN1Integer(&version) || !key.ReadASN1Integer(n) || !key.ReadASN1Integer(e) {
		return fmt.Errorf("%w: not PKCS #1", ErrMalformed)
	}
	_, err := rsaPublic(n, e)
	return err
}

// publicOfPKCS8 checks the kind of a PrivateKeyInfo (RFC 5208, section 5), and for
// RSA its modulus and exponent.
func publicOfPKCS8(der []byte) error {
	s := cryptobyte.String(der)
	var info, algorithm, key cryptobyte.String
	var version int
	var oid asn1.ObjectIdentifier
	if !s.ReadASN1(&info, cbasn1.SEQUENCE) || !s.Empty() ||
		!info.ReadASN1Integer(&version) ||
		!info.ReadASN1(&algorithm, cbasn1.SEQUENCE) || !algorithm.ReadASN1ObjectIdentifier(&oid) ||
		!info.ReadASN1(&key, cbasn1.OCTET_STRING) {
		return fmt.Errorf("%w: not PKCS #8", ErrMalformed)
	}
	switch {
	case oid.Equal(oidRSA):
		return publicOfPKCS1(key)
	case oid.Equal(oidEd25519):
		return nil
	case oid.Equal(oidEC):
		return notAdmitted("ECDSA")
	case oid.Equal(oidDSA):
		return notAdmitted("DSA")
	}
	return notAdmitted(oid.String())
}
