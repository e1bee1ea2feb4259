package sign_test

import (
	"testing"

	"github.com/hearsaynet/hearsay/keygen"
	"github.com/hearsaynet/hearsay/sign"
)

// benchmarkKeys calls f with a key of each kind and size. An agent's are measured in
// sign/agent.
func benchmarkKeys(b *testing.B, f func(b *testing.B, k *sign.PrivateKey)) {
	for _, tt := range []struct {
		name, kind string
		bits       int
	}{
		{"ed25519", keygen.Ed25519, 0}, {"rsa2048", keygen.RSA, 2048}, {"rsa3072", keygen.RSA, 3072}, {"rsa4096", keygen.RSA, 4096},
	} {
		b.Run(tt.name, func(b *testing.B) {
			k, err := keygen.Generate(tt.kind, tt.bits)
			if err != nil {
				b.Fatal(err)
			}
			f(b, k)
		})
	}
}

func BenchmarkSign(b *testing.B) {
	msg := make([]byte, 256) // about a header
	benchmarkKeys(b, func(b *testing.B, k *sign.PrivateKey) {
		for b.Loop() {
			if _, err := k.Sign(b.Context(), "hearsay-update", msg); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	msg := make([]byte, 256)
	benchmarkKeys(b, func(b *testing.B, k *sign.PrivateKey) {
		sig, err := k.Sign(b.Context(), "hearsay-update", msg)
		if err != nil {
			b.Fatal(err)
		}
		public := k.Public()
		for b.Loop() {
			if err := public.Verify("hearsay-update", msg, sig); err != nil {
				b.Fatal(err)
			}
		}
	})
}
