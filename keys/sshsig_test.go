package keys_test

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hearsaynet/hearsay/keys"
)

// TestRecordedSignatures checks what ssh-keygen -Y sign made.
func TestRecordedSignatures(t *testing.T) {
	message := readFile(t, "testdata", "message")
	for _, tt := range []struct{ file, key, namespace, format string }{
		{"ed25519", "ed25519", "hearsay-update", keys.FormatEd25519},
		{"rsa2048", "rsa2048", "hearsay-update", keys.FormatRSASHA512},
		{"rsa3072_git", "rsa3072_passphrase", "git", keys.FormatRSASHA512},
	} {
		t.Run(tt.file, func(t *testing.T) {
			k, namespace, sig, err := keys.ParseArmoredSignature(readFile(t, "testdata", tt.file+".sig"))
			if err != nil {
				t.Fatal(err)
			}
			if k != recorded(t, tt.key) || namespace != tt.namespace {
				t.Errorf("key %v, namespace %q", k, namespace)
			}
			if !bytes.Contains(sig[:20], []byte(tt.format)) {
				t.Errorf("signature blob %x, want format %s", sig[:20], tt.format)
			}
			if err := k.Verify(namespace, message, sig); err != nil {
				t.Errorf("Verify: %v", err)
			}
			refused := func(what string, err error) {
				if !errors.Is(err, keys.ErrBadSignature) {
					t.Errorf("%s: %v, want ErrBadSignature", what, err)
				}
			}
			refused("another namespace", k.Verify("hearsay-head", message, sig))
			refused("another message", k.Verify(namespace, flip(message, 0), sig))
			refused("another key", recorded(t, "ed25519_passphrase").Verify(namespace, message, sig))
			refused("last bit flipped", k.Verify(namespace, message, flip(sig, len(sig)-1)))
			armored := keys.ArmorSignature(k, namespace, sig)
			k2, ns2, sig2, err := keys.ParseArmoredSignature(armored)
			if err != nil || k2 != k || ns2 != namespace || !bytes.Equal(sig2, sig) {
				t.Errorf("ArmorSignature does not read back: %v", err)
			}
		})
	}
}

func TestSignedData(t *testing.T) {
	if got, want := signedData(), control(testNamespace, "sha256", testMessage); !bytes.Equal(got, want) {
		t.Errorf("SignedData =\n%x, PROTOCOL.sshsig says\n%x", got, want)
	}
}

// TestPurposesDoNotMix shows that a signature for one purpose serves no other:
// not one of another namespace, not over a sha512 digest, not over the plain
// message as in an SSH login.
func TestPurposesDoNotMix(t *testing.T) {
	k, secret := recorded(t, "ed25519"), secretEd25519(t, "ed25519")
	for name, data := range map[string][]byte{
		"an SSH login or a raw signature": testMessage,
		"a git commit":                    control("git", "sha256", testMessage),
		"no namespace":                    control("", "sha256", testMessage),
		"sha512":                          control(testNamespace, "sha512", testMessage),
		"without the magic":               control(testNamespace, "sha256", testMessage)[6:],
	} {
		sig := keys.MarshalSignature(keys.FormatEd25519, ed25519.Sign(secret, data))
		if err := k.Verify(testNamespace, testMessage, sig); !errors.Is(err, keys.ErrBadSignature) {
			t.Errorf("%s: %v, want ErrBadSignature", name, err)
		}
	}
}

func TestParseArmoredSignatureRefuses(t *testing.T) {
	good := readFile(t, "testdata", "ed25519.sig")
	k, namespace, sig, err := keys.ParseArmoredSignature(good)
	if err != nil {
		t.Fatal(err)
	}
	envelope := func(magic string, version byte, fields ...[]byte) []byte {
		return armor(append(append([]byte(magic), 0, 0, 0, version), joined(fields...)...))
	}
	ns, hash := []byte(namespace), []byte("sha256")
	if !bytes.Equal(envelope("SSHSIG", 1, k.Wire(), ns, nil, hash, sig), keys.ArmorSignature(k, namespace, sig)) {
		t.Fatal("the test builds another envelope than ArmorSignature")
	}
	for name, file := range map[string][]byte{
		"empty":                nil,
		"text in front":        append([]byte("see below\n"), good...),
		"text behind":          append(bytes.Clone(good), "see above\n"...),
		"twice":                append(bytes.Clone(good), good...),
		"broken, then a good":  append([]byte("-----BEGIN SSH SIGNATURE-----\n!\n"), good...),
		"cut short":            good[:len(good)/2],
		"other block":          bytes.ReplaceAll(good, []byte("SSH SIGNATURE"), []byte("PGP SIGNATURE")),
		"headers":              bytes.Replace(good, []byte("-----\n"), []byte("-----\nComment: x\n\n"), 1),
		"magic":                envelope("SSHSIH", 1, k.Wire(), ns, nil, hash, sig),
		"version 2":            envelope("SSHSIG", 2, k.Wire(), ns, nil, hash, sig),
		"reserved not empty":   envelope("SSHSIG", 1, k.Wire(), ns, []byte{0}, hash, sig),
		"hash sha512":          readFile(t, "testdata", "ed25519_sha512.sig"),
		"hash in capitals":     envelope("SSHSIG", 1, k.Wire(), ns, nil, []byte("SHA256"), sig),
		"a field more":         envelope("SSHSIG", 1, k.Wire(), ns, nil, hash, sig, nil),
		"a field less":         envelope("SSHSIG", 1, k.Wire(), ns, nil, hash),
		"key that is not ours": readFile(t, "testdata", "ecdsa.sig"),
		"key with garbage":     envelope("SSHSIG", 1, append(k.Wire(), 0), ns, nil, hash, sig),
	} {
		k, namespace, sig, err := keys.ParseArmoredSignature(file)
		if err == nil || !k.IsZero() || namespace != "" || sig != nil {
			t.Errorf("%s: = %v, %q, %x, %v; want an error only", name, k, namespace, sig, err)
		}
	}
}

// TestStockSSH has this machine's ssh-keygen as its judge, with keys that it
// makes anew.
func TestStockSSH(t *testing.T) {
	tool, err := exec.LookPath("ssh-keygen")
	if err != nil {
		t.Skip("no ssh-keygen here; the recorded files are tested all the same")
	}
	for _, kind := range [][]string{{"ed25519"}, {"rsa", "-b", "2048"}} {
		t.Run(kind[0], func(t *testing.T) { stockSSH(t, tool, kind) })
	}
}

func stockSSH(t *testing.T, tool string, kind []string) {
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	run := func(stdin []byte, args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), tool, args...)
		cmd.Stdin = bytes.NewReader(stdin)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("ssh-keygen %q: %v\n%s", args, err, out)
		}
		return string(out)
	}
	run(nil, append([]string{"-q", "-N", "", "-C", "ada", "-f", file("key"), "-t"}, kind...)...)
	k, comment, err := keys.ParseAuthorizedKey(readFile(t, dir, "key.pub"))
	if err != nil || comment != "ada" {
		t.Fatalf("its .pub file = %v, %q, %v", k, comment, err)
	}
	if line := run(nil, "-l", "-f", file("key.pub")); !strings.Contains(line, " "+k.ID().Fingerprint()+" ") {
		t.Errorf("ssh-keygen -l says %q, we say %s", line, k.ID().Fingerprint())
	}

	// It signs, we check.
	write(t, file("message"), testMessage)
	run(nil, "-q", "-Y", "sign", "-f", file("key"), "-n", testNamespace, "-O", "hashalg=sha256", file("message"))
	signer, namespace, sig, err := keys.ParseArmoredSignature(readFile(t, dir, "message.sig"))
	if err != nil || signer != k {
		t.Fatalf("its signature = %v, %v", signer, err)
	}
	if err := k.Verify(namespace, testMessage, sig); err != nil {
		t.Errorf("its signature: %v", err)
	}

	// We armor, it checks.
	write(t, file("allowed"), []byte("ada "+k.AuthorizedKey("")+"\n"))
	write(t, file("ours.sig"), keys.ArmorSignature(k, namespace, sig))
	out := run(testMessage, "-Y", "verify", "-f", file("allowed"), "-I", "ada", "-n", testNamespace, "-s", file("ours.sig"))
	if !strings.HasPrefix(out, "Good ") {
		t.Errorf("ssh-keygen -Y verify says %q", out)
	}
}

// TestStockSSHChecksOurs signs with a recorded key, in both RSA formats.
func TestStockSSHChecksOurs(t *testing.T) {
	tool, err := exec.LookPath("ssh-keygen")
	if err != nil {
		t.Skip("no ssh-keygen here")
	}
	secret, data := secretRSA(t, "rsa2048"), signedData()
	for name, tt := range map[string]struct {
		key keys.PublicKey
		sig []byte
	}{
		"ed25519":      {recorded(t, "ed25519"), keys.MarshalSignature(keys.FormatEd25519, ed25519.Sign(secretEd25519(t, "ed25519"), data))},
		"rsa-sha2-256": {recorded(t, "rsa2048"), keys.MarshalSignature(keys.FormatRSASHA256, signRSA(t, secret, crypto.SHA256, data))},
		"rsa-sha2-512": {recorded(t, "rsa2048"), keys.MarshalSignature(keys.FormatRSASHA512, signRSA(t, secret, crypto.SHA512, data))},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "sig")
			write(t, file, keys.ArmorSignature(tt.key, testNamespace, tt.sig))
			cmd := exec.CommandContext(t.Context(), tool, "-Y", "check-novalidate", "-n", testNamespace, "-s", file)
			cmd.Stdin = bytes.NewReader(testMessage)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("ssh-keygen: %v\n%s", err, out)
			}
		})
	}
}

func write(t *testing.T, file string, data []byte) {
	t.Helper()
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
}
