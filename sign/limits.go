package sign

const (
	// MaxFileSize bounds a private key file, in bytes. An encrypted RSA-4096 file
	// with a long comment has about 4 KiB.
	MaxFileSize = 16 << 10

	// maxKDFRounds bounds the bcrypt rounds of an encrypted file. ssh-keygen makes
	// 16 to 24, so such a file takes some 100 times as long as one of its own. It is
	// also the most that x/crypto runs, and so most other Go programs.
	maxKDFRounds = 2048

	// maxSalt bounds the salt of a KDF, in bytes. ssh-keygen and openssl make 16.
	maxSalt = 64

	// maxPadding bounds what follows the key in an OpenSSH file, in bytes: less than the
	// largest block of a cipher, even where there is no cipher.
	maxPadding = 15

	// maxPBKDF2Rounds bounds the rounds of an encrypted PKCS #8 file. openssl makes
	// 2,048, cautious tools some 600,000; one costs up to 1 µs, so these are 10 s.
	maxPBKDF2Rounds = 10_000_000

	// maxScryptBlocks bounds (N+p)·r, in blocks of 128 bytes: 256 MiB. openssl makes
	// 16385·8, 16 MiB.
	maxScryptBlocks = 1 << 21

	// maxScryptWork bounds N·r·p: some 4 s.
	maxScryptWork = 1 << 23

	// sealRounds and sealSalt are what encrypted PKCS #8 files are written with, in
	// rounds of PBKDF2 with HMAC-SHA-256 (OWASP's advice of 2023) and bytes.
	sealRounds = 600_000
	sealSalt   = 16
)
