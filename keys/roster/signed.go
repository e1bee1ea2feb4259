package roster

import (
	"bytes"
	"fmt"

	"github.com/hearsaynet/hearsay/keys"
)

var signatureStart = []byte("-----BEGIN ")

// Seal joins the text of a list with k's signature, an SSH signature blob over it in
// Namespace, which it checks.
func Seal(text []byte, k keys.PublicKey, sig []byte) ([]byte, error) {
	if _, err := Parse(text); err != nil {
		return nil, err
	}
	if err := k.Verify(Namespace, text, sig); err != nil {
		return nil, fmt.Errorf("keys/roster: %w", err)
	}
	return append(bytes.Clone(text), keys.ArmorSignature(k, Namespace, sig)...), nil
}

// Open reads a signed list that signer has signed. The error wraps ErrSigner for a list
// that it has not signed, else ErrMalformed; what is malformed is not looked at before
// the signature is checked.
func Open(signed []byte, signer keys.NodeID) (*List, error) {
	text, k, err := Split(signed)
	if err != nil {
		return nil, err
	}
	if k.ID() != signer {
		return nil, fmt.Errorf("keys/roster: %w: it is %v's, not %v's", ErrSigner, k.ID(), signer)
	}
	return Parse(text)
}

// Split parts a signed list in its text and the key whose signature over it holds,
// whoever's that is.
func Split(signed []byte) (text []byte, by keys.PublicKey, err error) {
	if len(signed) > MaxSize {
		return nil, keys.PublicKey{}, malformed("larger than %d bytes", MaxSize)
	}
	i := bytes.LastIndex(signed, signatureStart)
	if i < 0 || len(signed)-i > maxSignature {
		return nil, keys.PublicKey{}, malformed("no signature at its end")
	}
	text = signed[:i]
	k, namespace, sig, err := keys.ParseArmoredSignature(signed[i:])
	if err != nil {
		return nil, keys.PublicKey{}, malformed("%v", err)
	}
	if namespace != Namespace {
		return nil, keys.PublicKey{}, fmt.Errorf("keys/roster: %w: it is signed in namespace %q", ErrSigner, namespace)
	}
	if err := k.Verify(Namespace, text, sig); err != nil {
		return nil, keys.PublicKey{}, fmt.Errorf("keys/roster: %w: %w", ErrSigner, err)
	}
	return text, k, nil
}
