package replica

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
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

// Selection says which updates Select yields, and in which order. Its zero value is
// all of them, by author.
type Selection struct {
	// After leaves out what a clock has: of each author, the updates up to its seq there.
	After Clock
	// Authors, unless nil, are the only ones.
	Authors []keys.NodeID
	// Channels, unless nil, are the only ones.
	Channels []string
	// Order is ByAuthor if zero. Sort takes its place.
	Order Order
	// Sort orders the updates: negative when a comes before b, 0 when it does not care,
	// and then (time, author, hash) decides. It must be a strict weak order. With it, as
	// with ByTime, all selected updates are in memory at once: about 150 bytes and the
	// change of each.
	Sort func(a, b Update) int
}

// History is Select for all updates behind a clock; nil is the beginning.
func (r *Replica) History(after Clock, o Order) iter.Seq2[Update, error] {
	if o == 0 {
		return failed(fmt.Errorf("replica: Order(%d) is none of History's", o))
	}
	return r.Select(Selection{After: after, Order: o})
}

// Select returns the stored updates that count, of admitted authors. The effect of some
// may still be waiting. What is stored while it reads may be among them.
func (r *Replica) Select(s Selection) iter.Seq2[Update, error] {
	switch {
	case s.Sort != nil:
		return sorted(r.selected(s), func(a, b Update) int { return cmp.Or(s.Sort(a, b), compareUpdates(a, b)) })
	case s.Order == ByTime:
		return sorted(r.selected(s), compareUpdates)
	case s.Order == ByAuthor, s.Order == 0:
		return r.selected(s)
	}
	return failed(fmt.Errorf("replica: Order(%d) is none of History's", s.Order))
}

func failed(err error) iter.Seq2[Update, error] {
	return func(yield func(Update, error) bool) { yield(Update{}, err) }
}

func compareUpdates(a, b Update) int {
	switch {
	case a.Before(&b):
		return -1
	case b.Before(&a):
		return 1
	}
	return 0
}

// selected yields what is selected, by author.
func (r *Replica) selected(s Selection) iter.Seq2[Update, error] {
	return func(yield func(Update, error) bool) {
		for run, err := range r.runs(s.After, s.Authors) {
			if err != nil {
				yield(Update{}, err)
				return
			}
			// A cut, or the end of the author's windows, may fall into the run.
			last := r.models.bounds.reach(run, r.frontier(run.Author()).Seq)
			for i, e := range run.Entries() {
				if run.First()+uint64(i) > last {
					break
				}
				if s.Channels != nil && !slices.Contains(s.Channels, e.Channel) {
					continue
				}
				if !yield(r.update(run, i), nil) {
					return
				}
			}
		}
	}
}

// sorted yields all of seq in order, or its error and nothing else.
func sorted(seq iter.Seq2[Update, error], compare func(a, b Update) int) iter.Seq2[Update, error] {
	return func(yield func(Update, error) bool) {
		var all []Update
		for u, err := range seq {
			if err != nil {
				yield(Update{}, err)
				return
			}
			all = append(all, u)
		}
		slices.SortFunc(all, compare)
		for _, u := range all {
			if !yield(u, nil) {
				return
			}
		}
	}
}

// runs returns the stored runs of admitted authors behind a clock, author by author; of
// those in only, unless it is nil.
func (r *Replica) runs(after Clock, only []keys.NodeID) iter.Seq2[*wire.Run, error] {
	return func(yield func(*wire.Run, error) bool) {
		clock := r.Clock()
		for _, id := range slices.SortedFunc(maps.Keys(clock), keys.NodeID.Compare) {
			if only != nil && !slices.Contains(only, id) {
				continue
			}
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
	for run, err := range r.runs(nil, nil) {
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
