package keys

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/pem"
	"errors"
	"fmt"

	"golang.org/x/crypto/cryptobyte"

	"github.com/hearsaynet/hearsay/keys/internal/clip"
)

// The admitted signature formats (RFC 8709, RFC 8332). ssh-rsa, SHA-1, is not.
const (
	FormatEd25519   = "ssh-ed25519"
	FormatRSASHA256 = "rsa-sha2-256"
	FormatRSASHA512 = "rsa-sha2-512"
)

// ErrBadSignature is wrapped by every error of Verify.
var ErrBadSignature = errors.New("bad signature")

const (
	sshsigMagic   = "SSHSIG"
	sshsigVersion = 1
	sshsigHash    = "sha256"
	sshsigPEM     = "SSH SIGNATURE"
)

// SignedData returns the bytes that a key signs for an SSHSIG over a message
// whose SHA-256 is digest (PROTOCOL.sshsig, section 2).
func SignedData(namespace string, digest [sha256.Size]byte) []byte {
	var b cryptobyte.Builder
	b.AddBytes([]byte(sshsigMagic))
	addString(&b, []byte(namespace))
	addString(&b, nil) // reserved
	addString(&b, []byte(sshsigHash))
	addString(&b, digest[:])
	return b.BytesOrPanic()
}

// Verify checks that sig, an SSH signature blob, is k's SSHSIG over msg in
// namespace. The ed25519 rule is crypto/ed25519's.
func (k PublicKey) Verify(namespace string, msg, sig []byte) error {
	return k.VerifyDigest(namespace, sha256.Sum256(msg), sig)
}

// VerifyDigest is Verify for a message that is known by its SHA-256.
func (k PublicKey) VerifyDigest(namespace string, digest [sha256.Size]byte, sig []byte) error {
	format, blob, err := k.parseSignature(sig)
	if err != nil {
		return fmt.Errorf("keys: %w: %w", ErrBadSignature, err)
	}
	data := SignedData(namespace, digest)
	switch format {
	case FormatEd25519:
		if ed25519.Verify(k.ed25519(), data, blob) {
			return nil
		}
	case FormatRSASHA256:
		sum := sha256.Sum256(data)
		if rsa.VerifyPKCS1v15(k.rsa(), crypto.SHA256, sum[:], blob) == nil {
			return nil
		}
	case FormatRSASHA512:
		sum := sha512.Sum512(data)
		if rsa.VerifyPKCS1v15(k.rsa(), crypto.SHA512, sum[:], blob) == nil {
			return nil
		}
	}
	return fmt.Errorf("keys: %w: it is not this key's over this message in namespace %q", ErrBadSignature, namespace)
}

// parseSignature splits an SSH signature blob and checks format and length
// against the key, before any mathematics.
func (k PublicKey) parseSignature(sig []byte) (format string, blob []byte, err error) {
	s := cryptobyte.String(sig)
	f, ok1 := readString(&s)
	blob, ok2 := readString(&s)
	if !ok1 || !ok2 || !s.Empty() {
		return "", nil, errors.New("not an SSH signature blob")
	}
	format = string(f)
	want := 0
	switch {
	case k.Type() == TypeEd25519 && format == FormatEd25519:
		want = ed25519.SignatureSize
	case k.Type() == TypeRSA && (format == FormatRSASHA256 || format == FormatRSASHA512):
		want = len(k.modulus())
	default:
		return "", nil, fmt.Errorf("format %q does not go with a key of type %q", clip.Text(format), k.Type())
	}
	if len(blob) != want {
		return "", nil, fmt.Errorf("signature of %d bytes, want %d", len(blob), want)
	}
	return format, blob, nil
}

// MarshalSignature joins a signature format and its bytes to an SSH signature blob.
func MarshalSignature(format string, signature []byte) []byte {
	var b cryptobyte.Builder
	addString(&b, []byte(format))
	addString(&b, signature)
	return b.BytesOrPanic()
}

// ArmorSignature returns the armored SSHSIG file that ssh-keygen -Y verify reads,
// for a signature blob by k.
func ArmorSignature(k PublicKey, namespace string, sig []byte) []byte {
	var b cryptobyte.Builder
	b.AddBytes([]byte(sshsigMagic))
	b.AddUint32(sshsigVersion)
	addString(&b, []byte(k.blob))
	addString(&b, []byte(namespace))
	addString(&b, nil) // reserved
	addString(&b, []byte(sshsigHash))
	addString(&b, sig)
	return pem.EncodeToMemory(&pem.Block{Type: sshsigPEM, Bytes: b.BytesOrPanic()})
}

// ParseArmoredSignature reads an armored SSHSIG file: one block, version 1, hash
// sha256, reserved empty, nothing after.
func ParseArmoredSignature(file []byte) (k PublicKey, namespace string, sig []byte, err error) {
	bad := func(what string) (PublicKey, string, []byte, error) {
		return PublicKey{}, "", nil, fmt.Errorf("keys: %w: %s", ErrBadSignature, what)
	}
	begin := []byte("-----BEGIN ") // pem.Decode skips what stands before a good block
	if !bytes.HasPrefix(file, begin) || bytes.Count(file, begin) > 1 {
		return bad("not one " + sshsigPEM + " block")
	}
	block, rest := pem.Decode(file)
	if block == nil || block.Type != sshsigPEM || len(block.Headers) > 0 || len(bytes.TrimSpace(rest)) > 0 {
		return bad("not one " + sshsigPEM + " block")
	}
	s := cryptobyte.String(block.Bytes)
	var magic []byte
	var version uint32
	if !s.ReadBytes(&magic, len(sshsigMagic)) || string(magic) != sshsigMagic || !s.ReadUint32(&version) || version != sshsigVersion {
		return bad("not an SSHSIG of version 1")
	}
	var fields [5][]byte // key, namespace, reserved, hash, signature
	for i := range fields {
		var ok bool
		if fields[i], ok = readString(&s); !ok {
			return bad("cut short")
		}
	}
	if !s.Empty() || len(fields[2]) > 0 || string(fields[3]) != sshsigHash {
		return bad("want an empty reserved field, hash sha256 and nothing after")
	}
	k, err = ParsePublicKey(fields[0])
	if err != nil {
		return PublicKey{}, "", nil, err
	}
	return k, string(fields[1]), fields[4], nil
}

func addString(b *cryptobyte.Builder, s []byte) {
	b.AddUint32LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(s) })
}
