package main

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/asn1"
	"math"
	"time"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/hearsaynet/hearsay/replica/link"
)

// linkVector is what TLS says of a peer, and who we are and look for.
type linkVector struct {
	verdict
	Certificates []data       `json:"certificates"` // DER, as the peer shows them
	Version      uint16       `json:"version"`      // of TLS
	ALPN         string       `json:"alpn"`
	Resumed      bool         `json:"resumed"`
	Now          number       `json:"now"`            // our clock
	Self         string       `json:"self"`           // our own id
	Want         string       `json:"want,omitempty"` // the only id to accept, if any
	Means        *linkMeaning `json:"means,omitempty"`
}

type linkMeaning struct {
	ID             data   `json:"id"` // of the peer
	NotAfter       number `json:"not_after"`
	CertificateKey data   `json:"certificate_key"`
	Message        data   `json:"message"` // what the node key signs
}

const tls13 = 0x0304

// certificateKey is the throw-away key of the certificates.
var certificateKey = func() ed25519.PrivateKey {
	seed := sha256.Sum256([]byte("hearsay vectors certificate"))
	return ed25519.NewKeyFromSeed(seed[:])
}()

func certificatePublic() []byte { return certificateKey[ed25519.SeedSize:] }

// notAfter lies two days ahead.
const notAfter = now + uint64(48*time.Hour)

func linkMessage(notAfter uint64, key []byte) []byte {
	return append(append([]byte("hearsay\x01"), be64(notAfter)...), key...)
}

// linkProof returns the content of the extension, without its OCTET STRING.
func linkProof(a *author, notAfter uint64) []byte {
	sig := a.signature(link.Namespace, linkMessage(notAfter, certificatePublic()))
	return append(append(opaque16(a.key.Wire()), be64(notAfter)...), opaque16(sig)...)
}

func octets(content []byte) []byte {
	var b cryptobyte.Builder
	b.AddASN1OctetString(content)
	return b.BytesOrPanic()
}

// extension is one extension of a certificate.
type extension struct {
	id       asn1.ObjectIdentifier
	critical bool
	value    []byte
}

func proofExtension(content []byte) extension { return extension{link.OID(), true, octets(content)} }

// spki returns the SubjectPublicKeyInfo of an ed25519 key (RFC 8410).
func spki(key []byte) []byte { return append(unhex("302a300506032b6570032100"), key...) }

// certificate makes the X.509 certificate (RFC 5280) of the throw-away key.
func certificate(exts ...extension) []byte {
	return certificateOf(spki(certificatePublic()), certificateKey, exts...)
}

// certificateOf makes a certificate of one key that another may have signed.
func certificateOf(info []byte, signer ed25519.PrivateKey, exts ...extension) []byte {
	algorithm := unhex("300506032b6570") // Ed25519
	var tbs cryptobyte.Builder
	tbs.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(der.Tag(0).Constructed().ContextSpecific(), func(b *cryptobyte.Builder) { b.AddASN1Int64(2) })
		b.AddASN1Int64(1) // serial number
		b.AddBytes(algorithm)
		b.AddASN1(der.SEQUENCE, func(*cryptobyte.Builder) {}) // issuer
		b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1UTCTime(time.Unix(0, int64(notAfter)).UTC().Add(-link.MaxLifetime))
			b.AddASN1UTCTime(time.Unix(0, int64(notAfter)).UTC())
		})
		b.AddASN1(der.SEQUENCE, func(*cryptobyte.Builder) {}) // subject
		b.AddBytes(info)
		if len(exts) == 0 {
			return
		}
		b.AddASN1(der.Tag(3).Constructed().ContextSpecific(), func(b *cryptobyte.Builder) {
			b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
				for _, x := range exts {
					b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
						b.AddASN1ObjectIdentifier(x.id)
						if x.critical {
							b.AddASN1Boolean(true)
						}
						b.AddASN1OctetString(x.value)
					})
				}
			})
		})
	})
	signed := tbs.BytesOrPanic()
	var c cryptobyte.Builder
	c.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(signed)
		b.AddBytes(algorithm)
		b.AddASN1BitString(ed25519.Sign(signer, signed))
	})
	return c.BytesOrPanic()
}

func linkTo(certificates ...[]byte) linkVector {
	v := linkVector{Certificates: []data{}, Version: tls13, ALPN: link.ALPN, Now: now, Self: bo.id().String()}
	for _, c := range certificates {
		v.Certificates = append(v.Certificates, c)
	}
	return v
}

func (v linkVector) with(change func(v *linkVector)) linkVector { change(&v); return v }

func goodLink(name string, a *author, notAfter uint64, v linkVector) linkVector {
	id := a.id()
	v.verdict = good(name)
	v.Means = &linkMeaning{id[:], number(notAfter), certificatePublic(), linkMessage(notAfter, certificatePublic())}
	return v
}

const (
	tolerance = uint64(link.ClockTolerance)
	lifetime  = uint64(link.MaxLifetime)
)

func linkVectors() file[linkVector] {
	f := file[linkVector]{About: "The certificates that peers show, and what else TLS says of a link. now is the clock of who checks."}
	plain := certificate(proofExtension(linkProof(ada, notAfter)))
	of := func(a *author, notAfter uint64) []byte {
		return certificate(proofExtension(linkProof(a, notAfter)))
	}
	other := extension{asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 99999, 1}, false, []byte{5, 0}}
	f.Good = []linkVector{
		goodLink("ada", ada, notAfter, linkTo(plain)),
		goodLink("ada, who was asked for", ada, notAfter, linkTo(plain).with(func(v *linkVector) { v.Want = ada.id().String() })),
		goodLink("an RSA key of 4096 bits", rsa4, notAfter, linkTo(of(rsa4, notAfter))),
		goodLink("ran out as long ago as is tolerated", ada, now-tolerance, linkTo(of(ada, now-tolerance))),
		goodLink("lasts as long as is tolerated", ada, now+lifetime+tolerance, linkTo(of(ada, now+lifetime+tolerance))),
		goodLink("with another extension, which is not critical", ada, notAfter,
			linkTo(certificate(other, proofExtension(linkProof(ada, notAfter))))),
		goodLink("with the extension not marked critical", ada, notAfter,
			linkTo(certificate(extension{link.OID(), false, octets(linkProof(ada, notAfter))}))),
	}
	f.Bad = badLinks(plain, of)
	return f
}

func badLinks(plain []byte, of func(a *author, notAfter uint64) []byte) (list []linkVector) {
	v := func(class, check, name string, l linkVector) {
		l.verdict = bad(class, check, name)
		list = append(list, l)
	}
	cert := func(content []byte) linkVector {
		return linkTo(certificate(proofExtension(content)))
	}
	proof := linkProof(ada, notAfter)
	keyLen := 2 + len(ada.key.Wire())
	critical := extension{asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 99999, 1}, true, []byte{5, 0}}
	ours := proofExtension(proof)

	v("protocol", "link.resumed", "a resumed session", linkTo(plain).with(func(v *linkVector) { v.Resumed = true }))
	v("certificate", "link.none", "no certificate", linkTo())
	v("certificate", "link.extension", "without the extension", linkTo(certificate()))
	v("certificate", "link.extension", "the extension twice", linkTo(certificate(ours, ours)))
	v("certificate", "link.critical", "another critical extension", linkTo(certificate(ours, critical)))
	v("certificate", "link.one", "two certificates", linkTo(plain, plain))
	v("certificate", "link.ed25519", "the certificate's key is RSA", linkTo(certificateOf(rsaInfo(), certificateKey, ours)))
	flipped := patch(plain, len(plain)-1, plain[len(plain)-1]^1)
	v("certificate", "link.self-signed", "a bit of the certificate's signature flipped", linkTo(flipped))
	other := newAuthor("another certificate")
	v("certificate", "link.self-signed", "signed by another key than its own", linkTo(certificateOf(spki(other.key.Wire()[19:]), certificateKey, ours)))
	v("proof", "link.form", "no OCTET STRING", linkTo(certificate(extension{link.OID(), true, proof})))
	v("proof", "link.form", "a byte after the OCTET STRING", linkTo(certificate(extension{link.OID(), true, append(octets(proof), 0)})))
	v("proof", "link.form", "a byte after the proof", cert(append(linkProof(ada, notAfter), 0)))
	v("proof", "link.form", "cut short", cert(proof[:len(proof)-1]))
	v("proof", "link.range", "no signature", cert(append(append([]byte{}, proof[:keyLen+8]...), 0, 0)))
	v("proof", "link.range", "signature of 533 bytes", cert(append(append([]byte{}, proof[:keyLen+8]...), opaque16(make([]byte, 533))...)))
	v("proof", "link.range", "not_after 2^63", linkTo(of(ada, math.MaxInt64+1)))
	v("proof", "link.key", "an RSA key of 1024 bits", cert(append(opaque16(rsaWire([]byte{1, 0, 1}, modulus(1024))), proof[keyLen:]...)))
	v("proof", "link.key", "a key of small order", cert(append(opaque16(ed25519Wire(smallOrder()[0])), proof[keyLen:]...)))
	v("proof", "link.expired", "ran out a nanosecond too long ago", linkTo(of(ada, now-tolerance-1)))
	v("proof", "link.lifetime", "lasts a nanosecond too long", linkTo(of(ada, now+lifetime+tolerance+1)))
	const check = "link.signature"
	v("proof", check, "bo's key with ada's signature", cert(append(opaque16(bo.key.Wire()), proof[keyLen:]...)).with(func(v *linkVector) { v.Self = eve.id().String() }))
	v("proof", check, "the proof of another certificate", linkTo(certificateOf(spki(other.key.Wire()[19:]), ed25519.NewKeyFromSeed(other.seed), ours)))
	v("proof", check, "another not_after than was signed", cert(patch(proof, keyLen, be64(notAfter+1)...)))
	signature := ada.signature("hearsay-update", linkMessage(notAfter, certificatePublic()))
	v("proof", check, "signed in the namespace of updates", cert(append(append([]byte{}, proof[:keyLen+8]...), opaque16(signature)...)))
	v("protocol", "link.protocol", "TLS 1.2", linkTo(plain).with(func(v *linkVector) { v.Version = 0x0303 }))
	v("protocol", "link.protocol", "no ALPN", linkTo(plain).with(func(v *linkVector) { v.ALPN = "" }))
	v("protocol", "link.protocol", "another ALPN", linkTo(plain).with(func(v *linkVector) { v.ALPN = "hearsay/2" }))
	v("own-id", "link.own-id", "ourselves", linkTo(plain).with(func(v *linkVector) { v.Self = ada.id().String() }))
	v("wrong-id", "link.wrong-id", "another than was asked for", linkTo(plain).with(func(v *linkVector) { v.Want = eve.id().String() }))
	return list
}

// rsaInfo is the SubjectPublicKeyInfo of an RSA key (RFC 3279 section 2.3.1).
func rsaInfo() []byte {
	k := rsaPrivate(prime2048P, prime2048Q)
	var b cryptobyte.Builder
	b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(unhex("300d06092a864886f70d0101010500")) // rsaEncryption, NULL
		b.AddASN1(der.BIT_STRING, func(b *cryptobyte.Builder) {
			b.AddUint8(0)
			b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1BigInt(k.N)
				b.AddASN1Int64(int64(k.E))
			})
		})
	})
	return b.BytesOrPanic()
}
