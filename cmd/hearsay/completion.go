package main

import (
	"regexp"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Shells complete names of files where a command or a flag takes one, as its usage says.
var (
	fileArgs  = regexp.MustCompile(`FILE|DIR`)
	fileFlags = regexp.MustCompile(`FILE|DIR|PREFIX|OUT|KEY|^ID$`)
)

// setCompletion is for what has no completion of its own.
func setCompletion(cmd *cobra.Command) {
	if cmd.ValidArgsFunction == nil && !fileArgs.MatchString(cmd.Use) {
		cmd.ValidArgsFunction = cobra.NoFileCompletions
	}
	flags := func(f *pflag.Flag) {
		if name, _ := pflag.UnquoteUsage(f); !fileFlags.MatchString(name) {
			cmd.RegisterFlagCompletionFunc(f.Name, cobra.NoFileCompletions) // fails for one that has its own
		}
	}
	cmd.LocalNonPersistentFlags().VisitAll(flags)
	cmd.PersistentFlags().VisitAll(flags)
}

func fixed(values ...string) cobra.CompletionFunc {
	return cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)
}
