// Command bench measures how fast 100,000 updates of 200 bytes replicate over a loopback
// connection, from a peer that has them to one that has none: between two of the npm
// module, between it and this project's nodes in either direction, between two of these by
// the same protocol and by hearsay's own, and in the module's security mode. All is
// measured in one run, since machines are noisy: the ratios say more than the rates.
//
//	go run ./replica/scuttlebutt/bench
//
// It needs Node.js and the module (see replica/scuttlebutt/internal/npmpeer).
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"

	"github.com/dustin/go-humanize"
)

func main() {
	n := flag.Int("n", 100_000, "how many updates")
	signed := flag.Int("signed", 3000, "how many of them in the module's security mode, which takes 2 ms to sign one")
	rounds := flag.Int("rounds", 3, "measure this many times, and take the best of each")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *n, *signed, *rounds); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// measure replicates n updates and returns how long that took.
type measure func(ctx context.Context, n int) (time.Duration, error)

func run(ctx context.Context, n, signed, rounds int) error {
	b, err := newBench()
	if err != nil {
		return err
	}
	defer b.close()
	cases := []struct {
		name string
		run  measure
		n    int
		base int // the case that the ratio is to
	}{
		{"npm to npm", b.npmToNPM, n, 0},
		{"npm to Go", b.npmToGo, n, 0},
		{"Go to npm", b.goToNPM, n, 0},
		{"Go to Go", b.goToGo, n, 0},
		{"npm to npm, signed (RSA-2048, SHA-1)", b.npmToNPMSigned, signed, 5 - 1},
		{"Go to Go, hearsay's own, signed (ed25519)", native, n, 5 - 1},
	}
	best := make([]float64, len(cases))
	for range rounds {
		for i, c := range cases {
			took, err := c.run(ctx, c.n)
			if err := errors.Join(err, context.Cause(ctx)); err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			best[i] = max(best[i], float64(c.n)/took.Seconds())
		}
	}
	fmt.Printf("%-42s %14s %8s\n", "", "updates/s", "ratio")
	for i, c := range cases {
		fmt.Printf("%-42s %14s %8.2f  to %s\n", c.name, humanize.Comma(int64(best[i])), best[i]/best[c.base], cases[c.base].name)
	}
	return nil
}
