package main

import (
	"cmp"
	"context"
	"slices"

	"github.com/hearsaynet/hearsay/replica/model/doc"
	"github.com/hearsaynet/hearsay/replica/node/models"
)

// addSeqVerbs adds what can be done with rows in an order.
func addSeqVerbs(rows *noun) {
	n := rows.part("seq", "Rows in an order that authors choose", `Reads and writes rows in an order, which a field of theirs keeps. Rows have indexes from 0;
those that nobody has put into the order come last.`)
	where, sort, text := "", "", false
	n.cmd.PersistentFlags().StringVar(&where, "where", "", "only the rows with `FIELD=JSON`, which new ones get, too")
	n.cmd.PersistentFlags().StringVar(&sort, "sort", "", "the order that `FIELD` keeps (default _sort)")
	n.cmd.PersistentFlags().BoolVarP(&text, "string", "s", false, "the values are text, not JSON")
	asked := func() (q models.Rows, err error) {
		if q.Sort = sort; where != "" {
			q.Where, err = readField(where, text)
		}
		return q, err
	}
	insert := func(ctx context.Context, c call, at int, args []string) error {
		q := models.RowInsert{At: at}
		var err error
		if q.Rows, err = asked(); err == nil {
			q.Fields, err = readFields(args, text)
		}
		if err != nil {
			return err
		}
		if slices.ContainsFunc(q.Fields, func(f models.RowField) bool { return f.Name == q.Where.Name }) {
			return usagef("field %q is given by --where, too", q.Where.Name)
		}
		return add(ctx, c, models.SeqInsert, q)
	}
	n.verbs(
		verb{
			use: "show", short: "Print the rows in order",
			long: `Prints the rows in their order, one a line: name and fields as JSON with a tab between them.
The field that keeps the order is left out; --json has it.`,
			do: func(ctx context.Context, c call, _ []string) error {
				q, err := asked()
				if err != nil {
					return err
				}
				return show(ctx, c, models.SeqShow, q, func(o *output, r models.RowAt) error {
					delete(r.Fields, cmp.Or(sort, doc.DefaultSort))
					return printRow(o, r.Row)
				})
			},
		},
		verb{
			use: "push FIELD=JSON …", short: "Add a row at the end", most: maxFields, writes: true,
			long:    "Adds a row with a new name at the end, and prints the name.",
			example: "  hearsay doc seq push --string --where list=shopping what=milk",
			do: func(ctx context.Context, c call, args []string) error {
				return insert(ctx, c, -1, args)
			},
		},
		verb{
			use: "insert AT FIELD=JSON …", short: "Add a row before another", least: 1, most: 1 + maxFields, writes: true,
			long: "Adds a row with a new name before the one at index AT, and prints the name.",
			do: func(ctx context.Context, c call, args []string) error {
				at, err := index(args[0])
				if err != nil {
					return err
				}
				return insert(ctx, c, at, args[1:])
			},
		},
		verb{
			use: "move FROM TO", short: "Move a row", least: 2, most: 2, writes: true,
			long: "Moves the row at index FROM to where it has index TO.",
			do: func(ctx context.Context, c call, args []string) error {
				n, err := indexes(args...)
				if err != nil {
					return err
				}
				rows, err := asked()
				if err != nil {
					return err
				}
				return change(ctx, c, models.SeqMoveTo, models.RowMove{Rows: rows, From: n[0], To: n[1]})
			},
		},
		verb{
			use: "watch", short: "Print changes as they happen",
			long: `Prints one line for each change, until a signal: "insert AT ROW FIELDS", "rm AT ROW FIELDS",
"set AT ROW FIELDS" or "move FROM TO ROW FIELDS", control characters escaped. What it told
is taken back by further changes when an author's key is withdrawn.`,
			do: func(ctx context.Context, c call, _ []string) error {
				q, err := asked()
				if err != nil {
					return err
				}
				return watch(ctx, c, models.SeqFollow, q, lostRows, printSeqChange)
			},
		},
	)
}

func printSeqChange(o *output, c models.RowAtChange) error {
	switch {
	case c.Old == nil:
		return printRowWords(o, c.New.Row, "insert", c.New.At)
	case c.New == nil:
		return printRowWords(o, c.Old.Row, "rm", c.Old.At)
	case c.Old.At != c.New.At:
		return printRowWords(o, c.New.Row, "move", c.Old.At, c.New.At)
	}
	return printRowWords(o, c.New.Row, "set", c.New.At)
}
