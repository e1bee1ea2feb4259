package keygen_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hearsaynet/hearsay/keygen"
	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/sign"
)

const matrixPass = "correct horse"

// stock is the programs that people have their keys from, in a directory of its own.
type stock struct {
	t   *testing.T
	dir string
}

func newStock(t *testing.T, tools ...string) *stock {
	t.Helper()
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("no %s here: only what it wrote into testdata/keys is tested", tool)
		}
	}
	return &stock{t, t.TempDir()}
}

func (s *stock) path(name string) string { return filepath.Join(s.dir, name) }

// try runs a program and returns its standard output.
func (s *stock) try(tool string, args ...string) (string, error) {
	cmd := exec.CommandContext(s.t.Context(), tool, args...)
	cmd.Dir = s.dir
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		err = errors.Join(err, errors.New(errs.String()))
	}
	return string(out), err
}

func (s *stock) run(tool string, args ...string) string {
	s.t.Helper()
	out, err := s.try(tool, args...)
	if err != nil {
		s.t.Fatalf("%s %q: %v", tool, args, err)
	}
	return out
}

func (s *stock) read(name string) []byte {
	s.t.Helper()
	b, err := os.ReadFile(s.path(name))
	if err != nil {
		s.t.Fatal(err)
	}
	return b
}

func (s *stock) write(name string, data []byte) {
	s.t.Helper()
	if err := os.WriteFile(s.path(name), data, 0o600); err != nil {
		s.t.Fatal(err)
	}
}

func (s *stock) copy(from, to string) { s.write(to, s.read(from)) }

// public is the key in a .pub file that ssh-keygen has written.
func (s *stock) public(name string) keys.PublicKey {
	s.t.Helper()
	k, _, err := keys.ParseAuthorizedKey(s.read(name))
	if err != nil {
		s.t.Fatalf("%s: %v", name, err)
	}
	return k
}

// reads has Parse or ParsePublicFile read a file and compares the key.
func (s *stock) reads(name, pass string, want keys.PublicKey) {
	s.t.Helper()
	file := s.read(name)
	if !bytes.Contains(file, []byte("PRIVATE KEY-----")) {
		if k, _, err := keys.ParsePublicFile(file); err != nil || k != want {
			s.t.Errorf("%s: %v, %v", name, k, err)
		}
		return
	}
	asked := false
	k, err := sign.Parse(file, func() ([]byte, error) { asked = true; return []byte(pass), nil })
	if err != nil || k.Public() != want {
		s.t.Errorf("%s: %v, %v", name, k, err)
		return
	}
	if asked != (pass != "") {
		s.t.Errorf("%s: asked for a passphrase: %v", name, asked)
	}
	sig, err := k.Sign(s.t.Context(), "hearsay-update", []byte("x"))
	if err != nil || want.Verify("hearsay-update", []byte("x"), sig) != nil {
		s.t.Errorf("%s: does not sign: %v", name, err)
	}
}

// TestMatrixOfSSHKeygen reads what ssh-keygen writes: kind × size × format × passphrase.
func TestMatrixOfSSHKeygen(t *testing.T) {
	s := newStock(t, "ssh-keygen")
	for _, kind := range []struct{ name, kind, bits string }{
		{"ed25519", "ed25519", "256"}, {"rsa2048", "rsa", "2048"}, {"rsa4096", "rsa", "4096"},
	} {
		s.run("ssh-keygen", "-q", "-t", kind.kind, "-b", kind.bits, "-N", "", "-C", "ada @ example", "-f", kind.name)
		want := s.public(kind.name + ".pub")
		for _, format := range []string{"", "PEM", "PKCS8", "RFC4716"} {
			for _, pass := range []string{"", matrixPass} {
				name := kind.name + "." + format + "." + strings.Fields(pass + " -")[0]
				s.copy(kind.name, name)
				args := []string{"-q", "-p", "-P", "", "-N", pass, "-a", "2", "-f", name}
				if format != "" {
					args = append(args, "-m", format)
				}
				s.run("ssh-keygen", args...)
				if bytes.Contains(s.read(name), []byte("DEK-Info")) {
					if k, err := sign.Parse(s.read(name), nil); !errors.Is(err, sign.ErrEncryption) || !strings.Contains(err.Error(), "ssh-keygen -p") {
						t.Errorf("%s: %v, %v; want a hint how to convert it", name, k, err)
					}
					s.run("ssh-keygen", "-q", "-p", "-P", pass, "-N", pass, "-a", "2", "-f", name) // the hint
				}
				s.reads(name, pass, want)
			}
			if format == "" || kind.kind == "ed25519" && format != "RFC4716" {
				continue // ssh-keygen writes no ed25519 key in PEM
			}
			s.write(kind.name+"."+format, []byte(s.run("ssh-keygen", "-e", "-m", format, "-f", kind.name+".pub")))
			s.reads(kind.name+"."+format, "", want)
		}
	}
}

// TestMatrixOfCiphers reads what ssh-keygen encrypts: kind × cipher × rounds.
func TestMatrixOfCiphers(t *testing.T) {
	s := newStock(t, "ssh-keygen", "ssh")
	ciphers := strings.Fields(s.run("ssh", "-Q", "cipher"))
	if len(ciphers) < 5 {
		t.Fatalf("ssh knows the ciphers %q only", ciphers)
	}
	for _, kind := range []struct {
		kind, bits string
		rounds     []string
	}{{"ed25519", "256", []string{"1", "4"}}, {"rsa", "2048", []string{"2"}}} {
		s.run("ssh-keygen", "-q", "-t", kind.kind, "-b", kind.bits, "-N", "", "-C", "ada @ example", "-f", kind.kind)
		want := s.public(kind.kind + ".pub")
		for _, cipher := range ciphers {
			for _, rounds := range kind.rounds {
				name := kind.kind + "." + cipher + "." + rounds
				s.copy(kind.kind, name)
				s.run("ssh-keygen", "-q", "-p", "-P", "", "-N", matrixPass, "-a", rounds, "-Z", cipher, "-f", name)
				s.reads(name, matrixPass, want)
				if rounds != "1" {
					continue
				}
				k, err := sign.Parse(s.read(name), func() ([]byte, error) { return []byte("correct  horse"), nil })
				if !errors.Is(err, sign.ErrWrongPassphrase) || k != nil {
					t.Errorf("%s, wrong passphrase: %v, %v; want ErrWrongPassphrase", name, k, err)
				}
			}
		}
	}
}

// TestMatrixOfOpenSSL reads what openssl writes: kind × size × format × cipher × key
// derivation.
func TestMatrixOfOpenSSL(t *testing.T) {
	s := newStock(t, "openssl")
	s.run("openssl", "genpkey", "-algorithm", "ed25519", "-out", "ed25519")
	s.run("openssl", "genpkey", "-algorithm", "rsa", "-pkeyopt", "rsa_keygen_bits:2048", "-out", "rsa2048")
	s.run("openssl", "genpkey", "-algorithm", "rsa", "-pkeyopt", "rsa_keygen_bits:3072", "-out", "rsa3072")
	pass := "pass:" + matrixPass
	var protections [][]string
	for _, cipher := range []string{"aes-128-cbc", "aes-192-cbc", "aes-256-cbc", "des3"} {
		protections = append(protections, []string{"-v2", cipher})
	}
	for i, prf := range []string{"SHA1", "SHA224", "SHA256", "SHA384", "SHA512", "SHA512-224", "SHA512-256"} {
		protections = append(protections, []string{"-v2", []string{"aes-128-cbc", "aes-192-cbc", "aes-256-cbc", "des3"}[i%4], "-v2prf", "hmacWith" + prf})
	}
	protections = append(protections, []string{"-scrypt"}, []string{"-iter", "100000"})
	for _, kind := range []string{"ed25519", "rsa2048", "rsa3072"} {
		s.run("openssl", "pkey", "-in", kind, "-pubout", "-out", kind+".public")
		want, _, err := keys.ParsePublicFile(s.read(kind + ".public"))
		if err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
		s.reads(kind, "", want)
		s.run("openssl", "pkey", "-in", kind, "-aes256", "-passout", pass, "-out", kind+".pkey")
		s.reads(kind+".pkey", matrixPass, want)
		if kind != "ed25519" {
			s.run("openssl", "rsa", "-in", kind, "-traditional", "-out", kind+".pkcs1")
			s.reads(kind+".pkcs1", "", want)
			s.run("openssl", "rsa", "-in", kind, "-traditional", "-aes256", "-passout", pass, "-out", kind+".dek")
			if k, err := sign.Parse(s.read(kind+".dek"), nil); !errors.Is(err, sign.ErrEncryption) || !strings.Contains(err.Error(), "ssh-keygen -p") {
				t.Errorf("%s.dek: %v, %v; want a hint how to convert it", kind, k, err)
			}
			s.run("openssl", "rsa", "-in", kind, "-RSAPublicKey_out", "-out", kind+".rsapublic")
			s.reads(kind+".rsapublic", "", want)
		}
		if kind == "rsa3072" {
			continue
		}
		for _, how := range protections {
			name := kind + "." + strings.Join(how, "")
			s.run("openssl", append([]string{"pkcs8", "-topk8", "-in", kind, "-passout", pass, "-out", name}, how...)...)
			s.reads(name, matrixPass, want)
		}
		for _, how := range [][]string{{"-v1", "PBE-SHA1-3DES"}, {"-v2", "camellia-128-cbc"}, {"-v2", "aes-256-cfb"}} {
			name := kind + "." + strings.Join(how, "")
			if _, err := s.try("openssl", append([]string{"pkcs8", "-topk8", "-in", kind, "-passout", pass, "-out", name}, how...)...); err != nil {
				t.Logf("this openssl has no %q", how)
				continue
			}
			if k, err := sign.Parse(s.read(name), nil); !errors.Is(err, sign.ErrEncryption) || !strings.Contains(err.Error(), "openssl pkcs8 -topk8") {
				t.Errorf("%s: %v, %v; want a hint how to convert it", name, k, err)
			}
			s.run("openssl", "pkcs8", "-topk8", "-in", name, "-passin", pass, "-passout", pass, "-out", name+".new") // the hint
			s.reads(name+".new", matrixPass, want)
		}
	}
}

// matrixKeys are one key of each kind, of ours.
func matrixKeys(t *testing.T) map[string]*sign.PrivateKey {
	t.Helper()
	made := make(map[string]*sign.PrivateKey)
	for _, kind := range []struct {
		name, kind string
		bits       int
	}{{"ed25519", keygen.Ed25519, 0}, {"rsa2048", keygen.RSA, 2048}, {"rsa3072", keygen.RSA, 3072}} {
		k, err := keygen.Generate(kind.kind, kind.bits)
		if err != nil {
			t.Fatal(err)
		}
		made[kind.name] = k
	}
	return made
}

// TestMatrixIsRead has ssh-keygen and openssl read what is written here: kind × size ×
// format × passphrase.
func TestMatrixIsRead(t *testing.T) {
	s := newStock(t, "ssh-keygen", "openssl")
	for name, k := range matrixKeys(t) {
		isRSA := k.Public().Type() == keys.TypeRSA
		for _, f := range keygen.Formats() {
			if !f.IsPrivate() {
				s.publicIsRead(name, f, k.Public())
				continue
			}
			for _, pass := range []string{"", matrixPass} {
				file, err := keygen.Marshal(f, k, "ada @ example", []byte(pass))
				if f == keygen.PKCS1 && (!isRSA || pass != "") {
					if err == nil {
						t.Errorf("%s in %s, passphrase %q, was written", name, f, pass)
					}
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				out := name + "." + string(f) + strings.Fields("." + pass)[0]
				s.write(out, file)
				if f == keygen.OpenSSH || isRSA {
					line := s.run("ssh-keygen", "-y", "-P", pass, "-f", out)
					if got, comment, err := keys.ParseAuthorizedKey([]byte(line)); err != nil || got != k.Public() || f == keygen.OpenSSH && comment != "ada @ example" {
						t.Errorf("%s: ssh-keygen reads %q, %v", out, line, err)
					}
				}
				if f != keygen.OpenSSH {
					text := s.run("openssl", "pkey", "-in", out, "-passin", "pass:"+pass, "-pubout")
					if text != string(k.Public().MarshalPEM()) {
						t.Errorf("%s: openssl reads\n%s", out, text)
					}
				}
				if f == keygen.PKCS1 {
					if text := s.run("openssl", "rsa", "-in", out, "-check", "-noout"); !strings.Contains(text, "ok") {
						t.Errorf("%s: openssl says %s", out, text)
					}
				}
			}
		}
	}
}

func (s *stock) publicIsRead(name string, f keygen.Format, k keys.PublicKey) {
	s.t.Helper()
	for _, comment := range []string{"", "ada @ example", `a "quote": x END y \`, strings.Repeat("long ", 40)} {
		file, err := keygen.MarshalPublic(f, k, comment)
		if err != nil {
			s.t.Fatal(err)
		}
		out := name + "." + string(f)
		s.write(out, file)
		switch {
		case f == keygen.AuthorizedKey:
			if text := s.run("ssh-keygen", "-l", "-f", out); !strings.Contains(text, k.ID().Fingerprint()) {
				s.t.Errorf("%s: ssh-keygen reads %q", out, text)
			}
		case f == keygen.RFC4716:
			line := s.run("ssh-keygen", "-i", "-m", "RFC4716", "-f", out)
			if got, _, err := keys.ParseAuthorizedKey([]byte(line)); err != nil || got != k {
				s.t.Errorf("%s, comment %q: ssh-keygen reads %q", out, comment, line)
			}
		case f == keygen.PEMPublic:
			if text := s.run("openssl", "pkey", "-pubin", "-in", out, "-pubout"); text != string(file) {
				s.t.Errorf("%s: openssl reads\n%s", out, text)
			}
			if k.Type() == keys.TypeRSA {
				line := s.run("ssh-keygen", "-i", "-m", "PKCS8", "-f", out)
				if got, _, err := keys.ParseAuthorizedKey([]byte(line)); err != nil || got != k {
					s.t.Errorf("%s: ssh-keygen reads %q", out, line)
				}
			}
		}
	}
}

func TestMarshalRefuses(t *testing.T) {
	k, err := keygen.Generate(keygen.Ed25519, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range keygen.Formats() {
		if f.IsPrivate() {
			if file, err := keygen.MarshalPublic(f, k.Public(), ""); err == nil || file != nil {
				t.Errorf("a public key is written as %s: %q", f, file)
			}
			if file, err := keygen.Marshal(f, nil, "", nil); err == nil || file != nil {
				t.Errorf("no key is written as %s: %q", f, file)
			}
		} else {
			if file, err := keygen.Marshal(f, k, "", nil); err == nil || file != nil {
				t.Errorf("a private key is written as %s: %q", f, file)
			}
			if file, err := keygen.MarshalPublic(f, keys.PublicKey{}, ""); err == nil || file != nil {
				t.Errorf("no key is written as %s: %q", f, file)
			}
		}
	}
	if file, err := keygen.Marshal(keygen.PKCS1, k, "", []byte("x")); !errors.Is(err, keygen.ErrClear) || file != nil {
		t.Errorf("PKCS #1 with a passphrase: %q, %v; want ErrClear", file, err)
	}
}
