package main

import (
	"context"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/hearsaynet/hearsay/replica/node/models"
	"github.com/hearsaynet/hearsay/replica/wire"
)

func newListCmd(a *app) *cobra.Command {
	n := newNoun(a, "list", "A list that many nodes write", `Reads and writes a list. Elements have indexes from 0; what several nodes insert at one
place at once is all kept.`)
	n.verbs(
		verb{
			use: "show [AT]", short: "Print the elements", most: 1,
			long: "Prints the elements in order, one a line, control characters escaped, or the one at index AT.",
			do: func(ctx context.Context, c call, args []string) error {
				if len(args) == 0 {
					return show(ctx, c, models.ListShow, models.None{}, func(o *output, e models.Element) error {
						return o.row(e.Bytes())
					})
				}
				at, err := index(args[0])
				if err != nil {
					return err
				}
				return show(ctx, c, models.ListGet, at, func(o *output, e models.Element) error { return o.value(e.Bytes(), false) })
			},
		},
		verb{
			use: "append VALUE|- …", short: "Put values at the end", least: 1, most: wire.MaxEntries, writes: true,
			long: `Puts VALUEs at the end, all or none; - is what standard input has. --json prints the id of
each element, with author and seq.`,
			example: "  hearsay list append milk bread",
			do: func(ctx context.Context, c call, args []string) error {
				return c.insert(ctx, -1, args)
			},
		},
		verb{
			use: "insert AT VALUE|- …", short: "Put values before an element", least: 2, most: 1 + wire.MaxEntries, writes: true,
			long: `Puts VALUEs before the element at index AT, all or none; - is what standard input has.
--json prints the id of each element, with author and seq.`,
			example: "  hearsay list insert 0 'first of all'",
			do: func(ctx context.Context, c call, args []string) error {
				at, err := index(args[0])
				if err != nil {
					return err
				}
				return c.insert(ctx, at, args[1:])
			},
		},
		verb{
			use: "set AT VALUE|-", short: "Give an element another value", least: 2, most: 2, writes: true,
			long: "Gives the element at index AT another value; - is what standard input has.",
			do: func(ctx context.Context, c call, args []string) error {
				at, err := index(args[0])
				if err != nil {
					return err
				}
				values, err := c.changes(args[1:])
				if err != nil {
					return err
				}
				return change(ctx, c, models.ListSet, models.ListValues{At: at, Values: values})
			},
		},
		verb{
			use: "rm AT [N]", short: "Take elements out", least: 1, most: 2, writes: true,
			long: "Takes N elements out, one unless given, the first at index AT.",
			do: func(ctx context.Context, c call, args []string) error {
				n, err := indexes(append(args, "1")...)
				if err != nil {
					return err
				}
				return change(ctx, c, models.ListRemove, models.ListRange{At: n[0], N: n[1]})
			},
		},
		verb{
			use: "move FROM TO", short: "Move an element", least: 2, most: 2, writes: true,
			long: "Moves the element at index FROM to where it has index TO.",
			do: func(ctx context.Context, c call, args []string) error {
				n, err := indexes(args...)
				if err != nil {
					return err
				}
				return change(ctx, c, models.ListMoveTo, models.ListMove{From: n[0], To: n[1]})
			},
		},
		verb{
			use: "watch", short: "Print changes as they happen",
			long: `Prints one line for each change, until a signal: "insert AT VALUE", "rm AT VALUE",
"set AT VALUE" or "move FROM TO VALUE", control characters escaped. What it told is
taken back by further changes when an author's key is withdrawn.`,
			do: func(ctx context.Context, c call, _ []string) error {
				return watch(ctx, c, models.ListWatch, models.None{}, func(l models.ListChange) uint64 { return l.Lost }, printListChange)
			},
		},
	)
	return n.cmd
}

func (c call) insert(ctx context.Context, at int, args []string) error {
	values, err := c.changes(args)
	if err != nil {
		return err
	}
	return change(ctx, c, models.ListInsert, models.ListValues{At: at, Values: values})
}

func printListChange(o *output, c models.ListChange) error {
	switch {
	case c.Old == nil:
		return o.words("insert", c.New.At, c.New.Bytes())
	case c.New == nil:
		return o.words("rm", c.Old.At, c.Old.Bytes())
	case c.Old.At != c.New.At:
		return o.words("move", c.Old.At, c.New.At, c.New.Bytes())
	}
	return o.words("set", c.New.At, c.New.Bytes())
}

// changes returns what args say, of which one may be - for standard input.
func (a *app) changes(args []string) (values [][]byte, err error) {
	for i, arg := range args {
		value := []byte(arg)
		if arg == "-" {
			if value, err = a.readChange(); err != nil {
				return nil, err
			}
			if slices.Contains(args[i+1:], "-") {
				return nil, usagef("standard input can be read once")
			}
		}
		values = append(values, value)
	}
	return values, nil
}

func indexes(args ...string) (n []int, err error) {
	for _, arg := range args {
		i, err := index(arg)
		if err != nil {
			return nil, err
		}
		n = append(n, i)
	}
	return n, nil
}

// index reads an index, or a number of elements.
func index(arg string) (int, error) {
	n, err := strconv.Atoi(arg)
	if err != nil || n < 0 {
		return 0, usagef("%q is no index: want 0, 1, 2, …", arg)
	}
	return n, nil
}
