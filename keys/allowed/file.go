package allowed

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/keys/internal/watch"
)

var errClosed = errors.New("keys/allowed: closed")

var errLocal = errors.New("a time without Z is read in this machine's time zone: append Z")

var errWindows = fmt.Errorf("more than %d lines with times have this key: one with an earlier valid-after or a later valid-before does for several", maxWindows)

// Options say how a file is read. The zero value works.
type Options struct {
	// Principal counts only the lines whose principals match it; "" counts every line.
	Principal string
	// Log receives what an operator should know. Nil discards.
	Log *slog.Logger
}

// File is a keystore in an allowed_signers file. It implements keys.Keystore,
// keys.Windowed, keys.Notifier, keys.Lister and io.Closer, and is safe for concurrent
// use.
type File struct {
	opts Options
	file watch.File    // used by Open, then by follow only
	done chan struct{} // closed by Close
	poll sync.WaitGroup

	mu         sync.RWMutex // guards what follows
	admitted   map[keys.NodeID]keys.Admission
	problems   []*Problem
	unreadable error         // why the last look failed
	changed    chan struct{} // nil when nobody waits
	closed     bool
}

// Open reads the file at path, which must exist, and follows it until Close.
func Open(path string, o Options) (*File, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	f := &File{opts: o, file: watch.File{Path: path, Max: MaxFileSize}, done: make(chan struct{})}
	f.look()
	if f.unreadable != nil {
		return nil, fmt.Errorf("keys/allowed: %w", f.unreadable)
	}
	f.poll.Go(f.follow)
	return f, nil
}

// Close ends the following, and waits for it. Every later call fails.
func (f *File) Close() error {
	f.mu.Lock()
	if !f.closed {
		f.closed = true
		close(f.done)
	}
	f.mu.Unlock()
	f.poll.Wait()
	return nil
}

func (f *File) follow() {
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		select {
		case <-f.done:
			return
		case <-tick.C:
			f.look()
		}
	}
}

// look brings f up to date with the file.
func (f *File) look() {
	text, changed, err := f.file.Look()
	if errors.Is(err, watch.ErrMoving) {
		return
	}
	if err != nil || !changed {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.readableLocked(err)
		return
	}
	lines, problems := Parse(text, time.Local)
	admitted := make(map[keys.NodeID]keys.Admission)
	for i := range lines {
		l := &lines[i]
		if !l.Admits(f.opts.Principal) {
			continue
		}
		if l.Local {
			problems = append(problems, &Problem{l.Number, errLocal})
		}
		var windows keys.Windows
		if l.Window != (keys.Window{}) {
			windows = keys.Windows{l.Window}
		}
		if before, ok := admitted[l.Key.ID()]; ok {
			if windows != nil && len(before.Windows) >= maxWindows {
				problems = append(problems, &Problem{l.Number, errWindows})
				continue
			}
			windows = before.Windows.Join(windows)
		}
		admitted[l.Key.ID()] = keys.Admission{Key: l.Key, Windows: windows}
	}
	f.publish(admitted, problems)
}

func (f *File) publish(admitted map[keys.NodeID]keys.Admission, problems []*Problem) {
	if len(problems) > maxProblems {
		problems = problems[:maxProblems]
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.readableLocked(nil)
	f.logLocked(problems)
	moved := !maps.EqualFunc(admitted, f.admitted, func(a, b keys.Admission) bool {
		return a.Key == b.Key && a.Windows.Equal(b.Windows)
	})
	f.admitted, f.problems = admitted, problems
	if moved && f.changed != nil {
		close(f.changed)
		f.changed = nil
	}
}

// readableLocked notes whether the file could be read; Open says it if it never was. It
// needs f.mu.
func (f *File) readableLocked(err error) {
	switch {
	case err != nil && f.unreadable == nil && f.admitted != nil:
		f.opts.Log.Warn("file of allowed signers cannot be read", "file", f.file.Path, "err", err)
	case err == nil && f.unreadable != nil:
		f.opts.Log.Info("file of allowed signers can be read again", "file", f.file.Path)
	}
	f.unreadable = err
}

// logLocked logs each problem when it appears. It needs f.mu.
func (f *File) logLocked(problems []*Problem) {
	for _, p := range problems {
		said := func(old *Problem) bool { return old.Error() == p.Error() }
		if !slices.ContainsFunc(f.problems, said) {
			f.opts.Log.Warn("line of allowed signers", "file", f.file.Path, "line", p.Line, "err", p.Err)
		}
	}
}

// Lookup implements keys.Keystore. It does not block.
func (f *File) Lookup(ctx context.Context, id keys.NodeID) (keys.PublicKey, error) {
	a, err := f.LookupAdmission(ctx, id)
	return a.Key, err
}

// LookupAdmission implements keys.Windowed. It does not block.
func (f *File) LookupAdmission(_ context.Context, id keys.NodeID) (keys.Admission, error) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	if f.closed {
		return keys.Admission{}, errClosed
	}
	if a, ok := f.admitted[id]; ok {
		return a, nil
	}
	if f.unreadable != nil {
		return keys.Admission{}, fmt.Errorf("keys/allowed: %w", f.unreadable)
	}
	return keys.Admission{}, keys.ErrUnknown
}

// List implements keys.Lister, in the order of keys.NodeID.Compare. While the file
// cannot be read it returns what was admitted last, and no error.
func (f *File) List(context.Context) ([]keys.NodeID, error) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	if f.closed {
		return nil, errClosed
	}
	return slices.SortedFunc(maps.Keys(f.admitted), keys.NodeID.Compare), nil
}

// Changed implements keys.Notifier. A window that moves is a change too.
func (f *File) Changed() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.changed == nil {
		f.changed = make(chan struct{})
	}
	return f.changed
}

// Problems returns a *Problem for each line that admits nobody or depends on this
// machine's time zone, at most 100, and before them why the file could not be read, if so.
func (f *File) Problems() []error {
	f.mu.RLock()
	defer f.mu.RUnlock()
	var out []error
	if f.unreadable != nil {
		out = append(out, fmt.Errorf("keys/allowed: %w", f.unreadable))
	}
	for _, p := range f.problems {
		out = append(out, p)
	}
	return out
}
