package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hearsaynet/hearsay/replica/node/models"
)

func newTextCmd(a *app) *cobra.Command {
	n := newNoun(a, "text", "A text that many nodes write at once", `Reads and writes a text, which many can edit at once. Places and lengths are in
characters (Unicode code points), from 0.`)
	n.verbs(
		verb{
			use: "show", short: "Print the text",
			long: "Prints the text, and a newline if it does not end with one.",
			do: func(ctx context.Context, c call, _ []string) error {
				return show(ctx, c, models.TextShow, models.None{}, func(o *output, text string) error {
					if text != "" && !strings.HasSuffix(text, "\n") {
						text += "\n"
					}
					_, err := io.WriteString(o, o.text(text))
					return err
				})
			},
		},
		verb{
			use: "edit", short: "Edit the text in an editor",
			long: `Opens the text in $VISUAL, or $EDITOR, or vi, and writes what was changed when the
editor ends. What others have written meanwhile stays. If the editor fails, or what you wrote
cannot be written, the file is kept, and its name printed.`,
			writes: true,
			do: func(ctx context.Context, c call, _ []string) error {
				return c.attached(ctx, func(c call) error { return c.editText(ctx) })
			},
		},
		verb{
			use: "apply FILE|-", short: "Make the text what a file has", least: 1, most: 1, writes: true,
			long: `Makes the text what FILE, or standard input for -, has. Only what is different is written,
as insertions and deletions; what FILE does not have is deleted, also what others have just
written: hearsay text edit keeps that.`,
			do: func(ctx context.Context, c call, args []string) error {
				file, err := c.input(args[0])
				if err != nil {
					return err
				}
				defer file.Close()
				version, err := readText(file, args[0])
				if err != nil {
					return err
				}
				return change(ctx, c, models.TextApply, models.Draft{Text: version})
			},
		},
		verb{
			use: "insert AT TEXT|-", short: "Put text at a place", least: 2, most: 2, writes: true,
			long:    "Puts TEXT, or what standard input has for -, before the character at AT. The end is the length.",
			example: "  hearsay text insert 0 'Dear all,'",
			do: func(ctx context.Context, c call, args []string) error {
				at, err := index(args[0])
				if err != nil {
					return err
				}
				text := args[1]
				if text == "-" {
					if text, err = readText(c.stdin, "standard input"); err != nil {
						return err
					}
				}
				return change(ctx, c, models.TextReplace, models.TextEdit{At: at, Insert: text})
			},
		},
		verb{
			use: "rm AT N", short: "Delete characters", least: 2, most: 2, writes: true,
			long: "Deletes N characters, the first at AT.",
			do: func(ctx context.Context, c call, args []string) error {
				n, err := indexes(args...)
				if err != nil {
					return err
				}
				return change(ctx, c, models.TextReplace, models.TextEdit{At: n[0], Delete: n[1]})
			},
		},
		verb{
			use: "who", short: "Print who wrote what",
			long: `Prints the pieces of the text in order, one a line: author and text with a tab between
them, control characters escaped.`,
			do: func(ctx context.Context, c call, _ []string) error {
				return show(ctx, c, models.TextWho, models.None{}, func(o *output, s models.TextSpan) error {
					return o.row(s.Author, []byte(s.Text))
				})
			},
		},
		verb{
			use: "watch", short: "Print changes as they happen",
			long: `Prints one line for each change, until a signal: "insert AT TEXT", "rm AT TEXT" or
"replace AT TEXT", then a tab and the new text; control characters escaped. What it told is taken
back by further changes when an author's key is withdrawn.`,
			do: func(ctx context.Context, c call, _ []string) error {
				return watch(ctx, c, models.TextWatch, models.None{}, func(t models.TextChange) uint64 { return t.Lost }, printTextChange)
			},
		},
	)
	return n.cmd
}

// maxText bounds what one command writes into a text, in bytes: it goes to the node in one
// request.
const maxText = 8 << 20

func readText(r io.Reader, name string) (string, error) {
	text, err := readAll(r, name, maxText)
	return string(text), err
}

func printTextChange(o *output, t models.TextChange) error {
	switch {
	case t.Deleted == "":
		return o.words("insert", t.At, []byte(t.Inserted))
	case t.Inserted == "":
		return o.words("rm", t.At, []byte(t.Deleted))
	}
	_, err := fmt.Fprintf(o, "replace %d %s\t%s\n", t.At, escapeLine(t.Deleted), escapeLine(t.Inserted))
	return err
}
