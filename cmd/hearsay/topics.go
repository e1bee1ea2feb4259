package main

import "github.com/spf13/cobra"

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
