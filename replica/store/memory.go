package store

import (
	"bytes"
	"context"
	"iter"
	"maps"
	"slices"
	"sync"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// Memory is a Store that forgets. Its zero value is not usable; see NewMemory.
type Memory struct {
	mu      sync.RWMutex // guards the fields below
	chains  map[chainID]*memoryChain
	records map[recordID][]byte
	closed  bool
}

type memoryChain struct {
	chain
	runs []*wire.Run // replaced or appended to, never changed in place
}

type recordID struct {
	topic, kind string
	author      keys.NodeID
}

// NewMemory returns an empty store.
func NewMemory() *Memory {
	return &Memory{chains: make(map[chainID]*memoryChain), records: make(map[recordID][]byte)}
}

// write runs f with the lock held.
func (m *Memory) write(ctx context.Context, f func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return ErrClosed
	}
	return f()
}

func (m *Memory) read(f func()) error {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.closed {
		return ErrClosed
	}
	f()
	return nil
}

func (m *Memory) chainLocked(id chainID) chain {
	if c := m.chains[id]; c != nil {
		return c.chain
	}
	return chain{}
}

// Append implements Store.
func (m *Memory) Append(ctx context.Context, runs ...*wire.Run) error {
	return m.write(ctx, func() error {
		next, err := followAll(m.chainLocked, runs)
		if err != nil {
			return err
		}
		for id, c := range next {
			if m.chains[id] == nil {
				m.chains[id] = &memoryChain{}
			}
			m.chains[id].chain = c
		}
		for _, r := range runs {
			c := m.chains[chainID{r.Topic(), r.Author()}]
			c.runs = append(c.runs, r)
		}
		return nil
	})
}

// Frontier implements Store.
func (m *Memory) Frontier(topic string, a keys.NodeID) (ref wire.Ref, err error) {
	err = m.read(func() { ref = m.chainLocked(chainID{topic, a}).frontier })
	ref.Author = a
	return ref, err
}

// Frontiers implements Store.
func (m *Memory) Frontiers(topic string) iter.Seq2[wire.Ref, error] {
	return func(yield func(wire.Ref, error) bool) {
		var refs []wire.Ref
		err := m.read(func() {
			for id, c := range m.chains {
				if id.topic == topic {
					refs = append(refs, c.frontier)
				}
			}
		})
		yieldFrontiers(refs, err, yield)
	}
}

func yieldFrontiers(refs []wire.Ref, err error, yield func(wire.Ref, error) bool) {
	if err != nil {
		yield(wire.Ref{}, err)
		return
	}
	slices.SortFunc(refs, func(a, b wire.Ref) int { return a.Author.Compare(b.Author) })
	for _, ref := range refs {
		if !yield(ref, nil) {
			return
		}
	}
}

// runsAfter returns stored runs that end above seq after, and no copies.
func (m *Memory) runsAfter(id chainID, after uint64) (runs []*wire.Run, err error) {
	err = m.read(func() {
		if c := m.chains[id]; c != nil {
			i, _ := slices.BinarySearchFunc(c.runs, after, func(r *wire.Run, after uint64) int {
				if r.Last() <= after {
					return -1
				}
				return 1
			})
			runs = c.runs[i:]
		}
	})
	return runs, err
}

// Runs implements Store.
func (m *Memory) Runs(topic string, after wire.Ref) iter.Seq2[*wire.Run, error] {
	return func(yield func(*wire.Run, error) bool) {
		for at := after.Seq; ; {
			runs, err := m.runsAfter(chainID{topic, after.Author}, at)
			if err != nil {
				yield(nil, err)
				return
			}
			if len(runs) == 0 {
				return
			}
			for _, r := range runs[:min(len(runs), maxScan)] {
				if !yield(r.CutFront(at), nil) {
					return
				}
				at = r.Last()
			}
		}
	}
}

// Key implements Store.
func (m *Memory) Key(topic string, a keys.NodeID) (k keys.PublicKey, err error) {
	err = m.read(func() {
		if c := m.chains[chainID{topic, a}]; c != nil {
			k = c.runs[0].Key()
		}
	})
	if err == nil && k.IsZero() {
		err = ErrNotFound
	}
	return k, err
}

// Truncate implements Store.
func (m *Memory) Truncate(ctx context.Context, topic string, a keys.NodeID, keep uint64) error {
	return m.write(ctx, func() error {
		id := chainID{topic, a}
		c := m.chains[id]
		switch {
		case c == nil || keep >= c.frontier.Seq:
			return nil
		case keep == 0:
			delete(m.chains, id)
			return nil
		}
		n := slices.IndexFunc(c.runs, func(r *wire.Run) bool { return r.Last() >= keep })
		last := c.runs[n]
		m.chains[id] = &memoryChain{
			chain: chain{frontier: last.Ref(int(keep - last.First())), end: last.Last()},
			runs:  slices.Clone(c.runs[:n+1]), // readers hold the old one
		}
		return nil
	})
}

// PutRecords implements Store.
func (m *Memory) PutRecords(ctx context.Context, topic, kind string, records ...Record) error {
	if err := checkRecords(topic, kind, records...); err != nil {
		return err
	}
	return m.write(ctx, func() error {
		for _, r := range records {
			m.records[recordID{topic, kind, r.Author}] = bytes.Clone(r.Body)
		}
		return nil
	})
}

// Record implements Store.
func (m *Memory) Record(topic, kind string, a keys.NodeID) (body []byte, err error) {
	found := false
	err = m.read(func() {
		body, found = m.records[recordID{topic, kind, a}]
		body = append([]byte{}, body...)
	})
	if err == nil && !found {
		return nil, ErrNotFound
	}
	return body, err
}

// Records implements Store.
func (m *Memory) Records(topic, kind string) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		var found []Record
		err := m.read(func() {
			for id, body := range m.records {
				if id.topic == topic && id.kind == kind {
					found = append(found, Record{id.author, append([]byte{}, body...)})
				}
			}
		})
		if err != nil {
			yield(Record{}, err)
			return
		}
		slices.SortFunc(found, func(a, b Record) int { return a.Author.Compare(b.Author) })
		for _, r := range found {
			if !yield(r, nil) {
				return
			}
		}
	}
}

// DeleteRecord implements Store.
func (m *Memory) DeleteRecord(ctx context.Context, topic, kind string, a keys.NodeID) error {
	return m.write(ctx, func() error {
		delete(m.records, recordID{topic, kind, a})
		return nil
	})
}

// Topics implements Store.
func (m *Memory) Topics() (topics []string, err error) {
	err = m.read(func() {
		set := make(map[string]bool)
		for id := range m.chains {
			set[id.topic] = true
		}
		for id := range m.records {
			set[id.topic] = true
		}
		topics = slices.Sorted(maps.Keys(set))
	})
	return topics, err
}

// Check implements Store.
func (m *Memory) Check(ctx context.Context, report func(Fault)) error {
	var ids []chainID
	if err := m.read(func() { ids = slices.Collect(maps.Keys(m.chains)) }); err != nil {
		return err
	}
	for _, id := range ids {
		at := wire.Ref{Author: id.author}
		for r, err := range m.Runs(id.topic, at) {
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				return err
			}
			_, err = reverify(id, r.Key(), r.First(), r.Body())
			if err == nil && r.Prev() != at {
				err = errMissing
			}
			if err != nil {
				report(Fault{id.topic, id.author, r.First(), "memory", err.Error()})
				break
			}
			at = r.End()
		}
	}
	return nil
}

// Close implements Store.
func (m *Memory) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	return nil
}
