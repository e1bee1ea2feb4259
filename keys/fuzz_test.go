package keys_test

import (
	"bytes"
	"errors"
	"path/filepath"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/hearsaynet/hearsay/keys"
)

// seedFiles adds every file that matches, and fails when none does.
func seedFiles(f *testing.F, pattern string, add func(content []byte)) {
	f.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		f.Fatalf("no seeds in %s: %v", pattern, err)
	}
	for _, name := range files {
		add(readFile(f, name))
	}
}

func FuzzParsePublicKey(f *testing.F) {
	seedFiles(f, filepath.Join(shared, "*.pub"), func(line []byte) {
		k, _, _, _, err := ssh.ParseAuthorizedKey(line)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(k.Marshal())
	})
	for point := range smallOrderPoints {
		f.Add(joined([]byte("ssh-ed25519"), unhex(f, point)))
	}
	f.Fuzz(func(t *testing.T, wire []byte) {
		k, err := keys.ParsePublicKey(wire)
		if err != nil {
			if !k.IsZero() {
				t.Fatalf("a key and an error: %v, %v", k, err)
			}
			if !errors.Is(err, keys.ErrMalformed) && !errors.Is(err, keys.ErrNotAdmitted) {
				t.Fatalf("an error of no kind: %v", err)
			}
			return
		}
		if !bytes.Equal(k.Wire(), wire) || len(wire) > keys.MaxWireSize {
			t.Fatalf("%x reads as %x", wire, k.Wire())
		}
		// Whatever is admitted x/crypto must read as the same key.
		judge, err := ssh.ParsePublicKey(wire)
		if err != nil || !bytes.Equal(judge.Marshal(), wire) {
			t.Fatalf("x/crypto disagrees about %x: %v", wire, err)
		}
		if got := ssh.FingerprintSHA256(judge); got != k.ID().Fingerprint() {
			t.Fatalf("fingerprint %s, x/crypto says %s", k.ID().Fingerprint(), got)
		}
		back, comment, err := keys.ParseAuthorizedKey([]byte(k.String()))
		if err != nil || back != k || comment != "" {
			t.Fatalf("its line reads back as %v, %q, %v", back, comment, err)
		}
		if k.Verify(testNamespace, testMessage, wire) == nil {
			t.Fatal("a key is no signature")
		}
	})
}

func FuzzParseNodeID(f *testing.F) {
	for _, name := range admittedKeys {
		id := recorded(f, name).ID()
		f.Add(id.String())
		f.Add(id.Fingerprint())
	}
	f.Add("")
	f.Fuzz(func(t *testing.T, s string) {
		id, err := keys.ParseNodeID(s)
		if err != nil {
			if !id.IsZero() || !errors.Is(err, keys.ErrBadID) {
				t.Fatalf("ParseNodeID(%q) = %v, %v", s, id, err)
			}
			return
		}
		if s != id.String() && s != id.Fingerprint() {
			t.Fatalf("%q is a third text of %v", s, id)
		}
	})
}

func FuzzParseAuthorizedKey(f *testing.F) {
	seedFiles(f, filepath.Join(shared, "*.pub"), func(line []byte) { f.Add(line) })
	f.Add([]byte("# a comment\n\nno-pty,command=\"x \\\" y\" " + recorded(f, "ed25519").AuthorizedKey("ada") + "\r\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		k, comment, err := keys.ParseAuthorizedKey(text)
		if err != nil {
			if !k.IsZero() || comment != "" {
				t.Fatalf("a key and an error: %v, %q, %v", k, comment, err)
			}
			return
		}
		line := k.AuthorizedKey(comment)
		again, kept, err := keys.ParseAuthorizedKey([]byte(line))
		if err != nil || again != k || again.AuthorizedKey(kept) != line {
			t.Fatalf("%q reads back as %v, %q, %v", line, again, kept, err)
		}
	})
}

func FuzzParseArmoredSignature(f *testing.F) {
	seedFiles(f, filepath.Join("testdata", "*.sig"), func(file []byte) { f.Add(file) })
	f.Fuzz(func(t *testing.T, file []byte) {
		k, namespace, sig, err := keys.ParseArmoredSignature(file)
		if err != nil {
			if !k.IsZero() || namespace != "" || sig != nil {
				t.Fatalf("a signature and an error: %v, %q, %x, %v", k, namespace, sig, err)
			}
			return
		}
		armored := keys.ArmorSignature(k, namespace, sig)
		k2, namespace2, sig2, err := keys.ParseArmoredSignature(armored)
		if err != nil || k2 != k || namespace2 != namespace || !bytes.Equal(sig2, sig) {
			t.Fatalf("%q reads back as %v, %q, %x, %v", armored, k2, namespace2, sig2, err)
		}
		if !bytes.Equal(keys.ArmorSignature(k2, namespace2, sig2), armored) {
			t.Fatal("its armor is not stable")
		}
		_ = k.Verify(namespace, testMessage, sig)
	})
}

func FuzzParseSignerLine(f *testing.F) {
	seedFiles(f, filepath.Join(shared, "*.pub"), func(line []byte) {
		f.Add("ada " + string(line))
		f.Add(`"ada b",*@c cert-authority,namespaces="x\"y",valid-after="20260101Z" ` + string(line))
	})
	f.Fuzz(func(t *testing.T, line string) {
		l, err := keys.ParseSignerLine(line)
		if err != nil {
			if !l.Key.IsZero() || l.Principals != nil || l.Options != nil {
				t.Fatalf("a line and an error: %+v, %v", l, err)
			}
			if !errors.Is(err, keys.ErrMalformed) && !errors.Is(err, keys.ErrNotAdmitted) {
				t.Fatalf("an error of no kind: %v", err)
			}
			return
		}
		if l.Key.IsZero() || len(l.Principals) == 0 {
			t.Fatalf("%q reads as %+v", line, l)
		}
		// Without principals and options what is left is the key's own line.
		k, _, err := keys.ParseAuthorizedKey([]byte(l.Key.AuthorizedKey(l.Comment)))
		if err != nil || k != l.Key {
			t.Fatalf("its key reads back as %v, %v", k, err)
		}
	})
}

func FuzzParsePublicFile(f *testing.F) {
	seedFiles(f, filepath.Join(shared, "*"), func(file []byte) { f.Add(file) })
	f.Add([]byte("ada " + recorded(f, "ed25519").AuthorizedKey("of ada")))
	f.Fuzz(func(t *testing.T, file []byte) {
		k, comment, err := keys.ParsePublicFile(file)
		if err != nil {
			if !k.IsZero() || comment != "" {
				t.Fatalf("a key and an error: %v, %q, %v", k, comment, err)
			}
			if !errors.Is(err, keys.ErrMalformed) && !errors.Is(err, keys.ErrNotAdmitted) {
				t.Fatalf("an error of no kind: %v", err)
			}
			return
		}
		for how, written := range map[string][]byte{
			"PEM": k.MarshalPEM(), "RFC 4716": k.MarshalRFC4716(comment), "line": []byte(k.AuthorizedKey(comment)),
		} {
			if back, _, err := keys.ParsePublicFile(written); err != nil || back != k {
				t.Fatalf("%s: %q reads back as %v, %v", how, written, back, err)
			}
		}
	})
}
