package sign

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"

	"golang.org/x/crypto/chacha20"
	//lint:ignore SA1019 OpenSSH's construction is older than RFC 8439, and no other package has its parts
	"golang.org/x/crypto/poly1305"
)

// opensshCipher is a cipher that "ssh-keygen -Z" takes. Sizes are in bytes.
type opensshCipher struct {
	keySize, ivSize int
	blockSize       int // what the private part is padded to
	tagSize         int
	// open returns data decrypted, in memory of its own, or false if the tag is another's.
	open func(key, iv, data, tag []byte) ([]byte, bool)
}

// opensshCiphers are all of those by name: the list of "ssh -Q cipher", and none.
var opensshCiphers = map[string]opensshCipher{
	"none":                          {blockSize: 8},
	"3des-cbc":                      {24, des.BlockSize, des.BlockSize, 0, openCBC(des.NewTripleDESCipher)},
	"aes128-cbc":                    {16, aes.BlockSize, aes.BlockSize, 0, openCBC(aes.NewCipher)},
	"aes192-cbc":                    {24, aes.BlockSize, aes.BlockSize, 0, openCBC(aes.NewCipher)},
	"aes256-cbc":                    {32, aes.BlockSize, aes.BlockSize, 0, openCBC(aes.NewCipher)},
	"aes128-ctr":                    {16, aes.BlockSize, aes.BlockSize, 0, openCTR},
	"aes192-ctr":                    {24, aes.BlockSize, aes.BlockSize, 0, openCTR},
	"aes256-ctr":                    {32, aes.BlockSize, aes.BlockSize, 0, openCTR},
	"aes128-gcm@openssh.com":        {16, 12, aes.BlockSize, 16, openGCM},
	"aes256-gcm@openssh.com":        {32, 12, aes.BlockSize, 16, openGCM},
	"chacha20-poly1305@openssh.com": {2 * chacha20.KeySize, 0, 8, poly1305.TagSize, openChaCha20},
}

func openCBC(newBlock func(key []byte) (cipher.Block, error)) func(key, iv, data, tag []byte) ([]byte, bool) {
	return func(key, iv, data, _ []byte) ([]byte, bool) {
		block, err := newBlock(key)
		if err != nil {
			return nil, false
		}
		plain := make([]byte, len(data))
		cipher.NewCBCDecrypter(block, iv).CryptBlocks(plain, data)
		return plain, true
	}
}

func openCTR(key, iv, data, _ []byte) ([]byte, bool) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, false
	}
	plain := make([]byte, len(data))
	cipher.NewCTR(block, iv).XORKeyStream(plain, data)
	return plain, true
}

func openGCM(key, iv, data, tag []byte) ([]byte, bool) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, false
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return nil, false
	}
	sealed := append(data[:len(data):len(data)], tag...)
	plain, err := gcm.Open(nil, iv, sealed, nil)
	return plain, err == nil
}

// openChaCha20 is PROTOCOL.chacha20poly1305 for packet number 0. The second half of the
// key is for the length of a packet, and a file has none.
func openChaCha20(key, _, data, tag []byte) ([]byte, bool) {
	stream, err := chacha20.NewUnauthenticatedCipher(key[:chacha20.KeySize], make([]byte, chacha20.NonceSize))
	if err != nil {
		return nil, false
	}
	var macKey [32]byte
	stream.XORKeyStream(macKey[:], macKey[:])
	if !poly1305.Verify((*[poly1305.TagSize]byte)(tag), data, &macKey) {
		return nil, false
	}
	stream.SetCounter(1)
	plain := make([]byte, len(data))
	stream.XORKeyStream(plain, data)
	return plain, true
}
