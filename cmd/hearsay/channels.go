package main

import (
	"strconv"

	"github.com/spf13/cobra"

	"github.com/hearsaynet/hearsay/replica/node"
)

func newChannelsCmd(a *app) *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use:   "channels",
		Short: "List the channels of the topic",
		Long: `Lists the channels that updates were written to: how many of them count, the bytes of their
changes, and the model that this node has on the channel now, if any; also those that have a
model and no updates yet. It reads all that is stored. hearsay manifest lists which models
channels are meant to have.`,
		Args: takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.attach(cmd.Context(), func(api node.API) error {
				channels, err := api.Channels(cmd.Context())
				if err != nil {
					return err
				}
				return a.print(func(o *output) error { return printChannels(o, channels, asJSON) })
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print each channel as a JSON object")
	a.addTopicFlag(cmd)
	return cmd
}

func printChannels(o *output, channels []node.Channel, asJSON bool) error {
	rows := [][]string{{"CHANNEL", "UPDATES", "BYTES", "MODEL"}}
	for _, c := range channels {
		if asJSON {
			if err := o.json(c); err != nil {
				return err
			}
			continue
		}
		rows = append(rows, []string{escapeName(c.Channel), strconv.FormatUint(c.Updates, 10), strconv.FormatUint(c.Bytes, 10), c.Model})
	}
	if asJSON {
		return nil
	}
	return o.table(rows)
}
