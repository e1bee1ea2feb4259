package scuttlebutt

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/verify"
)

// MaxInsecureKey bounds a key file of the original's security mode, in bytes, and
// maxInsecureBits the key, in bits.
const (
	MaxInsecureKey  = 64 << 10
	maxInsecureBits = 8192
	soundBits       = 2048
)

// InsecurePublicKey is a public key of the original's security mode, and its id: the
// base64 of the SHA-1 of its PEM file, byte by byte.
type InsecurePublicKey struct {
	id  string
	key *rsa.PublicKey
}

// ParseInsecurePublicKey reads a PEM file with an RSA key (RSA PUBLIC KEY or PUBLIC KEY).
// Keys of less than 1024 bits are taken only by a program that runs with
// GODEBUG=rsa1024min=0.
func ParseInsecurePublicKey(file []byte) (*InsecurePublicKey, error) {
	if len(file) > MaxInsecureKey {
		return nil, fmt.Errorf("scuttlebutt: key file of %d bytes, at most %d", len(file), MaxInsecureKey)
	}
	block, _ := pem.Decode(file)
	if block == nil {
		return nil, errors.New("scuttlebutt: no PEM file; make one with ssh-keygen -e -m PEM -f KEY.pub")
	}
	var key any
	var err error
	switch block.Type {
	case "RSA PUBLIC KEY":
		key, err = x509.ParsePKCS1PublicKey(block.Bytes)
	case "PUBLIC KEY":
		key, err = x509.ParsePKIXPublicKey(block.Bytes)
	default:
		return nil, fmt.Errorf("scuttlebutt: a PEM file of type %q holds no public key", block.Type)
	}
	if err != nil {
		return nil, fmt.Errorf("scuttlebutt: %s: %w", block.Type, err)
	}
	public, ok := key.(*rsa.PublicKey)
	if !ok {
		return nil, fmt.Errorf("scuttlebutt: %s holds no RSA key", block.Type)
	}
	if err := usable(public); err != nil {
		return nil, err
	}
	sum := sha1.Sum(file)
	return &InsecurePublicKey{base64.StdEncoding.EncodeToString(sum[:]), public}, nil
}

// usable says whether this program takes keys of this size, which is known once it has
// tried.
func usable(k *rsa.PublicKey) error {
	bits := k.N.BitLen()
	if bits > maxInsecureBits {
		return fmt.Errorf("scuttlebutt: an RSA key of %d bits, at most %d", bits, maxInsecureBits)
	}
	err := rsa.VerifyPKCS1v15(k, crypto.SHA1, make([]byte, sha1.Size), make([]byte, k.Size()))
	if !errors.Is(err, rsa.ErrVerification) {
		return fmt.Errorf("scuttlebutt: an RSA key of %d bits (1024 and more, unless GODEBUG=rsa1024min=0): %w", bits, err)
	}
	return nil
}

// ID returns the id that the original gives the key's owner.
func (k *InsecurePublicKey) ID() string { return k.id }

// Bits returns the size of the key.
func (k *InsecurePublicKey) Bits() int { return k.key.N.BitLen() }

// InsecurePrivateKey is a private key of the original's security mode. It prints as its
// size.
type InsecurePrivateKey struct {
	_   [0]func()
	key *rsa.PrivateKey
}

// ParseInsecurePrivateKey reads what the original reads: a PEM file with an RSA key and
// without a passphrase (RSA PRIVATE KEY or PRIVATE KEY).
func ParseInsecurePrivateKey(file []byte) (*InsecurePrivateKey, error) {
	if len(file) > MaxInsecureKey {
		return nil, fmt.Errorf("scuttlebutt: private key file of %d bytes, at most %d", len(file), MaxInsecureKey)
	}
	block, _ := pem.Decode(file)
	if block == nil {
		return nil, errors.New("scuttlebutt: the private key is no PEM file")
	}
	var key any
	var err error
	switch _, encrypted := block.Headers["DEK-Info"]; {
	case encrypted, block.Type == "ENCRYPTED PRIVATE KEY":
		return nil, errors.New("scuttlebutt: the private key has a passphrase, which this mode cannot use; remove it with ssh-keygen -p")
	case block.Type == "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case block.Type == "PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case block.Type == "OPENSSH PRIVATE KEY":
		return nil, errors.New("scuttlebutt: the private key has OpenSSH's own format, which Node.js cannot read; convert it with ssh-keygen -p -m PEM -f KEY")
	default:
		return nil, fmt.Errorf("scuttlebutt: a PEM file of type %q holds no private key", block.Type)
	}
	private, ok := key.(*rsa.PrivateKey)
	if err != nil || !ok {
		// The parser's error might quote the file.
		return nil, errors.New("scuttlebutt: the private key is no RSA key")
	}
	if err := usable(&private.PublicKey); err != nil {
		return nil, err
	}
	return &InsecurePrivateKey{key: private}, nil
}

// Format implements fmt.Formatter: it tells the size and nothing else, whatever the verb.
func (k *InsecurePrivateKey) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "InsecurePrivateKey(%d bits)", k.key.N.BitLen())
}

// MarshalJSON refuses.
func (k *InsecurePrivateKey) MarshalJSON() ([]byte, error) {
	return nil, errors.New("scuttlebutt: a private key is not for JSON")
}

// InsecureKeys knows the public keys of a fleet by id. A key that is not there is
// keys.ErrUnknown, which is final; any other error is asked again.
type InsecureKeys interface {
	LookupInsecure(ctx context.Context, id string) (*InsecurePublicKey, error)
}

// InsecureKeyMap is an InsecureKeys that does not change.
type InsecureKeyMap map[string]*InsecurePublicKey

// LookupInsecure implements InsecureKeys.
func (m InsecureKeyMap) LookupInsecure(_ context.Context, id string) (*InsecurePublicKey, error) {
	if k, ok := m[id]; ok {
		return k, nil
	}
	return nil, keys.ErrUnknown
}

// InsecureRSASHA1 is the original's security mode, for fleets that have it: RSA PKCS #1
// v1.5 over SHA-1 (RFC 8017, section 8.2). Somebody who can make two texts of one SHA-1
// can have one signed and show the other, keys below 2048 bits can be factored, and
// nothing binds a signature to one set of updates. The fleet should leave it.
func InsecureRSASHA1(known InsecureKeys, private *InsecurePrivateKey, public *InsecurePublicKey) (Security, error) {
	if !private.key.PublicKey.Equal(public.key) {
		return nil, errors.New("scuttlebutt: the private and the public key are not of one pair")
	}
	return &insecure{known, private, public}, nil
}

type insecure struct {
	known   InsecureKeys
	private *InsecurePrivateKey
	public  *InsecurePublicKey
}

func (s *insecure) ID() string { return s.public.id }

func (s *insecure) warning() string {
	weak := ""
	if bits := s.public.Bits(); bits < soundBits {
		weak = fmt.Sprintf(", with a key of %d bits", bits)
	}
	return "the npm module's security mode is RSA with SHA-1" + weak + ": it does not keep a determined forger out"
}

func (s *insecure) Sign(_ context.Context, message []byte) ([]byte, error) {
	sum := sha1.Sum(message)
	return rsa.SignPKCS1v15(rand.Reader, s.private.key, crypto.SHA1, sum[:])
}

func (s *insecure) Verify(ctx context.Context, source string, message, signature []byte) (verify.Verdict, error) {
	key := s.public
	if source != key.id {
		var err error
		switch key, err = s.known.LookupInsecure(ctx, source); {
		case errors.Is(err, keys.ErrUnknown):
			return verify.Reject, err
		case err != nil:
			return verify.Unavailable, err
		case key == nil || key.id != source:
			return verify.Reject, fmt.Errorf("the key that is kept for %s is another one's", source)
		}
	}
	sum := sha1.Sum(message)
	if err := rsa.VerifyPKCS1v15(key.key, crypto.SHA1, sum[:], signature); err != nil {
		return verify.Reject, err
	}
	return verify.Accept, nil
}
