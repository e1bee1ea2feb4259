package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/hearsaynet/hearsay/replica/node/models"
)

func newObjectCmd(a *app) *cobra.Command {
	n := newNoun(a, "object", "A JSON object that many nodes write", `Reads and writes one JSON object with objects in it. Writes to different paths all stay;
of two to one path the last does. A PATH is a JSON Pointer (RFC 6901) such as /doors/front,
of which the first slash may be left out; in names ~1 is a slash and ~0 a tilde. / is all
of it.`)
	raw, text := false, false
	n.verbs(
		verb{
			use: "get [PATH]", short: "Print what stands at a path", most: 1,
			long: `Prints what stands at PATH as JSON, which may be a whole branch; without PATH all of it. If
nothing does, it exits 1.`,
			flags: func(cmd *cobra.Command) {
				cmd.Flags().BoolVar(&raw, "raw", false, "print a string as it is, without quotes and newline")
				cmd.MarkFlagsMutuallyExclusive("raw", "json")
			},
			do: func(ctx context.Context, c call, args []string) error {
				return show(ctx, c, models.ObjectGet, pointer(arg(args, 0)), func(o *output, m models.Member) error {
					return printJSONValue(o, m.Value, raw)
				})
			},
		},
		verb{
			use: "show [PATH]", short: "Print paths and values", most: 1,
			long: "Prints all values at PATH and below, one a line: path and JSON with a tab between them.",
			do: func(ctx context.Context, c call, args []string) error {
				return show(ctx, c, models.ObjectShow, pointer(arg(args, 0)), func(o *output, m models.Member) error {
					return o.row(m.Path, m.Value)
				})
			},
		},
		verb{
			use: "keys [PATH]", short: "List the names in an object", most: 1,
			long: "Prints the names in the object at PATH, bytewise in order, one a line, control characters escaped.",
			do: func(ctx context.Context, c call, args []string) error {
				return show(ctx, c, models.ObjectKeys, pointer(arg(args, 0)), func(o *output, name string) error {
					return o.row(name)
				})
			},
		},
		verb{
			use: "set PATH JSON|-", short: "Set a path to a value", least: 2, most: 2, writes: true,
			long: `Sets PATH to a JSON value, or to what standard input has for -, and replaces what stands
there. What stands above becomes an object if it is none.`,
			example: `  hearsay object set /doors/front '{"open": true}'
  hearsay object set --string /doors/front/color red`,
			flags: func(cmd *cobra.Command) {
				cmd.Flags().BoolVarP(&text, "string", "s", false, "the value is text, not JSON")
			},
			do: func(ctx context.Context, c call, args []string) error {
				value, err := c.jsonArgument(args[1], text)
				if err != nil {
					return err
				}
				return change(ctx, c, models.ObjectSet, models.PathValue{Path: pointer(args[0]), Value: value})
			},
		},
		verb{
			use: "rm PATH", short: "Take away what stands at a path", least: 1, most: 1, writes: true,
			long: "Takes away what stands at PATH and below; for / all there is. A path with nothing is no error.",
			do: func(ctx context.Context, c call, args []string) error {
				return change(ctx, c, models.ObjectRemove, pointer(args[0]))
			},
		},
		verb{
			use: "watch [GLOB]", short: "Print changes as they happen", most: 1,
			long: `Prints one line for each change of a path that matches GLOB, until a signal: "set PATH JSON"
or "rm PATH", control characters escaped. A path that becomes an object is "set PATH {}", and
its members have lines of their own. * does not match a slash, ** does. What it told is taken
back by further changes when an author's key is withdrawn.`,
			example: "  hearsay object watch '/doors/**'",
			do: func(ctx context.Context, c call, args []string) error {
				return watch(ctx, c, models.ObjectWatch, arg(args, 0), func(m models.MemberChange) uint64 { return m.Lost }, printMemberChange)
			},
		},
	)
	return n.cmd
}

// pointer returns the JSON Pointer that a PATH is short for.
func pointer(path string) string {
	if path = strings.TrimPrefix(path, "/"); path == "" {
		return ""
	}
	return "/" + path
}

// jsonArgument reads a JSON value, or text, from an argument or, for -, standard input.
func (a *app) jsonArgument(arg string, text bool) ([]byte, error) {
	values, err := a.changes([]string{arg})
	if err != nil {
		return nil, err
	}
	if text {
		return textJSON(values[0])
	}
	return values[0], checkJSON(values[0])
}

func textJSON(text []byte) ([]byte, error) {
	if !utf8.Valid(text) {
		return nil, errors.New("the text is not UTF-8")
	}
	return json.Marshal(string(text))
}

// checkJSON says where something is no JSON. A node checks more.
func checkJSON(b []byte) error {
	var value json.RawMessage
	err := json.Unmarshal(b, &value)
	syntax, ok := errors.AsType[*json.SyntaxError](err)
	switch {
	case err == nil:
		return nil
	case ok:
		err = fmt.Errorf("%.80q is no JSON: %w, at byte %d", b, err, syntax.Offset)
	}
	return withHint(err, `a JSON string needs its quotes, as in '"red"'; --string takes text as it is`)
}

// printJSONValue writes a JSON value as a line, or, if it is a string and raw, as it is.
func printJSONValue(o *output, value json.RawMessage, raw bool) error {
	var text string
	if raw && value[0] == '"' && json.Unmarshal(value, &text) == nil {
		return o.value([]byte(text), true)
	}
	return o.row(value)
}

func printMemberChange(o *output, m models.MemberChange) error {
	if m.New == nil {
		return o.words("rm", m.Path)
	}
	value := m.New.Value
	if value == nil {
		value = json.RawMessage("{}")
	}
	return o.words("set", m.Path, value)
}
