package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/node"
	"github.com/hearsaynet/hearsay/replica/wire"
)

func newForkCmd(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "fork",
		Short: "Look at proofs that authors signed two histories",
		Long: `An author that signs two updates with the same seq has forked: by accident, because two
stores wrote with its key, or to deceive. The two signatures prove it to everybody. Every node
keeps what came before, counts nothing from there on, and passes the proof on.`,
	}
	group(cmd)
	cmd.AddCommand(newForkListCmd(a), newForkShowCmd(a), newForkVerifyCmd(a))
	return cmd
}

func newForkListCmd(a *app) *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the authors that are proved to have forked",
		Long: `Lists the admitted authors that are proved to have signed two histories: author, the first
seq that differs, topic.`,
		Args: takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.attach(cmd.Context(), func(api node.API) error { return a.forkList(cmd.Context(), api, asJSON) })
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print each fork as a JSON object")
	a.addTopicFlag(cmd)
	return cmd
}

func (a *app) forkList(ctx context.Context, api node.API, asJSON bool) error {
	err := a.print(func(o *output) error {
		for p, err := range api.Proofs(ctx) {
			if err == nil {
				err = printProved(o, []*wire.Proof{p}, asJSON)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	s, err := api.Status(ctx)
	if err != nil {
		return err
	}
	for _, au := range s.Authors {
		if au.State == replica.StateForked && au.Cut == 0 {
			a.warn("%v: %s", au.ID, au.Reason)
		}
	}
	return nil
}

// provedFork is a fork on one line.
type provedFork struct {
	Author keys.NodeID `json:"author"`
	Topic  string      `json:"topic"`
	Fork   uint64      `json:"fork"` // the first seq that differs
}

func printProved(o *output, proofs []*wire.Proof, asJSON bool) error {
	for _, p := range proofs {
		var err error
		if asJSON {
			err = o.json(provedFork{p.Author(), p.Topic(), p.Seq()})
		} else {
			err = o.words(p.Author(), "forked", "at", p.Seq(), p.Topic())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func newForkShowCmd(a *app) *cobra.Command {
	asJSON, out := false, ""
	cmd := &cobra.Command{
		Use:   "show AUTHOR|FILE",
		Short: "Show a fork: the two histories side by side, and what to do",
		Long: `Shows the proof that AUTHOR has signed two histories: the last update that they share, the
updates that differ, and who must do what. AUTHOR is a node id (Qm… or SHA256:…), or the end
of one. With FILE it shows the proofs in an export, verified, and needs no node.`,
		Example: `  hearsay fork show Qm…
  hearsay fork show Qm… -o proof && hearsay fork verify proof`,
		Args: takes(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.forkShow(cmd.Context(), args[0], out, asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print each fork as a JSON object")
	cmd.Flags().StringVarP(&out, "output", "o", "", "write the proof to `FILE`, which anybody can verify and import")
	a.addTopicFlag(cmd)
	return cmd
}

func (a *app) forkShow(ctx context.Context, what, out string, asJSON bool) error {
	proofs, self, err := a.findProofs(ctx, what)
	if err != nil {
		return err
	}
	if out != "" {
		return a.writeProofs(out, proofs)
	}
	return a.print(func(o *output) error {
		for i, p := range proofs {
			if asJSON {
				if err := o.json(newForkRecord(p)); err != nil {
					return err
				}
				continue
			}
			if i > 0 {
				fmt.Fprintln(o)
			}
			if err := a.printFork(o, newForkRecord(p), self); err != nil {
				return err
			}
		}
		return nil
	})
}

// findProofs returns the proofs that a file holds, or the one of an author. self is the
// asking node's id, zero for a file.
func (a *app) findProofs(ctx context.Context, what string) (proofs []*wire.Proof, self keys.NodeID, err error) {
	if _, err := keys.ParseNodeID(what); err != nil && isFile(what) {
		proofs, err = a.readProofs(what)
		return proofs, self, err
	}
	err = a.attach(ctx, func(api node.API) error {
		id, err := author(ctx, api, what)
		if err != nil {
			return err
		}
		for p, err := range api.Proofs(ctx) {
			if err != nil {
				return err
			}
			if p.Author() == id {
				proofs = append(proofs, p)
			}
		}
		s, err := api.Status(ctx)
		if err == nil && len(proofs) == 0 {
			err = withHint(fmt.Errorf("no proof is here that %v has signed two histories", id), "hearsay explain%s %v says how it stands", a.dataFlag(), id)
		}
		if err == nil {
			self = s.ID
		}
		return err
	})
	return proofs, self, err
}

func isFile(name string) bool {
	_, err := os.Stat(name)
	return name == "-" || err == nil
}

// readProofs verifies a whole file and returns the proofs in it.
func (a *app) readProofs(name string) ([]*wire.Proof, error) {
	in, err := a.input(name)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	held, err := readExport(in)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if len(held.proofs) == 0 {
		return nil, fmt.Errorf("%s: it is whole, and holds no fork proof", name)
	}
	return held.proofs, nil
}

// writeProofs writes an export that holds nothing but proofs and keys.
func (a *app) writeProofs(name string, proofs []*wire.Proof) error {
	write := func(w io.Writer) error {
		var topics []string
		for _, p := range proofs {
			if len(topics) == 0 || topics[len(topics)-1] != p.Topic() {
				topics = append(topics, p.Topic())
			}
		}
		file, err := wire.NewExportWriter(w, replica.Agent, topics...)
		if err != nil {
			return err
		}
		for _, p := range proofs {
			if err := file.Write(p); err != nil {
				return err
			}
		}
		return file.Close()
	}
	if name != "-" {
		return writeWhole(name, write)
	}
	if err := a.refuseTerminal("a proof"); err != nil {
		return err
	}
	return a.print(func(o *output) error { return write(o) })
}

func newForkVerifyCmd(a *app) *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use:   "verify FILE|-",
		Short: "Check a fork proof, without a store",
		Long: `Checks the fork proofs in FILE, and all else that it holds, and says what is proved: which
author has signed two updates with the same seq. It needs no node and no data directory, and
exits 1 when anything does not hold or nothing is proved.`,
		Args: takes(1, 1),
		RunE: func(_ *cobra.Command, args []string) error {
			proofs, err := a.readProofs(args[0])
			if err != nil {
				return err
			}
			return a.print(func(o *output) error {
				if asJSON {
					return printProved(o, proofs, true)
				}
				var all error
				for _, p := range proofs {
					_, err := fmt.Fprintf(o, "proved: %v has signed two updates with seq %d, topic %s\n", p.Author(), p.Seq(), escapeName(p.Topic()))
					all = errors.Join(all, err)
				}
				return all
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print each fork as a JSON object")
	return cmd
}
