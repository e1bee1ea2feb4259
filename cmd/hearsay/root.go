package main

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// The groups of the overview that --help prints.
const (
	groupNode   = "node"
	groupData   = "data"
	groupModels = "models"
	groupKeys   = "keys"
	groupProof  = "proof"
	groupTry    = "try"
)

func newRootCmd(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "hearsay",
		Short: "Replicate signed updates through peers you don't trust",
		Long: `Hearsay replicates data that many nodes write, through peers that nobody has to
trust: every update is signed by its author and verified before it is applied.

  hearsay up                 runs a node and prints the line that joins it
  hearsay set KEY VALUE      writes, signed
  hearsay dump               prints everything that has arrived`,
		Version:       version(),
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			return a.setLog(cmd)
		},
	}
	group(root)
	cobra.EnableCommandSorting = false
	fitHelp(root, a.stdout())
	root.AddGroup(
		&cobra.Group{ID: groupNode, Title: "Nodes:"},
		&cobra.Group{ID: groupData, Title: "Keys, values and events:"},
		&cobra.Group{ID: groupModels, Title: "Other data models:"},
		&cobra.Group{ID: groupKeys, Title: "Keys and trust:"},
		&cobra.Group{ID: groupProof, Title: "Proof and repair:"},
		&cobra.Group{ID: groupTry, Title: "Trying and attacking:"},
	)
	a.addGlobalFlags(root.PersistentFlags())
	root.MarkPersistentFlagDirname("data")
	root.RegisterFlagCompletionFunc("log-format", fixed("text", "json"))
	inGroup(root, groupNode, newUpCmd(a), newRelayCmd(a), newStatusCmd(a), newDoctorCmd(a), newBridgeCmd(a))
	inGroup(root, groupData,
		newSetCmd(a), newGetCmd(a), newDelCmd(a), newKeysCmd(a), newWatchCmd(a),
		newLoadCmd(a), newDumpCmd(a), newPubCmd(a), newTailCmd(a))
	inGroup(root, groupModels,
		newListCmd(a), newTextCmd(a), newDocCmd(a), newObjectCmd(a), newFeedCmd(a), newValueCmd(a),
		newPeerkvCmd(a), newRemoteCmd(a), newManifestCmd(a), newChannelsCmd(a))
	inGroup(root, groupKeys, newKeygenCmd(a), newKeyCmd(a), newKeyserverCmd(a), newTrustCmd(a), newUntrustCmd(a))
	inGroup(root, groupProof,
		newHistoryCmd(a), newExportCmd(a), newImportCmd(a), newVerifyCmd(a), newExtractCmd(a), newExplainCmd(a), newForkCmd(a), newFsckCmd(a))
	inGroup(root, groupTry, newDemoCmd(a), newMalloryCmd(a), newFuzzCmd(a), newBenchCmd(a))
	root.AddCommand(newOutputTopic())
	checkHelp(root)
	finish(root)
	return root
}

func (a *app) addGlobalFlags(f *pflag.FlagSet) {
	f.StringVar(&a.data, "data", "", "keep the node's data in `DIR` (default $XDG_DATA_HOME/hearsay, or ~/.local/share/hearsay)")
	f.BoolVarP(&a.verbose, "verbose", "v", false, "say more on standard error")
	f.StringVar(&a.logFormat, "log-format", "text", "say it in `FORMAT`, text or json")
}

func inGroup(root *cobra.Command, id string, cmds ...*cobra.Command) {
	for _, cmd := range cmds {
		cmd.GroupID = id
		root.AddCommand(cmd)
	}
}

// finish sets what holds for every command.
func finish(cmd *cobra.Command) {
	cmd.Flags().SortFlags = false
	cmd.SetFlagErrorFunc(flagError)
	setCompletion(cmd)
	if inner := cmd.RunE; inner != nil {
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			if err := inner(cmd, args); err != nil {
				return &failure{err}
			}
			return nil
		}
	}
	for _, sub := range cmd.Commands() {
		finish(sub)
	}
}

// group makes cmd one that only holds others.
func group(cmd *cobra.Command) {
	cmd.Args = cobra.ArbitraryArgs // else cobra has its own word for an unknown one
	cmd.SuggestionsMinimumDistance = 2
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return &usageError{"no command given", cmd.CommandPath() + " --help lists the commands"}
		}
		return unknownCommand(cmd, args[0])
	}
}

const many = math.MaxInt

// takes bounds the number of arguments.
func takes(least, most int) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			return errors.New("an argument is missing")
		case len(args) > most:
			return fmt.Errorf("one argument too many: %q", args[most])
		}
		return nil
	}
}

func unknownCommand(cmd *cobra.Command, name string) error {
	err := &usageError{msg: fmt.Sprintf("unknown command %q for %q", name, cmd.CommandPath())}
	if near := cmd.SuggestionsFor(name); len(near) > 0 {
		err.hint = "did you mean " + strings.Join(near, " or ") + "?"
	} else {
		err.hint = cmd.CommandPath() + " --help lists the commands"
	}
	return err
}

// flagError says what is wrong with a flag, unless the command before it is wrong.
func flagError(cmd *cobra.Command, err error) error {
	if before := cmd.Flags().Args(); cmd.HasSubCommands() && len(before) > 0 {
		return unknownCommand(cmd, before[0])
	}
	usage := &usageError{msg: err.Error()}
	if before, parser, ok := strings.Cut(usage.msg, ": strconv."); ok {
		usage.msg = before + ": want a number"
		if strings.HasPrefix(parser, "ParseBool") {
			usage.msg = before + ": want true or false"
		}
	}
	if _, ok := cmd.Annotations[annotationFreeArgs]; ok && strings.HasPrefix(usage.msg, "unknown") {
		usage.hint = "what starts with - and is no flag goes after --"
	}
	if missing, name := strings.CutPrefix(usage.msg, "unknown flag: --"); name {
		usage.hint = suggestFlag(cmd, missing, usage.hint)
	}
	return usage
}

// annotationFreeArgs marks commands whose arguments may be anything.
const annotationFreeArgs = "free"

func suggestFlag(cmd *cobra.Command, name, otherwise string) string {
	best, most := "", 3
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if d := distance(name, f.Name); d < most {
			best, most = f.Name, d
		}
	})
	if best == "" {
		return otherwise
	}
	return "did you mean --" + best + "?"
}

// distance is Levenshtein's.
func distance(s, t string) int {
	row := make([]int, len(t)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(s) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(t) {
			cost := diagonal
			if s[i] != t[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, diagonal+1)
		}
	}
	return row[len(t)]
}
