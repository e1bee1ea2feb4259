package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/node/models"
)

func newPeerkvCmd(a *app) *cobra.Command {
	n := newNoun(a, "peerkv", "Keys that only their author writes", `Every node has keys and values of its own, which only it can write and all can read.`)
	until, raw := expiryFlags{}, false
	n.verbs(
		verb{
			use: "set KEY VALUE|-", short: "Set a key of this node", least: 2, most: 2, writes: true,
			long:    "Sets KEY of this node to VALUE; - is what standard input has. With --ttl or --until it expires.",
			example: "  hearsay peerkv set --ttl 1m load 0.7",
			flags:   until.add,
			do: func(ctx context.Context, c call, args []string) error {
				values, err := c.changes(args[1:])
				if err != nil {
					return err
				}
				q := models.PeerSet{Key: args[0], Value: values[0]}
				if q.Expires, err = until.time(); err != nil {
					return err
				}
				return change(ctx, c, models.PeerPut, q)
			},
		},
		verb{
			use: "del KEY", short: "Delete a key of this node", least: 1, most: 1, writes: true,
			long: "Deletes KEY of this node. A key that is not there is no error.",
			do: func(ctx context.Context, c call, args []string) error {
				return change(ctx, c, models.PeerDelete, args[0])
			},
		},
		verb{
			use: "get KEY", short: "Print the value of a key of this node", least: 1, most: 1,
			long: `Prints the bytes of KEY's value on this node and a newline, or without the newline for --raw.
For others' keys there is hearsay remote.`,
			flags: func(cmd *cobra.Command) { rawFlag(cmd, &raw) },
			do: func(ctx context.Context, c call, args []string) error {
				return show(ctx, c, models.PeerGet, models.PeerKey{Key: args[0]}, printPeerValue(raw))
			},
		},
		verb{
			use: "show [AUTHOR]", short: "Print keys and values", most: 1,
			long: `Prints the keys and values of AUTHOR, or of all, one a line: author, key and value with
tabs between them, control characters escaped.`,
			do: func(ctx context.Context, c call, args []string) error {
				return c.withAuthor(ctx, args, func(c call, id keys.NodeID) error {
					return show(ctx, c, models.PeerShow, models.PeerKey{Author: id}, func(o *output, e models.PeerEntry) error {
						return o.row(e.Author, e.Key, e.Bytes())
					})
				})
			},
		},
		verb{
			use: "authors", short: "List who has keys",
			long: "Prints the ids of the authors who have a key, one a line.",
			do: func(ctx context.Context, c call, _ []string) error {
				return show(ctx, c, models.PeerAuthors, models.None{}, func(o *output, id keys.NodeID) error {
					_, err := fmt.Fprintln(o, id)
					return err
				})
			},
		},
		verb{
			use: "watch [AUTHOR [KEY]]", short: "Print changes as they happen", most: 2,
			long: `Prints one line for each change, until a signal: "set AUTHOR KEY VALUE", "del AUTHOR KEY"
or "expired AUTHOR KEY VALUE", control characters escaped. AUTHOR is an id or a pattern for
ids, KEY a pattern for keys; '**' is all.`,
			example: "  hearsay peerkv watch '**' 'load/*'",
			do: func(ctx context.Context, c call, args []string) error {
				q := models.PeerGlobs{Author: arg(args, 0), Key: arg(args, 1)}
				return watch(ctx, c, models.PeerWatch, q, func(p models.PeerChange) uint64 { return p.Lost }, printPeerChange)
			},
		},
	)
	return n.cmd
}

func newRemoteCmd(a *app) *cobra.Command {
	c, raw := call{noun: &noun{app: a, channel: new("")}}, false
	cmd := &cobra.Command{
		Use:   "remote AUTHOR KEY",
		Short: "Print the value of another node's key",
		Long: `Prints the bytes of the value of KEY that AUTHOR has set with hearsay peerkv set, and a newline,
or without the newline for --raw. AUTHOR is an id, a fingerprint, or the end of an id as hearsay
status shows it.`,
		Args: takes(2, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.withAuthor(cmd.Context(), args, func(c call, id keys.NodeID) error {
				return show(cmd.Context(), c, models.PeerGet, models.PeerKey{Author: id, Key: args[1]}, printPeerValue(raw))
			})
		},
	}
	cmd.Flags().BoolVar(&c.json, "json", false, "print one JSON object")
	rawFlag(cmd, &raw)
	c.channelVar(cmd.Flags(), "peerkv")
	return cmd
}

func printPeerValue(raw bool) func(*output, models.PeerEntry) error {
	return func(o *output, e models.PeerEntry) error { return o.value(e.Bytes(), raw) }
}

func printPeerChange(o *output, c models.PeerChange) error {
	switch {
	case c.Expired:
		return o.words("expired", c.Author, c.Key, c.Old.Bytes())
	case c.New == nil:
		return o.words("del", c.Author, c.Key)
	}
	return o.words("set", c.Author, c.Key, c.New.Bytes())
}
