package main

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"math/big"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// author is a node of the vectors. Its secret protects nothing.
type author struct {
	key  keys.PublicKey
	seed []byte // of ed25519, nil for RSA
	sign func(signed []byte) (format string, signature []byte)
}

// newAuthor makes an ed25519 author. The seed is SHA-256 of the name.
func newAuthor(name string) *author {
	seed := sha256.Sum256([]byte("hearsay vectors " + name))
	private := ed25519.NewKeyFromSeed(seed[:])
	point := private[ed25519.SeedSize:]
	return &author{
		key:  must(keys.ParsePublicKey(ed25519Wire(point))),
		seed: seed[:],
		sign: func(signed []byte) (string, []byte) { return keys.FormatEd25519, ed25519.Sign(private, signed) },
	}
}

// The authors of the vectors.
var (
	ada  = newAuthor("ada")
	bo   = newAuthor("bo")
	eve  = newAuthor("eve")
	rsa2 = newRSA(rsaPrivate(prime2048P, prime2048Q), crypto.SHA512)
	rsa4 = newRSA(rsaPrivate(prime4096P, prime4096Q), crypto.SHA512)
)

func rsaPrivate(p, q string) *rsa.PrivateKey {
	number := func(digits string) *big.Int {
		n, ok := new(big.Int).SetString(digits, 16)
		if !ok {
			panic("a prime is not hex")
		}
		return n
	}
	one, e := big.NewInt(1), big.NewInt(65537)
	k := &rsa.PrivateKey{Primes: []*big.Int{number(p), number(q)}}
	k.N, k.E = new(big.Int).Mul(k.Primes[0], k.Primes[1]), int(e.Int64())
	phi := new(big.Int).Mul(new(big.Int).Sub(k.Primes[0], one), new(big.Int).Sub(k.Primes[1], one))
	k.D = new(big.Int).ModInverse(e, phi)
	k.Precompute()
	return k
}

// newRSA makes an author that signs with the hash h.
func newRSA(private *rsa.PrivateKey, h crypto.Hash) *author {
	return &author{
		key: must(keys.ParsePublicKey(rsaWire(mpint(big.NewInt(int64(private.E))), mpint(private.N)))),
		sign: func(signed []byte) (string, []byte) {
			format, sum := keys.FormatRSASHA256, sha256Of(signed)
			if h == crypto.SHA512 {
				long := sha512.Sum512(signed)
				format, sum = keys.FormatRSASHA512, long[:]
			}
			return format, must(rsa.SignPKCS1v15(nil, private, h, sum))
		},
	}
}

func sha256Of(b []byte) []byte {
	sum := sha256.Sum256(b)
	return sum[:]
}

func (a *author) id() keys.NodeID { return a.key.ID() }

func (a *author) start() wire.Ref { return wire.Ref{Author: a.id()} }

// signature returns the SSH signature blob of a's SSHSIG over msg.
func (a *author) signature(namespace string, msg []byte) []byte {
	return keys.MarshalSignature(a.sign(keys.SignedData(namespace, sha256.Sum256(msg))))
}

// run signs entries as one run behind prev.
func (a *author) run(topic string, prev wire.Ref, entries ...wire.Entry) *wire.Run {
	prev.Author = a.id()
	d := must(wire.NewDraft(topic, prev, entries...))
	return must(d.Seal(a.key, a.signature(wire.NamespaceUpdate, d.Message())))
}

func (a *author) head(topic string, ref wire.Ref, issued uint64) *wire.Head {
	ref.Author = a.id()
	return must(wire.SealHead(topic, ref, issued, a.key, a.signature(wire.NamespaceHead, wire.HeadMessage(topic, ref, issued))))
}

// now is the time of the vectors, in ns since the Unix epoch.
const now = 1_800_000_000_000_000_000

// change is an entry whose time is now and some nanoseconds.
func change(after uint64, channel, content string) wire.Entry {
	return wire.Entry{Time: now + after, Kind: wire.KindChange, Channel: channel, Change: []byte(content)}
}

// SSH strings and numbers (RFC 4251 section 5).

func joined(fields ...[]byte) []byte {
	var out []byte
	for _, f := range fields {
		out = binary.BigEndian.AppendUint32(out, uint32(len(f)))
		out = append(out, f...)
	}
	return out
}

func mpint(n *big.Int) []byte {
	b := n.Bytes()
	if len(b) > 0 && b[0]&0x80 != 0 {
		return append([]byte{0}, b...)
	}
	return b
}

func ed25519Wire(point []byte) []byte { return joined([]byte(keys.TypeEd25519), point) }

func rsaWire(e, n []byte) []byte { return joined([]byte(keys.TypeRSA), e, n) }
