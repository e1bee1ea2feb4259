package sign_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/sign"
)

var (
	_ sign.Signer = (*sign.PrivateKey)(nil)
	_ sign.Signer = sign.PrivateKey{}
)

const (
	shared     = "../testdata/keys"
	passphrase = "correct horse"
)

func readFile(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(shared, name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func public(t testing.TB, name string) keys.PublicKey {
	t.Helper()
	if !strings.HasSuffix(name, "_public") {
		name += ".pub"
	}
	k, _, err := keys.ParsePublicFile(readFile(t, name))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func answer(s string) func() ([]byte, error) {
	return func() ([]byte, error) { return []byte(s), nil }
}

func parse(t testing.TB, name string) *sign.PrivateKey {
	t.Helper()
	k, err := sign.Parse(readFile(t, name), answer(passphrase))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return k
}

func TestSign(t *testing.T) {
	msg := []byte("an update")
	for name, format := range map[string]string{
		"ed25519": keys.FormatEd25519,
		"rsa2048": keys.FormatRSASHA512,
	} {
		t.Run(name, func(t *testing.T) {
			k := parse(t, name)
			sig, err := k.Sign(t.Context(), "hearsay-update", msg)
			if err != nil {
				t.Fatal(err)
			}
			if len(sig) > keys.MaxSignatureSize || !bytes.HasPrefix(sig[4:], []byte(format)) {
				t.Errorf("signature blob of %d bytes, %x…; want format %s", len(sig), sig[:20], format)
			}
			if err := k.Public().Verify("hearsay-update", msg, sig); err != nil {
				t.Errorf("Verify: %v", err)
			}
			if err := k.Public().Verify("hearsay-head", msg, sig); err == nil {
				t.Error("the signature holds in another namespace")
			}
			stockVerify(t, k.Public(), msg, sig)
		})
	}
}

// stockVerify has ssh-keygen check a signature, where there is one.
func stockVerify(t *testing.T, k keys.PublicKey, msg, sig []byte) {
	t.Helper()
	tool, err := exec.LookPath("ssh-keygen")
	if err != nil {
		t.Log("no ssh-keygen here")
		return
	}
	dir := t.TempDir()
	write(t, filepath.Join(dir, "sig"), keys.ArmorSignature(k, "hearsay-update", sig))
	write(t, filepath.Join(dir, "allowed"), []byte("ada "+k.String()+"\n"))
	cmd := exec.CommandContext(t.Context(), tool, "-Y", "verify", "-n", "hearsay-update", "-I", "ada",
		"-f", filepath.Join(dir, "allowed"), "-s", filepath.Join(dir, "sig"))
	cmd.Stdin = bytes.NewReader(msg)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("ssh-keygen -Y verify: %v\n%s", err, out)
	}
}

func write(t *testing.T, file string, data []byte) {
	t.Helper()
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestSignRefuses(t *testing.T) {
	k := parse(t, "ed25519")
	if sig, err := k.Sign(t.Context(), "", []byte("x")); err == nil || sig != nil {
		t.Errorf("without a namespace: %x, %v", sig, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if sig, err := k.Sign(ctx, "hearsay-update", []byte("x")); !errors.Is(err, context.Canceled) || sig != nil {
		t.Errorf("after cancel: %x, %v; want context.Canceled", sig, err)
	}
	var zero sign.PrivateKey
	if sig, err := zero.Sign(t.Context(), "hearsay-update", []byte("x")); err == nil || sig != nil {
		t.Errorf("the zero key signs: %x, %v", sig, err)
	}
	if file, err := zero.MarshalOpenSSH("", nil); err == nil || file != nil {
		t.Errorf("the zero key is written: %q, %v", file, err)
	}
}

// TestNothingPrintsTheSecret prints a key in every way we know of and searches
// the output for its secret numbers in every form they could have there.
func TestNothingPrintsTheSecret(t *testing.T) {
	for _, name := range []string{"ed25519", "rsa2048"} {
		t.Run(name, func(t *testing.T) {
			k := parse(t, name)
			needles := secretNeedles(t, name)
			for how, out := range printed(k) {
				for _, needle := range needles {
					if strings.Contains(strings.ToLower(out), needle) {
						t.Errorf("%s prints the secret: %.200s", how, out)
					}
				}
			}
			want := "(private key of " + k.Public().ID().String() + ")"
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%t"} {
				if got := fmt.Sprintf(verb, k); got != want {
					t.Errorf("%s of the pointer = %q, want %q", verb, got, want)
				}
				if got := fmt.Sprintf(verb, *k); got != want {
					t.Errorf("%s of the value = %q, want %q", verb, got, want)
				}
			}
		})
	}
}

// printed returns outputs by how they were made.
func printed(k *sign.PrivateKey) map[string]string {
	type inside struct {
		Exported sign.PrivateKey
		hidden   sign.PrivateKey
		pointer  *sign.PrivateKey
		list     []sign.PrivateKey
	}
	nested := inside{*k, *k, k, []sign.PrivateKey{*k}}
	out := make(map[string]string)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%o", "%b", "%p", "%t", "%e", "%!"} {
		out[verb] = fmt.Sprintf(verb, k) + fmt.Sprintf(verb, *k) + fmt.Sprintf(verb, &k)
		out[verb+" nested"] = fmt.Sprintf(verb, nested) + fmt.Sprintf(verb, &nested)
	}
	var text, encoded bytes.Buffer
	for _, log := range []*slog.Logger{slog.New(slog.NewTextHandler(&text, nil)), slog.New(slog.NewJSONHandler(&encoded, nil))} {
		log.Info("key", "pointer", k, "value", *k, "nested", nested, "nestedp", &nested, slog.Group("g", "k", k))
	}
	out["slog text"], out["slog JSON"] = text.String(), encoded.String()
	for how, marshal := range map[string]func(any) ([]byte, error){"json": json.Marshal, "xml": xml.Marshal} {
		for _, v := range []any{k, *k, nested} {
			b, err := marshal(v)
			out[how] += string(b) + fmt.Sprint(err)
		}
	}
	return out
}

// secretNeedles returns the secret as hex, decimal and list of bytes.
func secretNeedles(t *testing.T, name string) []string {
	t.Helper()
	raw, err := ssh.ParseRawPrivateKey(readFile(t, name))
	if err != nil {
		t.Fatal(err)
	}
	var secrets [][]byte
	switch key := raw.(type) {
	case *ed25519.PrivateKey:
		secrets = [][]byte{key.Seed()}
	case *rsa.PrivateKey:
		secrets = [][]byte{key.D.Bytes(), key.Primes[0].Bytes(), key.Primes[1].Bytes()}
	}
	var needles []string
	for _, s := range secrets {
		list := strings.Trim(fmt.Sprint(s), "[]")
		golang := strings.Trim(strings.TrimPrefix(fmt.Sprintf("%#v", s), "[]byte"), "{}")
		needles = append(needles, fmt.Sprintf("%x", s), new(big.Int).SetBytes(s).String(), list, golang, fmt.Sprintf("% x", s))
	}
	return needles
}

func TestPrivateKeyIsNotEncoded(t *testing.T) {
	k := parse(t, "ed25519")
	for how, f := range map[string]func() ([]byte, error){
		"MarshalText": k.MarshalText,
		"MarshalJSON": k.MarshalJSON,
		"json":        func() ([]byte, error) { return json.Marshal(map[string]any{"k": k}) },
		"xml":         func() ([]byte, error) { return xml.Marshal(k) },
	} {
		if b, err := f(); err == nil {
			t.Errorf("%s = %q, want an error", how, b)
		}
	}
	if reflect.TypeFor[sign.PrivateKey]().Comparable() {
		t.Error("private keys can be compared with ==")
	}
}

func TestConstructorsCheck(t *testing.T) {
	raw, err := ssh.ParseRawPrivateKey(readFile(t, "ed25519"))
	if err != nil {
		t.Fatal(err)
	}
	ed := *raw.(*ed25519.PrivateKey)
	_, other, _ := ed25519.GenerateKey(nil)
	mixed := append(bytes.Clone(ed[:32]), other[32:]...)
	for name, priv := range map[string]ed25519.PrivateKey{"nil": nil, "seed only": ed[:32], "long": append(bytes.Clone(ed), 0), "mixed halves": mixed} {
		if k, err := sign.NewEd25519(priv); err == nil || k != nil {
			t.Errorf("ed25519, %s: %v, %v; want an error", name, k, err)
		}
	}
	good := rsaSecret(t, "rsa2048")
	for name, tt := range map[string]struct {
		change func(k *rsa.PrivateKey)
		want   error
	}{
		"no modulus":        {func(k *rsa.PrivateKey) { k.N = nil }, sign.ErrMalformed},
		"no exponent":       {func(k *rsa.PrivateKey) { k.D = nil }, sign.ErrMalformed},
		"negative modulus":  {func(k *rsa.PrivateKey) { k.N.Neg(k.N) }, keys.ErrMalformed},
		"public exponent 0": {func(k *rsa.PrivateKey) { k.E = 0 }, keys.ErrMalformed},
		"public exponent 1": {func(k *rsa.PrivateKey) { k.E = 1 }, keys.ErrNotAdmitted},
		"one prime":         {func(k *rsa.PrivateKey) { k.Primes = k.Primes[:1] }, sign.ErrMalformed},
		"three primes":      {func(k *rsa.PrivateKey) { k.Primes = append(k.Primes, big.NewInt(3)) }, sign.ErrMalformed},
		"nil prime":         {func(k *rsa.PrivateKey) { k.Primes[0] = nil }, sign.ErrMalformed},
		"prime 1":           {func(k *rsa.PrivateKey) { k.Primes[0], k.Primes[1] = big.NewInt(1), k.N }, sign.ErrMalformed},
		"negative primes":   {func(k *rsa.PrivateKey) { k.Primes[0].Neg(k.Primes[0]); k.Primes[1].Neg(k.Primes[1]) }, sign.ErrMalformed},
		"huge exponent":     {func(k *rsa.PrivateKey) { k.D.Lsh(k.D, 1<<20) }, sign.ErrMalformed},
		"other exponent":    {func(k *rsa.PrivateKey) { k.D.Add(k.D, big.NewInt(2)) }, sign.ErrMalformed},
		"other modulus":     {func(k *rsa.PrivateKey) { k.N.Add(k.N, big.NewInt(2)) }, sign.ErrMalformed},
		"RSA-1024":          {func(k *rsa.PrivateKey) { *k = *rsaSecret(t, "rsa1024") }, keys.ErrNotAdmitted},
	} {
		bad := clone(good)
		tt.change(bad)
		k, err := sign.NewRSA(bad)
		if !errors.Is(err, tt.want) || k != nil {
			t.Errorf("RSA, %s: %v, %v; want %v", name, k, err, tt.want)
		}
	}
	if k, err := sign.NewRSA(nil); err == nil || k != nil {
		t.Errorf("RSA, nil: %v, %v", k, err)
	}
}

// TestKeysAreCopied changes what the constructors were given.
func TestKeysAreCopied(t *testing.T) {
	given := clone(rsaSecret(t, "rsa2048"))
	k, err := sign.NewRSA(given)
	if err != nil {
		t.Fatal(err)
	}
	given.D.SetInt64(3)
	given.N.SetInt64(5)
	given.Primes[0].SetInt64(7)
	mustSign(t, k)

	ed := ed25519.NewKeyFromSeed(make([]byte, 32))
	if k, err = sign.NewEd25519(ed); err != nil {
		t.Fatal(err)
	}
	clear(ed)
	mustSign(t, k)
}

func mustSign(t *testing.T, k *sign.PrivateKey) {
	t.Helper()
	sig, err := k.Sign(t.Context(), "hearsay-update", []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Public().Verify("hearsay-update", []byte("x"), sig); err != nil {
		t.Error(err)
	}
}

func rsaSecret(t *testing.T, name string) *rsa.PrivateKey {
	t.Helper()
	raw, err := ssh.ParseRawPrivateKey(readFile(t, name))
	if err != nil {
		t.Fatal(err)
	}
	return raw.(*rsa.PrivateKey)
}

// clone copies the numbers only, without what was precomputed from them.
func clone(k *rsa.PrivateKey) *rsa.PrivateKey {
	number := func(n *big.Int) *big.Int { return new(big.Int).Set(n) }
	return &rsa.PrivateKey{
		PublicKey: rsa.PublicKey{N: number(k.N), E: k.E},
		D:         number(k.D),
		Primes:    []*big.Int{number(k.Primes[0]), number(k.Primes[1])},
	}
}
