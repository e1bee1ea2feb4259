package agent

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"github.com/hearsaynet/hearsay/fuzz/fuzztest"
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

// identities is what parseIdentities returns.
type identities struct {
	held   []identity
	others int
}

func FuzzParseIdentities(f *testing.F) {
	rsa := recorded(f, "rsa2048").Wire()
	f.Add(append(append(binary.BigEndian.AppendUint32([]byte{0, 0, 0, 1}, uint32(len(rsa))), rsa...), 0, 0, 0, 1, 'a'))
	fuzztest.Decoder[identities]{
		Corpus: "agent-identities", Errors: []error{ErrBadAnswer}, Alloc: fuzztest.Alloc{PerByte: 64, Constant: 128 << 10},
		Decode: func(body []byte) (list identities, err error) {
			list.held, list.others, err = parseIdentities(body)
			return list, err
		},
		Check: func(t *testing.T, body []byte, list identities) {
			if len(list.held)+list.others > len(body)/8 {
				t.Fatalf("%d keys in %d bytes", len(list.held)+list.others, len(body))
			}
		},
	}.Fuzz(f)
}

func FuzzParseSignature(f *testing.F) {
	k := recorded(f, "rsa2048")
	fuzztest.Decoder[[]byte]{
		Corpus: "agent-signature", Errors: []error{ErrBadAnswer},
		Decode: func(body []byte) ([]byte, error) { return parseSignature(k, body) },
		Check: func(t *testing.T, _, sig []byte) {
			if k.Verify("hearsay-update", []byte("x"), sig) == nil {
				t.Fatal("a forged signature")
			}
		},
	}.Fuzz(f)
}
