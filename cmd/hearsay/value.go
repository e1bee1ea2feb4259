package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/hearsaynet/hearsay/replica/node/models"
)

func newValueCmd(a *app) *cobra.Command {
	n := newNoun(a, "value", "One value that many nodes write", `Reads and writes one value: the last writer wins. The last ones are kept beside it.`)
	raw := false
	n.verbs(
		verb{
			use: "get", short: "Print the value",
			long: `Prints the bytes of the value and a newline, or without the newline for --raw. If nobody has
set it, it prints nothing and exits 1.`,
			flags: func(cmd *cobra.Command) { rawFlag(cmd, &raw) },
			do: func(ctx context.Context, c call, _ []string) error {
				return show(ctx, c, models.ValueGet, models.None{}, func(o *output, v models.Version) error {
					return o.value(v.Bytes(), raw)
				})
			},
		},
		verb{
			use: "set VALUE|-", short: "Set the value", least: 1, most: 1, writes: true,
			long:    "Sets the value; - is what standard input has.",
			example: "  hearsay value set --channel motto 'be kind'",
			do: func(ctx context.Context, c call, args []string) error {
				values, err := c.changes(args)
				if err != nil {
					return err
				}
				return change(ctx, c, models.ValueSet, values[0])
			},
		},
		verb{
			use: "history", short: "Print the last values",
			long: `Prints the last 100 values, one a line, each behind the time that its author gave it; the
one that counts comes last. Control characters are escaped.`,
			do: func(ctx context.Context, c call, _ []string) error {
				return show(ctx, c, models.ValueHistory, models.None{}, func(o *output, v models.Version) error {
					return o.row(v.Time, v.Bytes())
				})
			},
		},
		verb{
			use: "watch", short: "Print changes as they happen",
			long: `Prints the value each time that it changes, on one line, control characters escaped, until a
signal. What it told may be taken back, as when an author's key is withdrawn: then
the value that counts instead is printed.`,
			do: func(ctx context.Context, c call, _ []string) error {
				return watch(ctx, c, models.ValueWatch, models.None{}, func(v models.ValueChange) uint64 { return v.Lost },
					func(o *output, v models.ValueChange) error {
						if v.New == nil {
							c.warn("no value counts any more")
							return nil
						}
						return o.row(v.New.Bytes())
					})
			},
		},
	)
	return n.cmd
}
