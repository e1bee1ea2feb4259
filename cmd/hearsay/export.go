package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/archive"
	"github.com/hearsaynet/hearsay/replica/node"
)

// exportFlags say what is exported, and how.
type exportFlags struct {
	after  string
	follow bool
	rotate byteSize
}

func newExportCmd(a *app) *cobra.Command {
	var f exportFlags
	cmd := &cobra.Command{
		Use:   "export [FILE|DIR|-]",
		Short: "Write the signed updates as one file, or follow them into a directory",
		Long: `Writes every update of the admitted authors, with keys and signatures, to FILE or standard
output, and says on standard error which ranges they are. FILE appears when it is whole.
"hearsay verify" checks such a file anywhere, and "hearsay import" takes it in.

--after leaves out what an earlier export has: a file, a directory, or what "hearsay verify
--json" printed of one.

--follow goes on with each update as it is stored, until a signal. With it, or with --rotate,
the name is that of a directory, in which files of that size follow each other; what is new is
added to those that are there. A line on the disk is safe from any crash: after one, the same
command goes on where the last whole update ended, and changes no file.`,
		Example: `  hearsay export --after monday.hearsay tuesday.hearsay
  hearsay export --follow backup/
  hearsay export --follow | ssh elsewhere 'cat > copy.hearsay'`,
		Args: takes(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.attach(cmd.Context(), func(api node.API) error {
				return a.export(cmd.Context(), api, arg(args, 0), f)
			})
		},
	}
	cmd.Flags().StringVar(&f.after, "after", "", "leave out what `FILE`, an earlier export, has")
	cmd.Flags().BoolVarP(&f.follow, "follow", "f", false, "go on until a signal, into a directory")
	cmd.Flags().Var(&f.rotate, "rotate", "begin another file in the directory at `SIZE` bytes, K, M or G (default 64M)")
	a.addTopicFlag(cmd)
	return cmd
}

func (a *app) export(ctx context.Context, api node.API, name string, f exportFlags) (err error) {
	o := replica.ExportConfig{Follow: f.follow}
	if f.follow {
		a.following(api)
	}
	if f.after != "" {
		if o.After, err = a.clockOf(f.after); err != nil {
			return err
		}
	}
	var wrote replica.Clock
	write := func(w io.Writer) (err error) {
		wrote, err = api.Export(ctx, w, o)
		return err
	}
	toStdout := name == "" || name == "-"
	switch {
	case toStdout && f.rotate > 0:
		return &usageError{"--rotate needs the name of a directory", "hearsay export --rotate 64M DIR"}
	case toStdout:
		if err = a.refuseTerminal("an export"); err == nil && f.follow {
			err = write(a.out) // what comes must not wait for more
		} else if err == nil {
			err = a.print(func(o *output) error { return write(o) })
		}
	case f.follow || f.rotate > 0:
		return a.exportTo(ctx, api, name, f, o)
	default:
		err = writeWhole(name, write)
	}
	if err != nil {
		return err
	}
	a.printWrote(wrote, o.After)
	return nil
}

// exportTo adds to an archive.
func (a *app) exportTo(ctx context.Context, api node.API, dir string, f exportFlags, o replica.ExportConfig) error {
	if info, err := os.Stat(dir); err == nil && !info.IsDir() {
		return withHint(fmt.Errorf("%s is a file, not a directory", dir),
			"--follow and --rotate write files into a directory; hearsay export FILE writes one")
	}
	w, err := archive.Create(dir, archive.Config{MaxBytes: int64(f.rotate)})
	if err != nil {
		return err
	}
	before := replica.Clock(w.Clock())
	if len(before) > 0 && o.After != nil {
		return errors.Join(withHint(fmt.Errorf("--after: %s has updates already", dir), "without --after, the export goes on behind them"), w.Close())
	}
	if len(before) > 0 {
		o.After = before
	}
	_, err = api.Export(ctx, w, o)
	err = errors.Join(err, w.Close())
	after := replica.Clock(w.Clock())
	for id, ref := range after {
		if ref == o.After[id] {
			delete(after, id)
		}
	}
	a.printWrote(after, o.After)
	return err
}

// printWrote says which ranges have been written.
func (a *app) printWrote(wrote, after replica.Clock) {
	ids := make([]keys.NodeID, 0, len(wrote))
	for id := range wrote {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, keys.NodeID.Compare)
	for _, id := range ids {
		first := after[id].Seq + 1
		if first > wrote[id].Seq { // another history than the one that it came behind
			first = 1
		}
		fmt.Fprintf(a.err, "%v %d..%d\n", id, first, wrote[id].Seq)
	}
	switch {
	case len(ids) > 0:
	case len(after) > 0:
		fmt.Fprintln(a.err, "nothing new")
	default:
		a.warn("no updates are in it: none are stored")
	}
}

// byteSize is a number of bytes, with K, M or G for powers of 1024.
type byteSize int64

func (b *byteSize) Set(s string) error {
	digits := strings.TrimRight(s, "KMG")
	shift := map[string]uint{"": 0, "K": 10, "M": 20, "G": 30}
	by, ok := shift[s[len(digits):]]
	n, err := strconv.ParseInt(digits, 10, 64)
	if !ok || err != nil || n <= 0 || n > 1<<62>>by {
		return errors.New("want a number of bytes, as 1000000, 64M or 1G")
	}
	*b = byteSize(n << by)
	return nil
}

func (b *byteSize) String() string { return "" }

func (b *byteSize) Type() string { return "size" }

// clockOf returns the last updates of an export: a file, an archive, or what verify
// --json printed of one.
func (a *app) clockOf(name string) (replica.Clock, error) {
	held, err := a.held(name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	clock, topic := replica.Clock{}, a.topic
	for _, r := range held.ranges {
		if topic == "" {
			topic = r.Topic
		}
		if r.Topic == topic {
			clock[r.Author] = r.end()
		} else if a.topic == "" {
			return nil, withHint(fmt.Errorf("%s is of several topics", name), "--topic says which is meant")
		}
	}
	return clock, nil
}

// held returns what an export holds, verified, or is said to hold by verify --json.
func (a *app) held(name string) (*holdings, error) {
	in, _, err := a.openExport(name)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	start := bufio.NewReader(in)
	if b, err := start.Peek(1); err == nil && b[0] == '{' {
		return readRanges(start)
	}
	return readExport(start)
}
