package main

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/node"
)

func newStatusCmd(a *app) *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show a node's id, peers and authors",
		Args:  takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.attach(cmd.Context(), func(api node.API) error {
				s, err := api.Status(cmd.Context())
				if err != nil {
					return err
				}
				if asJSON {
					return a.printJSON(s)
				}
				return a.print(func(o *output) error { return printStatus(o, s) })
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	a.keyAccess.add(cmd.Flags())
	return cmd
}

func printStatus(o *output, s *node.Status) error {
	running := "not running"
	if s.Running {
		running = "running"
	}
	rows := [][]string{
		{"node", s.ID.String() + "  " + running},
		{"topics", o.line(cmp.Or(strings.Join(s.Topics, ", "), "none"))},
		{"listening", cmp.Or(strings.Join(s.Listen, ", "), "no")},
		{"updates", counts(s)},
	}
	if s.Write != "" {
		rows = append(rows, []string{"writing", "no: " + o.line(withoutPackage(s.Write))})
	}
	if err := table(o, rows); err != nil {
		return err
	}
	if err := printPeers(o, s.Peers); err != nil {
		return err
	}
	return printAuthors(o, s)
}

func counts(s *node.Status) string {
	var text strings.Builder
	text.WriteString(humanize.Comma(int64(s.Counts.Applied)) + " applied")
	for _, c := range []struct {
		n    uint64
		what string
	}{{s.Counts.Rejected, "rejected"}, {s.Counts.Parked, "parked"}, {s.Counts.Waiting, "waiting"}, {s.Counts.Ignored, "unreadable"}} {
		if c.n > 0 {
			text.WriteString(", " + humanize.Comma(int64(c.n)) + " " + c.what)
		}
	}
	return text.String()
}

func printPeers(o *output, peers []node.Peer) error {
	if len(peers) == 0 {
		return nil
	}
	rows := [][]string{{"PEER", "ADDRESS", "STATE", "IN", "OUT", "UPDATES IN", "UPDATES OUT", "REASON"}}
	for _, p := range peers {
		id, address := "?", p.Address
		if p.ID != nil {
			id, address = p.ID.Short(), strings.TrimPrefix(address, p.ID.String()+"@")
		}
		rows = append(rows, []string{id, o.line(address), string(p.State),
			humanize.Bytes(p.BytesIn), humanize.Bytes(p.BytesOut),
			humanize.Comma(int64(p.UpdatesIn)), humanize.Comma(int64(p.UpdatesOut)), o.line(withoutPackage(p.Reason))})
	}
	fmt.Fprintln(o)
	return table(o, rows)
}

func printAuthors(o *output, s *node.Status) error {
	if len(s.Authors) == 0 {
		return nil
	}
	rows := [][]string{{"AUTHOR", "TOPIC", "SEQ", "STATE", "REASON"}}
	for _, au := range s.Authors {
		why := o.line(withoutPackage(au.Reason))
		if au.State == replica.StateOK {
			why = "" // how many updates there are, which the column before says
		}
		rows = append(rows, []string{shortID(au.ID, s.ID), o.line(au.Topic), strconv.FormatUint(au.Seq, 10), string(au.State), why})
	}
	fmt.Fprintln(o)
	return table(o, rows)
}

func shortID(id, self keys.NodeID) string {
	if id == self {
		return id.Short() + " (this node)"
	}
	return id.Short()
}
