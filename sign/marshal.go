package sign

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"

	"golang.org/x/crypto/ssh"
)

// MarshalOpenSSH returns k, with its secret, as an OpenSSH private key file. With
// an empty passphrase it is not encrypted, else with aes256-ctr and 16 rounds of
// bcrypt.
func (k PrivateKey) MarshalOpenSSH(comment string, passphrase []byte) ([]byte, error) {
	if k.secret == nil {
		return nil, errNoKey
	}
	var block *pem.Block
	var err error
	if len(passphrase) == 0 {
		block, err = ssh.MarshalPrivateKey(k.secret(), comment)
	} else {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(k.secret(), comment, passphrase)
	}
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	file := pem.EncodeToMemory(block)
	if len(file) > MaxFileSize {
		return nil, fmt.Errorf("sign: the comment is too long: a key file has at most %d bytes", MaxFileSize)
	}
	return file, nil
}

// MarshalPKCS8 returns k, with its secret, as a PKCS #8 PEM file. With an empty
// passphrase it is not encrypted, else with AES-256-CBC and PBKDF2 (HMAC-SHA-256,
// 600,000 rounds).
func (k PrivateKey) MarshalPKCS8(passphrase []byte) ([]byte, error) {
	if k.secret == nil {
		return nil, errNoKey
	}
	block := &pem.Block{Type: pemPKCS8}
	var err error
	if block.Bytes, err = x509.MarshalPKCS8PrivateKey(k.secret()); err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	if len(passphrase) > 0 {
		block.Type = pemPKCS8Enc
		if block.Bytes, err = seal(block.Bytes, passphrase); err != nil {
			return nil, fmt.Errorf("sign: %w", err)
		}
	}
	return pem.EncodeToMemory(block), nil
}

// ErrNotRSA is wrapped by MarshalPKCS1's error for a key of another kind.
var ErrNotRSA = errors.New("PKCS #1 holds RSA keys only")

// MarshalPKCS1 returns an RSA key, with its secret, as a PKCS #1 PEM file, which is
// never encrypted.
func (k PrivateKey) MarshalPKCS1() ([]byte, error) {
	if k.secret == nil {
		return nil, errNoKey
	}
	secret, ok := k.secret().(*rsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("sign: %w, and this is %s", ErrNotRSA, k.pub.Type())
	}
	return pem.EncodeToMemory(&pem.Block{Type: pemPKCS1, Bytes: x509.MarshalPKCS1PrivateKey(secret)}), nil
}
