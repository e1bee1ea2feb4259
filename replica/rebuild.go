package replica

import (
	"maps"
	"sync"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// rebuildRest is how long the models are left in peace after a rebuild, in multiples
// of what it took: rebuilds take a tenth of the time at most, whatever authors do, and
// come no faster than every rebuildRestMin.
const (
	rebuildRest    = 9
	rebuildRestMin = 100 * time.Millisecond
)

// rebuilds gathers the reasons to rebuild the models: one rebuild at a time answers
// all that were known when it began.
type rebuilds struct {
	wake chan struct{}

	mu      sync.Mutex             // guards the fields below
	due     map[keys.NodeID]Notice // sent when the next rebuild is over
	since   time.Time              // when the first of them came
	running bool
	took    time.Duration // the last one
}

// RebuildStatus says that the models still show what does not count any more.
type RebuildStatus struct {
	Since   time.Time     `json:"since"`   // when the oldest reason came
	Reasons int           `json:"reasons"` // authors that were cut or withdrawn since
	Running bool          `json:"running"` // now, else it waits for its turn
	Last    time.Duration `json:"last"`    // what the one before took, in ns
}

// later asks for a rebuild. notice is sent when it is over.
func (b *rebuilds) later(now time.Time, notice Notice) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.due) == 0 && !b.running {
		b.since = now
	}
	if b.due == nil {
		b.due = make(map[keys.NodeID]Notice)
	}
	id := notice.Ref.Author
	notice.N += b.due[id].N
	b.due[id] = notice
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

func (b *rebuilds) status() *RebuildStatus {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.due) == 0 && !b.running {
		return nil
	}
	return &RebuildStatus{b.since, len(b.due), b.running, b.took}
}

// rebuildLoop rebuilds the models when there is a reason to.
func (m *models) rebuildLoop() {
	b := &m.rebuilds
	for {
		select {
		case <-m.r.ctx.Done():
			return
		case <-b.wake:
		}
		began := time.Now()
		notices := m.rebuild()
		for _, n := range notices {
			m.r.notices.send(n)
		}
		rest := time.NewTimer(max(rebuildRest*time.Since(began), rebuildRestMin))
		select {
		case <-m.r.ctx.Done():
			rest.Stop()
			return
		case <-rest.C:
		}
	}
}

// rebuild folds everything again that counts, and returns the notices that wait for it.
func (m *models) rebuild() map[keys.NodeID]Notice {
	m.mu.Lock()
	defer m.mu.Unlock()
	b := &m.rebuilds
	b.mu.Lock()
	notices := b.due
	if len(notices) == 0 { // a wake of one that another has answered
		b.mu.Unlock()
		return nil
	}
	b.due, b.running = nil, true
	b.mu.Unlock()
	m.backlog.open()
	defer m.backlog.drain()
	began := time.Now()
	m.rebuilt++
	m.unread.reset()
	for _, model := range m.mounts {
		model.Reset()
	}
	now := m.folded
	if m.r.cfg.testOnly.rebuildForgets && len(m.mounts) > 1 {
		now = maps.Clone(now)
		delete(now, m.r.self)
	}
	n, err := m.replay(nil, now, m.mounts)
	for _, model := range m.mounts {
		rebuilt(model)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.running, b.took = false, time.Since(began)
	if err == nil {
		m.r.counts.applied.Store(n)
		b.since = m.r.Now() // of what came meanwhile
		return notices
	}
	m.r.trouble("rebuild the models", err)
	m.rebuildAgainLocked(notices)
	return nil
}

// rebuildAgainLocked puts a rebuild off that the store cut short: rebuilds.mu is held.
func (m *models) rebuildAgainLocked(notices map[keys.NodeID]Notice) {
	b := &m.rebuilds
	for id, n := range b.due {
		n.N += notices[id].N
		notices[id] = n
	}
	b.due = notices
	time.AfterFunc(storeRetryMax, func() {
		select {
		case b.wake <- struct{}{}:
		default:
		}
	})
}

// short is called when stored updates could not be read on their way into the models,
// which lack them until a rebuild.
func (m *models) short(id keys.NodeID, err error) {
	m.r.trouble("read updates of "+id.String(), err)
	b := &m.rebuilds
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.due) == 0 {
		b.since = m.r.Now()
	}
	m.rebuildAgainLocked(map[keys.NodeID]Notice{id: {Kind: Failed, Ref: wire.Ref{Author: id}, Reason: "its updates have been read again"}})
}

// backlog is what is to be done with the models when a rebuild is over, so that
// nobody but the own author waits for one.
type backlog struct {
	mu    sync.Mutex // guards the fields below
	kept  bool       // a rebuild is under way
	queue []func()
	size  int // updates, about
}

// maxBacklog bounds what waits for a rebuild, in updates; beyond, everybody waits.
const maxBacklog = 1 << 16

// afterRebuild calls f, which is about size updates, with models.mu held: at once, or
// in its turn when the rebuild under way is over. One goroutine at a time calls it.
func (m *models) afterRebuild(size int, f func()) {
	b := &m.backlog
	b.mu.Lock()
	if b.kept && b.size+size <= maxBacklog {
		b.queue = append(b.queue, f)
		b.size += size
		b.mu.Unlock()
		return
	}
	b.mu.Unlock()
	m.mu.Lock()
	defer m.mu.Unlock()
	f()
}

func (b *backlog) open() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.kept = true
}

// drain does what waits, and ends the backlog when nothing does any more: models.mu is
// held.
func (b *backlog) drain() {
	for {
		b.mu.Lock()
		queue := b.queue
		b.queue, b.size = nil, 0
		b.kept = len(queue) > 0
		b.mu.Unlock()
		if len(queue) == 0 {
			return
		}
		for _, f := range queue {
			f()
		}
	}
}

// withdraw takes an author out of the models, which follow with a rebuild.
func (m *models) withdraw(id keys.NodeID, why Notice) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.folded, id)
	m.out[id] = true
	m.waits.set(id, 0, 0)
	if m.r.cfg.testOnly.withdrawnKept {
		return
	}
	m.rebuilds.later(m.r.Now(), why)
}

// cutLocked takes an author's updates above keep out of the models, which follow with a
// rebuild if they had any of them.
func (m *models) cutLocked(id keys.NodeID, keep uint64, why Notice) {
	f := m.folded[id]
	if f == nil || f.seq <= keep {
		return
	}
	for seq := range f.parked {
		if seq > keep {
			delete(f.parked, seq)
		}
	}
	why.N = f.seq - keep
	f.seq = keep
	m.postLocked(id, f)
	if m.r.cfg.testOnly.tailKept {
		return
	}
	m.rebuilds.later(m.r.Now(), why)
}

// waits is what status tells of parked updates: a copy, so that nobody waits for the
// models to be asked.
type waits struct {
	mu   sync.Mutex // guards byID
	byID map[keys.NodeID]parkedCount
}

type parkedCount struct {
	n        int
	earliest uint64
}

func (w *waits) set(id keys.NodeID, n int, earliest uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if n == 0 {
		delete(w.byID, id)
		return
	}
	if w.byID == nil {
		w.byID = make(map[keys.NodeID]parkedCount)
	}
	w.byID[id] = parkedCount{n, earliest}
}

// of returns how many updates of an author wait for their time, and the earliest
// time, 0 if none waits. It is at least that many.
func (w *waits) of(id keys.NodeID) (n int, earliest uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	c := w.byID[id]
	return c.n, c.earliest
}

// postLocked copies what waits of an author to where status looks.
func (m *models) postLocked(id keys.NodeID, f *folded) {
	if f.parked == nil {
		return
	}
	var earliest uint64
	for _, t := range f.parked {
		if earliest == 0 || t < earliest {
			earliest = t
		}
	}
	n := len(f.parked)
	if f.later != 0 {
		n++
		if earliest == 0 {
			earliest = f.later
		}
	}
	m.waits.set(id, n, earliest)
}
