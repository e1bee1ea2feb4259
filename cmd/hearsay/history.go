package main

import (
	"context"
	"encoding/json"

	"github.com/spf13/cobra"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/node"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// historyFlags select and order updates.
type historyFlags struct {
	order    string
	after    string
	authors  []string
	channels []string
	asJSON   bool
}

func newHistoryCmd(a *app) *cobra.Command {
	var f historyFlags
	cmd := &cobra.Command{
		Use:   "history",
		Short: "List the updates that are stored",
		Long: `Lists the stored updates of admitted authors that count, in all channels: each as a line of
time, author, seq, channel, "" if it has no name, and the size of its change in bytes. --json
prints the change, too.`,
		Example: `  hearsay history --order time --channel kv
  hearsay history --after monday.hearsay --json`,
		Args: takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.attach(cmd.Context(), func(api node.API) error { return a.history(cmd.Context(), api, f) })
		},
	}
	cmd.Flags().StringVar(&f.order, "order", "author", "in `ORDER`: author, then seq; or time, which takes memory for all of them")
	cmd.Flags().StringVar(&f.after, "after", "", "leave out what `FILE`, an export or a directory of one, has")
	cmd.Flags().StringArrayVar(&f.authors, "author", nil, "only those of `AUTHOR`; may be given several times")
	listVar(cmd.Flags(), &f.channels, "channel", "only those of channel `NAME`; may be given several times", wire.CheckChannel)
	cmd.Flags().BoolVar(&f.asJSON, "json", false, "print each update as a JSON object")
	cmd.RegisterFlagCompletionFunc("order", fixed("author", "time"))
	a.addTopicFlag(cmd)
	return cmd
}

func (a *app) history(ctx context.Context, api node.API, f historyFlags) (err error) {
	s := replica.Selection{Channels: f.channels}
	switch f.order {
	case "author":
		s.Order = replica.ByAuthor
	case "time":
		s.Order = replica.ByTime
	default:
		return usagef("--order is author or time, not %q", f.order)
	}
	if f.after != "" {
		if s.After, err = a.clockOf(f.after); err != nil {
			return err
		}
	}
	for _, text := range f.authors {
		id, err := author(ctx, api, text)
		if err != nil {
			return err
		}
		s.Authors = append(s.Authors, id)
	}
	return a.print(func(o *output) error {
		for u, err := range api.History(ctx, s) {
			if err == nil {
				err = printUpdate(o, u, f.asJSON)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// updateRecord is an update as history --json prints it.
type updateRecord struct {
	Author  keys.NodeID `json:"author"`
	Seq     uint64      `json:"seq"`
	Hash    wire.Hash   `json:"hash"`
	Time    string      `json:"time"`
	Channel string      `json:"channel"`
	Change  *string     `json:"change,omitempty"`
	Base64  []byte      `json:"change_base64,omitempty"`
	Local   bool        `json:"local"`
}

func printUpdate(o *output, u node.Update, asJSON bool) error {
	if asJSON {
		r := updateRecord{Author: u.Author, Seq: u.Seq, Hash: u.Hash, Time: stamp(u.Time), Channel: u.Channel, Local: u.Local}
		r.Change, r.Base64 = jsonBytes(u.Change)
		return o.json(r)
	}
	channel := any(u.Channel)
	if u.Channel == "" {
		channel = json.RawMessage(`""`) // a word all the same
	}
	return o.words(stamp(u.Time), u.Author, u.Seq, channel, len(u.Change))
}
