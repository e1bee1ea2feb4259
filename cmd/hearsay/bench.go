package main

import (
	"fmt"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/hearsaynet/hearsay/cmd/hearsay/internal/bench"
)

func newBenchCmd(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure this machine",
		Long: `Measures, in one run of at most 40 s, how many 200-byte updates a second this machine
verifies, stores durably and applies, beside the raw rate of ed25519.Verify. Machines are
noisy: the ratio says more than the rate. It is to one core's raw rate; for live-100-authors,
to that of all cores.`,
		Args: takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !asJSON {
				fmt.Fprintf(a.out, "%-18s %12s %8s\n", "", "per second", "ratio")
			}
			var printed error
			err := bench.Run(cmd.Context(), func(r bench.Result) {
				if asJSON {
					printed = a.printJSON(r)
					return
				}
				_, printed = fmt.Fprintf(a.out, "%-18s %12s %8.2f  %s\n", r.Name, humanize.Comma(int64(r.PerSecond)), r.Ratio, r.What)
			})
			if err != nil {
				return err
			}
			return printed
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object a line")
	return cmd
}
