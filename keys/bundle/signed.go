package bundle

import (
	"fmt"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/keys/internal/clip"
)

// Seal returns the armored form of k's signature, an SSH signature blob over text in
// Namespace, which it checks.
func Seal(text []byte, k keys.PublicKey, sig []byte) ([]byte, error) {
	if _, err := Parse(text); err != nil {
		return nil, err
	}
	if err := k.Verify(Namespace, text, sig); err != nil {
		return nil, fmt.Errorf("keys/bundle: %w", err)
	}
	return keys.ArmorSignature(k, Namespace, sig), nil
}

// Open reads a bundle that signer has signed. The error wraps ErrSigner for one that it
// has not signed, else ErrMalformed; the text is not looked at before its signature is
// checked.
func Open(text, armored []byte, signer keys.NodeID) (*Bundle, error) {
	if len(text) > MaxSize {
		return nil, malformed("larger than %d bytes", MaxSize)
	}
	if len(armored) > MaxSignature {
		return nil, malformed("its signature is larger than %d bytes", MaxSignature)
	}
	k, namespace, sig, err := keys.ParseArmoredSignature(armored)
	switch {
	case err != nil:
		return nil, malformed("its signature: %v", err)
	case k.ID() != signer:
		return nil, fmt.Errorf("keys/bundle: %w: it is signed by %v, not by %v", ErrSigner, k.ID(), signer)
	case namespace != Namespace:
		return nil, fmt.Errorf("keys/bundle: %w: it is signed in namespace %q, not %q", ErrSigner, clip.Text(namespace), Namespace)
	}
	if err := k.Verify(Namespace, text, sig); err != nil {
		return nil, fmt.Errorf("keys/bundle: %w: %w", ErrSigner, err)
	}
	return Parse(text)
}
