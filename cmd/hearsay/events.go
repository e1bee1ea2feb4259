package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/events"
	"github.com/hearsaynet/hearsay/replica/node"
	"github.com/hearsaynet/hearsay/replica/wire"
)

func newPubCmd(a *app) *cobra.Command {
	asJSON, ends := false, time.Duration(0)
	cmd := &cobra.Command{
		Use:   "pub NAME [DATA|-]",
		Short: "Publish an event",
		Long: `Appends an event to NAME. For -, or without DATA, each line of standard input is one. It
returns when all are signed and durable. DATA that starts with - goes after --. With --for the
event is told to nobody when that time has passed, by each node's own clock. NAME has up to 255
bytes, and with DATA a few less than 65,536.`,
		Example: `  hearsay pub door opened
  hearsay pub --for 20s alarm 'front door'
  journalctl -f | hearsay pub journal`,
		Args:        takes(1, 2),
		Annotations: map[string]string{annotationFreeArgs: ""},
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.attach(cmd.Context(), func(api node.API) error {
				publish, overhead := publisher(api.Publish), events.Overhead
				if cmd.Flags().Changed("for") {
					if ends <= 0 {
						return usagef("--for %v: want a duration above 0, such as 20s", ends)
					}
					overhead = events.OverheadFor
					publish = func(ctx context.Context, name string, data ...[]byte) ([]wire.Ref, error) {
						return api.PublishFor(ctx, name, ends, data...)
					}
				}
				if len(args) == 1 || args[1] == "-" {
					return a.pubLines(cmd.Context(), api, publish, args[0], overhead, asJSON)
				}
				ctx, cancel, err := a.durably(cmd.Context(), api)
				if err != nil {
					return err
				}
				defer cancel()
				refs, err := publish(ctx, args[0], []byte(args[1]))
				return a.wrote(asJSON, err, refs...)
			})
		},
	}
	cmd.Flags().DurationVar(&ends, "for", 0, "tell it for `DURATION` only, such as 20s")
	writeFlags(a, cmd, &asJSON)
	return cmd
}

// publisher is node.API's Publish.
type publisher func(ctx context.Context, name string, data ...[]byte) ([]wire.Ref, error)

// pubLines publishes standard input line by line. Of an update, the name and overhead
// bytes take some.
func (a *app) pubLines(ctx context.Context, api node.API, publish publisher, name string, overhead int, asJSON bool) error {
	lines := newLineReader(a.stdin, max(0, replica.DefaultMaxChange-overhead-len(name)))
	published := 0
	batches := batcher[[]byte]{
		window: 1, // events keep the order of their lines
		read: func() ([]byte, int, error) {
			line, err := lines.next()
			if errors.Is(err, errLineTooLong) {
				err = fmt.Errorf("line %d: %w", lines.number, err)
			}
			return line, len(line), err
		},
		send: func(ctx context.Context, data [][]byte) ([]wire.Ref, error) {
			ctx, cancel, err := a.durably(ctx, api)
			if err != nil {
				return nil, err
			}
			defer cancel()
			return publish(ctx, name, data...)
		},
		done: func(data [][]byte, refs []wire.Ref) error {
			published += len(data)
			return a.wrote(asJSON, nil, refs...)
		},
	}
	if err := batches.run(ctx); err != nil {
		return withHint(err, "%d lines are published", published)
	}
	return nil
}

func newTailCmd(a *app) *cobra.Command {
	q, last, since, asJSON := node.TailQuery{}, 0, "", false
	cmd := &cobra.Command{
		Use:   "tail [PATTERN]",
		Short: "Print events",
		Long: `Prints the events whose names match PATTERN, each as a line, and ends; with -f it goes on
until a signal. In PATTERN * stands for any characters up to a dot, and ** for any number
of elements between dots: a.* is a.b, a.** is a, a.b and a.b.c. Unless PATTERN is one
name, each event comes after its name and a tab. Control characters are escaped (hearsay help
output). What is printed can be taken back later, as when its author's key is withdrawn: tail
does not say so.`,
		Example: `  hearsay tail door
  hearsay tail -n 10 -f 'sensors.**'
  hearsay tail --since 24h`,
		Args: takes(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			q.Pattern = arg(args, 0)
			var err error
			if q.Since, err = sinceTime(since, time.Now()); err != nil {
				return err
			}
			if cmd.Flags().Changed("lines") {
				switch q.Last = last; {
				case last < 0:
					return usagef("-n %d: want 0 or more", last)
				case last == 0:
					q.Last = -1
				}
			}
			return a.attach(cmd.Context(), func(api node.API) error {
				if q.Follow {
					a.following(api)
				}
				o := a.stdout()
				for e, err := range api.Tail(cmd.Context(), q) {
					if q.Follow && cmd.Context().Err() != nil {
						return nil // the signal that ends it
					}
					if err == nil {
						err = printEvent(o, e, events.IsPattern(q.Pattern), asJSON)
					}
					if err == nil && q.Follow {
						err = o.Flush()
					}
					if err != nil {
						return err
					}
				}
				return o.Flush()
			})
		},
	}
	cmd.Flags().BoolVarP(&q.Follow, "follow", "f", false, "go on until a signal")
	cmd.Flags().IntVarP(&last, "lines", "n", 0, "begin with the last `N` (default with all)")
	cmd.Flags().StringVar(&since, "since", "", "leave out what is dated before `TIME`, such as 2027-01-31T18:00:00Z, or 90m for so long ago")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print each event as a JSON object")
	return cmd
}

// eventRecord is an event as tail --json prints it.
type eventRecord struct {
	Name   string      `json:"name"`
	Data   *string     `json:"data,omitempty"`
	Base64 []byte      `json:"data_base64,omitempty"`
	Author keys.NodeID `json:"author"`
	Seq    uint64      `json:"seq"`
	Time   string      `json:"time"`
	Until  string      `json:"until,omitempty"` // from when on nobody is told of it, if ever
}

func printEvent(o *output, e node.Event, named, asJSON bool) error {
	if asJSON {
		r := eventRecord{Name: e.Name, Author: e.Author, Seq: e.Seq, Time: stamp(e.Time)}
		r.Data, r.Base64 = jsonBytes(e.Data)
		if !e.Until.IsZero() {
			r.Until = stamp(e.Until)
		}
		return o.json(r)
	}
	if named {
		return o.row(e.Name, e.Data)
	}
	return o.row(e.Data)
}
