package sign_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/hearsaynet/hearsay/sign"
)

// noSecret wants none of the needles in a text.
func noSecret(t *testing.T, how, text string, needles []string) {
	t.Helper()
	text = strings.ToLower(text)
	for _, needle := range needles {
		if strings.Contains(text, needle) {
			t.Errorf("%s shows the secret: %.300s", how, text)
			return
		}
	}
}

// TestEveryVerb tries each letter as a verb, with each flag, a width and a precision.
// fmt asks no method of a value for p, T and, outside Errorf, w.
func TestEveryVerb(t *testing.T) {
	for _, name := range []string{"ed25519", "rsa2048"} {
		k, needles := parse(t, name), secretNeedles(t, name)
		want := "(private key of " + k.Public().ID().String() + ")"
		for _, verb := range "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ" {
			for _, flags := range []string{"", "+", "-", "#", " ", "0", "#+", "300", ".300", "#0300.300"} {
				format := "%" + flags + string(verb)
				for how, v := range map[string]any{"pointer": k, "value": *k, "slice": []*sign.PrivateKey{k}, "map": map[string]sign.PrivateKey{"k": *k}, "any": [1]any{k}} {
					got := fmt.Sprintf(format, v)
					noSecret(t, format+" of a "+how, got, needles)
					if (how == "pointer" || how == "value") && !strings.ContainsRune("pTw", verb) && got != want {
						t.Fatalf("%s of a %s = %q, want %q", format, how, got, want)
					}
				}
			}
		}
	}
}

// TestErrorsAndLogs wraps keys into errors and logs them in every shape slog knows.
func TestErrorsAndLogs(t *testing.T) {
	for _, name := range []string{"ed25519", "rsa2048"} {
		k, needles := parse(t, name), secretNeedles(t, name)
		err := fmt.Errorf("sign with %v, %+v and %#v: %w", k, *k, []any{k}, errors.New("no"))
		noSecret(t, "an error", fmt.Sprintf("%v %+v %#v %q", err, err, err, errors.Join(err, err)), needles)
		_, err = k.MarshalText()
		noSecret(t, "MarshalText's error", fmt.Sprint(err), needles)
		var out bytes.Buffer
		for _, h := range []slog.Handler{
			slog.NewTextHandler(&out, &slog.HandlerOptions{AddSource: true}),
			slog.NewJSONHandler(&out, nil),
		} {
			log := slog.New(h).With("with", k, "withvalue", *k).WithGroup("g")
			log.Error("key", "key", k, "value", *k, "keys", []*sign.PrivateKey{k}, "map", map[string]any{"k": *k},
				"any", slog.AnyValue(k), "error", fmt.Errorf("%+v", *k), slog.Group("in", "k", k))
		}
		for line := range strings.Lines(out.String()) {
			whose := "(private key of " + k.Public().ID().String() + ")"
			if !strings.Contains(line, `with="`+whose) && !strings.Contains(line, `"with":"`+whose) {
				t.Errorf("the log does not say whose key it was: %s", line)
			}
		}
		noSecret(t, "the log", out.String(), needles)
	}
}

// TestErrorsOfParse damages private key files everywhere and looks for their text, and
// the passphrase, in what is said of them.
func TestErrorsOfParse(t *testing.T) {
	for _, name := range []string{"ed25519", "rsa2048", "rsa2048_pkcs1", "rsa2048_pkcs8", "ed25519_pkcs8", "ed25519_pkcs8enc_sha512", "rsa2048_oldpem"} {
		file := readFile(t, name)
		needles := []string{passphrase}
		for line := range strings.Lines(string(file)) {
			if line = strings.ToLower(strings.TrimSpace(line)); len(line) > 16 && !strings.HasPrefix(line, "-----") {
				needles = append(needles, line[:16], line[len(line)-16:])
			}
		}
		for at := 0; at < len(file); at += 7 {
			flipped := bytes.Clone(file)
			flipped[at] ^= 1
			for how, damaged := range map[string][]byte{
				"flipped": flipped, "cut short": file[:at], "without its start": file[at:],
				"torn":  append(bytes.Clone(file[:at]), append([]byte("\n"), file[at:]...)...),
				"twice": append(bytes.Clone(file[:at]), file...),
			} {
				if how == "flipped" && strings.Contains(name, "enc") && at > 300 {
					continue // the key derivation takes its time
				}
				if _, err := sign.Parse(damaged, answer(passphrase)); err != nil {
					noSecret(t, fmt.Sprintf("%s, %s at %d", name, how, at), err.Error(), needles)
				}
			}
		}
	}
}

// TestPanics has another process panic with a key, and while it signs.
func TestPanics(t *testing.T) {
	if how := os.Getenv("TEST_PANIC"); how != "" {
		k := parse(t, os.Getenv("TEST_KEY"))
		switch how {
		case "pointer":
			panic(k)
		case "value":
			panic(*k)
		case "error":
			panic(fmt.Errorf("%+v, %#v", k, *k))
		case "inside":
			msg := parse(t, os.Getenv("TEST_KEY"))
			(*sign.PrivateKey)(nil).Sign(t.Context(), msg.String(), nil)
		}
		return
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"ed25519", "rsa2048"} {
		needles := append(secretNeedles(t, name), secretWords(t, name)...)
		for _, how := range []string{"pointer", "value", "error", "inside"} {
			cmd := exec.CommandContext(t.Context(), self, "-test.run=^TestPanics$")
			cmd.Env = append(os.Environ(), "TEST_PANIC="+how, "TEST_KEY="+name, "GOTRACEBACK=system")
			out, err := cmd.CombinedOutput()
			if err == nil || !bytes.Contains(out, []byte("goroutine ")) {
				t.Fatalf("%s: %v; want a panic\n%s", how, err, out)
			}
			noSecret(t, "a panic with a key ("+how+")", string(out), needles)
		}
	}
}

// secretWords are the parts of a secret as a traceback would print them: words of eight
// bytes.
func secretWords(t *testing.T, name string) []string {
	t.Helper()
	raw, err := ssh.ParseRawPrivateKey(readFile(t, name))
	if err != nil {
		t.Fatal(err)
	}
	var secret []byte
	switch key := raw.(type) {
	case *ed25519.PrivateKey:
		secret = key.Seed()
	case *rsa.PrivateKey:
		secret = append(key.D.Bytes(), key.Primes[0].Bytes()...)
	}
	var words []string
	for ; len(secret) >= 8; secret = secret[8:] {
		words = append(words, fmt.Sprintf("%x", binary.LittleEndian.Uint64(secret)), fmt.Sprintf("%x", binary.BigEndian.Uint64(secret)))
	}
	return words
}
