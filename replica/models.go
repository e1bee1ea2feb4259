package replica

import (
	"container/heap"
	"errors"
	"fmt"
	"math"
	"sync/atomic"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// Rebuilder is a Model that wants to know when a rebuild is over, for instance to
// show the state before until then.
type Rebuilder interface {
	// Rebuilt is called after Reset and the updates that followed from the store: when
	// the model has been mounted, and after each rebuild, also one that the store cut
	// short.
	Rebuilt()
}

func rebuilt(m Model) {
	if b, ok := m.(Rebuilder); ok {
		b.Rebuilt()
	}
}

// models folds stored updates into the mounted models, and holds back those whose
// time has not come.
type models struct {
	r *Replica

	mu       lock // guards the fields below, and serialises all calls of mounted models
	mounts   map[string]Model
	mounting map[string]bool         // the channels that will have a model soon
	folded   map[keys.NodeID]*folded // the authors that are in the models
	out      map[keys.NodeID]bool    // the authors that were withdrawn
	rebuilt  uint64                  // rebuilds that have begun
	due      parkedHeap
	changed  chan struct{} // a parked update may be due earlier than thought

	newest atomic.Uint64 // the newest time of a folded update; moved with mu held

	bounds   bounds
	rebuilds rebuilds
	waits    waits
	unread   unread
	backlog  backlog
}

// lock is a mutex for what may take as long as a user's model or a disk does. Who waits
// for it is durably blocked in the sense of testing/synctest, so that fake time goes on.
type lock chan struct{}

func (l lock) Lock()   { l <- struct{}{} }
func (l lock) Unlock() { <-l }

// without calls f while the lock, which is held, is not.
func (l lock) without(f func()) {
	l.Unlock()
	defer l.Lock()
	f()
}

// folded is how far an author has been folded, and which updates of it wait.
type folded struct {
	seq    uint64
	parked map[uint64]uint64 // seq → time, at most maxParked of them, the earliest-dated
	// later is the earliest time of the parked updates that did not fit, 0 if all do.
	later  uint64
	rest   time.Time // before it, the later ones are not looked for again
	pushed int       // entries in the heap since it was compact, or a few more
}

type parkedUpdate struct {
	time   uint64
	author keys.NodeID
	seq    uint64 // 0: look for later ones in the store
}

type parkedHeap []parkedUpdate

func (h parkedHeap) Len() int           { return len(h) }
func (h parkedHeap) Less(i, j int) bool { return h[i].time < h[j].time }
func (h parkedHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *parkedHeap) Push(x any)        { *h = append(*h, x.(parkedUpdate)) }
func (h *parkedHeap) Pop() any {
	old := *h
	last := old[len(old)-1]
	*h = old[:len(old)-1]
	return last
}

func (m *models) init(r *Replica) {
	m.r = r
	m.mu = make(lock, 1)
	m.mounts = make(map[string]Model)
	m.mounting = make(map[string]bool)
	m.folded = make(map[keys.NodeID]*folded)
	m.out = make(map[keys.NodeID]bool)
	m.changed = make(chan struct{}, 1)
	m.unread.reset()
	m.rebuilds.wake = make(chan struct{}, 1)
}

// replay folds into the given models what is in the models now and was not then, as far
// as it can be read, and returns how many updates that is, in all channels.
func (m *models) replay(then, now map[keys.NodeID]*folded, mounts map[string]Model) (n uint64, short error) {
	for id, f := range now {
		had := then[id]
		err := m.r.eachEntry(id, f.since(had), f.seq, func(run *wire.Run, i int) {
			seq, e := run.First()+uint64(i), &run.Entries()[i]
			if !f.has(seq, e.Time) || had.has(seq, e.Time) {
				return
			}
			n++
			if model := mounts[e.Channel]; model != nil {
				m.tell(model, run, i)
			}
		})
		if err != nil {
			short = errors.Join(short, err)
		}
	}
	return n, short
}

// has reports whether the author's update of that seq and time is in the models.
func (f *folded) has(seq, at uint64) bool { return f != nil && seq <= f.seq && !f.holds(seq, at) }

// since returns a seq up to which f has nothing that it had not then.
func (f *folded) since(then *folded) uint64 {
	if then == nil || then.later != 0 && then.later != f.later {
		return 0
	}
	same := then.seq
	for seq := range then.parked {
		if _, still := f.parked[seq]; !still {
			same = min(same, seq-1)
		}
	}
	return same
}

// holds reports whether the author's update of that seq and time is parked.
func (f *folded) holds(seq, at uint64) bool {
	if f.later != 0 && at >= f.later {
		return true
	}
	_, parked := f.parked[seq]
	return parked
}

// eachEntry reads an author's updates behind after, up to seq last.
func (r *Replica) eachEntry(id keys.NodeID, after, last uint64, f func(run *wire.Run, i int)) error {
	if after >= last {
		return nil
	}
	for run, err := range r.store.Runs(r.cfg.Topic, wire.Ref{Author: id, Seq: after}) {
		if err != nil {
			return err
		}
		for i := range run.Entries() {
			switch seq := run.First() + uint64(i); {
			case seq <= after:
			case seq > last:
				return nil
			default:
				f(run, i)
			}
		}
		if run.Last() >= last {
			return nil
		}
	}
	return nil
}

func (r *Replica) update(run *wire.Run, i int) Update {
	e := &run.Entries()[i]
	return Update{Ref: run.Ref(i), Time: e.Time, Channel: e.Channel, Change: e.Change, Local: run.Author() == r.self}
}

// apply folds runs that have just been stored, in order, each author's up to its
// frontier and within its windows: the run that either ends in goes on behind it.
func (m *models) apply(runs []*wire.Run, ends map[keys.NodeID]wire.Ref) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.applyLocked(runs, ends)
}

func (m *models) applyLocked(runs []*wire.Run, ends map[keys.NodeID]wire.Ref) {
	limit := m.limit()
	for _, run := range runs {
		end := m.bounds.reach(run, ends[run.Author()].Seq)
		if m.out[run.Author()] {
			continue
		}
		f := m.folded[run.Author()]
		if f == nil {
			f = &folded{}
			m.folded[run.Author()] = f
		}
		if before := min(run.First()-1, end); before > f.seq { // stored while the author was being admitted again
			missed := f.seq
			f.seq = before
			m.foldStoredLocked(f, run.Author(), missed, f.seq, 0, limit)
		}
		for i := range run.Entries() {
			if seq := run.First() + uint64(i); seq == f.seq+1 && seq <= end {
				f.seq++
				m.admitEntryLocked(f, run, i, limit)
			}
		}
		m.postLocked(run.Author(), f)
	}
}

// limit is the newest time that may take effect now.
func (m *models) limit() uint64 {
	return uint64(max(0, m.r.cfg.Now().Add(m.r.cfg.MaxSkew).UnixNano()))
}

// admitEntryLocked folds entry i of run or parks it.
func (m *models) admitEntryLocked(f *folded, run *wire.Run, i int, limit uint64) {
	e := &run.Entries()[i]
	if e.Time > limit && !m.r.cfg.testOnly.parkedEarly {
		m.parkLocked(f, run, i)
		return
	}
	m.sawLocked(e.Time)
	model := m.mounts[e.Channel]
	if model == nil {
		m.r.counts.applied.Add(1)
		return
	}
	m.foldLocked(model, run, i)
}

// sawLocked moves the newest time of a folded update.
func (m *models) sawLocked(at uint64) { m.newest.Store(max(m.newest.Load(), at)) }

// foldLocked gives a new update to model.
func (m *models) foldLocked(model Model, run *wire.Run, i int) {
	kind, why := m.tell(model, run, i)
	m.r.counts.applied.Add(1)
	if kind == Ignored {
		m.r.counts.ignored.Add(1)
	}
	if m.r.notices.listening() {
		m.r.notices.send(Notice{Kind: kind, Ref: run.Ref(i), Channel: run.Entries()[i].Channel, Reason: why})
	}
}

// tell gives an update to model, and says what became of it. A panic in it is an error of
// this update.
func (m *models) tell(model Model, run *wire.Run, i int) (kind NoticeKind, why string) {
	u := m.r.update(run, i)
	switch changed, err := applySafely(model, u); {
	case err != nil:
		return Ignored, m.unread.note(u.Ref, err)
	case !changed:
		return Superseded, ""
	}
	return Applied, ""
}

func applySafely(model Model, u Update) (changed bool, err error) {
	defer func() {
		if p := recover(); p != nil {
			changed, err = false, fmt.Errorf("model panicked: %v", p)
		}
	}()
	return model.ApplyUpdate(u)
}

func (m *models) parkLocked(f *folded, run *wire.Run, i int) {
	if f.parked == nil {
		f.parked = make(map[uint64]uint64)
	}
	e := &run.Entries()[i]
	m.holdLocked(f, run.Author(), run.First()+uint64(i), e.Time)
	m.r.notices.send(Notice{Kind: Parked, Ref: run.Ref(i), Channel: e.Channel, Reason: "dated " + formatTime(e.Time)})
}

// holdLocked remembers a parked update, or, when there are too many, that there are
// some from its time on.
func (m *models) holdLocked(f *folded, id keys.NodeID, seq, at uint64) {
	switch {
	case f.later != 0 && at >= f.later:
		return
	case len(f.parked) < maxParked:
		f.parked[seq] = at
		heap.Push(&m.due, parkedUpdate{at, id, seq})
	default:
		f.later = at
		// All that are dated at or after it are found in the store as well.
		for s, t := range f.parked {
			if t >= at {
				delete(f.parked, s)
			}
		}
		heap.Push(&m.due, parkedUpdate{at, id, 0})
	}
	if f.pushed++; f.pushed > 4*maxParked {
		m.compactLocked()
	}
	select {
	case m.changed <- struct{}{}:
	default:
	}
}

// compactLocked drops what is not held any more from the heap.
func (m *models) compactLocked() {
	m.due = m.due[:0]
	for id, f := range m.folded {
		for seq, at := range f.parked {
			m.due = append(m.due, parkedUpdate{at, id, seq})
		}
		if f.later != 0 {
			m.due = append(m.due, parkedUpdate{f.later, id, 0})
		}
		f.pushed = len(f.parked)
	}
	heap.Init(&m.due)
}

// parkedLoop folds parked updates when their time comes.
func (m *models) parkedLoop() {
	for {
		wait := m.foldDue()
		timer := time.NewTimer(wait)
		select {
		case <-m.r.ctx.Done():
			timer.Stop()
			return
		case <-m.changed:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// foldDue folds what is due and returns how long to wait for the next.
func (m *models) foldDue() time.Duration {
	if m.r.cfg.testOnly.parkedForgotten {
		return time.Hour
	}
	// A wall clock may be set while we wait, so we look every minute.
	const lookAgain = time.Minute
	m.mu.Lock()
	defer m.mu.Unlock()
	limit := m.limit()
	var put []parkedUpdate // due, and read again later
	wait := lookAgain
	for len(m.due) > 0 && m.due[0].time <= limit {
		p := heap.Pop(&m.due).(parkedUpdate)
		f := m.folded[p.author]
		if f == nil {
			continue
		}
		if p.seq == 0 {
			if f.later == p.time && time.Now().Before(f.rest) {
				put = append(put, p)
				wait = min(wait, time.Until(f.rest))
				continue
			}
			if f.later == p.time {
				m.findLaterLocked(f, p, limit)
			}
		} else if at, ok := f.parked[p.seq]; ok && at == p.time {
			delete(f.parked, p.seq)
			m.foldStoredLocked(f, p.author, p.seq-1, p.seq, 0, limit)
		}
		m.postLocked(p.author, f)
	}
	if len(m.due) > 0 {
		wait = min(wait, time.Duration(min(m.due[0].time-limit, math.MaxInt64)))
	}
	for _, p := range put {
		heap.Push(&m.due, p)
	}
	return wait
}

// findLaterLocked reads the author's log again for the parked updates that were
// not remembered one by one.
func (m *models) findLaterLocked(f *folded, p parkedUpdate, limit uint64) {
	from := f.later
	f.later = 0
	began := time.Now()
	m.foldStoredLocked(f, p.author, 0, f.seq, from, limit)
	f.rest = time.Now().Add(rebuildRest * time.Since(began))
}

// foldStoredLocked folds the stored updates after < seq <= last that are dated at or
// after from.
func (m *models) foldStoredLocked(f *folded, id keys.NodeID, after, last, from, limit uint64) {
	err := m.r.eachEntry(id, after, last, func(run *wire.Run, i int) {
		if run.Entries()[i].Time >= from {
			m.admitEntryLocked(f, run, i, limit)
		}
	})
	if err != nil {
		m.short(id, err)
	}
}

// admit brings an author in that has stored updates: any interleaving gives
// the same state, so nothing needs to be rebuilt.
func (m *models) admit(id keys.NodeID) {
	if err := m.catchUp(id); err != nil {
		m.short(id, err)
	}
}

func (m *models) catchUp(id keys.NodeID) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	frontier := m.r.frontier(id)
	delete(m.out, id)
	if m.folded[id] != nil {
		return nil
	}
	last, err := m.reachStoredLocked(id, frontier.Seq)
	if err != nil {
		return err
	}
	f := &folded{seq: last}
	m.folded[id] = f
	limit := m.limit()
	due := m.rebuilds.status() != nil // it may be to take this author out, and will fold it
	defer m.postLocked(id, f)
	return m.r.eachEntry(id, 0, f.seq, func(run *wire.Run, i int) {
		switch at := run.Entries()[i].Time; {
		case !due:
			m.admitEntryLocked(f, run, i, limit)
		case at > limit:
			m.parkLocked(f, run, i)
		default:
			m.sawLocked(at)
		}
	})
}

// nextTime returns the hybrid logical clock's next value: max(now, newest) + 1 ns
// (Kulkarni et al., "Logical Physical Clocks", OPODIS 2014, with one component).
func (m *models) nextTime(now time.Time) (uint64, error) {
	if now.Before(releaseDate) {
		return 0, fmt.Errorf("replica: this machine's clock says %s, before this program was made: set the clock, then try again",
			now.UTC().Format(time.DateTime))
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	t := uint64(now.UnixNano())
	if newest := m.newest.Load(); newest <= m.limit() && !m.r.cfg.testOnly.clockIgnored { // else our own clock has been set back since
		t = max(t, newest)
	}
	t++
	if t > wire.MaxInteger-wire.MaxEntries {
		return 0, errors.New("replica: the clock is at its end")
	}
	return t, nil
}

// isParked reports whether a stored update has no effect yet.
func (m *models) isParked(id keys.NodeID, seq, at uint64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	f := m.folded[id]
	return f != nil && seq <= f.seq && f.holds(seq, at)
}

func formatTime(ns uint64) string { return time.Unix(0, int64(ns)).UTC().Format(time.RFC3339Nano) }
