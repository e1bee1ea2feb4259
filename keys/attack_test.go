package keys_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"math/big"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/hearsaynet/hearsay/keys"
)

// TestAttack holds the rows of the attack table that this package answers.
func TestAttack(t *testing.T) {
	t.Run("key-confusion", func(t *testing.T) {
		t.Run("key", confusedKeys)
		t.Run("signature", confusedSignatures)
		t.Run("id", confusedIDs)
	})
	t.Run("key-aliases", aliases)
	t.Run("key-small-order", smallOrder)
	t.Run("wrong-key", wrongKey)
}

type refusal struct {
	name string
	wire []byte
	want error
}

func refuseAll(t *testing.T, tests []refusal) {
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k, err := keys.ParsePublicKey(tt.wire)
			if !errors.Is(err, tt.want) {
				t.Errorf("error = %v, want %v", err, tt.want)
			}
			if !k.IsZero() {
				t.Errorf("a key was returned with the error: %v", k)
			}
		})
	}
}

func confusedKeys(t *testing.T) {
	ed := recorded(t, "ed25519").Wire()
	point := ed[len(ed)-32:]
	pub := secretRSA(t, "rsa2048").PublicKey
	e, n := mpint(big.NewInt(65537)), mpint(pub.N)
	bits := func(n uint, low int64) []byte {
		return mpint(new(big.Int).Add(new(big.Int).Lsh(big.NewInt(1), n-1), big.NewInt(low)))
	}
	exponent := func(v int64) []byte { return rsaWire(mpint(big.NewInt(v)), n) }
	refuseAll(t, []refusal{
		{"RSA labelled ed25519", joined([]byte("ssh-ed25519"), e, n), keys.ErrMalformed},
		{"RSA modulus as ed25519 point", joined([]byte("ssh-ed25519"), n), keys.ErrMalformed},
		{"ed25519 labelled RSA", joined([]byte("ssh-rsa"), point), keys.ErrMalformed},
		{"type with a NUL", joined([]byte("ssh-ed25519\x00"), point), keys.ErrNotAdmitted},
		{"type in capitals", joined([]byte("SSH-ED25519"), point), keys.ErrNotAdmitted},
		{"signature format as type", joined([]byte("rsa-sha2-512"), e, n), keys.ErrNotAdmitted},
		{"no type", joined(nil, point), keys.ErrNotAdmitted},
		{"empty", nil, keys.ErrMalformed},
		{"length 2^32-1", []byte{255, 255, 255, 255, 's'}, keys.ErrMalformed},
		{"ed25519 of 31 bytes", joined([]byte("ssh-ed25519"), point[:31]), keys.ErrMalformed},
		{"ed25519 of 33 bytes", joined([]byte("ssh-ed25519"), append(bytes.Clone(point), 0)), keys.ErrMalformed},
		{"ed25519 cut short", ed[:len(ed)-1], keys.ErrMalformed},
		{"ed25519 trailing byte", append(bytes.Clone(ed), 0), keys.ErrMalformed},
		{"RSA cut short", rsaWire(e, n)[:200], keys.ErrMalformed},
		{"RSA trailing byte", append(rsaWire(e, n), 0), keys.ErrMalformed},
		{"RSA-1024", wireOf(t, "rsa1024"), keys.ErrNotAdmitted},
		{"RSA-2047", rsaWire(e, bits(2047, 1)), keys.ErrNotAdmitted},
		{"RSA-4097", rsaWire(e, bits(4097, 1)), keys.ErrNotAdmitted},
		{"RSA-16384", rsaWire(e, bits(16384, 1)), keys.ErrNotAdmitted},
		{"even modulus", rsaWire(e, bits(2048, 2)), keys.ErrMalformed},
		{"exponent 1", exponent(1), keys.ErrNotAdmitted},
		{"exponent 2", exponent(2), keys.ErrNotAdmitted},
		{"even exponent", exponent(65536), keys.ErrNotAdmitted},
		{"exponent 2^24+1", exponent(1<<24 + 1), keys.ErrNotAdmitted},
		{"exponent of the modulus's size", rsaWire(n, n), keys.ErrNotAdmitted},
		{"exponent 2^64+1", rsaWire([]byte{1, 0, 0, 0, 0, 0, 0, 0, 1}, n), keys.ErrNotAdmitted},
		{"ECDSA", wireOf(t, "ecdsa"), keys.ErrNotAdmitted},
		{"DSA", wireOf(t, "dsa"), keys.ErrNotAdmitted},
	})
	for _, edge := range [][]byte{rsaWire(e, bits(2048, 1)), rsaWire(e, bits(4096, 1)), exponent(3), exponent(1<<24 - 1)} {
		if _, err := keys.ParsePublicKey(edge); err != nil {
			t.Errorf("a key at the edge of the window is refused: %v", err)
		}
	}
	if got := len(rsaWire(mpint(big.NewInt(1<<24-1)), bits(4096, 1))); got != keys.MaxWireSize {
		t.Errorf("the largest admitted key has %d bytes, MaxWireSize says %d", got, keys.MaxWireSize)
	}
}

func confusedSignatures(t *testing.T) {
	data := signedData()
	rsaKey, rsaSecret := recorded(t, "rsa2048"), secretRSA(t, "rsa2048")
	edKey := recorded(t, "ed25519")
	ed := ed25519.Sign(secretEd25519(t, "ed25519"), data)
	s256, s512 := signRSA(t, rsaSecret, crypto.SHA256, data), signRSA(t, rsaSecret, crypto.SHA512, data)
	sha1 := signRSA(t, rsaSecret, crypto.SHA1, data)
	sig := func(format string, blob []byte) []byte { return joined([]byte(format), blob) }

	// The attack is real: x/crypto accepts SHA-1.
	judge, err := ssh.ParsePublicKey(rsaKey.Wire())
	if err != nil {
		t.Fatal(err)
	}
	if err := judge.Verify(data, &ssh.Signature{Format: "ssh-rsa", Blob: sha1}); err != nil {
		t.Errorf("control: x/crypto refuses the SHA-1 signature: %v", err)
	}

	for _, tt := range []struct {
		name string
		key  keys.PublicKey
		sig  []byte
		ok   bool
	}{
		{"ed25519", edKey, sig("ssh-ed25519", ed), true},
		{"rsa-sha2-256", rsaKey, sig("rsa-sha2-256", s256), true},
		{"rsa-sha2-512", rsaKey, sig("rsa-sha2-512", s512), true},
		{"SHA-1", rsaKey, sig("ssh-rsa", sha1), false},
		{"SHA-1 labelled SHA-256", rsaKey, sig("rsa-sha2-256", sha1), false},
		{"SHA-256 labelled SHA-512", rsaKey, sig("rsa-sha2-512", s256), false},
		{"SHA-512 labelled SHA-1", rsaKey, sig("ssh-rsa", s512), false},
		{"length: short RSA blob", rsaKey, sig("rsa-sha2-512", s512[1:]), false},
		{"length: empty RSA blob", rsaKey, sig("rsa-sha2-512", nil), false},
		{"length: padded RSA blob", rsaKey, sig("rsa-sha2-512", append([]byte{0}, s512...)), false},
		{"RSA blob plus modulus", rsaKey, sig("rsa-sha2-512", new(big.Int).Add(new(big.Int).SetBytes(s512), rsaSecret.N).Bytes()), false},
		{"trailing byte", rsaKey, append(sig("rsa-sha2-512", s512), 0), false},
		{"cut short", rsaKey, sig("rsa-sha2-512", s512)[:100], false},
		{"no format", rsaKey, joined(s512), false},
		{"empty", rsaKey, nil, false},
		{"ed25519 trailing byte", edKey, append(sig("ssh-ed25519", ed), 0), false},
		{"length: ed25519 of 63 bytes", edKey, sig("ssh-ed25519", ed[:63]), false},
		{"length: ed25519 of 65 bytes", edKey, sig("ssh-ed25519", append(bytes.Clone(ed), 0)), false},
		{"ed25519 with S + L", edKey, sig("ssh-ed25519", plusOrder(ed)), false},
		{"ed25519 under an RSA key", rsaKey, sig("ssh-ed25519", ed), false},
		{"RSA under an ed25519 key", edKey, sig("rsa-sha2-512", s512), false},
		{"format of a certificate", edKey, sig("ssh-ed25519-cert-v01@openssh.com", ed), false},
		{"format of a token", edKey, append(sig("sk-ssh-ed25519@openssh.com", ed), 1, 0, 0, 0, 1), false},
		{"the zero key", keys.PublicKey{}, sig("ssh-ed25519", ed), false},
		{"the zero key, no format", keys.PublicKey{}, sig("", ed), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.key.Verify(testNamespace, testMessage, tt.sig)
			if tt.ok && err != nil {
				t.Errorf("genuine signature refused: %v", err)
			}
			if !tt.ok && !errors.Is(err, keys.ErrBadSignature) {
				t.Errorf("error = %v, want ErrBadSignature", err)
			}
			if strings.HasPrefix(tt.name, "length: ") && (err == nil || !strings.Contains(err.Error(), "bytes, want")) {
				t.Errorf("error = %v, want one of our own about the length", err)
			}
		})
	}
}

// plusOrder adds the group order to S: a second encoding of the same signature.
func plusOrder(sig []byte) []byte {
	order, _ := new(big.Int).SetString("7237005577332262213973186563042994240857116359379907606001950938285454250989", 10)
	s := make([]byte, 32)
	for i := range s {
		s[i] = sig[63-i]
	}
	new(big.Int).Add(new(big.Int).SetBytes(s), order).FillBytes(s)
	out := bytes.Clone(sig)
	for i := range s {
		out[63-i] = s[i]
	}
	return out
}

func confusedIDs(t *testing.T) {
	id := recorded(t, "ed25519").ID()
	digest := id[2:]
	for name, b := range map[string][]byte{
		"identity":             append([]byte{0x00, 0x20}, digest...),
		"truncated":            append([]byte{0x12, 0x10}, digest[:16]...),
		"truncated and padded": append([]byte{0x12, 0x10}, digest...),
		"sha2-512 of 32":       append([]byte{0x13, 0x20}, digest...),
		"blake2b":              append([]byte{0xa0, 0xe4, 0x02, 0x20}, digest...),
		"long varint code":     append([]byte{0x92, 0x00, 0x20}, digest...),
		"33 bytes":             id[:33],
		"35 bytes":             append(id[:], 0),
		"empty":                nil,
	} {
		if got, err := keys.NodeIDFromBytes(b); !errors.Is(err, keys.ErrBadID) || !got.IsZero() {
			t.Errorf("%s: NodeIDFromBytes = %v, %v; want ErrBadID", name, got, err)
		}
	}
}

func aliases(t *testing.T) {
	pub := secretRSA(t, "rsa2048").PublicKey
	e, n := mpint(big.NewInt(int64(pub.E))), mpint(pub.N)
	padded := rsaWire(e, append([]byte{0}, n...))
	negative := rsaWire(e, n[1:]) // the sign byte left out: two's complement says negative
	paddedE := rsaWire(append([]byte{0}, e...), n)

	// The attack is real: x/crypto reads the padded keys as the same one.
	genuine := recorded(t, "rsa2048")
	for name, wire := range map[string][]byte{"modulus": padded, "exponent": paddedE} {
		k, err := ssh.ParsePublicKey(wire)
		if err != nil {
			t.Errorf("control: x/crypto refuses a padded %s: %v", name, err)
		} else if !bytes.Equal(k.Marshal(), genuine.Wire()) {
			t.Errorf("control: x/crypto reads a padded %s as another key", name)
		}
	}
	refuseAll(t, []refusal{
		{"padded modulus", padded, keys.ErrMalformed},
		{"padded exponent", paddedE, keys.ErrMalformed},
		{"negative modulus", negative, keys.ErrMalformed},
		{"negative exponent", rsaWire([]byte{0xff, 0xff}, n), keys.ErrMalformed},
		{"empty exponent", rsaWire(nil, n), keys.ErrMalformed},
		{"zero exponent", rsaWire([]byte{0}, n), keys.ErrMalformed},
		{"empty modulus", rsaWire(e, nil), keys.ErrMalformed},
		{"ed25519 certificate", wireOf(t, "ed25519_cert"), keys.ErrNotAdmitted},
		{"RSA certificate", wireOf(t, "rsa2048_cert"), keys.ErrNotAdmitted},
		{"sk-ssh-ed25519", joined([]byte("sk-ssh-ed25519@openssh.com"), recorded(t, "ed25519").Wire()[19:], []byte("ssh:")), keys.ErrNotAdmitted},
		{"ed25519 with y + p", joined([]byte("ssh-ed25519"), unhex(t, "f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f")), keys.ErrMalformed},
		{"ed25519, no point", joined([]byte("ssh-ed25519"), unhex(t, "0200000000000000000000000000000000000000000000000000000000000000")), keys.ErrMalformed},
	})
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// smallOrderPoints are all points of order 1, 2, 4 and 8 in their canonical form,
// and their other encodings (Cremers and Jackson, "Prime, Order Please!", table 5).
var smallOrderPoints = map[string]error{
	"0100000000000000000000000000000000000000000000000000000000000000": keys.ErrNotAdmitted, // order 1
	"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f": keys.ErrNotAdmitted, // order 2
	"0000000000000000000000000000000000000000000000000000000000000000": keys.ErrNotAdmitted, // order 4
	"0000000000000000000000000000000000000000000000000000000000000080": keys.ErrNotAdmitted,
	"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05": keys.ErrNotAdmitted, // order 8
	"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85": keys.ErrNotAdmitted,
	"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a": keys.ErrNotAdmitted,
	"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa": keys.ErrNotAdmitted,
	"0100000000000000000000000000000000000000000000000000000000000080": keys.ErrMalformed,
	"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff": keys.ErrMalformed,
	"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f": keys.ErrMalformed,
	"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff": keys.ErrMalformed,
	"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f": keys.ErrMalformed,
	"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff": keys.ErrMalformed,
}

func smallOrder(t *testing.T) {
	// The attack is real: under the point of order 1 one signature, R that point
	// and S zero, verifies every message.
	one := unhex(t, "0100000000000000000000000000000000000000000000000000000000000000")
	fixed := append(bytes.Clone(one), make([]byte, 32)...)
	for _, msg := range []string{"pay Ada", "pay Eve"} {
		if !ed25519.Verify(one, []byte(msg), fixed) {
			t.Errorf("control: crypto/ed25519 refuses the fixed signature of %q", msg)
		}
	}
	var tests []refusal
	for point, want := range smallOrderPoints {
		tests = append(tests, refusal{point, joined([]byte("ssh-ed25519"), unhex(t, point)), want})
	}
	refuseAll(t, tests)
}

// lyingStore hands out one key whatever it is asked for.
type lyingStore struct{ key keys.PublicKey }

func (s lyingStore) Lookup(context.Context, keys.NodeID) (keys.PublicKey, error) { return s.key, nil }

// wrongKey shows what a caller needs to refuse another key than the id's: the key
// says its own id, and checks no signature of another's.
func wrongKey(t *testing.T) {
	author, thief := recorded(t, "rsa2048"), recorded(t, "ed25519")
	got, err := lyingStore{thief}.Lookup(t.Context(), author.ID())
	if err != nil {
		t.Fatal(err)
	}
	if got.ID() == author.ID() {
		t.Error("two keys have one id")
	}
	genuine := joined([]byte("rsa-sha2-512"), signRSA(t, secretRSA(t, "rsa2048"), crypto.SHA512, signedData()))
	if err := got.Verify(testNamespace, testMessage, genuine); !errors.Is(err, keys.ErrBadSignature) {
		t.Errorf("the wrong key's answer = %v, want ErrBadSignature", err)
	}
	seen := make(map[keys.NodeID]string)
	for _, name := range admittedKeys {
		id := recorded(t, name).ID()
		if other, ok := seen[id]; ok {
			t.Errorf("%s and %s have one id", name, other)
		}
		seen[id] = name
	}
}
