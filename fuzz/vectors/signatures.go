package main

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"crypto/sha512"
	"fmt"
	"math/big"

	"filippo.io/edwards25519"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// signatureVector is an SSHSIG over a message, as it travels: the SSH signature blob.
type signatureVector struct {
	verdict
	Key       data              `json:"key"`
	Namespace string            `json:"namespace"`
	Message   data              `json:"message"`
	Signature data              `json:"signature"`
	Means     *signatureMeaning `json:"means,omitempty"`
}

type signatureMeaning struct {
	Signed data `json:"signed"` // the bytes that the key signs
}

const signatureNamespace = wire.NamespaceUpdate

func signatureVectors() file[signatureVector] {
	f := file[signatureVector]{About: "SSHSIG signatures as they travel, without their envelope. signed is what the key signs."}
	f.Good = append(goodEd25519(), goodRSA()...)
	f.Bad = append(badForms(), append(badEd25519(), badRSA()...)...)
	return f
}

func goodSignature(name string, key []byte, namespace string, msg, sig []byte) signatureVector {
	signed := keys.SignedData(namespace, sha256.Sum256(msg))
	return signatureVector{good(name), key, namespace, msg, sig, &signatureMeaning{signed}}
}

func badSignature(check, name string, key, msg, sig []byte) signatureVector {
	return signatureVector{bad("bad-signature", check, name), key, signatureNamespace, msg, sig, nil}
}

func numbered(text string, i int) []byte { return fmt.Appendf(nil, "%s %d", text, i) }

// first returns the first number from the hint on for which ok says yes: the search is
// left out when the hint is right.
func first(hint int, ok func(i int) bool) int {
	for i := hint; ; i++ {
		if ok(i) {
			return i
		}
	}
}

func goodEd25519() []signatureVector {
	msg := []byte("a message")
	mixedKey := ed25519Wire(mixed(ada, torsion8))
	even := first(0, func(i int) bool { return signMixed(numbered("mixed order", i)).k8 == 0 })
	return []signatureVector{
		goodSignature("ed25519", ada.key.Wire(), signatureNamespace, msg, ada.signature(signatureNamespace, msg)),
		goodSignature("ed25519 over no bytes", ada.key.Wire(), "hearsay-head", nil, ada.signature("hearsay-head", nil)),
		goodSignature("ed25519 whose R is the point of order 1, canonical", ada.key.Wire(), signatureNamespace, msg,
			ed25519Signature(ada, edwards25519.NewScalar(), edwards25519.NewIdentityPoint().Bytes(), ada.key.Wire()[19:], msg).blob),
		goodSignature("ed25519 by a key of mixed order, for which the equation holds without the cofactor", mixedKey, signatureNamespace,
			numbered("mixed order", even), signMixed(numbered("mixed order", even)).blob),
	}
}

func goodRSA() []signatureVector {
	msg := []byte("a message")
	sha256RSA := newRSA(rsaPrivate(prime2048P, prime2048Q), crypto.SHA256)
	zero := leadingZero()
	return []signatureVector{
		goodSignature("rsa-sha2-512 of 2048 bits", rsa2.key.Wire(), signatureNamespace, msg, rsa2.signature(signatureNamespace, msg)),
		goodSignature("rsa-sha2-256 of 2048 bits", rsa2.key.Wire(), signatureNamespace, msg, sha256RSA.signature(signatureNamespace, msg)),
		goodSignature("rsa-sha2-512 of 4096 bits", rsa4.key.Wire(), signatureNamespace, msg, rsa4.signature(signatureNamespace, msg)),
		goodSignature("rsa-sha2-512 that starts with a zero byte", rsa2.key.Wire(), signatureNamespace, zero, rsa2.signature(signatureNamespace, zero)),
	}
}

// leadingZero returns a message whose RSA signature starts with a zero byte.
func leadingZero() []byte {
	const hint = 88
	i := first(hint, func(i int) bool { return rsaBlob(rsa2, numbered("zero", i))[0] == 0 })
	return numbered("zero", i)
}

// rsaBlob returns the number of an RSA signature, as long as the modulus.
func rsaBlob(a *author, msg []byte) []byte {
	_, blob := a.sign(keys.SignedData(signatureNamespace, sha256.Sum256(msg)))
	return blob
}

func badForms() []signatureVector {
	msg := []byte("a message")
	key, sig := ada.key.Wire(), ada.signature(signatureNamespace, msg)
	_, blob := ada.sign(keys.SignedData(signatureNamespace, sha256.Sum256(msg)))
	number := rsaBlob(rsa2, msg)
	zero := leadingZero()
	return []signatureVector{
		badSignature("signature.form", "no bytes", key, msg, nil),
		badSignature("signature.form", "a byte after it", key, msg, append(bytes.Clone(sig), 0)),
		badSignature("signature.form", "cut short", key, msg, sig[:len(sig)-1]),
		badSignature("signature.format", "ed25519 as rsa-sha2-512", key, msg, joined([]byte(keys.FormatRSASHA512), blob)),
		badSignature("signature.format", "RSA as ssh-ed25519", rsa2.key.Wire(), msg, joined([]byte(keys.FormatEd25519), number)),
		badSignature("signature.format", "RSA as ssh-rsa, which is SHA-1", rsa2.key.Wire(), msg, joined([]byte("ssh-rsa"), number)),
		badSignature("signature.format", "no format", key, msg, joined(nil, blob)),
		badSignature("signature.size", "ed25519 of 63 bytes", key, msg, joined([]byte(keys.FormatEd25519), blob[:63])),
		badSignature("signature.size", "ed25519 of 65 bytes", key, msg, joined([]byte(keys.FormatEd25519), append(bytes.Clone(blob), 0))),
		badSignature("signature.size", "RSA with a zero byte before it", rsa2.key.Wire(), msg, joined([]byte(keys.FormatRSASHA512), append([]byte{0}, number...))),
		badSignature("signature.size", "RSA without the zero byte it starts with", rsa2.key.Wire(), zero, joined([]byte(keys.FormatRSASHA512), rsaBlob(rsa2, zero)[1:])),
	}
}

func badEd25519() []signatureVector {
	msg, key := []byte("a message"), ada.key.Wire()
	_, blob := ada.sign(keys.SignedData(signatureNamespace, sha256.Sum256(msg)))
	login := func() []byte { _, s := ada.sign(msg); return s }()
	odd := first(0, func(i int) bool { return signMixed(numbered("mixed order", i)).k8 != 0 })
	sha512Sum := sha512.Sum512(msg)
	other := func(signed []byte) []byte { return keys.MarshalSignature(ada.sign(signed)) }
	envelope := func(fields ...[]byte) []byte { return append([]byte("SSHSIG"), joined(fields...)...) }
	ed := func(b []byte) []byte { return joined([]byte(keys.FormatEd25519), b) }
	r := must(edwards25519.NewScalar().SetUniformBytes(stream("nonce", 64)))
	rB := new(edwards25519.Point).ScalarBaseMult(r)
	const check = "signature.ed25519"
	return []signatureVector{
		badSignature(check, "another message", key, []byte("another message"), ed(blob)),
		badSignature(check, "another key", bo.key.Wire(), msg, ed(blob)),
		badSignature(check, "another namespace", key, msg, ada.signature("hearsay-head", msg)),
		badSignature(check, "the message signed as it is, as an SSH login", key, msg, ed(login)),
		badSignature(check, "hash sha512 of SSHSIG", key, msg, other(envelope([]byte(signatureNamespace), nil, []byte("sha512"), sha512Sum[:]))),
		badSignature(check, "reserved field of SSHSIG in use", key, msg, other(envelope([]byte(signatureNamespace), []byte("x"), []byte("sha256"), sha256Of(msg)))),
		badSignature(check, "S with the group's order added", key, msg, ed(plusOrder(blob))),
		badSignature(check, "R with a point of order 8 added, which a check with the cofactor takes", key, msg,
			ed25519Signature(ada, r, new(edwards25519.Point).Add(rB, torsion8).Bytes(), key[19:], msg).blob),
		badSignature(check, "R of order 1 in its other encoding", key, msg,
			ed25519Signature(ada, edwards25519.NewScalar(), unhex("0100000000000000000000000000000000000000000000000000000000000080"), key[19:], msg).blob),
		badSignature(check, "by a key of mixed order, for which the equation holds with the cofactor only", ed25519Wire(mixed(ada, torsion8)),
			numbered("mixed order", odd), signMixed(numbered("mixed order", odd)).blob),
	}
}

// handmade is an ed25519 signature that no library makes.
type handmade struct {
	blob []byte // SSH signature blob
	k8   byte   // the hash k (RFC 8032 section 5.1.6) modulo 8
}

// ed25519Signature signs with a's secret, the nonce r and the encodings of R and of the
// key as they are given.
func ed25519Signature(a *author, r *edwards25519.Scalar, encodedR, key, msg []byte) handmade {
	signed := keys.SignedData(signatureNamespace, sha256.Sum256(msg))
	expanded := sha512.Sum512(a.seed)
	s := must(edwards25519.NewScalar().SetBytesWithClamping(expanded[:32]))
	hash := sha512.Sum512(append(append(bytes.Clone(encodedR), key...), signed...))
	k := must(edwards25519.NewScalar().SetUniformBytes(hash[:]))
	sum := edwards25519.NewScalar().MultiplyAdd(k, s, r)
	return handmade{joined([]byte(keys.FormatEd25519), append(bytes.Clone(encodedR), sum.Bytes()...)), k.Bytes()[0] & 7}
}

func signMixed(msg []byte) handmade {
	r := must(edwards25519.NewScalar().SetUniformBytes(stream("mixed nonce", 64)))
	return ed25519Signature(ada, r, new(edwards25519.Point).ScalarBaseMult(r).Bytes(), mixed(ada, torsion8), msg)
}

// plusOrder adds the group's order to S (RFC 8032 section 5.1.7 has it refused).
func plusOrder(blob []byte) []byte {
	order, _ := new(big.Int).SetString("7237005577332262213973186563042994240857116359379907606001950938285454250989", 10)
	reversed := func(b []byte) []byte {
		out := make([]byte, len(b))
		for i := range b {
			out[len(b)-1-i] = b[i]
		}
		return out
	}
	s := new(big.Int).SetBytes(reversed(blob[32:]))
	return append(bytes.Clone(blob[:32]), reversed(s.Add(s, order).FillBytes(make([]byte, 32)))...)
}

func badRSA() []signatureVector {
	msg, key := []byte("a message"), rsa2.key.Wire()
	sha512RSA := func(b []byte) []byte { return joined([]byte(keys.FormatRSASHA512), b) }
	private := rsaPrivate(prime2048P, prime2048Q)
	number := func(msg []byte) *big.Int { return new(big.Int).SetBytes(rsaBlob(rsa2, msg)) }
	small := first(0, func(i int) bool {
		return new(big.Int).Add(number(numbered("small", i)), private.N).BitLen() <= 2048
	})
	above := numbered("small", small)
	sum := sha512.Sum512(keys.SignedData(signatureNamespace, sha256.Sum256(msg)))
	const check = "signature.rsa"
	return []signatureVector{
		badSignature(check, "RSA, another message", key, []byte("another message"), sha512RSA(rsaBlob(rsa2, msg))),
		badSignature(check, "RSA, the other hash", key, msg, joined([]byte(keys.FormatRSASHA256), rsaBlob(rsa2, msg))),
		badSignature(check, "RSA, the modulus added", key, above, sha512RSA(new(big.Int).Add(number(above), private.N).FillBytes(make([]byte, 256)))),
		badSignature(check, "RSA, DigestInfo without its NULL", key, msg, sha512RSA(rawRSA(private.N, private.D,
			append(unhex("304f300b0609608648016503040203"+"0440"), sum[:]...)))),
		badSignature(check, "RSA, bytes behind DigestInfo", key, msg, sha512RSA(rawRSA(private.N, private.D,
			append(append(unhex("3051300d060960864801650304020305000440"), sum[:]...), 0, 0, 0, 0)))),
	}
}

// rawRSA signs a padded block that no library makes (RFC 8017 section 9.2, with another T).
func rawRSA(n, d *big.Int, t []byte) []byte {
	block := append([]byte{0, 1}, bytes.Repeat([]byte{0xff}, 256-3-len(t))...)
	block = append(append(block, 0), t...)
	return new(big.Int).Exp(new(big.Int).SetBytes(block), d, n).FillBytes(make([]byte, 256))
}
