package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// fitHelp has help fit the terminal, if there is one.
func fitHelp(root *cobra.Command, o *output) {
	root.SetUsageTemplate(strings.NewReplacer(
		// The commands that only hold others are runnable, but only to say so.
		"{{if .Runnable}}", "{{if and .Runnable (not .HasAvailableSubCommands)}}",
		".FlagUsages", fmt.Sprintf(".FlagUsagesWrapped %d", o.width),
	).Replace(root.UsageTemplate()))
	help := root.HelpFunc()
	root.SetHelpFunc(func(cmd *cobra.Command, args []string) {
		cmd.Long = o.fit(cmd.Long)
		help(cmd, args)
	})
}

// fit breaks the paragraphs of a text anew, but for those that are indented, if one of its
// lines is longer than the terminal is wide.
func (o *output) fit(text string) string {
	wide := func(line string) bool { return columns(line) > o.width }
	if o.width == 0 || !slices.ContainsFunc(strings.Split(text, "\n"), wide) {
		return text
	}
	paragraphs := strings.Split(text, "\n\n")
	for i, p := range paragraphs {
		if !strings.HasPrefix(p, " ") {
			paragraphs[i] = o.wrap(strings.ReplaceAll(p, "\n", " "), 0)
		}
	}
	return strings.Join(paragraphs, "\n\n")
}

// checkHelp makes help about what is not there an error.
func checkHelp(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	help, _, _ := root.Find([]string{"help"})
	print := help.Run
	help.Run = nil
	help.RunE = func(cmd *cobra.Command, args []string) error {
		if about, rest, err := root.Find(args); err == nil && len(rest) > 0 && about.HasSubCommands() {
			return unknownCommand(about, rest[0])
		}
		print(cmd, args)
		return nil
	}
}

// newOutputTopic is a page of help, and no command.
func newOutputTopic() *cobra.Command {
	return &cobra.Command{
		Use:   "output",
		Short: "How names, values and JSON are printed, and the exit codes",
		Long: `Data goes to standard output, everything else to standard error.

Lists have a line for each thing. Names of keys, events, fields, channels and the like are one
word each, as ls -b writes names of files: a backslash before a space or a backslash; \n, \t, \r
or \x1b for a control character; \u202e for one that changes the direction of text; \xff for a
byte that is not UTF-8. Values come last on their lines, and are written likewise, but spaces and
backslashes as they are.

What prints one value alone, such as hearsay get, gives a pipe or a file its very bytes, and a
newline unless --raw is given. On a terminal the characters named above are written as they
are here, except line ends and tabs.

With --json a line is one JSON value, and times are in UTC. Bytes that are not UTF-8 are in base64,
in a field whose name ends in _base64.

The exit code is 0, or 1 for what failed, or 2 for a call that makes no sense.`,
	}
}
