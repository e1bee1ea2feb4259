package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hearsaynet/hearsay/replica/node/models"
)

// maxFields bounds the fields that one command takes.
const maxFields = 1024

func newDocCmd(a *app) *cobra.Command {
	n := newNoun(a, "doc", "Rows with fields that many nodes write", `Reads and writes rows with fields. What several nodes write to different fields of a row
all stays; of two writes to one field the last does. A value is JSON: FIELD='"text"',
FIELD=5, FIELD=true; FIELD= takes a field away.`)
	text, following := false, false
	asText := func(cmd *cobra.Command) {
		cmd.Flags().BoolVarP(&text, "string", "s", false, "the values are text, not JSON")
	}
	n.verbs(
		verb{
			use: "show [ROW]", short: "Print the rows", most: 1,
			long: `Prints the rows, bytewise by name, one a line: name and fields as JSON with a tab between
them, control characters escaped. Of a ROW it prints the fields, one a line: name and value.
--json says who wrote each.`,
			do: func(ctx context.Context, c call, args []string) error {
				if len(args) == 0 {
					return show(ctx, c, models.DocShow, "", printRow)
				}
				return show(ctx, c, models.DocShow, args[0], printFields)
			},
		},
		verb{
			use: "set ROW FIELD=JSON …", short: "Set fields of a row", least: 1, most: 1 + maxFields, writes: true, flags: asText,
			long:    "Sets fields of ROW, and leaves its other fields alone. A row that is not there comes into being.",
			example: "  hearsay doc set milk done=true 'note=\"two bottles\"'\n  hearsay doc set --string milk note='two bottles' shop=corner",
			do: func(ctx context.Context, c call, args []string) error {
				fields, err := readFields(args[1:], text)
				if err != nil {
					return err
				}
				return change(ctx, c, models.DocSet, models.RowWrite{Row: args[0], Fields: fields})
			},
		},
		verb{
			use: "add FIELD=JSON …", short: "Add a row with a new name", most: maxFields, writes: true, flags: asText,
			long: "Adds a row with a new name, which it prints.",
			do: func(ctx context.Context, c call, args []string) error {
				fields, err := readFields(args, text)
				if err != nil {
					return err
				}
				return add(ctx, c, models.DocAdd, fields)
			},
		},
		verb{
			use: "rm ROW", short: "Delete a row", least: 1, most: 1, writes: true,
			long: `Deletes ROW with its fields. One that is not there is no error. A field that somebody sets
later is there again, with the row.`,
			do: func(ctx context.Context, c call, args []string) error {
				return change(ctx, c, models.DocRemove, args[0])
			},
		},
		verb{
			use: "select FIELD=JSON", short: "Print the rows whose field has a value", least: 1, most: 1,
			long: `Prints the rows whose FIELD has that value, as show does. With --watch it prints a line "in
ROW FIELDS" for each, and then one for each change, until a signal: "in ROW FIELDS" for a row
that begins to match, "set ROW FIELDS" for one that still does, and "out ROW FIELDS".`,
			example: "  hearsay doc select done=false\n  hearsay doc select --watch --string shop=corner",
			flags: func(cmd *cobra.Command) {
				asText(cmd)
				cmd.Flags().BoolVarP(&following, "watch", "w", false, "go on with changes as they happen, until a signal")
			},
			do: func(ctx context.Context, c call, args []string) error {
				q, err := readField(args[0], text)
				if err != nil {
					return err
				}
				if following {
					return watch(ctx, c, models.DocFollow, q, lostRows, printMembership)
				}
				return show(ctx, c, models.DocSelect, q, printRowAt)
			},
		},
		verb{
			use: "watch [GLOB]", short: "Print changes as they happen", most: 1,
			long: `Prints one line for each change of a row whose name matches GLOB, until a signal: "set ROW
FIELDS" with those that are new or other than before and null for those that are gone, or
"rm ROW"; control characters escaped. What it told is taken back by further changes when an
author's key is withdrawn.`,
			do: func(ctx context.Context, c call, args []string) error {
				return watch(ctx, c, models.DocWatch, arg(args, 0), func(r models.RowChange) uint64 { return r.Lost }, printRowChange)
			},
		},
	)
	addSeqVerbs(n)
	return n.cmd
}

// add carries an operation out that adds a row, and prints its name.
func add[Q any](ctx context.Context, c call, op models.Operation[Q, models.Added], q Q) error {
	return c.attached(ctx, func(c call) error {
		ctx, cancel, err := c.durably(ctx, c.api)
		if err != nil {
			return err
		}
		defer cancel()
		added, err := op.One(ctx, c.api, *c.channel, q)
		if err != nil {
			return err
		}
		return c.print(func(o *output) error {
			if c.json {
				return o.json(added)
			}
			return o.row(added.Row)
		})
	})
}

// readFields reads FIELD=JSON, or FIELD=TEXT.
func readFields(args []string, text bool) (fields []models.RowField, err error) {
	for _, arg := range args {
		f, err := readField(arg, text)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(fields, func(g models.RowField) bool { return g.Name == f.Name }) {
			return nil, usagef("field %q is given twice", f.Name)
		}
		fields = append(fields, f)
	}
	return fields, nil
}

func readField(arg string, text bool) (f models.RowField, err error) {
	name, value, ok := strings.Cut(arg, "=")
	switch f.Name = name; {
	case !ok || name == "":
		return f, usagef("%q is no FIELD=JSON", arg)
	case text:
		f.Value, err = textJSON([]byte(value))
	case value != "":
		f.Value, err = []byte(value), checkJSON([]byte(value))
	}
	if err != nil {
		err = fmt.Errorf("field %q: %w", name, err)
	}
	return f, err
}

func printRow(o *output, r models.Row) error {
	fields, err := marshal(r.Fields)
	if err == nil {
		err = o.row(r.Row, json.RawMessage(fields))
	}
	return err
}

func printRowAt(o *output, r models.RowAt) error { return printRow(o, r.Row) }

func printFields(o *output, r models.Row) error {
	for _, name := range slices.Sorted(maps.Keys(r.Fields)) {
		if err := o.row(name, r.Fields[name]); err != nil {
			return err
		}
	}
	return nil
}

func lostRows(c models.RowAtChange) uint64 { return c.Lost }

func printMembership(o *output, c models.RowAtChange) error {
	switch {
	case c.Old == nil:
		return printRowWords(o, c.New.Row, "in")
	case c.New == nil:
		return printRowWords(o, c.Old.Row, "out")
	}
	return printRowWords(o, c.New.Row, "set")
}

func printRowChange(o *output, c models.RowChange) error {
	if c.New == nil {
		return o.words("rm", c.Row)
	}
	other := *c.New
	other.Fields = make(map[string]json.RawMessage)
	for name, value := range c.New.Fields {
		if c.Old == nil || string(c.Old.Fields[name]) != string(value) {
			other.Fields[name] = value
		}
	}
	if c.Old != nil {
		for name := range c.Old.Fields {
			if _, still := c.New.Fields[name]; !still {
				other.Fields[name] = nil
			}
		}
	}
	return printRowWords(o, other, "set")
}

// printRowWords writes what happened to a row as a line.
func printRowWords(o *output, r models.Row, what ...any) error {
	fields, err := marshal(r.Fields)
	if err == nil {
		err = o.words(append(what, r.Row, json.RawMessage(fields))...)
	}
	return err
}
