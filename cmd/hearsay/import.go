package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/archive"
	"github.com/hearsaynet/hearsay/replica/node"
)

func newImportCmd(a *app) *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use:   "import [FILE|DIR|-]",
		Short: "Take in updates from an export",
		Long: `Takes the updates of an export in through the same door as any peer's: each is verified,
and only those of admitted authors are stored. It exits 1 if any was refused.

Of a directory that "hearsay export --follow" or --rotate has written it takes all files, in
order. The end of the last one may be torn, as a crash leaves it: whole updates are taken, and
a warning says what is cut off. It exits 1 if a file is damaged elsewhere, or missing.`,
		Args: takes(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			in, faults, err := a.openExport(arg(args, 0))
			if err != nil {
				return err
			}
			defer in.Close()
			damaged := a.reportFaults(arg(args, 0), faults)
			return a.attach(cmd.Context(), func(api node.API) error {
				result, err := api.Import(cmd.Context(), in)
				return firstError(a.imported(result, err, asJSON), damaged)
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

// openExport opens an export: a file, standard input for "-" and "", or an archive, and
// says what that lacks.
func (a *app) openExport(name string) (io.ReadCloser, []archive.Fault, error) {
	if info, err := os.Stat(name); err != nil || !info.IsDir() {
		in, err := a.input(name)
		return in, nil, err
	}
	r, err := archive.Open(name)
	if err != nil {
		if errors.Is(err, archive.ErrNoArchive) {
			err = withHint(err, "hearsay export --follow DIR makes one")
		}
		return nil, nil, err
	}
	return r, r.Faults(), nil
}

// reportFaults says what an archive lacks. What a crash has left of a file is no failure.
func (a *app) reportFaults(name string, faults []archive.Fault) error {
	damaged := 0
	for _, f := range faults {
		switch {
		case f.Healed:
			a.log.Debug(fmt.Sprintf("%v; the next file has it again", &f))
		case !f.Torn:
			damaged++
			fallthrough
		default:
			a.warn("%s/%v", strings.TrimSuffix(name, "/"), &f)
		}
	}
	if damaged > 0 {
		return withHint(fmt.Errorf("%s: damaged, or updates are missing, in %d places", name, damaged),
			"a new export into another directory has them, where a node still has; the warnings name the files")
	}
	return nil
}
