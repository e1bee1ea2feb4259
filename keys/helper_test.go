package keys_test

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/binary"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/hearsaynet/hearsay/keys"
)

const shared = "../testdata/keys"

// admittedKeys are the recorded keys that hearsay uses.
var admittedKeys = []string{"ed25519", "ed25519_passphrase", "rsa2048", "rsa3072_passphrase"}

func readFile(t testing.TB, path ...string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func recorded(t testing.TB, name string) keys.PublicKey {
	t.Helper()
	k, _, err := keys.ParseAuthorizedKey(readFile(t, shared, name+".pub"))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return k
}

// wireOf has x/crypto decode a .pub file that hearsay may refuse.
func wireOf(t testing.TB, name string) []byte {
	t.Helper()
	k, _, _, _, err := ssh.ParseAuthorizedKey(readFile(t, shared, name+".pub"))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return k.Marshal()
}

func secretEd25519(t testing.TB, name string) ed25519.PrivateKey {
	t.Helper()
	raw, err := ssh.ParseRawPrivateKey(readFile(t, shared, name))
	if err != nil {
		t.Fatal(err)
	}
	return *raw.(*ed25519.PrivateKey)
}

func secretRSA(t testing.TB, name string) *rsa.PrivateKey {
	t.Helper()
	raw, err := ssh.ParseRawPrivateKey(readFile(t, shared, name))
	if err != nil {
		t.Fatal(err)
	}
	return raw.(*rsa.PrivateKey)
}

// joined is the SSH wire form of fields, each a string (RFC 4251, section 5).
func joined(fields ...[]byte) []byte {
	var out []byte
	for _, f := range fields {
		out = binary.BigEndian.AppendUint32(out, uint32(len(f)))
		out = append(out, f...)
	}
	return out
}

// mpint is the one encoding of a positive number.
func mpint(n *big.Int) []byte {
	b := n.Bytes()
	if len(b) > 0 && b[0]&0x80 != 0 {
		return append([]byte{0}, b...)
	}
	return b
}

func rsaWire(e, n []byte) []byte { return joined([]byte("ssh-rsa"), e, n) }

func signRSA(t testing.TB, priv *rsa.PrivateKey, hash crypto.Hash, data []byte) []byte {
	t.Helper()
	h := hash.New()
	h.Write(data)
	sig, err := rsa.SignPKCS1v15(nil, priv, hash, h.Sum(nil))
	if err != nil {
		t.Fatal(err)
	}
	return sig
}

const testNamespace = "hearsay-update"

var testMessage = []byte("an update that ssh-keygen signed\n")

func signedData() []byte { return keys.SignedData(testNamespace, sha256.Sum256(testMessage)) }

// control builds SSHSIG's signed data a second time, from the text of
// PROTOCOL.sshsig, so that an error in SignedData cannot hide.
func control(namespace, hash string, msg []byte) []byte {
	sum := sha256.Sum256(msg)
	digest := sum[:]
	if hash == "sha512" {
		long := sha512.Sum512(msg)
		digest = long[:]
	}
	return append([]byte("SSHSIG"), joined([]byte(namespace), nil, []byte(hash), digest)...)
}

func flip(b []byte, at int) []byte {
	out := bytes.Clone(b)
	out[at] ^= 1
	return out
}

func armor(body []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "SSH SIGNATURE", Bytes: body})
}

// pubLine is a .pub file of any wire form.
func pubLine(kind string, wire []byte) []byte {
	return []byte(kind + " " + base64.StdEncoding.EncodeToString(wire) + " test\n")
}
