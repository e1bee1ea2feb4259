package link

import (
	"crypto/ed25519"
	"encoding/asn1"
	"errors"
	"fmt"
	"math"

	"github.com/hearsaynet/hearsay/keys"
	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

const (
	// ALPN is the application protocol of a link (RFC 7301).
	ALPN = "hearsay/1"
	// Namespace is the SSHSIG namespace of a proof's signature.
	Namespace = "hearsay-link"

	magic = "hearsay\x01"
)

var proofOID = asn1.ObjectIdentifier{1, 2, 840, 113556, 1, 8000, 2554, 50228, 1912, 26405, 16453, 46579, 11919220, 7095939}

// OID returns the object identifier of the certificate extension.
func OID() asn1.ObjectIdentifier { return append(asn1.ObjectIdentifier(nil), proofOID...) }

// proof is the extension's content. That it parsed says nothing about who made it.
type proof struct {
	key      keys.PublicKey
	notAfter uint64 // ns since the Unix epoch
	sig      []byte // SSH signature blob
}

// proofMessage returns what the node key signs (package doc, Message).
func proofMessage(notAfter uint64, certificateKey ed25519.PublicKey) []byte {
	var b cryptobyte.Builder
	b.AddBytes([]byte(magic))
	b.AddUint64(notAfter)
	b.AddBytes(certificateKey)
	return b.BytesOrPanic()
}

func (p proof) marshal() ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.OCTET_STRING, func(b *cryptobyte.Builder) {
		b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(p.key.Wire()) })
		b.AddUint64(p.notAfter)
		b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(p.sig) })
	})
	return b.Bytes()
}

var errProofForm = errors.New("the proof in its certificate is malformed")

// parseProof reads an extension's value. Lengths come first, then the key; the
// signature's own form is the key's to judge. Only the signature is copied.
func parseProof(value []byte) (proof, error) {
	var p proof
	var in, key, sig cryptobyte.String
	s := cryptobyte.String(value)
	if !s.ReadASN1(&in, cbasn1.OCTET_STRING) || !s.Empty() ||
		!in.ReadUint16LengthPrefixed(&key) || !in.ReadUint64(&p.notAfter) ||
		!in.ReadUint16LengthPrefixed(&sig) || !in.Empty() {
		return proof{}, errProofForm
	}
	if len(sig) == 0 || len(sig) > keys.MaxSignatureSize || p.notAfter > math.MaxInt64 {
		return proof{}, fmt.Errorf("%w: a field is out of range", errProofForm)
	}
	var err error
	if p.key, err = keys.ParsePublicKey(key); err != nil {
		return proof{}, err
	}
	p.sig = append([]byte(nil), sig...)
	return p, nil
}
