package replica

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/cenkalti/backoff/v5"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// ErrTooLarge is wrapped by LocalUpdate's error for a change over Config.MaxChange.
var ErrTooLarge = errors.New("change too large")

// local signs and stores the own author's changes. One signature covers all that
// waited while the one before was made and stored (group signing).
type local struct {
	r *Replica

	// writing is held while the own frontier moves, from here or from elsewhere.
	writing lock

	mu      sync.Mutex // guards the fields below
	pending []*request
	bytes   int
	room    chan struct{} // closed and replaced when requests leave
	wake    chan struct{}
}

// request is the changes of one call, which stay together and in order.
type request struct {
	entries []wire.Entry
	bytes   int
	refs    []wire.Ref
	err     error
	done    chan struct{}
}

func (l *local) init(r *Replica) {
	l.r = r
	l.writing = make(lock, 1)
	l.room = make(chan struct{})
	l.wake = make(chan struct{}, 1)
}

// LocalUpdate signs a change and returns when it is stored durably and applied. It
// blocks while disk, signer or queue are behind; ctx ends that. After a context's
// end the change is either not written at all, or, when its signature was already
// under way, written nevertheless: the error says which.
func (r *Replica) LocalUpdate(ctx context.Context, channel string, change []byte) (wire.Ref, error) {
	refs, err := r.LocalUpdates(ctx, channel, change)
	if err != nil {
		return wire.Ref{}, err
	}
	return refs[0], nil
}

// LocalUpdates is LocalUpdate for several changes, 1 to 256, which stay in order,
// and are stored together or not at all.
func (r *Replica) LocalUpdates(ctx context.Context, channel string, changes ...[]byte) ([]wire.Ref, error) {
	req, err := r.newRequest(channel, changes)
	if err != nil {
		return nil, err
	}
	if err := r.guard.wait(ctx); err != nil {
		return nil, err
	}
	if err := r.local.enqueue(ctx, req); err != nil {
		return nil, err
	}
	select {
	case <-req.done:
		return req.refs, req.err
	case <-ctx.Done():
		if r.local.remove(req) {
			return nil, fmt.Errorf("replica: nothing was written: %w", context.Cause(ctx))
		}
		return nil, fmt.Errorf("replica: the change is being signed and will be written: %w", context.Cause(ctx))
	case <-r.ctx.Done():
		return nil, ErrClosed
	}
}

func (r *Replica) newRequest(channel string, changes [][]byte) (*request, error) {
	if r.cfg.Signer == nil {
		return nil, ErrReadOnly
	}
	if err := wire.CheckChannel(channel); err != nil {
		return nil, fmt.Errorf("replica: %w", err)
	}
	if n := len(changes); n == 0 || n > wire.MaxEntries {
		return nil, fmt.Errorf("replica: %d changes in one call (1 to %d)", n, wire.MaxEntries)
	}
	req := &request{done: make(chan struct{}), entries: make([]wire.Entry, len(changes))}
	for i, c := range changes {
		if len(c) > r.cfg.MaxChange {
			return nil, fmt.Errorf("replica: %w: %d bytes, at most %d", ErrTooLarge, len(c), r.cfg.MaxChange)
		}
		req.entries[i] = wire.Entry{Kind: wire.KindChange, Channel: channel, Change: append([]byte(nil), c...)}
		req.bytes += req.entries[i].EncodedSize()
	}
	if req.bytes > wire.RunRoom {
		return nil, fmt.Errorf("replica: %w: %d bytes in one call, at most %d", ErrTooLarge, req.bytes, wire.RunRoom)
	}
	return req, nil
}

// enqueue adds req to the queue, and waits for room.
func (l *local) enqueue(ctx context.Context, req *request) error {
	for {
		l.mu.Lock()
		if len(l.pending) == 0 || (len(l.pending) < maxPending && l.bytes+req.bytes <= maxPendingBytes) {
			l.pending = append(l.pending, req)
			l.bytes += req.bytes
			l.mu.Unlock()
			select {
			case l.wake <- struct{}{}:
			default:
			}
			return nil
		}
		room := l.room
		l.mu.Unlock()
		select {
		case <-room:
		case <-ctx.Done():
			return fmt.Errorf("replica: nothing was written, the queue is full: %w", context.Cause(ctx))
		case <-l.r.ctx.Done():
			return ErrClosed
		}
	}
}

// remove takes req out of the queue, and reports whether it was still there.
func (l *local) remove(req *request) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, p := range l.pending {
		if p == req {
			l.pending = append(l.pending[:i], l.pending[i+1:]...)
			l.bytes -= req.bytes
			l.roomLocked()
			return true
		}
	}
	return false
}

func (l *local) roomLocked() {
	close(l.room)
	l.room = make(chan struct{})
}

// take removes as many requests from the queue as fit one run.
func (l *local) take() []*request {
	l.mu.Lock()
	defer l.mu.Unlock()
	n, entries, bytes := 0, 0, 0
	for _, p := range l.pending {
		if entries+len(p.entries) > wire.MaxEntries || bytes+p.bytes > wire.RunRoom {
			break
		}
		n, entries, bytes = n+1, entries+len(p.entries), bytes+p.bytes
	}
	group := append([]*request(nil), l.pending[:n]...)
	l.pending = append(l.pending[:0], l.pending[n:]...)
	l.bytes -= bytes
	if n > 0 {
		l.roomLocked()
	}
	return group
}

func (l *local) loop() {
	for {
		select {
		case <-l.r.ctx.Done():
			return
		case <-l.wake:
		}
		for group := l.take(); len(group) > 0 && l.r.ctx.Err() == nil; group = l.take() {
			l.write(group)
		}
	}
}

// write signs and stores a group of requests as one run, and answers them.
func (l *local) write(group []*request) {
	run, err := l.sign(group)
	if err == nil {
		err = l.store(run)
	}
	i := 0
	for _, req := range group {
		req.err = err
		for range req.entries {
			if err == nil {
				req.refs = append(req.refs, run.Ref(i))
			}
			i++
		}
		close(req.done)
	}
}

// store stores and applies an own run. While it was being signed, own updates may have
// come from elsewhere: then another node writes with this key, and nothing is stored.
func (l *local) store(run *wire.Run) error {
	l.writing.Lock()
	defer l.writing.Unlock()
	if err := l.r.guard.status(); err != nil {
		return err
	}
	if l.r.ownFrontier() != run.Prev() {
		l.r.guard.foreignOwn()
		return ErrWritesElsewhere
	}
	switch t := l.r.cfg.testOnly; {
	case t.sentFirst:
		l.r.stored([]*wire.Run{run}, map[keys.NodeID]wire.Ref{run.Author(): run.End()})
	case t.ackedFirst:
		l.r.tasks.Go(func() { l.r.storeUntilDone(run) })
		return nil
	}
	if err := l.r.storeUntilDone(run); err != nil {
		return err
	}
	runs, ends := []*wire.Run{run}, map[keys.NodeID]wire.Ref{run.Author(): run.End()}
	l.r.stored(runs, ends)
	l.r.models.apply(runs, ends)
	return nil
}

// sign makes the run. Once a draft has been shown to the signer its seqs are never
// given other content, so a signer that is unavailable is asked again for the very
// same one until the replica closes. The own frontier may move meanwhile, from
// elsewhere only, and then nothing is ever written after it.
func (l *local) sign(group []*request) (*wire.Run, error) {
	r := l.r
	if err := r.guard.status(); err != nil {
		return nil, err
	}
	now, err := r.models.nextTime(r.cfg.Now())
	if err != nil {
		return nil, err
	}
	var entries []wire.Entry
	for _, req := range group {
		for _, e := range req.entries {
			e.Time = now
			now++
			entries = append(entries, e)
		}
	}
	draft, err := wire.NewDraft(r.cfg.Topic, r.ownFrontier(), entries...)
	if err != nil {
		return nil, fmt.Errorf("replica: %w", err)
	}
	signOnce := func() (*wire.Run, error) {
		sig, err := r.cfg.Signer.Sign(r.ctx, wire.NamespaceUpdate, draft.Message())
		if err == nil {
			var run *wire.Run
			if run, err = draft.Seal(r.cfg.Signer.Public(), sig); err == nil {
				return run, nil
			}
		}
		r.trouble("sign", err)
		return nil, err
	}
	return untilDone(r, signOnce)
}

// untilDone calls f until it succeeds or the replica closes, less and less often.
func untilDone[T any](r *Replica, f func() (T, error)) (T, error) {
	b := backoff.NewExponentialBackOff()
	b.InitialInterval, b.MaxInterval = storeRetryMin, storeRetryMax
	return backoff.Retry(r.ctx, f, backoff.WithBackOff(b), backoff.WithMaxElapsedTime(0))
}

// storeUntilDone appends runs, and tries again while the store refuses: nothing that
// has been signed or verified is given up for a full disk.
func (r *Replica) storeUntilDone(runs ...*wire.Run) error {
	appendOnce := func() (struct{}, error) {
		err := r.store.Append(r.ctx, runs...)
		r.storeTrouble.Store(&err)
		if err != nil && r.ctx.Err() == nil {
			r.trouble("store", err)
		}
		return struct{}{}, err
	}
	_, err := untilDone(r, appendOnce)
	return err
}

// ownFrontier returns the last stored update of the own author.
func (r *Replica) ownFrontier() wire.Ref {
	r.mu.Lock()
	defer r.mu.Unlock()
	if a := r.authors[r.self]; a != nil {
		return a.frontier
	}
	return wire.Ref{Author: r.self}
}

// trouble reports what is wrong with this node itself.
func (r *Replica) trouble(what string, err error) {
	r.log.Error("trouble", "doing", what, "error", err)
	r.notices.send(Notice{Kind: Failed, Reason: what + ": " + err.Error()})
}
