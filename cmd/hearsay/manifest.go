package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/hearsaynet/hearsay/replica/node/models"
)

func newManifestCmd(a *app) *cobra.Command {
	n := newNoun(a, "manifest", "A list of the topic's channels and their models", `Reads and writes a list of channels, which tells everybody which kind of model each has.
It is a list and nothing more: a node takes what is written to any channel, and a command
says itself which model it means, as hearsay list --channel todo does.`)
	n.verbs(
		verb{
			use: "show", short: "Print the channels",
			long: "Prints the listed channels, bytewise in order, one a line: channel and kind with a tab between them.",
			do: func(ctx context.Context, c call, _ []string) error {
				return show(ctx, c, models.ManifestShow, models.None{}, func(o *output, l models.Listed) error {
					return o.row(l.Channel, l.Kind)
				})
			},
		},
		verb{
			use: "add NAME KIND", short: "Put a channel on the list", least: 2, most: 2, writes: true,
			long:    "Lists channel NAME as one with a model of KIND, such as list or text, or changes its kind.",
			example: "  hearsay manifest add todo list\n  hearsay list append --channel todo 'water the plants'",
			do: func(ctx context.Context, c call, args []string) error {
				return change(ctx, c, models.ManifestAdd, models.ChannelKind{Channel: args[0], Kind: args[1]})
			},
		},
		verb{
			use: "rm NAME", short: "Take a channel off the list", least: 1, most: 1, writes: true,
			long: `Takes channel NAME off the list. What has been written to it stays. A channel that is not
listed is no error.`,
			do: func(ctx context.Context, c call, args []string) error {
				return change(ctx, c, models.ManifestRemove, args[0])
			},
		},
		verb{
			use: "watch [GLOB]", short: "Print changes as they happen", most: 1,
			long: `Prints one line for each change of a channel that matches GLOB, until a signal: "add NAME KIND"
or "rm NAME". What it told is taken back by further changes when an author's key is withdrawn.`,
			do: func(ctx context.Context, c call, args []string) error {
				return watch(ctx, c, models.ManifestWatch, arg(args, 0), func(l models.ListedChange) uint64 { return l.Lost },
					func(o *output, l models.ListedChange) error {
						if l.New == nil {
							return o.words("rm", l.Channel)
						}
						return o.words("add", l.Channel, l.New.Kind)
					})
			},
		},
	)
	return n.cmd
}
