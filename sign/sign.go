// Package sign holds the private half of hearsay's identities: the Signer
// interface, and private keys that are read from OpenSSH and PKCS files.
//
// A [Signer] makes SSHSIG signatures (OpenSSH's PROTOCOL.sshsig, hash "sha256")
// and nothing else, so no signature of a node key can pass for an SSH login.
// It returns the inner SSH signature blob, string format and string signature,
// which [keys.PublicKey.Verify] takes. ed25519 signs as "ssh-ed25519", RSA as
// "rsa-sha2-512" (RFC 8332), PKCS #1 v1.5.
//
// A [PrivateKey] prints redacted for every verb of fmt and in slog, and refuses
// to be encoded as text or JSON. The secret leaves only through
// [PrivateKey.MarshalOpenSSH], [PrivateKey.MarshalPKCS8] and [PrivateKey.MarshalPKCS1].
package sign

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"fmt"

	"github.com/hearsaynet/hearsay/keys"
)

// ErrUnavailable is wrapped by a Signer's error when the signer could not be
// asked: an agent that is locked or gone. Nothing was signed; try again.
var ErrUnavailable = errors.New("sign: signer unavailable, nothing was signed")

var errNoKey = errors.New("sign: no private key")

// Signer makes signatures of one key. It is safe for concurrent use.
type Signer interface {
	// Public returns the key whose signatures Sign makes.
	Public() keys.PublicKey

	// Sign returns the SSH signature blob of an SSHSIG over msg in namespace, at
	// most keys.MaxSignatureSize bytes. It may block; ctx ends it. After an error
	// that wraps ErrUnavailable or ctx's the caller may ask again for the same msg.
	Sign(ctx context.Context, namespace string, msg []byte) ([]byte, error)
}

// Sign implements Signer. The namespace must not be empty.
func (k PrivateKey) Sign(ctx context.Context, namespace string, msg []byte) ([]byte, error) {
	if k.secret == nil {
		return nil, errNoKey
	}
	if namespace == "" {
		return nil, errors.New("sign: empty namespace") // PROTOCOL.sshsig, section 2
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	data := keys.SignedData(namespace, sha256.Sum256(msg))
	switch secret := k.secret().(type) {
	case ed25519.PrivateKey:
		return keys.MarshalSignature(keys.FormatEd25519, ed25519.Sign(secret, data)), nil
	case *rsa.PrivateKey:
		sum := sha512.Sum512(data)
		sig, err := rsa.SignPKCS1v15(nil, secret, crypto.SHA512, sum[:])
		if err != nil {
			return nil, fmt.Errorf("sign: %w", err)
		}
		return keys.MarshalSignature(keys.FormatRSASHA512, sig), nil
	}
	return nil, errNoKey
}
