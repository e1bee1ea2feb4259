package scuttlebutt

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/verify"
)

// keyFiles are a throw-away pair of the vectors: PEM files, and the id that npm gives.
type keyFiles struct{ Private, Public, ID string }

type vectors struct {
	Keys    map[string]keyFiles
	Vectors []struct{ Key, Data, Sig, Line string }
}

func golden(t testing.TB) (v vectors) {
	t.Helper()
	text, err := os.ReadFile("testdata/security.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	if len(v.Keys) == 0 || len(v.Vectors) == 0 {
		t.Fatal("no vectors")
	}
	return v
}

func publicKey(t testing.TB, name string) *InsecurePublicKey {
	t.Helper()
	k, err := ParseInsecurePublicKey([]byte(golden(t).Keys[name].Public))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// security is the mode with one of the vectors' pairs, and the public keys of others.
func security(t testing.TB, name string, others ...string) Security {
	t.Helper()
	private, err := ParseInsecurePrivateKey([]byte(golden(t).Keys[name].Private))
	if err != nil {
		t.Fatal(err)
	}
	known := make(InsecureKeyMap)
	for _, other := range others {
		k := publicKey(t, other)
		known[k.ID()] = k
	}
	s, err := InsecureRSASHA1(known, private, publicKey(t, name))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func secureModel(t testing.TB, s Security) *Model {
	t.Helper()
	m, err := NewModel(Config{Security: s})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestGoldenSignatures: what npm has signed is verified, and signed as npm signs it.
func TestGoldenSignatures(t *testing.T) {
	v := golden(t)
	for name, k := range v.Keys {
		if name == "shipped768" {
			continue // see TestShortKeys
		}
		if got := publicKey(t, name).ID(); got != k.ID {
			t.Errorf("%s has id %s; want %s", name, got, k.ID)
		}
		s := security(t, name)
		for _, g := range v.Vectors {
			if g.Key == name {
				checkGolden(t, s, g.Data, g.Sig, g.Line)
			}
		}
	}
}

func checkGolden(t *testing.T, s Security, data, sig, line string) {
	t.Helper()
	e, err := parseUpdate([]byte(line), map[string]string{})
	if err != nil {
		t.Fatal(err)
	}
	if got := string(e.signed()); got != data {
		t.Errorf("signed is %s; want %s", got, data)
	}
	if v, err := s.Verify(t.Context(), e.source, e.signed(), decodeSignature(sig)); v != verify.Accept {
		t.Errorf("%s: %v, %v", line, v, err)
	}
	mine := newEntry(e.change, e.ts, e.source)
	made, err := s.Sign(t.Context(), mine.line)
	if err != nil {
		t.Fatal(err)
	}
	if mine.sign(encodeSignature(made)); string(mine.line) != line {
		t.Errorf("makes %s; want %s", mine.line, line)
	}
	// One bit less is nobody's.
	broken := decodeSignature(sig)
	broken[len(broken)/2] ^= 1
	if v, _ := s.Verify(t.Context(), e.source, e.signed(), broken); v != verify.Reject {
		t.Errorf("a broken signature is %v", v)
	}
}

// TestShortKeys: below 1024 bits only where the program's user says so.
func TestShortKeys(t *testing.T) {
	k := golden(t).Keys["shipped768"]
	if _, err := ParseInsecurePublicKey([]byte(k.Public)); err == nil || !strings.Contains(err.Error(), "768 bits (1024") {
		t.Errorf("a public key of 768 bits: %v", err)
	}
	if _, err := ParseInsecurePrivateKey([]byte(k.Private)); err == nil || !strings.Contains(err.Error(), "rsa1024min") {
		t.Errorf("a private key of 768 bits: %v", err)
	}
	t.Setenv("GODEBUG", "rsa1024min=0")
	s := security(t, "shipped768")
	if s.ID() != k.ID {
		t.Errorf("id %s; want %s", s.ID(), k.ID)
	}
	n := 0
	for _, g := range golden(t).Vectors {
		if g.Key == "shipped768" {
			n++
			checkGolden(t, s, g.Data, g.Sig, g.Line)
		}
	}
	if n == 0 {
		t.Error("no vectors")
	}
}

func TestKeyFiles(t *testing.T) {
	v := golden(t)
	for name, file := range map[string]string{
		"empty": "", "no PEM": "ssh-rsa AAAA", "certificate": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
		"private": v.Keys["rsa2048"].Private, "junk": "-----BEGIN RSA PUBLIC KEY-----\nAAAA\n-----END RSA PUBLIC KEY-----\n",
		"long":    v.Keys["rsa2048"].Public + strings.Repeat("\n", MaxInsecureKey),
		"ed25519": "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n",
	} {
		if k, err := ParseInsecurePublicKey([]byte(file)); err == nil || k != nil {
			t.Errorf("%s: taken as a public key", name)
		}
	}
	for name, c := range map[string][2]string{
		"public": {v.Keys["rsa2048"].Public, "no private key"}, "empty": {"", "no PEM"},
		"openssh":   {"-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n", "ssh-keygen -p -m PEM"},
		"encrypted": {"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n", "passphrase"},
		"junk":      {"-----BEGIN RSA PRIVATE KEY-----\nc2VjcmV0\n-----END RSA PRIVATE KEY-----\n", "no RSA key"},
	} {
		if _, err := ParseInsecurePrivateKey([]byte(c[0])); err == nil || !strings.Contains(err.Error(), c[1]) {
			t.Errorf("%s: %v; want %q", name, err, c[1])
		}
	}
	private, err := ParseInsecurePrivateKey([]byte(v.Keys["rsa2048"].Private))
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d", "%x"} {
		if got := fmt.Sprintf(verb, private); got != "InsecurePrivateKey(2048 bits)" {
			t.Errorf("%s prints %s", verb, got)
		}
	}
	if _, err := json.Marshal(private); err == nil {
		t.Error("a private key became JSON")
	}
	if _, err := InsecureRSASHA1(nil, private, publicKey(t, "rsa4096")); err == nil {
		t.Error("two keys of two pairs make one identity")
	}
}

// TestWarned: once, with the key's size when that is small.
func TestWarned(t *testing.T) {
	for name, small := range map[string]bool{"rsa1024": true, "rsa2048": false} {
		var log strings.Builder
		if _, err := NewModel(Config{Security: security(t, name), Log: slog.New(slog.NewTextHandler(&log, nil))}); err != nil {
			t.Fatal(err)
		}
		if got := log.String(); strings.Count(got, "SHA-1") != 1 || strings.Contains(got, "1024 bits") != small {
			t.Errorf("%s: logged %s", name, got)
		}
	}
}

// TestSignatureSpelling: base64 as Node.js reads it; what is kept has the one spelling.
func TestSignatureSpelling(t *testing.T) {
	for text, want := range map[string]string{
		"YQ==Yg==": "a", "YQ=Yg==": "a", "Y-_/": "\x63\xef\xff", "YQ": "a", "Y Q\n==": "a", "Y*Q==": "a", "Y": "",
		"YWI=YWI=": "ab", "=YQ==": "", "YWJ": "ab", "YWIé=": "ab",
		"Y\u0141": "`", "\u012b\u0141": "\xf8", "YQ\u013dYg": "a", "YQ\u2028😀Yg": "a",
	} {
		if got := string(decodeSignature(text)); got != want {
			t.Errorf("%q decodes to %q; want %q", text, got, want)
		}
	}
	a, b := secureModel(t, security(t, "rsa1024")), secureModel(t, security(t, "rsa2048", "rsa1024"))
	u := set(t, a, "k", `[1,{"a":"<é>"}]`)
	p := played(t, &b.Node, SyncConfig{})
	p.line()
	p.send(`{"id":"x","clock":{}}`)
	p.want(`"SYNC"`)
	escaped := strings.NewReplacer(`"a"`, `"\u0061"`, `,`, ` , `, `é`, `\u00e9`).Replace(string(u.Change))
	p.send(`[` + escaped + `,` + number(u.Timestamp) + `,"` + a.ID() + `","` + strings.TrimRight(u.Signature, "=") + `*"]`)
	eventually(t, &b.Node, "k", func() bool { return state(b) != "" })
	if got, want := b.History(nil)[0], a.History(nil)[0]; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("keeps %v; want %v", got, want)
	}
}

func TestKeyDir(t *testing.T) {
	dir := t.TempDir()
	if _, err := OpenInsecureKeyDir(filepath.Join(dir, "none"), nil); err == nil {
		t.Error("a directory that is not there")
	}
	put := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	v := golden(t)
	put("a.pem", v.Keys["rsa2048"].Public)
	put("a", v.Keys["rsa2048"].Private)
	put("notes.pem", "none")
	if err := os.Mkdir(filepath.Join(dir, "old.pem"), 0o700); err != nil {
		t.Fatal(err)
	}
	d, err := OpenInsecureKeyDir(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	lookup := func(name string, want error) {
		t.Helper()
		d.mu.Lock()
		d.looked = time.Time{}
		d.mu.Unlock()
		k, err := d.LookupInsecure(context.Background(), v.Keys[name].ID)
		if !errors.Is(err, want) || (err == nil) != (k != nil) {
			t.Errorf("%s: %v, %v; want %v", name, k, err, want)
		}
	}
	lookup("rsa2048", nil)
	lookup("rsa1024", keys.ErrUnknown)
	put("b.pem", v.Keys["rsa1024"].Public)
	lookup("rsa1024", nil)
	if n := d.Len(); n != 2 {
		t.Errorf("%d keys", n)
	}
	os.Remove(filepath.Join(dir, "b.pem"))
	lookup("rsa1024", keys.ErrUnknown)
	// While the directory is away, those that are known stay, and others wait.
	if err := os.Rename(dir, dir+".away"); err != nil {
		t.Fatal(err)
	}
	lookup("rsa2048", nil)
	lookup("rsa1024", os.ErrNotExist)
}

// TestKeyDirLinks: a link leads to a key as it is now, and what is no file is not read.
func TestKeyDirLinks(t *testing.T) {
	dir := t.TempDir()
	v := golden(t)
	for _, name := range []string{"rsa1024", "rsa2048"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(v.Keys[name].Public), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("rsa1024", filepath.Join(dir, "key.pem")); err != nil {
		t.Skip(err)
	}
	d, err := OpenInsecureKeyDir(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.LookupInsecure(t.Context(), v.Keys["rsa1024"].ID); err != nil {
		t.Error(err)
	}
	// As a directory of mounted secrets changes: the link stays, and what it leads to is
	// another file.
	if err := os.Rename(filepath.Join(dir, "rsa2048"), filepath.Join(dir, "rsa1024")); err != nil {
		t.Fatal(err)
	}
	d.mu.Lock()
	d.looked = time.Time{}
	d.mu.Unlock()
	if _, err := d.LookupInsecure(t.Context(), v.Keys["rsa2048"].ID); err != nil {
		t.Error(err)
	}
}
