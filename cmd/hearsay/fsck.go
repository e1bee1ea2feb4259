package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/hearsaynet/hearsay/replica/node"
	"github.com/hearsaynet/hearsay/replica/store"
)

func newFsckCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "fsck",
		Short: "Check everything in the store",
		Long: `Checks every checksum, hash, signature and index of a store that no node has open, prints
each place where something is wrong, and exits 1 if there is one. It also looks at the key, at
what "hearsay trust" has admitted, and at the other sources of admitted keys, which it names.`,
		Args: takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			faults := 0
			err := a.print(func(o *output) error {
				return node.Fsck(cmd.Context(), a.data, func(f store.Fault) {
					faults++
					fmt.Fprintln(o, escapeLine(f.Error()))
				})
			})
			if err == nil {
				a.nameSources(cmd.Context())
			}
			if err == nil && faults > 0 {
				err = fmt.Errorf("%d places are damaged", faults)
			}
			if err == nil {
				fmt.Fprintln(a.err, "the store is sound")
			}
			return err
		},
	}
}

// nameSources says which sources of admitted keys were looked at.
func (a *app) nameSources(ctx context.Context) {
	sources, _ := node.Sources(ctx, a.data) // without a configuration there are none, and that was said
	for _, s := range sources {
		fmt.Fprintf(a.err, "admits %s\n", escapeLine(sourceText(s, time.Now())))
	}
}
