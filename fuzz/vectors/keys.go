package main

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"math/big"

	"filippo.io/edwards25519"

	"github.com/hearsaynet/hearsay/keys"
)

// keyVector is the wire form of a public key.
type keyVector struct {
	verdict
	Wire  data        `json:"wire"`
	Seed  data        `json:"seed,omitempty"` // of an ed25519 key (RFC 8032), to sign with
	Means *keyMeaning `json:"means,omitempty"`
}

type keyMeaning struct {
	Type        string `json:"type"`
	Bits        int    `json:"bits"`
	ID          data   `json:"id"`
	Base58      string `json:"base58"`
	Fingerprint string `json:"fingerprint"`
}

func goodKey(name string, wire, seed []byte) keyVector {
	k := must(keys.ParsePublicKey(wire))
	id := k.ID()
	return keyVector{good(name), wire, seed, &keyMeaning{k.Type(), k.Bits(), id[:], id.String(), id.Fingerprint()}}
}

func keyVectors() file[keyVector] {
	f := file[keyVector]{About: "Public keys in SSH wire form. means: the node id and its text forms; " +
		"seed is the private key of an ed25519 one, which protects nothing."}
	f.Good = []keyVector{
		goodKey("ed25519, ada's", ada.key.Wire(), ada.seed),
		goodKey("ed25519, bo's", bo.key.Wire(), bo.seed),
		goodKey("ed25519, eve's", eve.key.Wire(), eve.seed),
		goodKey("RSA of 2048 bits", rsa2.key.Wire(), nil),
		goodKey("RSA of 4096 bits", rsa4.key.Wire(), nil),
		goodKey("RSA of 2049 bits, the exponent 3", rsaWire([]byte{3}, modulus(2049)), nil),
		goodKey("RSA with the largest exponent, 2^24-1", rsaWire([]byte{0, 0xff, 0xff, 0xff}, modulus(2048)), nil),
		goodKey("ed25519 of mixed order: ada's and a point of order 8", ed25519Wire(mixed(ada, torsion8)), nil),
	}
	f.Bad = badKeys()
	return f
}

// badKeys are refused by just the check that each names.
func badKeys() []keyVector {
	e, n := []byte{1, 0, 1}, mpint(new(big.Int).SetBytes(modulus(2048)))
	point := ada.key.Wire()[19:]
	v := func(class, check, name string, wire []byte) keyVector {
		return keyVector{verdict: bad(class, check, name), Wire: wire}
	}
	list := []keyVector{
		v("malformed", "key.type-string", "nothing", nil),
		v("malformed", "key.type-string", "the type is cut short", ada.key.Wire()[:14]),
		v("malformed", "key.type-string", "the type's length is 2^32-1", append([]byte{0xff, 0xff, 0xff, 0xff}, ada.key.Wire()[4:]...)),
		v("not-admitted", "key.type", "no type", joined(nil, point)),
		v("not-admitted", "key.type", "type in capitals", joined([]byte("SSH-ED25519"), point)),
		v("not-admitted", "key.type", "type with a zero byte", joined([]byte("ssh-ed25519\x00"), point)),
		v("not-admitted", "key.type", "a signature's format for a type", joined([]byte("rsa-sha2-512"), e, n)),
		v("not-admitted", "key.type", "ECDSA", joined([]byte("ecdsa-sha2-nistp256"), []byte("nistp256"), append([]byte{4}, make([]byte, 64)...))),
		v("not-admitted", "key.type", "DSA", joined([]byte("ssh-dss"), []byte{1}, []byte{1}, []byte{1}, []byte{1})),
		v("not-admitted", "key.type", "security key", joined([]byte("sk-ssh-ed25519@openssh.com"), point, []byte("ssh:"))),
		v("not-admitted", "key.type", "certificate", joined([]byte("ssh-ed25519-cert-v01@openssh.com"), make([]byte, 32), point)),
		v("malformed", "key.ed25519-form", "ed25519 without a point", joined([]byte("ssh-ed25519"))),
		v("malformed", "key.ed25519-form", "ed25519 of 31 bytes", ed25519Wire(point[:31])),
		v("malformed", "key.ed25519-form", "ed25519 of 33 bytes", ed25519Wire(append(bytes.Clone(point), 0))),
		v("malformed", "key.ed25519-form", "ed25519 with a byte after it", append(ada.key.Wire(), 0)),
		v("malformed", "key.ed25519-point", "y is p+3, which some read as 3", ed25519Wire(unhex("f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"))),
		v("malformed", "key.ed25519-point", "y for which there is no x", ed25519Wire(unhex("0200000000000000000000000000000000000000000000000000000000000000"))),
		v("malformed", "key.ed25519-point", "x is 0 and said to be odd, y is 1", ed25519Wire(unhex("0100000000000000000000000000000000000000000000000000000000000080"))),
		v("malformed", "key.ed25519-point", "x is 0 and said to be odd, y is -1", ed25519Wire(unhex("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"))),
		v("malformed", "key.ed25519-point", "y is p, which some read as 0", ed25519Wire(unhex("edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"))),
	}
	for i, p := range smallOrder() {
		list = append(list, v("not-admitted", "key.ed25519-order", "point of small order, "+string(rune('1'+i))+" of 8", ed25519Wire(p)))
	}
	return append(list,
		v("malformed", "key.rsa-form", "RSA without a modulus", joined([]byte("ssh-rsa"), e)),
		v("malformed", "key.rsa-form", "RSA with a byte after it", append(rsaWire(e, n), 0)),
		v("malformed", "key.rsa-form", "RSA modulus without its sign byte, which is negative", rsaWire(e, n[1:])),
		v("malformed", "key.rsa-form", "RSA modulus with a second sign byte", rsaWire(e, append([]byte{0}, n...))),
		v("malformed", "key.rsa-form", "RSA exponent with a byte before it", rsaWire(append([]byte{0}, e...), n)),
		v("malformed", "key.rsa-form", "RSA exponent of no bytes", rsaWire(nil, n)),
		v("malformed", "key.rsa-form", "RSA exponent 0 in a byte", rsaWire([]byte{0}, n)),
		v("malformed", "key.rsa-form", "RSA modulus of no bytes", rsaWire(e, nil)),
		v("malformed", "key.rsa-form", "RSA exponent negative", rsaWire([]byte{0x81}, n)),
		v("not-admitted", "key.rsa-bits", "RSA of 2047 bits", rsaWire(e, modulus(2047))),
		v("not-admitted", "key.rsa-bits", "RSA of 4097 bits", rsaWire(e, modulus(4097))),
		v("not-admitted", "key.rsa-bits", "RSA of 16384 bits", rsaWire(e, modulus(16384))),
		v("malformed", "key.rsa-odd", "RSA modulus even", rsaWire(e, even(modulus(2048)))),
		v("not-admitted", "key.rsa-exponent", "RSA exponent 1", rsaWire([]byte{1}, n)),
		v("not-admitted", "key.rsa-exponent", "RSA exponent even", rsaWire([]byte{1, 0, 0}, n)),
		v("not-admitted", "key.rsa-exponent", "RSA exponent 2^24+1", rsaWire([]byte{1, 0, 0, 1}, n)),
		v("not-admitted", "key.rsa-exponent", "RSA exponent 2^64+1", rsaWire([]byte{1, 0, 0, 0, 0, 0, 0, 0, 1}, n)),
	)
}

// modulus returns an odd number of that many bits, as an mpint. Nobody knows its factors.
func modulus(bits int) []byte {
	n := new(big.Int).SetBytes(stream("modulus", (bits+7)/8))
	n.SetBit(n, 0, 1)
	for i := n.BitLen(); i >= bits; i-- {
		n.SetBit(n, i, 0)
	}
	return mpint(n.SetBit(n, bits-1, 1))
}

// stream returns n bytes that look random and are always the same.
func stream(seed string, n int) (out []byte) {
	for block := []byte(seed); len(out) < n; {
		block = sha256Of(block)
		out = append(out, block...)
	}
	return out[:n]
}

func even(n []byte) []byte {
	n = bytes.Clone(n)
	n[len(n)-1] &^= 1
	return n
}

// torsion8 is a point of order 8 (Cremers and Jackson, "Prime, Order Please!", table 5).
var torsion8 = must(new(edwards25519.Point).SetBytes(unhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05")))

// smallOrder returns the eight points of small order: the multiples of one of order 8.
func smallOrder() (points [][]byte) {
	p := edwards25519.NewIdentityPoint()
	for range 8 {
		points = append(points, p.Bytes())
		p = new(edwards25519.Point).Add(p, torsion8)
	}
	return points
}

// mixed returns the sum of a's point and t.
func mixed(a *author, t *edwards25519.Point) []byte {
	p := must(new(edwards25519.Point).SetBytes(a.key.Wire()[19:]))
	return p.Add(p, t).Bytes()
}

func unhex(digits string) []byte { return must(hex.DecodeString(digits)) }

// idVector is a node id in one of its forms.
type idVector struct {
	verdict
	Bytes *data      `json:"bytes,omitempty"` // the form, or
	Text  string     `json:"text,omitempty"`  // the form
	Means *idMeaning `json:"means,omitempty"`
}

type idMeaning struct {
	ID          data   `json:"id"`
	Base58      string `json:"base58"`
	Fingerprint string `json:"fingerprint"`
}

func idVectors() file[idVector] {
	id := ada.id()
	of := func(name, text string, b []byte) idVector {
		v := idVector{good(name), nil, text, &idMeaning{id[:], id.String(), id.Fingerprint()}}
		if b != nil {
			v.Bytes = (*data)(&b)
		}
		return v
	}
	f := file[idVector]{About: "Node ids: as bytes, or as text in one of two forms."}
	f.Good = []idVector{of("bytes", "", id[:]), of("base58", id.String(), nil), of("OpenSSH's fingerprint", id.Fingerprint(), nil)}

	digest := id[2:]
	for name, b := range map[string][]byte{
		"identity multihash":           append([]byte{0x00, 0x20}, digest...),
		"truncated multihash":          append([]byte{0x12, 0x10}, digest[:16]...),
		"length 16 before 32 bytes":    append([]byte{0x12, 0x10}, digest...),
		"sha2-512 of 32 bytes":         append([]byte{0x13, 0x20}, digest...),
		"code as a varint too long":    append([]byte{0x92, 0x00, 0x20}, digest...),
		"33 bytes":                     id[:33],
		"35 bytes":                     append(id[:], 0),
		"no bytes":                     {},
		"digest without its two bytes": digest,
	} {
		f.Bad = append(f.Bad, idVector{verdict: bad("bad-id", "id.multihash", name), Bytes: (*data)(&b)})
	}
	for name, text := range map[string]string{
		"base58 with a 0":              "0" + id.String()[1:],
		"base58 with an l":             id.String()[:45] + "l",
		"base58 with a blank after it": id.String() + " ",
		"base58 in hex":                hex.EncodeToString(id[:]),
		"base58 with 1 before it":      "1" + id.String(),
		"base58 of an identity hash":   base58(append([]byte{0x00, 0x20}, digest...)),
		"base58 of a sha2-512 hash":    base58(append([]byte{0x13, 0x20}, digest...)),
		"base58 cut short":             id.String()[:45],
		"base58 and a letter":          id.String() + "a",
	} {
		f.Bad = append(f.Bad, idVector{verdict: bad("bad-id", "id.base58", name), Text: text})
	}
	std := base64.StdEncoding.EncodeToString(digest)
	for name, text := range map[string]string{
		"fingerprint with padding":         "SHA256:" + std,
		"fingerprint cut short":            id.Fingerprint()[:49],
		"fingerprint with other last bits": otherLastBits(id.Fingerprint()),
		"fingerprint of 33 bytes":          "SHA256:" + base64.RawStdEncoding.EncodeToString(append(bytes.Clone(digest), 0)),
		"fingerprint with a line end":      id.Fingerprint()[:20] + "\n" + id.Fingerprint()[20:],
		"fingerprint in base64url":         "SHA256:" + base64.RawURLEncoding.EncodeToString(bytes.Repeat([]byte{0xff}, 32)),
		"MD5 fingerprint":                  "MD5:00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff",
	} {
		check := "id.fingerprint"
		if name == "MD5 fingerprint" {
			check = "id.base58"
		}
		f.Bad = append(f.Bad, idVector{verdict: bad("bad-id", check, name), Text: text})
	}
	sortByName(f.Bad, func(v idVector) string { return v.Check + v.Name })
	return f
}

// otherLastBits changes the bits of the last digit that stand for nothing.
func otherLastBits(fingerprint string) string {
	const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	last := bytes.IndexByte([]byte(digits), fingerprint[len(fingerprint)-1])
	return fingerprint[:len(fingerprint)-1] + string(digits[last|1])
}

func base58(b []byte) string {
	const digits = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
	var out []byte
	n, mod := new(big.Int).SetBytes(b), new(big.Int)
	for n.Sign() > 0 {
		n.DivMod(n, big.NewInt(58), mod)
		out = append([]byte{digits[mod.Int64()]}, out...)
	}
	for _, x := range b {
		if x != 0 {
			break
		}
		out = append([]byte{'1'}, out...)
	}
	return string(out)
}
