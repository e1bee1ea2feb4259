package kv

import (
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/internal/expiry"
	"github.com/hearsaynet/hearsay/replica/model/internal/twin"
	"github.com/hearsaynet/hearsay/replica/model/internal/watch"
)

// model is the replica's side of a Map.
type model struct {
	cfg     Config
	now     func() time.Time
	state   *twin.Twin[contents]
	watches *watch.Hub[event, Change]
	timer   *expiry.Timer

	writing sync.Mutex // held by the replica's calls and by what expires: guards what is theirs in contents

	faults atomic.Uint64
	fault  atomic.Pointer[error] // the newest
	said   atomic.Uint64         // evictions that were logged last
}

// newModel takes a Config that has been checked.
func newModel(cfg Config, now func() time.Time) *model {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	m := &model{
		cfg: cfg, now: now,
		watches: watch.New(event.change, func(n uint64) Change { return Change{Lost: n} }),
	}
	// The first state is empty and soon replaced: no backend is made for it.
	open := func() (records, error) { return newMemory(), nil }
	m.state = twin.New(func() *contents {
		rs, err := open()
		t := newContents(&m.cfg, rs)
		t.failed = err
		return t
	})
	if cfg.Backend != nil {
		open = m.openBackend
	}
	m.timer = expiry.NewTimer(now, m.expire)
	return m
}

// openBackend makes a backend; with an error, records of nothing.
func (m *model) openBackend() (records, error) {
	s := &stored{fault: m.faulty}
	err := call("Config.Backend", func() (err error) {
		s.backend, err = m.cfg.Backend()
		if err == nil && s.backend == nil {
			err = errors.New("it returned none")
		}
		return err
	})
	if err != nil {
		m.faulty(err)
		return newMemory(), err
	}
	return s, nil
}

// faulty notes an error of the backend.
func (m *model) faulty(err error) {
	m.fault.Store(&err)
	if n := m.faults.Add(1); n&(n-1) == 0 { // 1, 2, 4, 8, …
		m.cfg.Log.Error("the map's backend fails: what it shows may lack updates until it is mounted again", "err", err, "times", n)
	}
}

// clock is the replica's, in ns since the Unix epoch.
func (m *model) clock() uint64 { return expiry.Nanos(m.now()) }

// ApplyUpdate implements replica.Model.
func (m *model) ApplyUpdate(u replica.Update) (changed bool, err error) {
	c, err := parseChange(u.Change)
	if err != nil {
		return false, err
	}
	m.writing.Lock()
	defer m.writing.Unlock()
	t, seen := m.state.Fold()
	if changed, err = t.apply(&u, c, m.clock); err != nil && t.failed == nil {
		m.faulty(err)
	}
	if !seen {
		t.forget()
		return changed, err
	}
	m.tell(t)
	if c.Expires != 0 {
		m.timer.Plan(t.due.Next())
	}
	return changed, err
}

// tell hands the watchers what was noted for them.
func (m *model) tell(t *contents) {
	if m.watches.Watched() {
		for _, e := range t.events {
			m.watches.Tell(e)
		}
	}
	t.forget()
	m.sayEvicted(t)
}

// forget drops what was noted.
func (t *contents) forget() {
	clear(t.events)
	t.events = t.events[:0]
}

// sayEvicted logs evictions, the more seldom the more there are.
func (m *model) sayEvicted(t *contents) {
	n := t.evicted.Load()
	if said := m.said.Load(); n > 0 && n >= 2*said {
		m.said.Store(n)
		m.cfg.Log.Warn("the map is full: its oldest keys are not shown any more", "keys", n, "max_bytes", m.cfg.MaxBytes, "max_keys", m.cfg.MaxKeys)
	}
}

// expire takes away some of what is over, and returns when to come again.
func (m *model) expire(now uint64) (next uint64) {
	m.writing.Lock()
	defer m.writing.Unlock()
	t := m.state.Now()
	if err := t.expire(now); err != nil {
		m.faulty(err)
	}
	m.tell(t)
	return t.due.Next()
}

// Reset implements replica.Model.
func (m *model) Reset() {
	m.writing.Lock()
	defer m.writing.Unlock()
	if unfinished := m.state.Next(); unfinished != nil {
		unfinished.records.retire()
	}
	m.state.Reset()
}

// Rebuilt implements replica.Rebuilder: the watchers hear what is different.
func (m *model) Rebuilt() {
	m.writing.Lock()
	defer m.writing.Unlock()
	old, now := m.state.Now(), m.state.Next()
	switch {
	case now == nil:
		return
	case now.failed != nil:
		m.state.Drop()
		return
	}
	if s, ok := now.records.(*stored); ok {
		if err := call("Rebuilt", s.backend.Rebuilt); err != nil {
			m.faulty(err)
		}
	}
	m.watches.Together(func(tell func(event)) {
		if m.watches.Watched() {
			if err := now.difference(old); err != nil {
				m.faulty(err)
			}
		}
		m.state.Rebuilt()
		for _, e := range now.events {
			tell(e)
		}
	})
	now.forget()
	m.said.Store(0)
	m.sayEvicted(now)
	old.records.retire()
	m.timer.Plan(now.due.Next())
}

// get returns the record of a key, nil if there is none.
func (m *model) get(key string) *record {
	return read(m, func(t *contents) (*record, error) { return t.records.get(key) })
}

// sorted returns the keys that have a value, bytewise.
func (m *model) sorted() []item {
	return read(m, func(t *contents) ([]item, error) { return t.sorted(m.clock) })
}

// read asks the state that readers see, and again if another has taken its place
// meanwhile.
func read[Answer any](m *model, ask func(*contents) (Answer, error)) Answer {
	for {
		t := m.state.Now()
		answer, err := ask(t)
		switch {
		case !errors.Is(err, errRetired):
			if err != nil {
				m.faulty(err)
			}
			return answer
		case t == m.state.Now(): // the Map is closed
			return answer
		}
	}
}

// close ends what runs, and closes the backend.
func (m *model) close() {
	m.timer.Stop()
	m.watches.Close()
	m.writing.Lock()
	defer m.writing.Unlock()
	m.state.Now().records.retire()
	if next := m.state.Next(); next != nil {
		next.records.retire()
	}
}
