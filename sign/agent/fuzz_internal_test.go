package agent

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"github.com/hearsaynet/hearsay/keys"
)

func recorded(f *testing.F, name string) keys.PublicKey {
	f.Helper()
	text, err := os.ReadFile(filepath.Join("../../testdata/keys", name+".pub"))
	if err != nil {
		f.Fatal(err)
	}
	k, _, err := keys.ParseAuthorizedKey(text)
	if err != nil {
		f.Fatal(err)
	}
	return k
}

// FuzzAnswers wants no panic and nothing beside an error.
func FuzzAnswers(f *testing.F) {
	known := []keys.PublicKey{recorded(f, "ed25519"), recorded(f, "rsa2048")}
	for _, k := range known {
		wire := k.Wire()
		list := binary.BigEndian.AppendUint32([]byte{0, 0, 0, 1}, uint32(len(wire)))
		f.Add(append(append(list, wire...), 0, 0, 0, 1, 'a'))
		blob := keys.MarshalSignature(keys.FormatRSASHA512, make([]byte, 64))
		f.Add(append(binary.BigEndian.AppendUint32(nil, uint32(len(blob))), blob...))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if held, others, err := parseIdentities(body); err != nil && (held != nil || others != 0) {
			t.Fatalf("keys and an error: %v, %d, %v", held, others, err)
		} else if len(held)+others > len(body)/8 {
			t.Fatalf("%d keys in %d bytes", len(held)+others, len(body))
		}
		for _, k := range known {
			sig, err := parseSignature(k, body)
			if err != nil && sig != nil {
				t.Fatalf("a signature and an error: %x, %v", sig, err)
			}
			if err == nil && k.Verify("hearsay-update", []byte("x"), sig) == nil {
				t.Fatal("a forged signature")
			}
		}
	})
}
