package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/dustin/go-humanize"
	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"github.com/hearsaynet/hearsay/replica/node"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// loadWindow is how many batches are on their way at a time: one is signed while
// another is written, and there is always one more.
const loadWindow = 4

func newLoadCmd(a *app) *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use:   "load [FILE|-]",
		Short: "Set many keys from NDJSON",
		Long: `Sets a key for each line {"key":…,"value":…} of FILE or standard input. A JSON string
value is its characters, any other JSON value its JSON text; bytes that are not UTF-8 go as
"value_base64" instead, and "expires" is when the value expires. Other fields are ignored, so
that what dump prints can be loaded.

Bad lines are named by number, the good ones are loaded, and the exit code is 1. With
--json it prints {"acknowledged":N} after every commit: so many lines, from the first on and
not counting bad ones, are signed and durable.`,
		Args: takes(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.attach(cmd.Context(), func(api node.API) error {
				return a.load(cmd.Context(), api, arg(args, 0), asJSON)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print how many lines are durable after every commit")
	a.keyAccess.add(cmd.Flags())
	return cmd
}

// loadLine is a good line.
type loadLine struct {
	node.Pair
	number, size int
}

type loader struct {
	app    *app
	lines  *lineReader
	bar    *progressbar.ProgressBar // nil without a terminal
	asJSON bool
	bad    int
	loaded uint64
}

func (a *app) load(ctx context.Context, api node.API, name string, asJSON bool) error {
	in, err := a.input(name)
	if err != nil {
		return err
	}
	defer in.Close()
	if err := unlock(ctx, api); err != nil { // once, not in each batch that is on its way
		return err
	}
	l := &loader{app: a, lines: newLineReader(in, maxLine), asJSON: asJSON}
	if !asJSON && isTerminal(a.err) {
		l.bar = newBar(a.err, in)
	}
	batches := batcher[loadLine]{
		window: loadWindow,
		read:   l.read,
		key:    func(line loadLine) string { return line.Key },
		send: func(ctx context.Context, batch []loadLine) ([]wire.Ref, error) {
			pairs := make([]node.Pair, len(batch))
			for i := range batch {
				pairs[i] = batch[i].Pair
			}
			ctx, cancel, err := a.durably(ctx, api)
			if err != nil {
				return nil, err
			}
			defer cancel()
			return api.SetMany(ctx, pairs)
		},
		done: l.done,
		failed: func(batch []loadLine, err error) error {
			return fmt.Errorf("lines %d to %d: %w", batch[0].number, batch[len(batch)-1].number, err)
		},
	}
	err = batches.run(ctx)
	return l.result(err)
}

func (l *loader) read() (loadLine, int, error) {
	for {
		text, err := l.lines.next()
		if err != nil && !errors.Is(err, errLineTooLong) {
			return loadLine{}, 0, err
		}
		if err == nil && len(trimJSON(text)) == 0 {
			continue
		}
		var pair node.Pair
		if err == nil {
			pair, err = parsePair(text)
		}
		if err == nil {
			return loadLine{pair, l.lines.number, len(text) + 1}, len(pair.Key) + len(pair.Value), nil
		}
		l.bad++
		l.app.warn("line %d: %v", l.lines.number, err)
	}
}

func (l *loader) done(batch []loadLine, _ []wire.Ref) error {
	l.loaded += uint64(len(batch))
	if l.bar != nil {
		size := 0
		for _, line := range batch {
			size += line.size
		}
		l.bar.Add(size) // nothing depends on whether it can be drawn
	}
	if !l.asJSON {
		return nil
	}
	return l.app.printJSON(struct {
		Acknowledged uint64 `json:"acknowledged"`
	}{l.loaded})
}

// result says how it ended. Every line in it has been acknowledged.
func (l *loader) result(err error) error {
	if l.bar != nil {
		l.bar.Clear()
	}
	loaded := humanize.Comma(int64(l.loaded))
	switch {
	case err != nil:
		return withHint(err, "%s lines are loaded; to load all again does no harm", loaded)
	case l.bad > 0:
		return fmt.Errorf("%s bad lines; the other %s are loaded", humanize.Comma(int64(l.bad)), loaded)
	case !l.asJSON:
		fmt.Fprintf(l.app.err, "%s lines loaded\n", loaded)
	}
	return nil
}

func newBar(w io.Writer, in io.Reader) *progressbar.ProgressBar {
	size := int64(-1)
	if f, ok := in.(*os.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
			size = info.Size()
		}
	}
	return progressbar.NewOptions64(size,
		progressbar.OptionSetWriter(w), progressbar.OptionShowBytes(true),
		progressbar.OptionSetDescription("loading"), progressbar.OptionClearOnFinish())
}

func newDumpCmd(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "dump",
		Short: "Print all keys and values as NDJSON",
		Long: `Prints {"key","value","author","seq","time"} for each key, bytewise in order; bytes that
are not UTF-8 as "value_base64" instead of "value". A value that expires has "expires", too.`,
		Args: takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.attach(cmd.Context(), func(api node.API) error {
				return a.print(func(o *output) error {
					for v, err := range api.Dump(cmd.Context()) {
						if err == nil {
							err = o.json(newRecord(v))
						}
						if err != nil {
							return err
						}
					}
					return nil
				})
			})
		},
	}
	cmd.Flags().Bool("json", true, "as without: what it prints is JSON")
	return cmd
}
