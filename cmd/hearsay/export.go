package main

import (
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/node"
)

func newExportCmd(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "export [FILE|-]",
		Short: "Write the signed updates as one file",
		Long: `Writes every update of the admitted authors, with keys and signatures, to FILE or standard
output, and says on standard error which ranges they are. FILE appears when it is whole.
"hearsay verify" checks such a file anywhere, and "hearsay import" takes it in.`,
		Args: takes(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.attach(cmd.Context(), func(api node.API) error {
				return a.export(cmd.Context(), api, arg(args, 0))
			})
		},
	}
	a.addTopicFlag(cmd)
	return cmd
}

func (a *app) export(ctx context.Context, api node.API, name string) error {
	var wrote replica.Clock
	write := func(w io.Writer) (err error) {
		wrote, err = api.Export(ctx, w, replica.ExportConfig{})
		return err
	}
	var err error
	if name == "" || name == "-" {
		if err = a.refuseTerminal("an export"); err == nil {
			err = a.print(func(o *output) error { return write(o) })
		}
	} else {
		err = writeWhole(name, write)
	}
	if err != nil {
		return err
	}
	ids := make([]keys.NodeID, 0, len(wrote))
	for id := range wrote {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, keys.NodeID.Compare)
	for _, id := range ids {
		fmt.Fprintf(a.err, "%v 1..%d\n", id, wrote[id].Seq)
	}
	if len(ids) == 0 {
		a.warn("no updates are in it: none are stored")
	}
	return nil
}

func newImportCmd(a *app) *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use:   "import [FILE|-]",
		Short: "Take in updates from an export",
		Long: `Takes the updates of an export in through the same door as any peer's: each is verified,
and only those of admitted authors are stored. It exits 1 if any was refused.`,
		Args: takes(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			in, err := a.input(arg(args, 0))
			if err != nil {
				return err
			}
			defer in.Close()
			return a.attach(cmd.Context(), func(api node.API) error {
				result, err := api.Import(cmd.Context(), in)
				return a.imported(result, err, asJSON)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the numbers as one JSON object")
	a.addTopicFlag(cmd)
	return cmd
}

func (a *app) imported(r replica.ImportResult, err error, asJSON bool) error {
	if err == nil && r.Refused > 0 {
		err = withHint(fmt.Errorf("%d of %d updates were refused, the first because: %w", r.Refused, r.Updates, r.First),
			"hearsay explain AUTHOR says how an author stands; hearsay trust PUBFILE admits one")
	}
	if asJSON {
		perr := a.printJSON(struct {
			Runs    uint64 `json:"runs"`
			Updates uint64 `json:"updates"`
			Proofs  uint64 `json:"proofs"`
			Refused uint64 `json:"refused"`
		}{r.Runs, r.Updates, r.Proofs, r.Refused})
		return firstError(err, perr)
	}
	if err == nil {
		fmt.Fprintf(a.err, "%d updates, all verified and stored\n", r.Updates)
		if r.Proofs > 0 {
			fmt.Fprintf(a.err, "%d fork proofs, verified; hearsay fork list shows those of admitted authors\n", r.Proofs)
		}
	}
	return err
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
