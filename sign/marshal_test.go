package sign_test

import (
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/sign"
)

func TestMarshalOpenSSH(t *testing.T) {
	tool, toolErr := exec.LookPath("ssh-keygen")
	for name, passes := range map[string][]string{"ed25519": {"", "another horse"}, "rsa2048": {""}} {
		for _, pass := range passes {
			k := parse(t, name)
			file, err := k.MarshalOpenSSH("ada@example", []byte(pass))
			if err != nil {
				t.Fatal(err)
			}
			back, err := sign.Parse(file, answer(pass))
			if err != nil || back.Public() != k.Public() {
				t.Fatalf("%s, passphrase %q: reads back as %v, %v", name, pass, back, err)
			}
			mustSign(t, back)
			if pass == "" && back.Comment() != "ada@example" {
				t.Errorf("%s: comment %q", name, back.Comment())
			}
			if _, err := sign.Parse(file, nil); (pass != "") != errors.Is(err, sign.ErrPassphraseNeeded) {
				t.Errorf("%s, passphrase %q: with nobody to ask: %v", name, pass, err)
			}
			if toolErr != nil {
				t.Log("no ssh-keygen here")
				continue
			}
			path := filepath.Join(t.TempDir(), "key")
			write(t, path, file)
			out, err := exec.CommandContext(t.Context(), tool, "-y", "-P", pass, "-f", path).Output()
			if err != nil || strings.TrimSpace(string(out)) != k.Public().AuthorizedKey("ada@example") {
				t.Errorf("%s, passphrase %q: ssh-keygen -y says %q, %v", name, pass, out, err)
			}
		}
	}
	if _, err := parse(t, "ed25519").MarshalOpenSSH(strings.Repeat("x", sign.MaxFileSize), nil); err == nil {
		t.Error("a file is written that Parse would refuse for its size")
	}
}

func TestMarshalPKCS8(t *testing.T) {
	for _, tt := range []struct{ name, pass, begins string }{
		{"ed25519", "", "-----BEGIN PRIVATE KEY-----"},
		{"rsa2048", "", "-----BEGIN PRIVATE KEY-----"},
		{"ed25519", "another horse", "-----BEGIN ENCRYPTED PRIVATE KEY-----"},
	} {
		k := parse(t, tt.name)
		file, err := k.MarshalPKCS8([]byte(tt.pass))
		if err != nil || !strings.HasPrefix(string(file), tt.begins) {
			t.Fatalf("%s, passphrase %q: %v\n%.40s", tt.name, tt.pass, err, file)
		}
		back, err := sign.Parse(file, answer(tt.pass))
		if err != nil || back.Public() != k.Public() {
			t.Fatalf("%s, passphrase %q: reads back as %v, %v", tt.name, tt.pass, back, err)
		}
		mustSign(t, back)
		if tt.pass == "" {
			continue
		}
		if again, _ := k.MarshalPKCS8([]byte(tt.pass)); string(again) == string(file) {
			t.Errorf("%s: two encrypted files are the same", tt.name)
		}
	}
}

func TestMarshalPKCS1(t *testing.T) {
	k := parse(t, "rsa2048")
	file, err := k.MarshalPKCS1()
	if err != nil || string(file) != string(readFile(t, "rsa2048_pkcs1")) {
		t.Errorf("RSA: %v; other bytes than openssl's", err)
	}
	if file, err := parse(t, "ed25519").MarshalPKCS1(); !errors.Is(err, sign.ErrNotRSA) || file != nil {
		t.Errorf("ed25519: %q, %v; want ErrNotRSA", file, err)
	}
}

func TestZeroKeyIsNotWritten(t *testing.T) {
	var zero sign.PrivateKey
	if file, err := zero.MarshalPKCS8(nil); err == nil || file != nil {
		t.Errorf("PKCS #8: %q, %v", file, err)
	}
	if file, err := zero.MarshalPKCS1(); err == nil || file != nil {
		t.Errorf("PKCS #1: %q, %v", file, err)
	}
}

// TestParsePublic reads public halves, and asks only where they are encrypted too.
func TestParsePublic(t *testing.T) {
	for _, tt := range []struct {
		file, public, comment string
		asks                  bool
	}{
		{"ed25519", "ed25519", "ed25519 throw-away-test-key", false},
		{"ed25519_passphrase", "ed25519_passphrase", "", false},
		{"rsa3072_passphrase", "rsa3072_passphrase", "", false},
		{"rsa2048_pkcs1", "rsa2048", "", false},
		{"ed25519_pkcs8", "ed25519_public", "", false},
		{"rsa2048_pkcs8enc", "rsa2048", "", true},
	} {
		ask := mustNotAsk(t)
		if tt.asks {
			ask = answer(passphrase)
			if k, _, err := sign.ParsePublic(readFile(t, tt.file), nil); !errors.Is(err, sign.ErrPassphraseNeeded) || !k.IsZero() {
				t.Errorf("%s, nobody to ask: %v, %v; want ErrPassphraseNeeded", tt.file, k, err)
			}
		}
		k, comment, err := sign.ParsePublic(readFile(t, tt.file), ask)
		if err != nil || k != public(t, tt.public) || comment != tt.comment {
			t.Errorf("%s: %v, %q, %v", tt.file, k, comment, err)
		}
	}
	other := edited(t, "ed25519_passphrase", func(f *opensshFile) { f.Cipher, f.Rest = "aes256-gcm@openssh.com", make([]byte, 16) })
	if k, _, err := sign.ParsePublic(other, nil); err != nil || k != public(t, "ed25519_passphrase") {
		t.Errorf("a cipher that Parse cannot open: %v, %v", k, err)
	}
	for _, name := range []string{"ecdsa", "rsa1024", "dsa_pkcs8"} {
		if k, _, err := sign.ParsePublic(readFile(t, name), mustNotAsk(t)); !errors.Is(err, keys.ErrNotAdmitted) || !k.IsZero() {
			t.Errorf("%s: %v, %v; want ErrNotAdmitted", name, k, err)
		}
	}
}
