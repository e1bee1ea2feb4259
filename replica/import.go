package replica

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/wire"
)

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
	imp := &importer{waits: 1, done: make(chan struct{})} // until all is read
	err = imp.read(ctx, r, in)
	imp.settled()
	select {
	case <-imp.done:
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
	done chan struct{} // closed when nothing waits

	mu    sync.Mutex // guards the fields below
	waits int        // statements without a verdict
	res   ImportResult
}

func (imp *importer) settled() {
	imp.mu.Lock()
	defer imp.mu.Unlock()
	if imp.waits--; imp.waits == 0 {
		close(imp.done)
	}
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
		imp.waits++
		switch s := s.(type) {
		case *wire.UnverifiedRun:
			item.updates = uint64(s.Len())
			imp.res.Runs++
			imp.res.Updates += item.updates
		case *wire.UnverifiedProof:
			imp.res.Proofs++
		}
		imp.mu.Unlock()
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
	defer i.settled()
	if err == nil {
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.res.Refused += i.updates; i.res.First == nil {
		i.res.First = err
	}
}
