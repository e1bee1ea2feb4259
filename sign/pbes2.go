package sign

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/asn1"
	"fmt"
	"hash"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
	"golang.org/x/crypto/scrypt"
)

// The parts of PBES2 (RFC 8018, appendix A) and scrypt (RFC 7914, section 7).
var (
	oidPBES2  = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 13}
	oidPBKDF2 = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 12}
	oidScrypt = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 11591, 4, 11}
	oidSHA256 = asn1.ObjectIdentifier{1, 2, 840, 113549, 2, 9}
	oidAES256 = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 42}
)

// prfs are the HMACs of PBKDF2 by the hash in them.
var prfs = map[string]func() hash.Hash{
	"1.2.840.113549.2.7":  sha1.New,
	"1.2.840.113549.2.8":  sha256.New224,
	oidSHA256.String():    sha256.New,
	"1.2.840.113549.2.10": sha512.New384,
	"1.2.840.113549.2.11": sha512.New,
	"1.2.840.113549.2.12": sha512.New512_224,
	"1.2.840.113549.2.13": sha512.New512_256,
}

// cbc is a block cipher in CBC mode.
type cbc struct {
	keySize int // bytes
	block   func(key []byte) (cipher.Block, error)
	ivSize  int // bytes
}

var ciphers = map[string]cbc{
	"2.16.840.1.101.3.4.1.2":  {16, aes.NewCipher, aes.BlockSize},
	"2.16.840.1.101.3.4.1.22": {24, aes.NewCipher, aes.BlockSize},
	oidAES256.String():        {32, aes.NewCipher, aes.BlockSize},
	"1.2.840.113549.3.7":      {24, des.NewTripleDESCipher, des.BlockSize},
}

// encrypted is an EncryptedPrivateKeyInfo (RFC 5958, section 3) whose parameters are
// known and within bounds, so that nothing in open can fail but the passphrase.
type encrypted struct {
	derive func(passphrase []byte, size int) ([]byte, error)
	cipher cbc
	iv     []byte
	data   []byte
}

var (
	errPBES2Damaged = fmt.Errorf("%w: the encrypted PKCS #8 block is damaged", ErrMalformed)
	errPBES2Other   = fmt.Errorf("%w: \"openssl pkcs8 -topk8 -in FILE -out NEW\" writes it anew", ErrEncryption)
)

func parseEncrypted(der []byte) (*encrypted, error) {
	s := cryptobyte.String(der)
	var info, algorithm, params, kdf, scheme, data cryptobyte.String
	var oid, kdfOID, cipherOID asn1.ObjectIdentifier
	if !s.ReadASN1(&info, cbasn1.SEQUENCE) || !s.Empty() ||
		!info.ReadASN1(&algorithm, cbasn1.SEQUENCE) || !algorithm.ReadASN1ObjectIdentifier(&oid) ||
		!info.ReadASN1(&data, cbasn1.OCTET_STRING) || !info.Empty() {
		return nil, errPBES2Damaged
	}
	if !oid.Equal(oidPBES2) {
		return nil, errPBES2Other
	}
	if !algorithm.ReadASN1(&params, cbasn1.SEQUENCE) || !algorithm.Empty() ||
		!params.ReadASN1(&kdf, cbasn1.SEQUENCE) || !kdf.ReadASN1ObjectIdentifier(&kdfOID) ||
		!params.ReadASN1(&scheme, cbasn1.SEQUENCE) || !params.Empty() || !scheme.ReadASN1ObjectIdentifier(&cipherOID) {
		return nil, errPBES2Damaged
	}
	e := &encrypted{data: data}
	var known bool
	if e.cipher, known = ciphers[cipherOID.String()]; !known {
		return nil, errPBES2Other
	}
	var iv cryptobyte.String
	if !scheme.ReadASN1(&iv, cbasn1.OCTET_STRING) || !scheme.Empty() || len(iv) != e.cipher.ivSize ||
		len(data) == 0 || len(data)%e.cipher.ivSize != 0 {
		return nil, errPBES2Damaged
	}
	e.iv = iv
	var err error
	switch {
	case kdfOID.Equal(oidPBKDF2):
		e.derive, err = parsePBKDF2(kdf, e.cipher.keySize)
	case kdfOID.Equal(oidScrypt):
		e.derive, err = parseScrypt(kdf, e.cipher.keySize)
	default:
		err = errPBES2Other
	}
	if err != nil {
		return nil, err
	}
	return e, nil
}

// parsePBKDF2 reads PBKDF2-params (RFC 8018, appendix A.2).
func parsePBKDF2(kdf cryptobyte.String, keySize int) (func([]byte, int) ([]byte, error), error) {
	var params, salt, prf cryptobyte.String
	var rounds uint64
	if !kdf.ReadASN1(&params, cbasn1.SEQUENCE) || !kdf.Empty() ||
		!params.ReadASN1(&salt, cbasn1.OCTET_STRING) || !checkSalt(salt) || !params.ReadASN1Integer(&rounds) || rounds == 0 ||
		!readKeySize(&params, keySize) {
		return nil, errPBES2Damaged
	}
	newHash := sha1.New // the default
	if !params.Empty() {
		var oid asn1.ObjectIdentifier
		var null cryptobyte.String
		if !params.ReadASN1(&prf, cbasn1.SEQUENCE) || !params.Empty() || !prf.ReadASN1ObjectIdentifier(&oid) ||
			!prf.ReadASN1(&null, cbasn1.NULL) || !null.Empty() || !prf.Empty() {
			return nil, errPBES2Damaged
		}
		var known bool
		if newHash, known = prfs[oid.String()]; !known {
			return nil, errPBES2Other
		}
	}
	if rounds > maxPBKDF2Rounds {
		return nil, tooCostly(fmt.Sprintf("%d rounds of PBKDF2, at most %d", rounds, maxPBKDF2Rounds))
	}
	return func(passphrase []byte, size int) ([]byte, error) {
		return pbkdf2.Key(newHash, string(passphrase), salt, int(rounds), size)
	}, nil
}

// parseScrypt reads scrypt-params.
func parseScrypt(kdf cryptobyte.String, keySize int) (func([]byte, int) ([]byte, error), error) {
	var params, salt cryptobyte.String
	var n, r, p uint64
	if !kdf.ReadASN1(&params, cbasn1.SEQUENCE) || !kdf.Empty() ||
		!params.ReadASN1(&salt, cbasn1.OCTET_STRING) || !checkSalt(salt) ||
		!params.ReadASN1Integer(&n) || !params.ReadASN1Integer(&r) || !params.ReadASN1Integer(&p) ||
		!readKeySize(&params, keySize) || !params.Empty() ||
		n < 2 || n&(n-1) != 0 || r == 0 || p == 0 {
		return nil, errPBES2Damaged
	}
	if n > maxScryptBlocks || p > maxScryptBlocks || r > maxScryptBlocks/(n+p) || p > maxScryptWork/(n*r) {
		return nil, tooCostly(fmt.Sprintf("scrypt with N %d, r %d and p %d", n, r, p))
	}
	return func(passphrase []byte, size int) ([]byte, error) {
		return scrypt.Key(passphrase, salt, int(n), int(r), int(p), size)
	}, nil
}

func checkSalt(salt []byte) bool { return len(salt) > 0 && len(salt) <= maxSalt }

// readKeySize reads the optional length of the derived key, which the cipher fixes.
func readKeySize(params *cryptobyte.String, want int) bool {
	if !params.PeekASN1Tag(cbasn1.INTEGER) {
		return true
	}
	var size uint64
	return params.ReadASN1Integer(&size) && size == uint64(want)
}

func tooCostly(what string) error {
	return fmt.Errorf("%w: %s: \"openssl pkcs8 -topk8 -in FILE -out NEW\" changes it", ErrMalformed, what)
}

// open returns the PrivateKeyInfo in it. A wrong passphrase shows in the padding or in
// what is found: the format has no other check.
func (e *encrypted) open(passphrase []byte) ([]byte, error) {
	key, err := e.derive(passphrase, e.cipher.keySize)
	if err != nil {
		return nil, fmt.Errorf("%w: its key derivation: %w", ErrMalformed, err)
	}
	block, err := e.cipher.block(key)
	if err != nil {
		return nil, fmt.Errorf("%w: its cipher: %w", ErrMalformed, err)
	}
	plain := make([]byte, len(e.data))
	cipher.NewCBCDecrypter(block, e.iv).CryptBlocks(plain, e.data)
	pad := int(plain[len(plain)-1]) // RFC 8018, section 6.1.1
	if pad == 0 || pad > block.BlockSize() {
		return nil, ErrWrongPassphrase
	}
	for _, b := range plain[len(plain)-pad:] {
		if int(b) != pad {
			return nil, ErrWrongPassphrase
		}
	}
	plain = plain[:len(plain)-pad]
	s := cryptobyte.String(plain)
	var info cryptobyte.String
	if !s.ReadASN1(&info, cbasn1.SEQUENCE) || !s.Empty() {
		return nil, ErrWrongPassphrase
	}
	return plain, nil
}

// seal encrypts a PrivateKeyInfo with AES-256-CBC and PBKDF2 with HMAC-SHA-256.
func seal(info, passphrase []byte) ([]byte, error) {
	salt, iv := make([]byte, sealSalt), make([]byte, aes.BlockSize)
	rand.Read(salt)
	rand.Read(iv)
	key, err := pbkdf2.Key(sha256.New, string(passphrase), salt, sealRounds, 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	pad := aes.BlockSize - len(info)%aes.BlockSize
	data := make([]byte, len(info)+pad)
	copy(data, info)
	for i := len(info); i < len(data); i++ {
		data[i] = byte(pad)
	}
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(data, data)

	var b cryptobyte.Builder
	sequence := func(b *cryptobyte.Builder, f func(b *cryptobyte.Builder)) { b.AddASN1(cbasn1.SEQUENCE, f) }
	sequence(&b, func(b *cryptobyte.Builder) {
		sequence(b, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(oidPBES2)
			sequence(b, func(b *cryptobyte.Builder) {
				sequence(b, func(b *cryptobyte.Builder) {
					b.AddASN1ObjectIdentifier(oidPBKDF2)
					sequence(b, func(b *cryptobyte.Builder) {
						b.AddASN1OctetString(salt)
						b.AddASN1Uint64(sealRounds)
						sequence(b, func(b *cryptobyte.Builder) {
							b.AddASN1ObjectIdentifier(oidSHA256)
							b.AddASN1NULL()
						})
					})
				})
				sequence(b, func(b *cryptobyte.Builder) {
					b.AddASN1ObjectIdentifier(oidAES256)
					b.AddASN1OctetString(iv)
				})
			})
		})
		b.AddASN1OctetString(data)
	})
	return b.Bytes()
}
