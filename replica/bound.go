package replica

import (
	"fmt"
	"sync"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/wire"
	"github.com/hearsaynet/hearsay/verify"
)

// bound is what the keystore's windows leave of an author's stored updates: exactly
// those before the first that is signed outside them count. So it does not matter into
// which runs whoever passed them on has joined and cut them.
type bound struct {
	windows keys.Windows
	from    uint64 // the first seq that does not count, 0 if all that are stored do
}

// bounds are those of the authors that are admitted for some times only. Its lock is
// held for moments only, so nobody waits for the models to ask.
type bounds struct {
	mu   sync.Mutex // guards byID
	byID map[keys.NodeID]bound
}

func (b *bounds) of(id keys.NodeID) bound {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.byID[id]
}

func (b *bounds) set(id keys.NodeID, to bound) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(to.windows) == 0 {
		delete(b.byID, id)
		return
	}
	if b.byID == nil {
		b.byID = make(map[keys.NodeID]bound)
	}
	b.byID[id] = to
}

// reach returns the last seq up to end that counts, now that run is known to be stored.
func (b *bounds) reach(run *wire.Run, end uint64) uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	x, ok := b.byID[run.Author()]
	if ok && (x.from == 0 || run.First() < x.from) {
		if from := verify.FirstOutside(run, x.windows); from != 0 && (x.from == 0 || from < x.from) {
			x.from = from
			b.byID[run.Author()] = x
		}
	}
	return x.last(end)
}

// last returns the last seq up to end that counts.
func (b bound) last(end uint64) uint64 {
	if b.from == 0 {
		return end
	}
	return min(end, b.from-1)
}

// why says why nothing counts from b.from on.
func (b bound) why() string {
	return fmt.Sprintf("update %d is signed outside the times that the author is admitted for, %v, and what stands on it does not count either", b.from, b.windows)
}

// bind has only what windows admit count of an author that is, or is about to be, in
// the models, and reports whether that makes a difference.
func (m *models) bind(id keys.NodeID, ws keys.Windows) (moved bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	before := m.bounds.of(id)
	if before.windows.Equal(ws) {
		return false, nil
	}
	after := bound{windows: ws}
	if after.from, err = m.firstOutside(id, ws); err != nil {
		return false, err
	}
	m.bounds.set(id, after)
	return after.from != before.from, nil
}

// firstOutside returns the seq of the first stored update of an author outside ws, 0
// if there is none.
func (m *models) firstOutside(id keys.NodeID, ws keys.Windows) (uint64, error) {
	if len(ws) == 0 {
		return 0, nil
	}
	for run, err := range m.r.store.Runs(m.r.cfg.Topic, wire.Ref{Author: id}) {
		if err != nil {
			return 0, err
		}
		if from := verify.FirstOutside(run, ws); from != 0 {
			return from, nil
		}
	}
	return 0, nil
}

// reachStoredLocked is bounds.reach for all that is stored of an author.
func (m *models) reachStoredLocked(id keys.NodeID, end uint64) (uint64, error) {
	b := m.bounds.of(id)
	from, err := m.firstOutside(id, b.windows)
	if err != nil {
		return 0, err
	}
	b.from = from
	m.bounds.set(id, b)
	return b.last(end), nil
}
