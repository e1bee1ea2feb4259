package sign

import (
	"crypto/sha512"
	"crypto/subtle"
	"encoding/binary"
	"slices"

	//lint:ignore SA1019 bcrypt is made of it
	"golang.org/x/crypto/blowfish"
)

// bcryptSize is what one run of bcrypt's hash yields, in bytes.
const bcryptSize = 32

// bcryptKey derives size bytes with bcrypt_pbkdf, as OpenBSD has it: PBKDF2 (RFC 8018,
// section 5.2) whose function is bcrypt and whose blocks are interleaved. rounds is at
// least one.
func bcryptKey(passphrase, salt []byte, rounds uint32, size int) []byte {
	pass := sha512.Sum512(passphrase)
	blocks := (size + bcryptSize - 1) / bcryptSize
	key := make([]byte, blocks*bcryptSize)
	for n := range blocks {
		sum := sha512.Sum512(binary.BigEndian.AppendUint32(slices.Clone(salt), uint32(n+1)))
		last := bcryptHash(&pass, &sum)
		all := last
		for range rounds - 1 {
			sum = sha512.Sum512(last[:])
			last = bcryptHash(&pass, &sum)
			subtle.XORBytes(all[:], all[:], last[:])
		}
		for i, b := range all {
			key[i*blocks+n] = b
		}
	}
	return key[:size]
}

// bcryptHash is bcrypt at a cost of 6, on a text of its own.
func bcryptHash(pass, salt *[sha512.Size]byte) [bcryptSize]byte {
	c, err := blowfish.NewSaltedCipher(pass[:], salt[:])
	if err != nil {
		panic("sign: blowfish takes a key of any size but none: " + err.Error())
	}
	for range 1 << 6 {
		blowfish.ExpandKey(salt[:], c)
		blowfish.ExpandKey(pass[:], c)
	}
	out := [bcryptSize]byte([]byte("OxychromaticBlowfishSwatDynamite"))
	for block := range slices.Chunk(out[:], blowfish.BlockSize) {
		for range 64 {
			c.Encrypt(block, block)
		}
	}
	for word := range slices.Chunk(out[:], 4) {
		binary.LittleEndian.PutUint32(word, binary.BigEndian.Uint32(word))
	}
	return out
}
