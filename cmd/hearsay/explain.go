package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/node"
)

func newExplainCmd(a *app) *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use:   "explain AUTHOR [SEQ]",
		Short: "Say where an author or an update stands, and why",
		Long: `Says how AUTHOR stands, or its update SEQ: applied, or why not. AUTHOR is a node id (Qm… or
SHA256:…), or the end of one as "hearsay status" shows it.

The states: ok, applied; unknown (the author is not admitted), waiting (for the keystore), gap
(something before it is missing), behind (its author has signed that there is more), parked
(until its time), forked and cut (its author has signed two histories), quota (too many
authors), refused (by this node: why, and who brought it), newer (it needs a newer hearsay),
unseen (nobody has offered it).`,
		Args: takes(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			seq := uint64(0)
			if len(args) == 2 {
				var err error
				if seq, err = parseSeq(args[1]); err != nil {
					return err
				}
			}
			return a.attach(cmd.Context(), func(api node.API) error {
				id, err := author(cmd.Context(), api, args[0])
				if err != nil {
					return err
				}
				x, err := api.Explain(cmd.Context(), id, seq)
				if err != nil {
					return err
				}
				if asJSON {
					return a.printJSON(x)
				}
				return a.print(func(o *output) error { return a.printExplanation(o, x) })
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	a.addTopicFlag(cmd)
	return cmd
}

// lastWord says what an author has signed on how far it has written, and who brought it.
func lastWord(w *replica.Word, now time.Time) string {
	text := fmt.Sprintf("it signed %s ago that it has written up to seq %d", span(now.Sub(w.Issued)), w.Seq)
	switch {
	case w.Direct:
		text += "; it said so itself"
	case len(w.Links) > 0:
		text += "; heard from " + strings.Join(w.Links, " and ")
	}
	return text
}

func (a *app) printExplanation(o *output, x *node.Explanation) error {
	rows := [][]string{{"author", x.Author.String()}}
	if x.Seq > 0 {
		rows = append(rows, []string{"update", strconv.FormatUint(x.Seq, 10)})
	}
	rows = append(rows,
		[]string{"state", string(x.State)},
		[]string{"why", escapeLine(withoutPackage(x.Reason))})
	if x.Channel != "" {
		rows = append(rows, []string{"channel", escapeName(x.Channel)})
	}
	if x.Time != nil {
		rows = append(rows, []string{"dated", x.Time.UTC().Format(time.RFC3339Nano)})
	}
	if x.Seq == 0 {
		rows = append(rows, []string{"stored", "up to seq " + strconv.FormatUint(x.Frontier.Seq, 10)})
	}
	if x.Word != nil {
		rows = append(rows, []string{"word", escapeLine(lastWord(x.Word, time.Now()))})
	}
	for _, d := range x.Details {
		rows = append(rows, []string{"", escapeLine(d)})
	}
	if err := o.table(rows); err != nil {
		return err
	}
	if x.State == replica.StateForked || x.State == replica.StateCut {
		_, err := fmt.Fprintf(o, "\nThe proof, and what to do: hearsay fork show%s %v\n", a.dataFlag(), x.Author)
		return err
	}
	if x.OfferedKey == "" {
		return nil
	}
	_, err := fmt.Fprintf(o, "\nIts key was offered. To admit the author:\n\n  echo %s | hearsay trust%s -\n", shellQuote(x.OfferedKey), a.dataFlag())
	return err
}
