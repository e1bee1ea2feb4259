package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/wire"
)

func newVerifyCmd(a *app) *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use:   "verify FILE|-",
		Short: "Check an export, without a store",
		Long: `Checks every signature and every chain of an export, and prints what it holds: author,
first and last update, topic. It says who signed, not whom to believe. At the first bad place it
stops and exits 1.`,
		Args: takes(1, 1),
		RunE: func(_ *cobra.Command, args []string) error { return a.verify(args[0], asJSON) },
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print each range as a JSON object")
	return cmd
}

func (a *app) verify(name string, asJSON bool) error {
	in, err := a.input(name)
	if err != nil {
		return err
	}
	defer in.Close()
	ranges, err := readRanges(in)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if len(ranges) == 0 {
		a.warn("%s is whole and holds no updates", name)
	}
	return a.print(func(o *output) error {
		for _, r := range ranges {
			var err error
			if asJSON {
				err = o.json(r)
			} else {
				_, err = fmt.Fprintf(o, "%v %d..%d %s\n", r.Author, r.First, r.Last, o.line(r.Topic))
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// heldRange is a chain of verified updates.
type heldRange struct {
	Author keys.NodeID `json:"author"`
	Topic  string      `json:"topic"`
	First  uint64      `json:"first"`
	Last   uint64      `json:"last"`
	Hash   wire.Hash   `json:"hash"` // of the last
}

type chainOf struct {
	topic  string
	author keys.NodeID
}

// readRanges verifies an export and returns what it holds, by topic and author.
func readRanges(in io.Reader) ([]heldRange, error) {
	file, err := wire.NewExportReader(in)
	if err != nil {
		return nil, err
	}
	held := make(map[chainOf]*heldRange)
	for {
		s, key, err := file.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		if err := extend(held, s, key); err != nil {
			return nil, fmt.Errorf("%v, topic %q%s: %w", s.Author(), s.Topic(), seqsOf(s), err)
		}
	}
	ranges := make([]heldRange, 0, len(held))
	for _, r := range held {
		ranges = append(ranges, *r)
	}
	slices.SortFunc(ranges, func(x, y heldRange) int {
		return cmp.Or(cmp.Compare(x.Topic, y.Topic), x.Author.Compare(y.Author))
	})
	return ranges, nil
}

// seqsOf says which updates s is about, if it is a run.
func seqsOf(s wire.Unverified) string {
	if u, ok := s.(*wire.UnverifiedRun); ok {
		return fmt.Sprintf(", seq %d to %d", u.First(), u.Last())
	}
	return ""
}

// extend verifies a statement and puts a run behind those of its author before it.
func extend(held map[chainOf]*heldRange, u wire.Unverified, key keys.PublicKey) error {
	if key.IsZero() {
		return errors.New("the author's key does not come before it")
	}
	s, err := wire.Open(u, key)
	if err != nil {
		return err
	}
	run, ok := s.(*wire.Run)
	if !ok {
		return nil
	}
	at := chainOf{run.Topic(), run.Author()}
	r := held[at]
	switch {
	case r == nil:
		r = &heldRange{Author: run.Author(), Topic: run.Topic(), First: run.First()}
		held[at] = r
	case run.First() != r.Last+1:
		return fmt.Errorf("it does not follow seq %d, the last before it", r.Last)
	case run.Prev().Hash != r.Hash:
		return fmt.Errorf("it follows another seq %d than the one before it: the author has signed two histories", r.Last)
	}
	r.Last, r.Hash = run.Last(), run.End().Hash
	return nil
}
