package sign

import (
	"bytes"
	"errors"
	"testing"

	"github.com/hearsaynet/hearsay/fuzz/fuzztest"
)

// FuzzParseEncrypted leaves the key derivation itself out, so that what is behind it is
// reached too.
func FuzzParseEncrypted(f *testing.F) {
	fuzztest.Decoder[*encrypted]{
		Corpus: "encrypted-key", Decode: parseEncrypted, Errors: []error{ErrMalformed, ErrEncryption},
		Check: func(t *testing.T, _ []byte, e *encrypted) {
			e.derive = func(_ []byte, size int) ([]byte, error) { return make([]byte, size), nil }
			if info, err := e.open(nil); err == nil {
				parsePKCS8(info)
			} else if !errors.Is(err, ErrWrongPassphrase) {
				t.Fatal(err)
			}
		},
	}.Fuzz(f)
}

func TestSealedOpens(t *testing.T) {
	for _, n := range []int{14, 48} {
		body := bytes.Repeat([]byte{5}, n)
		info := append([]byte{0x30, byte(n)}, body...) // 14: a whole block of padding
		der, err := seal(info, []byte("a horse"))
		if err != nil {
			t.Fatal(err)
		}
		e, err := parseEncrypted(der)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := e.open([]byte("a horse")); err != nil || !bytes.Equal(got, info) {
			t.Errorf("%d bytes: %x, %v", n, got, err)
		}
	}
	// What is no PrivateKeyInfo comes of a wrong passphrase whose padding is right by chance.
	der, err := seal([]byte{0x30, 3, 0}, []byte("a horse"))
	if err != nil {
		t.Fatal(err)
	}
	e, err := parseEncrypted(der)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := e.open([]byte("a horse")); !errors.Is(err, ErrWrongPassphrase) || got != nil {
		t.Errorf("garbage: %x, %v; want ErrWrongPassphrase", got, err)
	}
}
