package main

import (
	"cmp"
	"encoding/json"
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
		Use:   "verify FILE|DIR|-",
		Short: "Check an export, without a store",
		Long: `Checks every signature and every chain of an export, and prints what it holds: author,
first and last update, topic; and where authors are proved to have signed two histories. It
says who signed, not whom to believe. At the first bad place it stops and exits 1.

DIR is what "hearsay export --follow" or --rotate has written: its files are checked as one,
and that none is missing. A torn end, as a crash leaves it, is a warning.`,
		Args: takes(1, 1),
		RunE: func(_ *cobra.Command, args []string) error { return a.verify(args[0], asJSON) },
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print each range as a JSON object")
	return cmd
}

func (a *app) verify(name string, asJSON bool) error {
	in, faults, err := a.openExport(name)
	if err != nil {
		return err
	}
	defer in.Close()
	damaged := a.reportFaults(name, faults)
	held, err := readExport(in)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if len(held.ranges)+len(held.proofs) == 0 {
		a.warn("%s is whole and holds no updates", name)
	}
	err = a.print(func(o *output) error {
		for _, r := range held.ranges {
			var err error
			if asJSON {
				err = o.json(r)
			} else {
				err = o.words(r.Author, fmt.Sprintf("%d..%d", r.First, r.Last), r.Topic)
			}
			if err != nil {
				return err
			}
		}
		return printProved(o, held.proofs, asJSON)
	})
	return firstError(damaged, err)
}

// holdings is what an export holds, all of it verified.
type holdings struct {
	ranges []heldRange   // by topic and author
	proofs []*wire.Proof // as they come
}

// heldRange is a chain of verified updates.
type heldRange struct {
	Author keys.NodeID `json:"author"`
	Topic  string      `json:"topic"`
	First  uint64      `json:"first"`
	Last   uint64      `json:"last"`
	Hash   wire.Hash   `json:"hash"` // of the last
}

func (r *heldRange) end() wire.Ref {
	return wire.Ref{Author: r.Author, Seq: r.Last, Hash: r.Hash}
}

// readRanges reads what verify --json has printed. Nobody vouches for it.
func readRanges(in io.Reader) (*holdings, error) {
	all := &holdings{}
	for dec := json.NewDecoder(in); ; {
		var r heldRange
		if err := dec.Decode(&r); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, err
		}
		if r.Last > 0 { // else it is a proof
			all.ranges = append(all.ranges, r)
		}
	}
}

type chainOf struct {
	topic  string
	author keys.NodeID
}

// readExport verifies an export and returns what it holds.
func readExport(in io.Reader) (*holdings, error) {
	all := &holdings{}
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
		if err := all.take(held, s, key); err != nil {
			return nil, fmt.Errorf("%v, topic %q%s: %w", s.Author(), s.Topic(), seqsOf(s), err)
		}
	}
	for _, r := range held {
		all.ranges = append(all.ranges, *r)
	}
	slices.SortFunc(all.ranges, func(x, y heldRange) int {
		return cmp.Or(cmp.Compare(x.Topic, y.Topic), x.Author.Compare(y.Author))
	})
	return all, nil
}

// seqsOf says which updates s is about.
func seqsOf(s wire.Unverified) string {
	switch u := s.(type) {
	case *wire.UnverifiedRun:
		return fmt.Sprintf(", seq %d to %d", u.First(), u.Last())
	case *wire.UnverifiedProof:
		return fmt.Sprintf(", fork proof for seq %d", u.UnverifiedSeq())
	}
	return ""
}

// take verifies a statement, and puts a run behind those of its author before it.
func (h *holdings) take(held map[chainOf]*heldRange, u wire.Unverified, key keys.PublicKey) error {
	if key.IsZero() {
		return errors.New("the author's key does not come before it")
	}
	s, err := wire.Open(u, key)
	if err != nil {
		return err
	}
	if proof, ok := s.(*wire.Proof); ok {
		h.proofs = append(h.proofs, proof)
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
