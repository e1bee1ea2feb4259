// Package keys holds the public half of hearsay's identities: node ids, public
// keys, SSHSIG checking and the keystore interface. It does no I/O, reads no
// clock and knows no secret.
//
// # Public keys
//
// A [PublicKey] is the SSH wire form of an ed25519 or RSA key (RFC 4253 section
// 6.6, RFC 8709 section 4). [ParsePublicKey] admits exactly one encoding of
// each key, and only sound ones:
//
//	string "ssh-ed25519"; string point[32]     canonical, not of small order
//	string "ssh-rsa"; mpint e; mpint n         e odd, 3 <= e < 2^24; n odd, 2048..4096 bits
//
// Anything else (certificates, sk- keys, ECDSA, DSA, padded or negative
// integers, trailing bytes) is refused before any mathematics, never
// normalised: one key has one id. [ParsePublicFile] reads the same keys from the files
// that OpenSSH and OpenSSL write.
//
// # Node ids
//
// A [NodeID] is the multihash (sha2-256) of that wire form: the bytes 0x12
// 0x20 and the 32-byte digest. Its text is base58 ("Qm…"). The digest is the one
// that OpenSSH prints as "SHA256:…", which is accepted as input too.
//
// # Signatures
//
// Every signature is an SSHSIG (OpenSSH's PROTOCOL.sshsig) with hash "sha256",
// under a namespace that names its purpose. [PublicKey.Verify] takes the inner
// SSH signature blob, string format and string signature, and rebuilds the
// envelope itself.
package keys
