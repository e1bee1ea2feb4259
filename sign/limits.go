package sign

const (
	// MaxFileSize bounds a private key file, in bytes. An encrypted RSA-4096 file
	// with a long comment has about 4 KiB.
	MaxFileSize = 16 << 10

	// maxKDFRounds bounds the bcrypt rounds of an encrypted file. ssh-keygen makes
	// 16 to 24; one costs up to 8 ms, so 2048 are some 15 s. It is also the most
	// that x/crypto runs.
	maxKDFRounds = 2048

	// maxSalt bounds the salt of the KDF, in bytes. ssh-keygen makes 16.
	maxSalt = 64
)
