package main

import (
	"context"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/node"
	"github.com/hearsaynet/hearsay/replica/node/models"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// noun is the command of a data model, and what its verbs share.
type noun struct {
	*app
	cmd     *cobra.Command
	channel *string
}

// newNoun begins the command of the model that is mounted on the channel of its name.
func newNoun(a *app, name, short, long string) *noun {
	n := &noun{app: a, cmd: &cobra.Command{Use: name, Short: short, Long: long}, channel: new("")}
	group(n.cmd)
	n.channelVar(n.cmd.PersistentFlags(), name)
	return n
}

// channelFlag is how a printed command names the same channel.
func (n *noun) channelFlag() string {
	if *n.channel == "" {
		return ""
	}
	return " --channel " + shellQuote(*n.channel)
}

func (n *noun) channelVar(f *pflag.FlagSet, name string) {
	f.Var(checkedString{n.channel, wire.CheckChannel}, "channel", "of the model on channel `NAME` (default "+name+")")
}

// part begins a group of verbs in the command of a model.
func (n *noun) part(name, short, long string) *noun {
	p := &noun{app: n.app, cmd: &cobra.Command{Use: name, Short: short, Long: long}, channel: n.channel}
	group(p.cmd)
	n.cmd.AddCommand(p.cmd)
	return p
}

// verb is one thing that can be done with a model.
type verb struct {
	use, short, long, example string
	least, most               int // arguments
	writes                    bool
	flags                     func(cmd *cobra.Command) // adds the verb's own, if any
	do                        func(ctx context.Context, c call, args []string) error
}

// call is one call of a verb.
type call struct {
	*noun
	api  node.API // nil until it is attached
	json bool
}

// attached calls f with the call attached to a node. What is wrong with arguments is said
// before, and what standard input has is read.
func (c call) attached(ctx context.Context, f func(c call) error) error {
	if c.api != nil {
		return f(c)
	}
	return c.attach(ctx, func(api node.API) error {
		c.api = api
		return f(c)
	})
}

// withAuthor is attached for who is named by the first argument, zero if there is none.
func (c call) withAuthor(ctx context.Context, args []string, f func(c call, id keys.NodeID) error) error {
	return c.attached(ctx, func(c call) (err error) {
		var id keys.NodeID
		if len(args) > 0 {
			if id, err = author(ctx, c.api, args[0]); err != nil {
				return err
			}
		}
		return f(c, id)
	})
}

// verbs adds them.
func (n *noun) verbs(all ...verb) {
	for _, v := range all {
		c := call{noun: n}
		cmd := &cobra.Command{
			Use: v.use, Short: v.short, Long: v.long, Example: v.example, Args: takes(v.least, v.most),
			RunE: func(cmd *cobra.Command, args []string) error {
				return v.do(cmd.Context(), c, args)
			},
		}
		if v.writes {
			cmd.Annotations = map[string]string{annotationFreeArgs: ""}
			writeFlags(n.app, cmd, &c.json)
		} else {
			cmd.Flags().BoolVar(&c.json, "json", false, "print JSON, a line for each")
		}
		if v.flags != nil {
			v.flags(cmd)
		}
		n.cmd.AddCommand(cmd)
	}
}

// change carries out an operation that writes. With --json its answers are printed.
func change[Q, A any](ctx context.Context, c call, op models.Operation[Q, A], q Q) error {
	return c.attached(ctx, func(c call) error {
		ctx, cancel, err := c.durably(ctx, c.api)
		if err != nil {
			return err
		}
		defer cancel()
		for answer, err := range op.All(ctx, c.api, *c.channel, q) {
			if err == nil && c.json {
				err = c.printJSON(answer)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// show prints the answers of an operation, each as line does, or as JSON.
func show[Q, A any](ctx context.Context, c call, op models.Operation[Q, A], q Q, line func(o *output, a A) error) error {
	return c.attached(ctx, func(c call) error {
		return c.print(func(o *output) error {
			for a, err := range op.All(ctx, c.api, *c.channel, q) {
				if err == nil && c.json {
					err = o.json(a)
				} else if err == nil {
					err = line(o, a)
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
	})
}

// watch prints the answers of an operation as they come, until a signal. lost returns
// how many were missed where it is called.
func watch[Q, A any](ctx context.Context, c call, op models.Operation[Q, A], q Q, lost func(A) uint64, line func(o *output, a A) error) error {
	return c.attached(ctx, func(c call) error {
		c.following(c.api)
		o := c.stdout()
		for a, err := range op.All(ctx, c.api, *c.channel, q) {
			if ctx.Err() != nil {
				return nil // the signal that ends it
			}
			switch {
			case err != nil:
			case c.json:
				err = o.json(a)
			case lost(a) > 0:
				c.warn("%d changes were not seen: they came faster than they could be printed", lost(a))
			default:
				err = line(o, a)
			}
			if err == nil {
				err = o.Flush()
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}
