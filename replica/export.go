package replica

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"math"
	"slices"
	"sync"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// ExportConfig says what Export writes. Its zero value is all that is stored.
type ExportConfig struct {
	// After leaves out what a clock has: of each author, the updates up to its seq there.
	// An author of which it names another history than ours is written from seq 1.
	After Clock
	// Follow goes on with each further update as it is stored, until ctx ends. A writer
	// that is slow holds up nobody else: what it is late for is read from the store.
	Follow bool
}

// Export writes the fork proofs and stored runs of admitted authors as one file (see
// wire.ExportWriter), and returns what it wrote: each author's last update that counts.
// It writes a wire.Mark whenever there is nothing more to write, if it follows, and the
// file's end when ctx ends or, with ErrClosed, the replica is closed. Without Follow, the
// end of ctx is an error, and so is what the writer says.
func (r *Replica) Export(ctx context.Context, w io.Writer, o ExportConfig) (Clock, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(r.ctx, func() { cancel(ErrClosed) })()
	f := r.newFollower() // before anything is read, so that nothing is missed
	defer r.dropFollower(f)
	x := &exporter{r: r, at: make(Clock), cuts: make(map[keys.NodeID]uint64), from: make(Clock), wrote: make(Clock)}
	if err := x.run(ctx, w, o, f); err != nil {
		return x.wrote, fmt.Errorf("replica: export: %w", err)
	}
	return x.wrote, nil
}

// exporter is one export.
type exporter struct {
	r     *Replica
	out   *wire.ExportWriter
	at    Clock                  // what the file and what is before it have
	cuts  map[keys.NodeID]uint64 // the seqs of the proofs that are in the file
	from  Clock                  // what is before the file, of the same history
	wrote Clock
}

// errStopped says that the context ended between two statements.
var errStopped = errors.New("stopped")

func (x *exporter) run(ctx context.Context, w io.Writer, o ExportConfig, f *follower) (err error) {
	if x.out, err = wire.NewExportWriter(w, Agent, x.r.cfg.Topic); err != nil {
		return err
	}
	if err := x.begin(o.After); err != nil {
		return err
	}
	err = x.all(ctx)
	for err == nil && o.Follow {
		if err := x.out.Mark(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			err = errStopped
		case <-f.wake:
			err = x.some(ctx, f.take())
		}
	}
	switch {
	case err == nil:
		return x.out.Close()
	case !errors.Is(err, errStopped):
		return err
	case !o.Follow:
		return context.Cause(ctx)
	}
	err = firstError(x.out.Mark, x.out.Close)
	if x.r.ctx.Err() != nil {
		err = cmp.Or(err, ErrClosed)
	}
	return err
}

// firstError calls steps until one fails.
func firstError(steps ...func() error) error {
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// begin names what comes before the file.
func (x *exporter) begin(after Clock) error {
	var places []wire.Place
	for _, id := range slices.SortedFunc(maps.Keys(after), keys.NodeID.Compare) {
		ref := wire.Ref{Author: id, Seq: after[id].Seq, Hash: after[id].Hash}
		if ref.Seq == 0 {
			continue
		}
		if ref.Hash == (wire.Hash{}) && ref.Seq <= x.r.frontier(id).Seq {
			have, err := x.r.refAt(id, ref.Seq)
			if err != nil {
				return err
			}
			ref = have
		}
		x.at[id], x.from[id] = ref, ref
		if ref.Hash != (wire.Hash{}) {
			places = append(places, wire.Place{Ref: ref})
		}
	}
	return x.out.Base(x.r.cfg.Topic, places)
}

// all writes all there is, the proofs first: who reads them refuses the rest unverified.
func (x *exporter) all(ctx context.Context) error {
	x.r.mu.Lock()
	ids := slices.SortedFunc(maps.Keys(x.r.authors), keys.NodeID.Compare)
	x.r.mu.Unlock()
	for _, id := range ids {
		if err := x.proof(id); err != nil {
			return err
		}
	}
	return x.some(ctx, ids)
}

// some writes what is new of some authors.
func (x *exporter) some(ctx context.Context, ids []keys.NodeID) error {
	for _, id := range ids {
		if err := x.proof(id); err != nil {
			return err
		}
		if err := x.runs(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

// proof writes an author's fork proof, if that is news.
func (x *exporter) proof(id keys.NodeID) error {
	x.r.mu.Lock()
	a := x.r.authors[id]
	news := a != nil && a.admitted && a.cut != nil && (x.cuts[id] == 0 || a.cut.seq < x.cuts[id])
	x.r.mu.Unlock()
	if !news {
		return nil
	}
	p, err := x.r.proof(id)
	if err != nil {
		return err
	}
	x.cuts[id] = p.Seq()
	if x.wrote[id].Seq >= p.Seq() {
		x.wroteUpTo(id)
	}
	return x.out.Write(p)
}

// runs writes an author's runs that the file does not have yet.
func (x *exporter) runs(ctx context.Context, id keys.NodeID) error {
	for {
		at := x.at[id]
		runs, differs, err := x.r.runsAfter(id, position{at.Seq, at.Hash}, math.MaxUint64)
		switch {
		case err != nil:
			return fmt.Errorf("history of %v: %w", id, err)
		case differs:
			delete(x.at, id)
			delete(x.from, id)
			continue
		case len(runs) == 0:
			return nil
		}
		for _, run := range runs {
			if ctx.Err() != nil {
				return errStopped
			}
			if err := x.out.Write(run); err != nil {
				return err
			}
			x.at[id], x.wrote[id] = run.End(), run.End()
			if x.r.frontier(id).Seq < run.Last() { // a cut falls into it
				x.wroteUpTo(id)
			}
		}
	}
}

// wroteUpTo notes that of what was written of an author no more counts than is stored.
func (x *exporter) wroteUpTo(id keys.NodeID) {
	if end := x.r.frontier(id); end.Seq > x.from[id].Seq {
		x.wrote[id] = end
	} else {
		delete(x.wrote, id)
	}
}

// follower gathers the authors of which there is more than an export has written.
type follower struct {
	wake chan struct{}

	mu    sync.Mutex // guards moved
	moved map[keys.NodeID]struct{}
}

func (r *Replica) newFollower() *follower {
	f := &follower{wake: make(chan struct{}, 1), moved: make(map[keys.NodeID]struct{})}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.followers[f] = struct{}{}
	return f
}

func (r *Replica) dropFollower(f *follower) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.followers, f)
}

// tellFollowersLocked says that there is more of some authors, or another proof.
func (r *Replica) tellFollowersLocked(ids iter.Seq[keys.NodeID]) {
	for f := range r.followers {
		f.mu.Lock()
		for id := range ids {
			f.moved[id] = struct{}{}
		}
		f.mu.Unlock()
		select {
		case f.wake <- struct{}{}:
		default:
		}
	}
}

// take returns the authors that have moved since the last call, ascending.
func (f *follower) take() []keys.NodeID {
	f.mu.Lock()
	defer f.mu.Unlock()
	ids := slices.SortedFunc(maps.Keys(f.moved), keys.NodeID.Compare)
	clear(f.moved)
	return ids
}
