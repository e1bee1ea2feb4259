package keys_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/hearsaynet/hearsay/keys"
)

func TestParseAuthorizedKey(t *testing.T) {
	k := recorded(t, "ed25519")
	line := k.AuthorizedKey("")
	for _, tt := range []struct{ name, text, comment string }{
		{"bare", line, ""},
		{"newline", line + "\n", ""},
		{"Windows line end", line + " ada\r\n", "ada"},
		{"comment", line + " ada@example\n", "ada@example"},
		{"comment of words", line + "  ada  at home\n", "ada  at home"},
		{"tabs", strings.Replace(line, " ", "\t", 1) + "\tada", "ada"},
		{"# lines around it", "# who\n\n" + line + " ada\n\n# end\n", "ada"},
		{"options", `no-pty,command="echo \"ssh-rsa AAAA\" x" ` + line + " ada", "ada"},
		{"quotes in the comment", line + ` ada "the first`, `ada "the first`},
	} {
		got, comment, err := keys.ParseAuthorizedKey([]byte(tt.text))
		if err != nil || got != k || comment != tt.comment {
			t.Errorf("%s: = %v, %q, %v; want the key and %q", tt.name, got, comment, err, tt.comment)
		}
	}
}

func TestParseAuthorizedKeyRefuses(t *testing.T) {
	line := recorded(t, "ed25519").AuthorizedKey("")
	rsaLine := recorded(t, "rsa2048").AuthorizedKey("")
	kind, encoded, _ := strings.Cut(line, " ")
	for _, tt := range []struct {
		name, text string
		want       error
	}{
		{"empty", "", keys.ErrMalformed},
		{"comments only", "# nobody\n", keys.ErrMalformed},
		{"two keys", line + "\n" + rsaLine + "\n", keys.ErrMalformed},
		{"type only", kind, keys.ErrMalformed},
		{"no base64", kind + " !!!!", keys.ErrMalformed},
		{"base64 cut short", line[:len(line)-2], keys.ErrMalformed},
		{"base64 with spare bits", kind + " " + encoded[:len(encoded)-1] + "9", keys.ErrMalformed},
		{"return in base64", kind + " " + encoded[:8] + "\r" + encoded[8:], keys.ErrMalformed},
		{"other type in front", "ssh-rsa " + encoded, keys.ErrMalformed},
		{"certificate type in front", "ssh-ed25519-cert-v01@openssh.com " + encoded, keys.ErrMalformed},
		{"no type", encoded, keys.ErrMalformed},
		{"open quote", `command="x ` + line, keys.ErrMalformed},
		{"private key", string(readFile(t, shared, "ed25519")), keys.ErrMalformed},
		{"ECDSA", string(readFile(t, shared, "ecdsa.pub")), keys.ErrNotAdmitted},
		{"DSA", string(readFile(t, shared, "dsa.pub")), keys.ErrNotAdmitted},
		{"RSA-1024", string(readFile(t, shared, "rsa1024.pub")), keys.ErrNotAdmitted},
		{"certificate", string(readFile(t, shared, "ed25519_cert.pub")), keys.ErrNotAdmitted},
	} {
		k, comment, err := keys.ParseAuthorizedKey([]byte(tt.text))
		if !errors.Is(err, tt.want) || !k.IsZero() || comment != "" {
			t.Errorf("%s: = %v, %q, %v; want %v", tt.name, k, comment, err, tt.want)
		}
		if err != nil && strings.Contains(err.Error(), "b3BlbnNzaC1rZXktdjE") {
			t.Errorf("%s: the error repeats its input: %v", tt.name, err)
		}
	}
}

func TestAuthorizedKeyIsOneLine(t *testing.T) {
	k := recorded(t, "rsa2048")
	line := k.AuthorizedKey("ada\n" + recorded(t, "ed25519").AuthorizedKey("\x1b[2J"))
	if strings.ContainsAny(line, "\n\r\x1b") {
		t.Errorf("control characters in %q", line)
	}
	if got, _, err := keys.ParseAuthorizedKey([]byte(line)); err != nil || got != k {
		t.Errorf("it reads back as %v, %v", got, err)
	}
}

func TestPublicKey(t *testing.T) {
	for name, want := range map[string]struct {
		kind string
		bits int
	}{
		"ed25519": {keys.TypeEd25519, 256}, "rsa2048": {keys.TypeRSA, 2048}, "rsa3072_passphrase": {keys.TypeRSA, 3072},
	} {
		k := recorded(t, name)
		if k.Type() != want.kind || k.Bits() != want.bits {
			t.Errorf("%s: %s of %d bits, want %s of %d", name, k.Type(), k.Bits(), want.kind, want.bits)
		}
		if want := strings.Fields(string(readFile(t, shared, name+".pub"))); fmt.Sprint(k) != want[0]+" "+want[1] {
			t.Errorf("%s: prints as %v", name, k)
		}
		wire := k.Wire()
		again, err := keys.ParsePublicKey(wire)
		if err != nil || again != k {
			t.Errorf("%s: ParsePublicKey(Wire) = %v, %v", name, again, err)
		}
		if clear(wire); k != again {
			t.Errorf("%s: the key changes with the bytes it was read from", name)
		}
	}
	var zero keys.PublicKey
	if !zero.IsZero() || zero.Type() != "" || zero.Bits() != 0 || zero.String() != "(no key)" {
		t.Errorf("the zero key: %q of %d bits, %v", zero.Type(), zero.Bits(), zero)
	}
}
