package sign_test

import (
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"math/big"
	"strings"
	"testing"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/sign"
)

func marshalPEM(t testing.TB, kind string, v any) []byte {
	t.Helper()
	der, err := asn1.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

// pkcs1 is an RSAPrivateKey, with room for what should not be there.
type pkcs1 struct {
	Version                     int
	N, E, D, P, Q, DP, DQ, QInv *big.Int
	Rest                        *big.Int `asn1:"optional"`
}

func TestParseRefusesPKCS1(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(k *pkcs1)
		want   error
	}{
		{"version 1", func(k *pkcs1) { k.Version = 1 }, sign.ErrMalformed},
		{"a number more", func(k *pkcs1) { k.Rest = big.NewInt(3) }, sign.ErrMalformed},
		{"negative modulus", func(k *pkcs1) { k.N.Neg(k.N) }, keys.ErrMalformed},
		{"even modulus", func(k *pkcs1) { k.N.SetBit(k.N, 0, 0) }, keys.ErrMalformed},
		{"modulus of 2047 bits", func(k *pkcs1) { k.N.Rsh(k.N, 1).SetBit(k.N, 0, 1) }, keys.ErrNotAdmitted},
		{"modulus of 4097 bits", func(k *pkcs1) { k.N.Lsh(k.N, 2049).SetBit(k.N, 0, 1) }, keys.ErrNotAdmitted},
		{"modulus of another key", func(k *pkcs1) { k.N.Add(k.N, big.NewInt(2)) }, sign.ErrMalformed},
		{"exponent 1", func(k *pkcs1) { k.E.SetInt64(1) }, keys.ErrNotAdmitted},
		{"even exponent", func(k *pkcs1) { k.E.SetInt64(65536) }, keys.ErrNotAdmitted},
		{"huge exponent", func(k *pkcs1) { k.E.SetBit(k.E, 1000, 1) }, keys.ErrNotAdmitted},
		{"negative exponent", func(k *pkcs1) { k.E.Neg(k.E) }, keys.ErrMalformed},
		{"other exponent", func(k *pkcs1) { k.E.SetInt64(17) }, sign.ErrMalformed},
		{"negative secret", func(k *pkcs1) { k.D.Neg(k.D) }, sign.ErrMalformed},
		{"secret 0", func(k *pkcs1) { k.D.SetInt64(0) }, sign.ErrMalformed},
		{"other secret", func(k *pkcs1) { k.D.Add(k.D, big.NewInt(2)) }, sign.ErrMalformed},
		{"other prime", func(k *pkcs1) { k.P.Add(k.P, big.NewInt(2)) }, sign.ErrMalformed},
		{"other CRT value", func(k *pkcs1) { k.DP.Add(k.DP, big.NewInt(2)) }, sign.ErrMalformed},
		{"huge prime", func(k *pkcs1) { k.P = hugePrime() }, sign.ErrMalformed},
	} {
		block, _ := pem.Decode(readFile(t, "rsa2048_pkcs1"))
		var v pkcs1
		if _, err := asn1.Unmarshal(block.Bytes, &v); err != nil {
			t.Fatal(err)
		}
		tt.change(&v)
		k, err := sign.Parse(marshalPEM(t, "RSA PRIVATE KEY", v), mustNotAsk(t))
		if !errors.Is(err, tt.want) || k != nil {
			t.Errorf("%s: %v, %v; want %v", tt.name, k, err, tt.want)
		}
	}
	three, err := rsa.GenerateMultiPrimeKey(nil, 3, 2048) //lint:ignore SA1019 such keys come from elsewhere
	if err != nil {
		t.Skip("no key of three primes:", err)
	}
	file := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(three)})
	if k, err := sign.Parse(file, nil); !errors.Is(err, sign.ErrMalformed) || k != nil {
		t.Errorf("three primes: %v, %v; want ErrMalformed", k, err)
	}
}

// pkcs8 is a OneAsymmetricKey.
type pkcs8 struct {
	Version    int
	Algorithm  pkix.AlgorithmIdentifier
	Key        []byte
	Attributes asn1.RawValue  `asn1:"optional"`
	Public     asn1.BitString `asn1:"optional,tag:1"`
	Rest       asn1.RawValue  `asn1:"optional"`
}

func editedPKCS8(t *testing.T, name string, change func(k *pkcs8)) []byte {
	t.Helper()
	block, _ := pem.Decode(readFile(t, name))
	var v pkcs8
	if _, err := asn1.Unmarshal(block.Bytes, &v); err != nil {
		t.Fatal(err)
	}
	change(&v)
	return marshalPEM(t, "PRIVATE KEY", v)
}

func bits(b []byte) asn1.BitString { return asn1.BitString{Bytes: b, BitLength: 8 * len(b)} }

func TestParsePKCS8WithPublicHalf(t *testing.T) {
	attributes := asn1.RawValue{FullBytes: []byte{0xa0, 0}}
	ed := public(t, "ed25519_public")
	rsaHalf := x509.MarshalPKCS1PublicKey(&rsaSecret(t, "rsa2048").PublicKey)
	for name, tt := range map[string]struct {
		file   string
		change func(k *pkcs8)
		want   error
	}{
		"unchanged":           {"ed25519_pkcs8", func(*pkcs8) {}, nil},
		"attributes":          {"ed25519_pkcs8", func(k *pkcs8) { k.Attributes = attributes }, nil},
		"its own":             {"ed25519_pkcs8", func(k *pkcs8) { k.Version, k.Public = 1, bits(ed.Wire()[19:]) }, nil},
		"its own, RSA":        {"rsa2048_pkcs8", func(k *pkcs8) { k.Version, k.Public = 1, bits(rsaHalf) }, nil},
		"another's":           {"ed25519_pkcs8", func(k *pkcs8) { k.Version, k.Public = 1, bits(public(t, "ed25519").Wire()[19:]) }, sign.ErrMalformed},
		"another's, RSA":      {"rsa2048_pkcs8", func(k *pkcs8) { k.Version, k.Public = 1, bits(rsaHalf[1:]) }, sign.ErrMalformed},
		"in version 0":        {"ed25519_pkcs8", func(k *pkcs8) { k.Public = bits(ed.Wire()[19:]) }, sign.ErrMalformed},
		"version 2":           {"ed25519_pkcs8", func(k *pkcs8) { k.Version = 2 }, sign.ErrMalformed},
		"something behind":    {"ed25519_pkcs8", func(k *pkcs8) { k.Rest = asn1.NullRawValue }, sign.ErrMalformed},
		"ed25519 parameters":  {"ed25519_pkcs8", func(k *pkcs8) { k.Algorithm.Parameters = asn1.NullRawValue }, sign.ErrMalformed},
		"RSA, no parameters":  {"rsa2048_pkcs8", func(k *pkcs8) { k.Algorithm.Parameters = asn1.RawValue{} }, sign.ErrMalformed},
		"seed of 33 bytes":    {"ed25519_pkcs8", func(k *pkcs8) { k.Key = append([]byte{4, 33}, make([]byte, 33)...) }, sign.ErrMalformed},
		"a byte behind":       {"ed25519_pkcs8", func(k *pkcs8) { k.Key = append(k.Key, 0) }, sign.ErrMalformed},
		"a byte behind, RSA":  {"rsa2048_pkcs8", func(k *pkcs8) { k.Key = append(k.Key, 0) }, sign.ErrMalformed},
		"ed25519 that is RSA": {"rsa2048_pkcs8", func(k *pkcs8) { k.Algorithm.Algorithm = asn1.ObjectIdentifier{1, 3, 101, 112} }, sign.ErrMalformed},
	} {
		k, err := sign.Parse(editedPKCS8(t, tt.file, tt.change), mustNotAsk(t))
		if !errors.Is(err, tt.want) || (k == nil) != (tt.want != nil) {
			t.Errorf("%s: %v, %v; want %v", name, k, err, tt.want)
		}
	}
}

// The parts of an encrypted PKCS #8 file.
type pbes2File struct {
	Algorithm struct {
		OID    asn1.ObjectIdentifier
		Params struct{ KDF, Cipher pbes2Part }
	}
	Data []byte
	Rest asn1.RawValue `asn1:"optional"`
}

type pbes2Part struct {
	OID    asn1.ObjectIdentifier
	Params asn1.RawValue
}

type pbkdf2Params struct {
	Salt    []byte
	Rounds  *big.Int
	KeySize int `asn1:"optional"`
	PRF     pkix.AlgorithmIdentifier
}

type scryptParams struct {
	Salt    []byte
	N, R, P *big.Int
	KeySize int `asn1:"optional"`
}

func raw(t *testing.T, v any) asn1.RawValue {
	t.Helper()
	der, err := asn1.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return asn1.RawValue{FullBytes: der}
}

func editedPBES2(t *testing.T, name string, change func(f *pbes2File)) []byte {
	t.Helper()
	block, _ := pem.Decode(readFile(t, name))
	var f pbes2File
	if _, err := asn1.Unmarshal(block.Bytes, &f); err != nil {
		t.Fatal(err)
	}
	change(&f)
	return marshalPEM(t, "ENCRYPTED PRIVATE KEY", f)
}

// TestParseRefusesPBES2 has every part refused before anybody is asked for a
// passphrase, and so before any work is done.
func TestParseRefusesPBES2(t *testing.T) {
	pbkdf2 := func(change func(p *pbkdf2Params)) func(f *pbes2File) {
		return func(f *pbes2File) {
			var p pbkdf2Params
			if _, err := asn1.Unmarshal(f.Algorithm.Params.KDF.Params.FullBytes, &p); err != nil {
				t.Fatal(err)
			}
			change(&p)
			f.Algorithm.Params.KDF.Params = raw(t, p)
		}
	}
	scrypt := func(n, r, p int64) func(f *pbes2File) {
		return func(f *pbes2File) {
			f.Algorithm.Params.KDF.Params = raw(t, scryptParams{Salt: make([]byte, 8), N: big.NewInt(n), R: big.NewInt(r), P: big.NewInt(p)})
		}
	}
	rounds := func(n *big.Int) func(f *pbes2File) { return pbkdf2(func(p *pbkdf2Params) { p.Rounds = n }) }
	const byPBKDF2, byScrypt = "ed25519_pkcs8enc_sha512", "ed25519_pkcs8enc_scrypt"
	const anew = "openssl pkcs8 -topk8"
	for _, tt := range []struct {
		name, file string
		change     func(f *pbes2File)
		says       string
	}{
		{"no rounds", byPBKDF2, rounds(new(big.Int)), "damaged"},
		{"negative rounds", byPBKDF2, rounds(big.NewInt(-1)), "damaged"},
		{"10,000,001 rounds", byPBKDF2, rounds(big.NewInt(10_000_001)), "rounds of PBKDF2"},
		{"2^63-1 rounds", byPBKDF2, rounds(big.NewInt(1<<63 - 1)), "rounds of PBKDF2"},
		{"2^70 rounds", byPBKDF2, rounds(new(big.Int).Lsh(big.NewInt(1), 70)), "damaged"},
		{"no salt", byPBKDF2, pbkdf2(func(p *pbkdf2Params) { p.Salt = nil }), "damaged"},
		{"long salt", byPBKDF2, pbkdf2(func(p *pbkdf2Params) { p.Salt = make([]byte, 65) }), "damaged"},
		{"other key length", byPBKDF2, pbkdf2(func(p *pbkdf2Params) { p.KeySize = 16 }), "damaged"},
		{"unknown PRF", byPBKDF2, pbkdf2(func(p *pbkdf2Params) { p.PRF.Algorithm = asn1.ObjectIdentifier{1, 2, 3} }), anew},
		{"PRF with parameters", byPBKDF2, pbkdf2(func(p *pbkdf2Params) { p.PRF.Parameters = raw(t, 5) }), "damaged"},
		{"unknown KDF", byPBKDF2, func(f *pbes2File) { f.Algorithm.Params.KDF.OID = asn1.ObjectIdentifier{1, 2, 3} }, anew},
		{"unknown cipher", byPBKDF2, func(f *pbes2File) { f.Algorithm.Params.Cipher.OID = asn1.ObjectIdentifier{1, 2, 3} }, anew},
		{"PBES1", byPBKDF2, func(f *pbes2File) { f.Algorithm.OID = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 3} }, anew},
		{"short IV", byPBKDF2, func(f *pbes2File) { f.Algorithm.Params.Cipher.Params = raw(t, make([]byte, 15)) }, "damaged"},
		{"long IV", byPBKDF2, func(f *pbes2File) { f.Algorithm.Params.Cipher.Params = raw(t, make([]byte, 17)) }, "damaged"},
		{"no data", byPBKDF2, func(f *pbes2File) { f.Data = nil }, "damaged"},
		{"half a block", byPBKDF2, func(f *pbes2File) { f.Data = f.Data[:24] }, "damaged"},
		{"something behind", byPBKDF2, func(f *pbes2File) { f.Rest = asn1.NullRawValue }, "damaged"},
		{"scrypt, N 0", byScrypt, scrypt(0, 8, 1), "damaged"},
		{"scrypt, N 1", byScrypt, scrypt(1, 8, 1), "damaged"},
		{"scrypt, N no power of two", byScrypt, scrypt(16383, 8, 1), "damaged"},
		{"scrypt, r 0", byScrypt, scrypt(16384, 0, 1), "damaged"},
		{"scrypt, p 0", byScrypt, scrypt(16384, 8, 0), "damaged"},
		{"scrypt, 512 MiB", byScrypt, scrypt(1<<19, 8, 1), "scrypt"},
		{"scrypt, 512 MiB of p", byScrypt, scrypt(2, 1, 1<<22), "scrypt"},
		{"scrypt, 512 MiB of p and N", byScrypt, scrypt(2, 1<<20, 2), "scrypt"},
		{"scrypt, N 2^62", byScrypt, scrypt(1<<62, 8, 1), "scrypt"},
		{"scrypt, r 2^62", byScrypt, scrypt(2, 1<<62, 1), "scrypt"},
		{"scrypt, p 2^62", byScrypt, scrypt(2, 1, 1<<62), "scrypt"},
	} {
		k, err := sign.Parse(editedPBES2(t, tt.file, tt.change), mustNotAsk(t))
		want := sign.ErrMalformed
		if tt.says == anew {
			want = sign.ErrEncryption
		}
		if !errors.Is(err, want) || k != nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v, %v; want %q that says %q", tt.name, k, err, want, tt.says)
		}
	}
	// The tool that edits these files leaves good ones good.
	for _, name := range []string{byPBKDF2, byScrypt} {
		if _, err := sign.Parse(editedPBES2(t, name, func(*pbes2File) {}), answer(passphrase)); err != nil {
			t.Errorf("%s, unchanged: %v", name, err)
		}
	}
	if _, err := sign.Parse(editedPBES2(t, byPBKDF2, pbkdf2(func(p *pbkdf2Params) { p.KeySize = 32 })), answer(passphrase)); err != nil {
		t.Errorf("the right key length: %v", err)
	}
}
