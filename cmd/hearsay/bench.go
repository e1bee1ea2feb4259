package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/hearsaynet/hearsay/cmd/hearsay/internal/bench"
)

func newBenchCmd(a *app) *cobra.Command {
	var asJSON bool
	var o bench.Options
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure this machine",
		Long: `Measures, in one run of about two minutes, how many 200-byte updates a second this machine
verifies, stores durably and applies, beside the raw rate of ed25519.Verify; what kinds of
keys, look-ups of keys, and keystores that are down cost; and what forks, heads and floods
do. Machines are noisy: the ratio says more than the rate. It is to one core's raw rate, or
to what the line below says.

Heap is what a case took on top of what was there before, garbage included. RSS is the whole
process, what the case was fed with included.`,
		Args: takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !asJSON {
				fmt.Fprintf(a.out, "%-18s %12s %8s %9s %9s\n", "", "per second", "ratio", "heap", "RSS")
			}
			var printed error
			err := bench.Run(cmd.Context(), o, func(r bench.Result) {
				if asJSON {
					printed = a.printJSON(r)
					return
				}
				printed = printBench(a.out, r)
			})
			if err != nil {
				return err
			}
			return printed
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object a line")
	listVar(cmd.Flags(), &o.Only, "only", "measure this `CASE`, beside raw-verify; may be given again", bench.CheckName)
	return cmd
}

// printBench prints a case as a line of the table, and what else it found below.
func printBench(w io.Writer, r bench.Result) error {
	if r.Skipped != "" {
		_, err := fmt.Fprintf(w, "%-18s %12s  not measured: %s\n", r.Name, "–", r.Skipped)
		return err
	}
	_, err := fmt.Fprintf(w, "%-18s %12s %8.2f %9s %9s  %s\n",
		r.Name, humanize.Comma(int64(r.PerSecond)), r.Ratio, size(r.Memory.Heap), size(r.Memory.RSS), r.What)
	if err != nil || len(r.Figures) == 0 {
		return err
	}
	more := make([]string, len(r.Figures))
	for i, f := range r.Figures {
		more[i] = f.Name + " " + amount(f)
	}
	_, err = fmt.Fprintf(w, "%18s   ratio to %s; %s\n", "", r.To, strings.Join(more, "; "))
	return err
}

func size(bytes uint64) string {
	if bytes == 0 {
		return "–"
	}
	return humanize.IBytes(bytes)
}

func amount(f bench.Figure) string {
	switch {
	case strings.HasPrefix(f.Unit, "B"):
		return humanize.IBytes(uint64(max(0, f.Value))) + strings.TrimPrefix(f.Unit, "B")
	case f.Value >= 100:
		return strings.TrimSpace(humanize.Comma(int64(f.Value)) + " " + f.Unit)
	}
	return strings.TrimSpace(fmt.Sprintf("%.3g %s", f.Value, f.Unit))
}
