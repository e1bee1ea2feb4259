package sign

import (
	"bytes"
	"crypto/rsa"
	"fmt"
	"math/big"

	"golang.org/x/crypto/ssh"

	"github.com/hearsaynet/hearsay/keys"
)

// envelope is an OpenSSH private key file after its magic (PROTOCOL.key, section 1).
type envelope struct {
	Cipher, KDF, KDFOptions string
	Keys                    uint32
	Public, Private         []byte
	Tag                     []byte `ssh:"rest"` // of an authenticating cipher
}

const opensshMagic = "openssh-key-v1\x00"

var errDamaged = fmt.Errorf("%w: its private part is damaged or belongs to another key", ErrMalformed)

func parseOpenSSH(body []byte, passphrase func() ([]byte, error)) (*PrivateKey, error) {
	env, err := parseEnvelope(body)
	if err != nil {
		return nil, err
	}
	pub, err := keys.ParsePublicKey(env.Public) // before any mathematics
	if err != nil {
		return nil, err
	}
	if !env.encrypted() {
		return parseSecret(env.Private, pub)
	}
	plain, err := env.decrypt(passphrase)
	if err != nil {
		return nil, err
	}
	defer clear(plain)
	return parseSecret(plain, pub)
}

// parseEnvelope checks all that can be without a passphrase, but whether the cipher is
// known.
func parseEnvelope(body []byte) (envelope, error) {
	rest, ok := bytes.CutPrefix(body, []byte(opensshMagic))
	var env envelope
	if !ok || ssh.Unmarshal(rest, &env) != nil {
		return envelope{}, fmt.Errorf("%w: not openssh-key-v1, damaged or cut short", ErrMalformed)
	}
	if env.Keys != 1 {
		return envelope{}, fmt.Errorf("%w: it holds %d keys, want one", ErrMalformed, env.Keys)
	}
	c, known := opensshCiphers[env.Cipher]
	if known && (len(env.Tag) != c.tagSize || len(env.Private) == 0 || len(env.Private)%c.blockSize != 0) {
		return envelope{}, fmt.Errorf("%w: its private part is cut short, or something stands after it", ErrMalformed)
	}
	if !env.encrypted() && (env.KDF != "none" || env.KDFOptions != "") {
		return envelope{}, fmt.Errorf("%w: a key derivation, and no cipher", ErrMalformed)
	}
	return env, nil
}

func (env *envelope) encrypted() bool { return env.Cipher != "none" }

// decrypt returns the private part, whose check numbers are equal.
func (env *envelope) decrypt(passphrase func() ([]byte, error)) ([]byte, error) {
	c, known := opensshCiphers[env.Cipher]
	if !known || env.KDF != "bcrypt" {
		return nil, fmt.Errorf("%w: \"ssh-keygen -p -Z aes256-ctr -f FILE\" changes it", ErrEncryption)
	}
	salt, rounds, err := env.bcryptOptions()
	if err != nil {
		return nil, err
	}
	secret, err := ask(passphrase)
	if err != nil {
		return nil, err
	}
	if len(secret) == 0 { // bcrypt takes no empty one
		return nil, ErrWrongPassphrase
	}
	key := bcryptKey(secret, salt, rounds, c.keySize+c.ivSize)
	defer clear(key)
	plain, ok := c.open(key[:c.keySize], key[c.keySize:], env.Private, env.Tag)
	if !ok {
		return nil, fmt.Errorf("%w, or the file is damaged", ErrWrongPassphrase)
	}
	if !checkNumbers(plain) {
		clear(plain)
		return nil, ErrWrongPassphrase
	}
	return plain, nil
}

// bcryptOptions refuses damaged and absurd ones before anybody is asked for a passphrase.
func (env *envelope) bcryptOptions() (salt []byte, rounds uint32, err error) {
	var options struct {
		Salt   []byte
		Rounds uint32
	}
	if ssh.Unmarshal([]byte(env.KDFOptions), &options) != nil ||
		len(options.Salt) == 0 || len(options.Salt) > maxSalt || options.Rounds == 0 {
		return nil, 0, fmt.Errorf("%w: its bcrypt options are damaged", ErrMalformed)
	}
	if options.Rounds > maxKDFRounds {
		return nil, 0, fmt.Errorf("%w: %d rounds of bcrypt, at most %d: \"ssh-keygen -p -a 100 -f FILE\" changes it",
			ErrMalformed, options.Rounds, maxKDFRounds)
	}
	return options.Salt, options.Rounds, nil
}

// checkNumbers reports whether the two random numbers before the key are the same.
func checkNumbers(plain []byte) bool {
	return len(plain) >= 8 && bytes.Equal(plain[:4], plain[4:8])
}

// parseSecret reads a private part (PROTOCOL.key, section 3) whose public half must be
// pub, which has been admitted.
func parseSecret(plain []byte, pub keys.PublicKey) (k *PrivateKey, err error) {
	if !checkNumbers(plain) {
		return nil, errDamaged
	}
	var comment string
	var padding []byte
	switch pub.Type() {
	case keys.TypeEd25519:
		k, comment, padding, err = parseSecretEd25519(plain[8:], pub)
	case keys.TypeRSA:
		k, comment, padding, err = parseSecretRSA(plain[8:], pub)
	default:
		return nil, keys.ErrNotAdmitted
	}
	if err != nil {
		return nil, err
	}
	for i, b := range padding {
		if i >= maxPadding || int(b) != i+1 {
			return nil, errDamaged
		}
	}
	k.comment = comment
	return k, nil
}

func parseSecretEd25519(b []byte, pub keys.PublicKey) (k *PrivateKey, comment string, padding []byte, err error) {
	var s struct {
		Type            string
		Public, Private []byte
		Comment         string
		Padding         []byte `ssh:"rest"`
	}
	if ssh.Unmarshal(b, &s) != nil || !bytes.Equal(pub.Wire(), ssh.Marshal(struct {
		Type  string
		Point []byte
	}{s.Type, s.Public})) {
		return nil, "", nil, errDamaged
	}
	if k, err = newEd25519(s.Private); err != nil {
		return nil, "", nil, err
	}
	if k.pub != pub {
		return nil, "", nil, errHalves
	}
	return k, s.Comment, s.Padding, nil
}

func parseSecretRSA(b []byte, pub keys.PublicKey) (k *PrivateKey, comment string, padding []byte, err error) {
	var s struct {
		Type                string
		N, E, D, QInv, P, Q *big.Int
		Comment             string
		Padding             []byte `ssh:"rest"`
	}
	if ssh.Unmarshal(b, &s) != nil || !bytes.Equal(b, ssh.Marshal(s)) || // as short as can be
		!bytes.Equal(pub.Wire(), ssh.Marshal(struct {
			Type string
			E, N *big.Int
		}{s.Type, s.E, s.N})) {
		return nil, "", nil, errDamaged
	}
	secret := &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: s.N, E: int(s.E.Int64())}, D: s.D, Primes: []*big.Int{s.P, s.Q}}
	if k, err = newRSA(secret); err != nil {
		return nil, "", nil, err
	}
	if k.secret().(*rsa.PrivateKey).Precomputed.Qinv.Cmp(s.QInv) != 0 { // others sign with it
		return nil, "", nil, errDamaged
	}
	return k, s.Comment, s.Padding, nil
}
