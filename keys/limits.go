package keys

const (
	// MinRSABits and MaxRSABits bound an RSA modulus, in bits. Below, factoring
	// is near; above, one check costs more than 0.5 ms and a peer could make us pay.
	MinRSABits = 2048
	MaxRSABits = 4096

	// maxRSAExponent is exclusive. Larger exponents make a check arbitrarily slow.
	maxRSAExponent = 1 << 24

	// MaxWireSize bounds the SSH wire form of a key, in bytes: "ssh-rsa" (11), a
	// 3-byte exponent and a 4096-bit modulus, with their sign bytes (8 and 517).
	MaxWireSize = 11 + 8 + 517

	// MaxSignatureSize bounds an SSH signature blob, in bytes: "rsa-sha2-512"
	// (16) and a 4096-bit signature (516).
	MaxSignatureSize = 16 + 516

	// MaxFileSize bounds a public key file, in bytes. The largest key has under 1 KiB;
	// the rest is for options and comments.
	MaxFileSize = 16 << 10

	// lookupsAtOnce bounds the look-ups of LookupAll that are on their way at the same
	// time.
	lookupsAtOnce = 16
)
