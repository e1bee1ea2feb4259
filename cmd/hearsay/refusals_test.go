package main

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/pem"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const recordedKeys = "../../testdata/keys"

func recordedFile(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(recordedKeys, name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// sshStrings is the SSH wire form of fields, each a string (RFC 4251, section 5).
func sshStrings(fields ...[]byte) (out []byte) {
	for _, f := range fields {
		out = binary.BigEndian.AppendUint32(out, uint32(len(f)))
		out = append(out, f...)
	}
	return out
}

func pubFile(kind string, fields ...[]byte) []byte {
	wire := sshStrings(append([][]byte{[]byte(kind)}, fields...)...)
	return []byte(kind + " " + base64.StdEncoding.EncodeToString(wire) + " x\n")
}

// rsaFile is the .pub file of a modulus of so many bits, low added to the largest of them.
func rsaFile(e int64, bits uint, low int64) []byte {
	n := new(big.Int).Add(new(big.Int).Lsh(big.NewInt(1), bits-1), big.NewInt(low))
	return pubFile("ssh-rsa", mpint(big.NewInt(e)), mpint(n))
}

func mpint(n *big.Int) []byte {
	b := n.Bytes()
	if len(b) > 0 && b[0]&0x80 != 0 {
		return append([]byte{0}, b...)
	}
	return b
}

// inPEM changes the bytes of a recorded PEM file.
func inPEM(t *testing.T, name string, change func([]byte) []byte) []byte {
	t.Helper()
	block, _ := pem.Decode(recordedFile(t, name))
	if block == nil {
		t.Fatalf("%s is no PEM file", name)
	}
	block.Bytes = change(block.Bytes)
	return pem.EncodeToMemory(block)
}

// otherPublic puts another key in the place of the first copy of the public half.
func otherPublic(public, other []byte) func([]byte) []byte {
	return func(b []byte) []byte { return bytes.Replace(b, public, other, 1) }
}

// rounds sets those of bcrypt in an OpenSSH file.
func rounds(n uint32) func([]byte) []byte {
	return func(b []byte) []byte {
		at := bytes.Index(b, []byte("bcrypt")) + len("bcrypt") + 4 + 4 + 16 // options, salt
		binary.BigEndian.PutUint32(b[at:], n)
		return b
	}
}

// TestRefusedKeys has "key convert" and "key id" refuse every key that is not used here, in
// each form in which it comes, and say why.
func TestRefusedKeys(t *testing.T) {
	w := newWorld(t)
	ed, rsaPub := recordedFile(t, "ed25519.pub"), recordedFile(t, "rsa2048.pub")
	edPoint := wirePoint(t, ed)
	low := make([]byte, 32)
	low[0] = 1 // the neutral element
	n := mpint(new(big.Int).Add(new(big.Int).Lsh(big.NewInt(1), 2047), big.NewInt(1)))
	e := []byte{1, 0, 1}
	for name, tt := range map[string]struct {
		file []byte
		says string
	}{
		"DSA":                             {recordedFile(t, "dsa.pub"), "not admitted.*DSA"},
		"DSA, private":                    {recordedFile(t, "dsa"), "not admitted.*(DSA|ssh-dss)"},
		"DSA, PEM":                        {recordedFile(t, "dsa_pem"), "not admitted.*DSA"},
		"ECDSA":                           {recordedFile(t, "ecdsa.pub"), "not admitted.*ECDSA"},
		"ECDSA, private":                  {recordedFile(t, "ecdsa"), "not admitted.*ecdsa"},
		"ECDSA, PEM":                      {recordedFile(t, "ecdsa_pem"), "not admitted.*ECDSA"},
		"ECDSA, RFC 4716":                 {recordedFile(t, "ecdsa_rfc4716"), "not admitted.*ECDSA"},
		"Ed448":                           {recordedFile(t, "ed448_pkcs8"), "not admitted"},
		"RSA-PSS":                         {recordedFile(t, "rsapss_public"), "not admitted"},
		"RSA of 1024 bits":                {recordedFile(t, "rsa1024"), "not admitted.*1024 bits"},
		"RSA of 2047 bits":                {rsaFile(65537, 2047, 1), "not admitted.*2047 bits"},
		"RSA of 4097 bits":                {rsaFile(65537, 4097, 1), "not admitted.*4097 bits"},
		"RSA of 16384 bits":               {rsaFile(65537, 16384, 1), "not admitted.*(16384 bits|larger|long)"},
		"even modulus":                    {rsaFile(65537, 2048, 2), "even"},
		"exponent 1":                      {rsaFile(1, 2048, 1), "not admitted.*exponent"},
		"even exponent":                   {rsaFile(65536, 2048, 1), "not admitted.*exponent"},
		"huge exponent":                   {rsaFile(1<<24+1, 2048, 1), "not admitted.*exponent"},
		"padded exponent":                 {pubFile("ssh-rsa", append([]byte{0}, e...), n), "malformed.*(padded|minimal|zero)"},
		"padded modulus":                  {pubFile("ssh-rsa", e, append([]byte{0}, n...)), "malformed.*(padded|minimal|zero)"},
		"negative modulus":                {pubFile("ssh-rsa", e, n[1:]), "malformed.*positive"},
		"point of small order":            {pubFile("ssh-ed25519", low), "small order"},
		"certificate":                     {recordedFile(t, "ed25519_cert.pub"), "not admitted.*certificate"},
		"RSA certificate":                 {recordedFile(t, "rsa2048_cert.pub"), "not admitted.*certificate"},
		"X.509 certificate":               {recordedFile(t, "ed25519_x509"), "not admitted.*openssl x509"},
		"security key":                    {pubFile("sk-ssh-ed25519@openssh.com", edPoint, []byte("ssh:")), "not admitted.*security key"},
		"security key, ECDSA":             {pubFile("sk-ecdsa-sha2-nistp256@openssh.com", []byte("nistp256"), edPoint, []byte("ssh:")), "not admitted.*security key"},
		"halves that do not match":        {inPEM(t, "ed25519", otherPublic(edPoint, wirePoint(t, recordedFile(t, "ed25519_passphrase.pub")))), "do(es)? not (match|belong)|another"},
		"RSA halves that do not":          {inPEM(t, "rsa2048_pkcs1", func(b []byte) []byte { b[40] ^= 1; return b }), "belong together|malformed"},
		"absurd rounds, as a private key": {inPEM(t, "ed25519_passphrase", rounds(1<<31)), "rounds"},
		"old encryption of PEM":           {recordedFile(t, "rsa2048_oldpem"), "ssh-keygen -p"},
		"trailing garbage":                {append(bytes.Clone(recordedFile(t, "ed25519")), "garbage\n"...), "after|not exactly one"},
		"trailing garbage, PEM":           {append(bytes.Clone(recordedFile(t, "rsa2048_public")), "garbage\n"...), "after the PEM block"},
		"trailing bytes in the key":       {pubFile("ssh-ed25519", append(bytes.Clone(edPoint), 0)), "malformed"},
		"two private keys":                {append(bytes.Clone(recordedFile(t, "ed25519")), recordedFile(t, "rsa2048")...), "one"},
		"two public keys":                 {append(bytes.Clone(ed), rsaPub...), "more than one line"},
		"two PEM blocks":                  {append(bytes.Clone(recordedFile(t, "rsa2048_public")), recordedFile(t, "ed25519_public")...), "one PEM block"},
		"nothing":                         {nil, "no key in it"},
		"a line that says something else": {bytes.Replace(ed, []byte("ssh-ed25519 "), []byte("ssh-rsa "), 1), "the line says"},
	} {
		t.Run(name, func(t *testing.T) {
			file := w.file("file", tt.file)
			for _, args := range [][]string{{"key", "convert", "--to", "authorized-key", file}, {"key", "convert", "--to", "pkcs8", "-o", w.path("out"), file}, {"key", "id", file}} {
				private := len(args) > 3 && args[3] == "pkcs8"
				if private && !bytes.Contains(tt.file, []byte("PRIVATE")) || !private && strings.HasSuffix(name, "as a private key") {
					continue // there is no private half, or the public one is in the clear and good
				}
				out, said, err := try(w.command(args...))
				if err == nil || out != "" {
					t.Fatalf("%q = %q, %v", args, out, err)
				}
				if !regexp.MustCompile("(?s)^hearsay: error: .*(" + tt.says + ")").MatchString(said) {
					t.Errorf("%q says %q, want something about %q", args, said, tt.says)
				}
				if _, err := os.Stat(w.path("out")); err == nil {
					t.Fatalf("%q writes a file", args)
				}
			}
		})
	}
}

// wirePoint returns the point of an ed25519 .pub file.
func wirePoint(t *testing.T, file []byte) []byte {
	t.Helper()
	wire, err := base64.StdEncoding.DecodeString(string(bytes.Fields(file)[1]))
	if err != nil {
		t.Fatal(err)
	}
	return wire[len(wire)-32:]
}

// try runs a command that may fail.
func try(cmd *exec.Cmd) (out, said string, err error) {
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err = cmd.Run()
	return stdout.String(), stderr.String(), err
}
