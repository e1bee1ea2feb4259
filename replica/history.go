package replica

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"sync"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// Order is the order of History. Zero is invalid.
type Order uint8

// The orders of History.
const (
	// ByAuthor goes author by author, each by seq, in constant memory.
	ByAuthor Order = 1
	// ByTime goes by (time, author, hash), and holds all the updates at once.
	ByTime Order = 2
)

// History returns the stored updates that count, of admitted authors, behind a clock; nil
// is the beginning. The effect of some may still be waiting.
func (r *Replica) History(after Clock, o Order) iter.Seq2[Update, error] {
	switch o {
	case ByAuthor:
		return r.historyByAuthor(after)
	case ByTime:
		return r.historyByTime(after)
	}
	return func(yield func(Update, error) bool) {
		yield(Update{}, fmt.Errorf("replica: Order(%d) is none of History's", o))
	}
}

func (r *Replica) historyByAuthor(after Clock) iter.Seq2[Update, error] {
	return func(yield func(Update, error) bool) {
		for run, err := range r.runs(after) {
			if err != nil {
				yield(Update{}, err)
				return
			}
			// A cut, or the end of the author's windows, may fall into the run.
			last := r.models.bounds.reach(run, r.frontier(run.Author()).Seq)
			for i := range run.Entries() {
				if run.First()+uint64(i) > last {
					break
				}
				if !yield(r.update(run, i), nil) {
					return
				}
			}
		}
	}
}

func (r *Replica) historyByTime(after Clock) iter.Seq2[Update, error] {
	return func(yield func(Update, error) bool) {
		var all []Update
		for u, err := range r.historyByAuthor(after) {
			if err != nil {
				yield(Update{}, err)
				return
			}
			all = append(all, u)
		}
		slices.SortFunc(all, func(a, b Update) int {
			if a.Before(&b) {
				return -1
			}
			return cmp.Compare(1, 0)
		})
		for _, u := range all {
			if !yield(u, nil) {
				return
			}
		}
	}
}

// runs returns the stored runs of admitted authors behind a clock, author by author.
func (r *Replica) runs(after Clock) iter.Seq2[*wire.Run, error] {
	return func(yield func(*wire.Run, error) bool) {
		clock := r.Clock()
		for _, id := range slices.SortedFunc(keysOf(clock), keys.NodeID.Compare) {
			end := clock[id].Seq
			from := wire.Ref{Author: id, Seq: after[id].Seq}
			if from.Seq >= end {
				continue
			}
			for run, err := range r.store.Runs(r.cfg.Topic, from) {
				if err != nil {
					yield(nil, fmt.Errorf("replica: history of %v: %w", id, err))
					return
				}
				if !yield(run, nil) {
					return
				}
				if run.Last() >= end {
					break
				}
			}
		}
	}
}

func keysOf(c Clock) iter.Seq[keys.NodeID] {
	return func(yield func(keys.NodeID) bool) {
		for id := range c {
			if !yield(id) {
				return
			}
		}
	}
}

// Export writes the fork proofs and stored runs of admitted authors as one file (see
// wire.ExportWriter), and returns what it wrote: each author's last update that counts.
func (r *Replica) Export(w io.Writer) (Clock, error) {
	out, err := wire.NewExportWriter(w, Agent, r.cfg.Topic)
	if err != nil {
		return nil, fmt.Errorf("replica: export: %w", err)
	}
	for proof, err := range r.Proofs() {
		if err != nil {
			return nil, err
		}
		if err := out.Write(proof); err != nil {
			return nil, fmt.Errorf("replica: export: %w", err)
		}
	}
	wrote := Clock{}
	for run, err := range r.runs(nil) {
		if err != nil {
			return nil, err
		}
		if err := out.Write(run); err != nil {
			return nil, fmt.Errorf("replica: export: %w", err)
		}
		wrote[run.Author()] = run.End()
		if end := r.frontier(run.Author()); end.Seq < run.Last() { // a cut falls into it
			wrote[run.Author()] = end
		}
	}
	if err := out.Close(); err != nil {
		return nil, fmt.Errorf("replica: export: %w", err)
	}
	return wrote, nil
}

// ImportResult is what became of what an import file holds.
type ImportResult struct {
	Runs, Updates uint64 // of this topic, in the file
	Proofs        uint64 // of forks
	Refused       uint64 // updates that were refused
	First         error  // why the first of them was
}

// Import takes the statements of an export file in through the same door as any peer's. It
// returns when each has a verdict, or the context ends. An error means that the rest
// of the file was not read; what came before it is in.
func (r *Replica) Import(ctx context.Context, file io.Reader) (ImportResult, error) {
	in, err := wire.NewExportReader(file)
	if err != nil {
		return ImportResult{}, fmt.Errorf("replica: import: %w", err)
	}
	if !slices.Contains(in.Topics(), r.cfg.Topic) {
		return ImportResult{}, fmt.Errorf("%w: %q, but %q", errNoTopic, r.cfg.Topic, in.Topics())
	}
	imp := &importer{}
	err = imp.read(ctx, r, in)
	done := make(chan struct{})
	go func() { imp.pending.Wait(); close(done) }()
	select {
	case <-done:
	case <-ctx.Done():
		err = cmp.Or(err, context.Cause(ctx))
	case <-r.ctx.Done():
		err = cmp.Or(err, ErrClosed)
	}
	imp.mu.Lock()
	defer imp.mu.Unlock()
	return imp.res, err
}

// importer is the source of an import file's runs.
type importer struct {
	pending sync.WaitGroup
	mu      sync.Mutex // guards res
	res     ImportResult
}

func (imp *importer) read(ctx context.Context, r *Replica, in *wire.ExportReader) error {
	for {
		s, key, err := in.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("replica: import: %w", err)
		}
		if s.Topic() != r.cfg.Topic {
			continue
		}
		item := &imported{importer: imp}
		imp.mu.Lock()
		switch s := s.(type) {
		case *wire.UnverifiedRun:
			item.updates = uint64(s.Len())
			imp.res.Runs++
			imp.res.Updates += item.updates
		case *wire.UnverifiedProof:
			imp.res.Proofs++
		}
		imp.mu.Unlock()
		imp.pending.Add(1)
		if err := r.offer(ctx, s, key, item); err != nil {
			return fmt.Errorf("replica: import: %w", err)
		}
	}
}

// imported is the source of one statement of an import file.
type imported struct {
	*importer
	updates uint64
}

func (i *imported) name() string                     { return "import" }
func (i *imported) id() keys.NodeID                  { return keys.NodeID{} }
func (i *imported) origin() string                   { return "import" }
func (i *imported) agreed(keys.NodeID, uint64)       {}
func (i *imported) contradicted(keys.NodeID, uint64) {} // a file answers no questions

func (i *imported) verdict(err error, _ bool) {
	defer i.pending.Done()
	if err == nil {
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.res.Refused += i.updates; i.res.First == nil {
		i.res.First = err
	}
}
