package replica

import (
	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/wire"
	"github.com/hearsaynet/hearsay/verify"
)

// bound is what the keystore's windows leave of an author's stored updates. A run that
// reaches beyond them does not count, nor does what follows it: as at a replica that was
// never given it.
type bound struct {
	windows keys.Windows
	from    uint64 // the first seq that does not count, 0 if all do
}

// bind has only what lies within ws count of an author that is, or is about to be, in
// the models, and reports whether that makes a difference.
func (m *models) bind(id keys.NodeID, ws keys.Windows) (moved bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	before := m.bounds[id]
	if before.windows.Equal(ws) {
		return false, nil
	}
	b := bound{windows: ws}
	if len(ws) > 0 {
		if b.from, err = m.firstOutside(id, ws); err != nil {
			return false, err
		}
	}
	m.bounds[id] = b
	if len(ws) == 0 {
		delete(m.bounds, id)
	}
	return b.from != before.from, nil
}

// firstOutside returns where the first stored run starts that reaches beyond ws.
func (m *models) firstOutside(id keys.NodeID, ws keys.Windows) (uint64, error) {
	for run, err := range m.r.store.Runs(m.r.cfg.Topic, wire.Ref{Author: id}) {
		if err != nil {
			return 0, err
		}
		if verify.Outside(run, ws) != nil {
			return run.First(), nil
		}
	}
	return 0, nil
}

// boundLocked returns the first seq that does not count, 0 if all do, now that run has
// been stored: its verdict may be older than the windows.
func (m *models) boundLocked(run *wire.Run) uint64 {
	b, ok := m.bounds[run.Author()]
	if ok && b.from == 0 && verify.Outside(run, b.windows) != nil {
		b.from = run.First()
		m.bounds[run.Author()] = b
	}
	return b.from
}

// beyond returns from which seq on an author's updates do not count, 0 if all do, and
// the windows that say so.
func (m *models) beyond(id keys.NodeID) (from uint64, ws keys.Windows) {
	m.mu.Lock()
	defer m.mu.Unlock()
	b := m.bounds[id]
	return b.from, b.windows
}
