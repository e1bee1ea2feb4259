package main

import (
	"context"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/node/models"
)

func newFeedCmd(a *app) *cobra.Command {
	n := newNoun(a, "feed", "A feed of every node, and all of them merged", `Reads and writes feeds. Every node has one, which only it adds to and removes from; all
of them are merged by time.`)
	last, follow := 10, false
	n.verbs(
		verb{
			use: "show [AUTHOR]", short: "Print the items", most: 1,
			long: `Prints the items of all feeds by time, or those of AUTHOR, one a line: author, seq and item
with tabs between them.`,
			do: func(ctx context.Context, c call, args []string) error {
				return c.withAuthor(ctx, args, func(c call, id keys.NodeID) error {
					return show(ctx, c, models.FeedShow, models.FeedPart{Author: id}, printItem)
				})
			},
		},
		verb{
			use: "push ITEM|- …", short: "Add items to this node's feed", least: 1, most: 256, writes: true,
			long:    "Adds ITEMs to this node's feed, all or none; - is what standard input has.",
			example: "  hearsay feed push 'gone fishing'",
			do: func(ctx context.Context, c call, args []string) error {
				items, err := c.changes(args)
				if err != nil {
					return err
				}
				return change(ctx, c, models.FeedPush, items)
			},
		},
		verb{
			use: "rm SEQ", short: "Remove an item from this node's feed", least: 1, most: 1, writes: true,
			long: `Removes the item that update SEQ of this node pushed, everywhere and for ever. Others'
items stay theirs.`,
			do: func(ctx context.Context, c call, args []string) error {
				seq, err := strconv.ParseUint(args[0], 10, 63)
				if err != nil || seq == 0 {
					return usagef("%q is no seq: want 1, 2, 3, …", args[0])
				}
				return c.attached(ctx, func(c call) error {
					status, err := c.api.Status(ctx)
					if err != nil {
						return err
					}
					return change(ctx, c, models.FeedRemove, models.FeedItem{Author: status.ID, Seq: seq})
				})
			},
		},
		verb{
			use: "tail", short: "Print the newest items",
			long: `Prints the last items of all feeds by time; with -f it goes on with each that comes, until a
signal. An item that is removed later has been printed all the same: hearsay feed watch
tells of removals.`,
			flags: func(cmd *cobra.Command) {
				cmd.Flags().IntVarP(&last, "lines", "n", 10, "begin with the last `N`")
				cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on until a signal")
			},
			do: func(ctx context.Context, c call, _ []string) error {
				switch {
				case last < 0:
					return usagef("-n %d: want 0 or more", last)
				case follow:
					return watch(ctx, c, models.FeedTail, models.FeedPart{N: last}, func(models.Item) uint64 { return 0 }, printItem)
				case last == 0:
					return nil
				}
				return show(ctx, c, models.FeedShow, models.FeedPart{N: last}, printItem)
			},
		},
		verb{
			use: "watch", short: "Print changes as they happen",
			long: `Prints one line for each item that comes or goes, until a signal: "push AUTHOR SEQ ITEM" or
"rm AUTHOR SEQ ITEM", control characters escaped. Items go also when their author's key is
withdrawn.`,
			do: func(ctx context.Context, c call, _ []string) error {
				return watch(ctx, c, models.FeedWatch, models.None{}, func(i models.ItemChange) uint64 { return i.Lost },
					func(o *output, i models.ItemChange) error {
						what := "push"
						if i.Removed {
							what = "rm"
						}
						return o.words(what, i.Item.Author, i.Item.Seq, i.Item.Bytes())
					})
			},
		},
	)
	return n.cmd
}

func printItem(o *output, i models.Item) error {
	return o.row(i.Author, i.Seq, i.Bytes())
}
