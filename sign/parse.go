package sign

import (
	"bytes"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/hearsaynet/hearsay/keys"
)

var (
	// ErrMalformed is wrapped by the error for a file that is no private key file, or
	// numbers that are no private key.
	ErrMalformed = errors.New("malformed private key")

	// ErrEncryption is wrapped by the error for a file that may be a private key, encrypted
	// in a way that is not read here: what else reads it has to write it anew.
	ErrEncryption = errors.New("the private key is encrypted in a way that is not read here")

	// ErrPassphraseNeeded is wrapped by the error for an encrypted file when there
	// is nobody to ask.
	ErrPassphraseNeeded = errors.New("the key is encrypted: a passphrase is needed")

	// ErrWrongPassphrase is wrapped by the error for an encrypted file that the
	// passphrase does not open.
	ErrWrongPassphrase = errors.New("wrong passphrase")
)

const (
	pemOpenSSH  = "OPENSSH PRIVATE KEY"
	pemPKCS1    = "RSA PRIVATE KEY"
	pemPKCS8    = "PRIVATE KEY"
	pemPKCS8Enc = "ENCRYPTED PRIVATE KEY"
	pemEC       = "EC PRIVATE KEY"
	pemDSA      = "DSA PRIVATE KEY"
)

var errHalves = fmt.Errorf("%w: its private part does not belong to its public part", ErrMalformed)

// ParsePublic reads the public half of a private key file, and its comment where that
// is in the clear. An encrypted OpenSSH file shows its public half without the
// passphrase (PROTOCOL.key, section 1), unchecked against the private one; for other
// encrypted files passphrase is called as by Parse. The errors are Parse's.
func ParsePublic(file []byte, passphrase func() ([]byte, error)) (k keys.PublicKey, comment string, err error) {
	k, comment, err = parsePublic(file, passphrase)
	if err != nil {
		return keys.PublicKey{}, "", fmt.Errorf("sign: %w", err)
	}
	return k, comment, nil
}

func parsePublic(file []byte, passphrase func() ([]byte, error)) (keys.PublicKey, string, error) {
	block, err := onlyBlock(file)
	if err == nil && block.Type == pemOpenSSH && len(block.Headers) == 0 {
		env, err := parseEnvelope(block.Bytes)
		if err == nil && env.encrypted() {
			k, err := keys.ParsePublicKey(env.Public)
			return k, "", err
		}
	}
	private, err := parse(file, passphrase)
	if err != nil {
		return keys.PublicKey{}, "", err
	}
	return private.pub, private.comment, nil
}

// Parse reads a private key file of at most MaxFileSize bytes that holds exactly
// one key and nothing after it: OpenSSH (PROTOCOL.key) or PKCS #8, each plain or
// encrypted, or plain PKCS #1. What it is its content says.
//
// passphrase is called once, and only for an encrypted file of a form and cost that
// can be opened; one of OpenSSH shows its public half, which must be admitted too.
// Its error is returned wrapped. The error wraps keys.ErrNotAdmitted for a kind or
// size that hearsay does not use, else ErrMalformed, ErrEncryption or that of a
// passphrase. It says nothing of the secret.
func Parse(file []byte, passphrase func() ([]byte, error)) (*PrivateKey, error) {
	return prefixed(parse(file, passphrase))
}

func parse(file []byte, passphrase func() ([]byte, error)) (*PrivateKey, error) {
	block, err := onlyBlock(file)
	if err != nil {
		return nil, err
	}
	switch {
	case block.Type == pemEC:
		return nil, notAdmitted("ECDSA")
	case block.Type == pemDSA:
		return nil, notAdmitted("DSA")
	case block.Headers["DEK-Info"] != "": // RFC 1421, section 4.6
		return nil, fmt.Errorf("%w, the old one of PEM: \"ssh-keygen -p -f FILE\" makes it an OpenSSH file", ErrEncryption)
	case len(block.Headers) > 0:
		return nil, fmt.Errorf("%w: headers in the PEM block", ErrMalformed)
	}
	switch block.Type {
	case pemOpenSSH:
		return parseOpenSSH(block.Bytes, passphrase)
	case pemPKCS1:
		return parsePKCS1(block.Bytes)
	case pemPKCS8:
		return parsePKCS8(block.Bytes)
	case pemPKCS8Enc:
		return parsePKCS8Encrypted(block.Bytes, passphrase)
	}
	return nil, fmt.Errorf("%w: a PEM block that is no private key", ErrMalformed)
}

func notAdmitted(kind string) error {
	return fmt.Errorf("%w: type %s: \"ssh-keygen -t ed25519\" makes one that is", keys.ErrNotAdmitted, kind)
}

// onlyBlock returns the one PEM block that file is. pem.Decode alone would skip
// what stands before a block, a broken one included.
func onlyBlock(file []byte) (*pem.Block, error) {
	if len(file) > MaxFileSize {
		return nil, fmt.Errorf("%w: larger than %d bytes", ErrMalformed, MaxFileSize)
	}
	begin := []byte("-----BEGIN ")
	if !bytes.HasPrefix(file, begin) {
		switch _, _, err := keys.ParsePublicFile(file); {
		case err == nil:
			return nil, fmt.Errorf("%w: it holds a public key; the private one is in the file without .pub", ErrMalformed)
		case errors.Is(err, keys.ErrByteOrderMark):
			return nil, fmt.Errorf("%w: %w", ErrMalformed, keys.ErrByteOrderMark)
		}
		return nil, fmt.Errorf("%w: it does not start with -----BEGIN", ErrMalformed)
	}
	if bytes.Count(file, begin) > 1 {
		return nil, fmt.Errorf("%w: more than one PEM block", ErrMalformed)
	}
	block, rest := pem.Decode(file)
	if block == nil {
		return nil, fmt.Errorf("%w: the PEM block is broken or cut short", ErrMalformed)
	}
	if len(bytes.TrimSpace(rest)) > 0 {
		return nil, fmt.Errorf("%w: something stands after the PEM block", ErrMalformed)
	}
	return block, nil
}

func ask(passphrase func() ([]byte, error)) ([]byte, error) {
	if passphrase == nil {
		return nil, ErrPassphraseNeeded
	}
	secret, err := passphrase()
	if err != nil {
		return nil, fmt.Errorf("passphrase: %w", err)
	}
	return secret, nil
}

func parsePKCS8Encrypted(der []byte, passphrase func() ([]byte, error)) (*PrivateKey, error) {
	e, err := parseEncrypted(der)
	if err != nil {
		return nil, err
	}
	secret, err := ask(passphrase)
	if err != nil {
		return nil, err
	}
	info, err := e.open(secret)
	if err != nil {
		return nil, err
	}
	return parsePKCS8(info)
}
