package bench

import (
	"context"
	"path/filepath"
	"time"

	"github.com/hearsaynet/hearsay/keygen"
)

// fleet measures "hearsay keygen --count", beside keys that are not written.
func fleet(n int) measure {
	return func(ctx context.Context, dir string) (measured, error) {
		toMake, err := perCall(50*time.Millisecond, func() error {
			_, err := keygen.Generate(keygen.Ed25519, 0)
			return err
		})
		if err != nil {
			return measured{}, err
		}
		m := startMeter()
		_, err = keygen.MakeFleet(ctx, keygen.Fleet{Dir: filepath.Join(dir, "fleet"), Count: n})
		got := m.rate(n)
		got.base, got.to = 1/toMake.Seconds(), "one core that writes none"
		got.figures = []Figure{{"10,000 take", 10_000 / got.rate, "s"}}
		return got, err
	}
}
