package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hearsaynet/hearsay/replica/node"
)

func newDoctorCmd(a *app) *cobra.Command {
	asJSON := false
	o := node.Options{}
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Say what is wrong with a node, and what to do",
		Long: `Looks at the data directory, its key, store, disk and clock, at what a running node knows
of its peers and authors, and asks the peers that it should have a link with. It says what is
wrong, why that matters and what to do, the most important first. It exits 0 when there is no
problem, and 1 when there is one; what may be as it should be is a notice.

It asks the peers of the node's last run, and those that --peer names.`,
		Args: takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Dir, o.Log = a.data, a.log
			d, err := node.Doctor(cmd.Context(), o)
			if err != nil {
				return err
			}
			if asJSON {
				err = a.printJSON(d)
			} else {
				err = a.print(func(o *output) error { return printDiagnosis(o, d) })
			}
			if err == nil && d.Problems() > 0 {
				err = errQuiet
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	listVar(cmd.Flags(), &o.Peers, "peer", "ask `ADDR`, [ID@]HOST:PORT, as well; may be given several times", checkPeer)
	return cmd
}

func printDiagnosis(o *output, d *node.Diagnosis) error {
	for _, f := range d.Findings {
		if err := o.hanging(string(f.Severity)+": ", escapeLine(f.What)); err != nil {
			return err
		}
		if f.Why != "" {
			if err := o.hanging("  why: ", escapeLine(f.Why)); err != nil {
				return err
			}
		}
		if f.Do != "" {
			fmt.Fprintf(o, "  do:  %s\n", escapeLine(f.Do)) // in one piece, to be pasted
		}
		fmt.Fprintln(o)
	}
	if len(d.Healthy) > 0 {
		if err := o.hanging("well: ", escapeLine(strings.Join(d.Healthy, ", "))); err != nil {
			return err
		}
	}
	switch n := d.Problems(); {
	case n > 0:
		fmt.Fprintf(o, "problems found: %d\n", n)
	case len(d.Findings) > 0:
		fmt.Fprintln(o, "no problem found")
	default:
		fmt.Fprintln(o, "all is well")
	}
	return nil
}
