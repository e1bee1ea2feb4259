package sign_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/pem"
	"errors"
	"math/big"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/hearsaynet/hearsay/fuzz/fuzztest"
	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/sign"
)

func TestParse(t *testing.T) {
	const comment = " throw-away-test-key"
	for _, tt := range []struct {
		file, public, comment string
		asks                  bool
	}{
		{"ed25519", "ed25519", "ed25519" + comment, false},
		{"rsa2048", "rsa2048", "rsa2048" + comment, false},
		{"ed25519_passphrase", "ed25519_passphrase", "ed25519" + comment, true},
		{"rsa3072_passphrase", "rsa3072_passphrase", "rsa3072" + comment, true},
		{"ed25519_3des-cbc", "ed25519", "ed25519" + comment, true},
		{"ed25519_aes128-cbc", "ed25519", "ed25519" + comment, true},
		{"ed25519_aes192-cbc", "ed25519", "ed25519" + comment, true},
		{"ed25519_aes256-cbc", "ed25519", "ed25519" + comment, true},
		{"ed25519_aes128-ctr", "ed25519", "ed25519" + comment, true},
		{"ed25519_aes192-ctr", "ed25519", "ed25519" + comment, true},
		{"ed25519_aes128-gcm", "ed25519", "ed25519" + comment, true},
		{"ed25519_aes256-gcm", "ed25519", "ed25519" + comment, true},
		{"ed25519_chacha20-poly1305", "ed25519", "ed25519" + comment, true},
		{"rsa2048_chacha20-poly1305", "rsa2048", "rsa2048" + comment, true},
		{"rsa2048_pkcs1", "rsa2048", "", false},
		{"rsa2048_pkcs8", "rsa2048", "", false},
		{"rsa2048_pkcs8enc", "rsa2048", "", true},
		{"rsa2048_pkcs8enc_des3", "rsa2048", "", true},
		{"ed25519_pkcs8", "ed25519_public", "", false},
		{"ed25519_pkcs8enc_sha1", "ed25519_public", "", true},
		{"ed25519_pkcs8enc_sha512", "ed25519_public", "", true},
		{"ed25519_pkcs8enc_scrypt", "ed25519_public", "", true},
	} {
		t.Run(tt.file, func(t *testing.T) {
			asked := 0
			k, err := sign.Parse(readFile(t, tt.file), func() ([]byte, error) { asked++; return []byte(passphrase), nil })
			if err != nil {
				t.Fatal(err)
			}
			if k.Public() != public(t, tt.public) || k.Comment() != tt.comment {
				t.Errorf("key %v, comment %q; want comment %q", k.Public(), k.Comment(), tt.comment)
			}
			if want := map[bool]int{true: 1}[tt.asks]; asked != want {
				t.Errorf("asked for the passphrase %d times, want %d", asked, want)
			}
			if !tt.asks {
				if _, err := sign.Parse(readFile(t, tt.file), nil); err != nil {
					t.Errorf("with nobody to ask: %v", err)
				}
			}
			mustSign(t, k)
		})
	}
}

func TestPassphrase(t *testing.T) {
	errAsk := errors.New("nobody answers")
	for _, name := range []string{
		"ed25519_passphrase", "ed25519_3des-cbc", "ed25519_aes128-gcm", "ed25519_chacha20-poly1305",
		"ed25519_pkcs8enc_sha512", "ed25519_pkcs8enc_scrypt",
	} {
		for how, tt := range map[string]struct {
			ask  func() ([]byte, error)
			want error
		}{
			"nobody to ask": {nil, sign.ErrPassphraseNeeded},
			"wrong":         {answer("correct  horse"), sign.ErrWrongPassphrase},
			"empty":         {answer(""), sign.ErrWrongPassphrase},
			"error":         {func() ([]byte, error) { return nil, errAsk }, errAsk},
		} {
			k, err := sign.Parse(readFile(t, name), tt.ask)
			if !errors.Is(err, tt.want) || k != nil {
				t.Errorf("%s, %s: %v, %v; want %v", name, how, k, err, tt.want)
			}
		}
	}
}

func TestParseRefusesKinds(t *testing.T) {
	for name, says := range map[string]string{
		"rsa1024":      "1024 bits",
		"ecdsa":        "ECDSA",
		"dsa":          "DSA",
		"ecdsa_pem":    "ECDSA",
		"ecdsa_pkcs8":  "ECDSA",
		"dsa_pem":      "DSA",
		"dsa_pkcs8":    "DSA",
		"ed448_pkcs8":  "Ed448",
		"x25519_pkcs8": "X25519",
		"rsapss_pkcs8": "PSS",
	} {
		k, err := sign.Parse(readFile(t, name), mustNotAsk(t))
		if !errors.Is(err, keys.ErrNotAdmitted) || k != nil || !strings.Contains(err.Error(), says) || errors.Is(err, sign.ErrMalformed) {
			t.Errorf("%s: %v, %v; want ErrNotAdmitted that says %q", name, k, err, says)
		}
	}
	k, err := sign.Parse(readFile(t, "ecdsa_pkcs8enc"), answer(passphrase))
	if !errors.Is(err, keys.ErrNotAdmitted) || k != nil || !strings.Contains(err.Error(), "ECDSA") {
		t.Errorf("encrypted ECDSA: %v, %v; want ErrNotAdmitted", k, err)
	}
	for _, kind := range []string{"sk-ssh-ed25519@openssh.com", "ssh-ed25519-cert-v01@openssh.com"} {
		file := edited(t, "ed25519", func(f *opensshFile) {
			f.Public = ssh.Marshal(struct {
				Type   string
				Fields []byte `ssh:"rest"`
			}{kind, f.Public[15:]})
		})
		if k, err := sign.Parse(file, mustNotAsk(t)); !errors.Is(err, keys.ErrNotAdmitted) || k != nil || !strings.Contains(err.Error(), kind) {
			t.Errorf("%s: %v, %v; want ErrNotAdmitted that names it", kind, k, err)
		}
	}
	for name, hint := range map[string]string{
		"rsa2048_oldpem":            "ssh-keygen -p",
		"ed25519_pkcs8enc_camellia": "openssl pkcs8 -topk8",
		"ed25519_pkcs8enc_pbes1":    "openssl pkcs8 -topk8",
	} {
		k, err := sign.Parse(readFile(t, name), mustNotAsk(t))
		if !errors.Is(err, sign.ErrEncryption) || k != nil || !strings.Contains(err.Error(), hint) || strings.Contains(err.Error(), "malformed") {
			t.Errorf("%s: %v, %v; want ErrEncryption that says how to convert it", name, k, err)
		}
	}
	for _, name := range []string{"ed25519.pub", "rsa2048_rfc4716"} {
		k, err := sign.Parse(readFile(t, name), mustNotAsk(t))
		if !errors.Is(err, sign.ErrMalformed) || k != nil || !strings.Contains(err.Error(), "public key") {
			t.Errorf("%s: %v, %v; want ErrMalformed that says it is public", name, k, err)
		}
	}
}

func mustNotAsk(t *testing.T) func() ([]byte, error) {
	return func() ([]byte, error) {
		t.Error("asked for a passphrase")
		return []byte(passphrase), nil
	}
}

// TestParseNamesByteOrderMarks: what a shell or an editor has put in front is said.
func TestParseNamesByteOrderMarks(t *testing.T) {
	for _, mark := range []string{"\xef\xbb\xbf", "\xff\xfe", "\xfe\xff"} {
		k, err := sign.Parse(append([]byte(mark), readFile(t, "ed25519")...), mustNotAsk(t))
		if !errors.Is(err, sign.ErrMalformed) || !errors.Is(err, keys.ErrByteOrderMark) || k != nil {
			t.Errorf("%x: %v, %v; want ErrByteOrderMark", mark, k, err)
		}
	}
}

func TestParseRefusesText(t *testing.T) {
	good := readFile(t, "ed25519")
	for name, file := range map[string][]byte{
		"empty":              nil,
		"text in front":      append([]byte("# mine\n"), good...),
		"text behind":        append(bytes.Clone(good), "# mine\n"...),
		"two keys":           append(bytes.Clone(good), readFile(t, "rsa2048")...),
		"broken, then good":  append([]byte("-----BEGIN OPENSSH PRIVATE KEY-----\n!\n"), good...),
		"cut short":          good[:len(good)/2],
		"without its end":    good[:bytes.LastIndex(good, []byte("-----END"))],
		"another block":      bytes.ReplaceAll(good, []byte("OPENSSH PRIVATE"), []byte("PGP PRIVATE")),
		"a certificate":      pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte{1}}),
		"headers":            bytes.Replace(good, []byte("-----\n"), []byte("-----\nComment: x\n\n"), 1),
		"too large":          append(bytes.Clone(good), bytes.Repeat([]byte("\n"), sign.MaxFileSize)...),
		"PKCS #1 of nothing": pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: []byte{0x30, 0}}),
		"PKCS #8 of nothing": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte{0x30, 0}}),
		"PKCS #1 as PKCS #8": bytes.ReplaceAll(readFile(t, "rsa2048_pkcs1"), []byte("RSA PRIVATE"), []byte("PRIVATE")),
		"PKCS #1, changed":   damagedDER(t, "rsa2048_pkcs1"),
		"PKCS #8, changed":   damagedDER(t, "rsa2048_pkcs8"),
	} {
		k, err := sign.Parse(file, mustNotAsk(t))
		if !errors.Is(err, sign.ErrMalformed) || k != nil {
			t.Errorf("%s: %v, %v; want ErrMalformed", name, k, err)
		}
	}
}

// damagedDER changes the private exponent in the middle of a PEM file.
func damagedDER(t *testing.T, name string) []byte {
	block, _ := pem.Decode(readFile(t, name))
	block.Bytes[len(block.Bytes)/2] ^= 1
	return pem.EncodeToMemory(block)
}

// opensshFile is the outer form of an OpenSSH private key (PROTOCOL.key).
type opensshFile struct {
	Cipher, KDF, Options string
	Keys                 uint32
	Public, Private      []byte
	Rest                 []byte `ssh:"rest"`
}

type kdfOptions struct {
	Salt   []byte
	Rounds uint32
}

const opensshMagic = "openssh-key-v1\x00"

// edited applies change to a recorded file.
func edited(t testing.TB, name string, change func(f *opensshFile)) []byte {
	t.Helper()
	block, _ := pem.Decode(readFile(t, name))
	var f opensshFile
	if err := ssh.Unmarshal(block.Bytes[len(opensshMagic):], &f); err != nil {
		t.Fatal(err)
	}
	change(&f)
	block.Bytes = append([]byte(opensshMagic), ssh.Marshal(f)...)
	return pem.EncodeToMemory(block)
}

func rounds(n uint32) func(f *opensshFile) {
	return func(f *opensshFile) {
		f.Options = string(ssh.Marshal(kdfOptions{[]byte("0123456789abcdef"), n}))
	}
}

// opensshRSA is the private part of an RSA key.
type opensshRSA struct {
	Check               [8]byte
	Type                string
	N, E, D, QInv, P, Q []byte
	Comment             string
	Padding             []byte `ssh:"rest"`
}

// rsaPart changes the private part, and pads it anew.
func rsaPart(change func(k *opensshRSA)) func(f *opensshFile) {
	return func(f *opensshFile) {
		var k opensshRSA
		if err := ssh.Unmarshal(f.Private, &k); err != nil {
			panic(err)
		}
		change(&k)
		k.Padding = nil
		f.Private = pad(ssh.Marshal(k), 8)
	}
}

// hugePrime is one whose checking would take minutes.
func hugePrime() *big.Int {
	return new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 44497), big.NewInt(1))
}

func pad(b []byte, block int) []byte {
	for n := byte(1); len(b)%block != 0; n++ {
		b = append(b, n)
	}
	return b
}

// padding gives the private part of ed25519, which has two bytes of it, so many.
func padding(size int) func(f *opensshFile) {
	return func(f *opensshFile) {
		b := f.Private[:len(f.Private)-2]
		for n := range size {
			b = append(b, byte(n+1))
		}
		f.Private = b
	}
}

func TestParseRefusesOpenSSH(t *testing.T) {
	thief := public(t, "rsa2048").Wire()
	other := public(t, "ed25519_passphrase").Wire()
	flip := func(at int) func(f *opensshFile) {
		return func(f *opensshFile) { f.Private[at] ^= 1 }
	}
	for _, tt := range []struct {
		name, file string
		change     func(f *opensshFile)
		want       error
	}{
		{"no keys", "ed25519", func(f *opensshFile) { f.Keys = 0 }, sign.ErrMalformed},
		{"two keys", "ed25519", func(f *opensshFile) { f.Keys = 2 }, sign.ErrMalformed},
		{"trailing byte", "ed25519", func(f *opensshFile) { f.Rest = []byte{0} }, sign.ErrMalformed},
		{"trailing byte, encrypted", "ed25519_passphrase", func(f *opensshFile) { f.Rest = []byte{0} }, sign.ErrMalformed},
		{"a tag that is missing", "ed25519_aes256-gcm", func(f *opensshFile) { f.Rest = nil }, sign.ErrMalformed},
		{"a tag of a byte less", "ed25519_chacha20-poly1305", func(f *opensshFile) { f.Rest = f.Rest[1:] }, sign.ErrMalformed},
		{"trailing byte after a tag", "ed25519_aes256-gcm", func(f *opensshFile) { f.Rest = append(f.Rest, 0) }, sign.ErrMalformed},
		{"an encrypted part of half a block", "ed25519_aes256-cbc", func(f *opensshFile) { f.Private = f.Private[:len(f.Private)-8] }, sign.ErrMalformed},
		{"an encrypted part that is empty", "ed25519_aes256-cbc", func(f *opensshFile) { f.Private = nil }, sign.ErrMalformed},
		{"cut short", "ed25519", func(f *opensshFile) { f.Private = f.Private[:60] }, sign.ErrMalformed},
		{"no private part", "ed25519", func(f *opensshFile) { f.Private = nil }, sign.ErrMalformed},
		{"public half of another key", "ed25519", func(f *opensshFile) { f.Public = other }, sign.ErrMalformed},
		{"public half of another kind", "ed25519", func(f *opensshFile) { f.Public = thief }, sign.ErrMalformed},
		{"public half missing", "ed25519", func(f *opensshFile) { f.Public = nil }, keys.ErrMalformed},
		{"public half with a byte more", "ed25519", func(f *opensshFile) { f.Public = append(f.Public, 0) }, keys.ErrMalformed},
		{"public half of RSA-1024", "rsa2048", func(f *opensshFile) { f.Public = publicOf(t, "rsa1024") }, keys.ErrNotAdmitted},
		{"check numbers differ", "ed25519", flip(0), sign.ErrMalformed},
		{"inner public half changed", "ed25519", flip(30), sign.ErrMalformed},
		{"secret changed", "ed25519", flip(65), sign.ErrMalformed},
		{"secret of another key", "ed25519", func(f *opensshFile) { copy(f.Private[63:], ed25519.NewKeyFromSeed(make([]byte, 32))) }, sign.ErrMalformed},
		{"padding changed", "ed25519", func(f *opensshFile) { f.Private[len(f.Private)-1] ^= 1 }, sign.ErrMalformed},
		{"padding of 18 bytes", "ed25519", padding(18), sign.ErrMalformed},
		{"RSA secret changed", "rsa2048", flip(400), sign.ErrMalformed},
		{"RSA coefficient changed", "rsa2048", rsaPart(func(k *opensshRSA) { k.QInv[9] ^= 1 }), sign.ErrMalformed},
		{"RSA prime with a zero in front", "rsa2048", rsaPart(func(k *opensshRSA) { k.P = append([]byte{0}, k.P...) }), sign.ErrMalformed},
		{"RSA prime that is larger than the modulus", "rsa2048", rsaPart(func(k *opensshRSA) { k.P = hugePrime().Bytes() }), sign.ErrMalformed},
		{"RSA prime that is negative", "rsa2048", rsaPart(func(k *opensshRSA) { k.P[0] = 0x80 }), sign.ErrMalformed},
		{"RSA modulus changed", "rsa2048", rsaPart(func(k *opensshRSA) { k.N[9] ^= 1 }), sign.ErrMalformed},
		{"KDF without cipher", "ed25519", func(f *opensshFile) { f.KDF = "bcrypt" }, sign.ErrMalformed},
		{"cipher without KDF", "ed25519", func(f *opensshFile) { f.Cipher = "aes256-ctr" }, sign.ErrEncryption},
		{"options without KDF", "ed25519", func(f *opensshFile) { f.Options = "x" }, sign.ErrMalformed},
		{"two encrypted keys", "ed25519_passphrase", func(f *opensshFile) { f.Keys = 2 }, sign.ErrMalformed},
		{"unknown cipher", "ed25519_passphrase", func(f *opensshFile) { f.Cipher = "arcfour" }, sign.ErrEncryption},
		{"unknown KDF", "ed25519_passphrase", func(f *opensshFile) { f.KDF = "scrypt" }, sign.ErrEncryption},
		{"no options", "ed25519_passphrase", func(f *opensshFile) { f.Options = "" }, sign.ErrMalformed},
		{"no salt", "ed25519_passphrase", func(f *opensshFile) { f.Options = string(ssh.Marshal(kdfOptions{nil, 16})) }, sign.ErrMalformed},
		{"no rounds", "ed25519_passphrase", rounds(0), sign.ErrMalformed},
		{"2049 rounds", "ed25519_passphrase", rounds(2049), sign.ErrMalformed},
		{"2^32-1 rounds", "ed25519_passphrase", rounds(1<<32 - 1), sign.ErrMalformed},
		{"encrypted ECDSA", "ed25519_passphrase", func(f *opensshFile) { f.Public = publicOf(t, "ecdsa") }, keys.ErrNotAdmitted},
	} {
		k, err := sign.Parse(edited(t, tt.file, tt.change), mustNotAsk(t))
		if !errors.Is(err, tt.want) || k != nil {
			t.Errorf("%s: %v, %v; want %v", tt.name, k, err, tt.want)
		}
	}
	for name, change := range map[string]func(f *opensshFile){
		"tag":        func(f *opensshFile) { f.Rest[0] ^= 1 },
		"ciphertext": flip(40),
		"salt":       func(f *opensshFile) { f.Options = string(ssh.Marshal(kdfOptions{[]byte("another salt"), 1})) },
		"rounds":     rounds(2),
	} {
		for _, file := range []string{"ed25519_aes128-gcm", "ed25519_aes256-gcm", "ed25519_chacha20-poly1305"} {
			k, err := sign.Parse(edited(t, file, change), answer(passphrase))
			if !errors.Is(err, sign.ErrWrongPassphrase) || k != nil || !strings.Contains(err.Error(), "damaged") {
				t.Errorf("%s, %s changed: %v, %v; want an error that says so", file, name, k, err)
			}
		}
	}
	for _, file := range []string{"ed25519_3des-cbc", "ed25519_aes256-cbc", "ed25519_passphrase"} {
		k, err := sign.Parse(edited(t, file, flip(100)), answer(passphrase))
		if !errors.Is(err, sign.ErrMalformed) || k != nil {
			t.Errorf("%s, ciphertext changed: %v, %v; want ErrMalformed", file, k, err)
		}
	}
	// Behind the passphrase the halves are compared too.
	k, err := sign.Parse(edited(t, "ed25519_passphrase", func(f *opensshFile) { f.Public = public(t, "ed25519").Wire() }), answer(passphrase))
	if !errors.Is(err, sign.ErrMalformed) || k != nil {
		t.Errorf("encrypted, public half of another key: %v, %v; want ErrMalformed", k, err)
	}
	// The tool that edits these files leaves a good one good.
	for name, file := range map[string][]byte{
		"unchanged":         edited(t, "ed25519", func(*opensshFile) {}),
		"unchanged, RSA":    edited(t, "rsa2048", rsaPart(func(*opensshRSA) {})),
		"padded to 16":      edited(t, "ed25519", padding(10)),
		"without a comment": edited(t, "rsa2048", rsaPart(func(k *opensshRSA) { k.Comment = "" })),
	} {
		if _, err := sign.Parse(file, nil); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func publicOf(t testing.TB, name string) []byte {
	t.Helper()
	k, _, _, _, err := ssh.ParseAuthorizedKey(readFile(t, name+".pub"))
	if err != nil {
		t.Fatal(err)
	}
	return k.Marshal()
}

// FuzzParse wants keys that read back. bcrypt would slow it, so an encrypted file must
// ask for one round only.
func FuzzParse(f *testing.F) {
	for _, name := range []string{"ed25519_passphrase", "ed25519_aes256-gcm", "ed25519_chacha20-poly1305", "ed25519_3des-cbc"} {
		f.Add(edited(f, name, rounds(1)))
	}
	fuzztest.Decoder[*sign.PrivateKey]{
		Corpus: "private-key", Loose: true, Alloc: fuzztest.Alloc{PerByte: 64, Constant: 1 << 20}, // one round of bcrypt takes 500 kB
		Decode: func(file []byte) (*sign.PrivateKey, error) {
			if slow(file) {
				return nil, errors.ErrUnsupported
			}
			return sign.Parse(file, answer(passphrase))
		},
		Encode: func(k *sign.PrivateKey) ([]byte, error) { return k.MarshalPKCS8(nil) },
		Check:  readsBack,
	}.Fuzz(f)
}

// readsBack checks that a key that file held can be written, read and used.
func readsBack(t *testing.T, file []byte, k *sign.PrivateKey) {
	again, err := k.MarshalOpenSSH(k.Comment(), nil)
	if len(k.Comment()) > sign.MaxFileSize/2 && err != nil {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	back, err := sign.Parse(again, nil)
	if err != nil || back.Public() != k.Public() || back.Comment() != k.Comment() {
		t.Fatalf("reads back as %v, %q, %v", back, back.Comment(), err)
	}
	mustSign(t, back)
	if public, _, err := sign.ParsePublic(file, answer(passphrase)); err != nil || public != k.Public() {
		t.Fatalf("its public half is read as %v, %v", public, err)
	}
}

// slow reports whether file asks for more than one round of bcrypt, or for a key
// derivation of PKCS #8, which the fuzzer would make costlier.
func slow(file []byte) bool {
	block, _ := pem.Decode(file)
	if block == nil {
		return false
	}
	if block.Type == "ENCRYPTED PRIVATE KEY" {
		return true
	}
	var f opensshFile
	var options kdfOptions
	return len(block.Bytes) > len(opensshMagic) &&
		ssh.Unmarshal(block.Bytes[len(opensshMagic):], &f) == nil &&
		ssh.Unmarshal([]byte(f.Options), &options) == nil && options.Rounds > 1
}
