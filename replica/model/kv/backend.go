package kv

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
)

// Backend keeps a Map's state elsewhere than in memory: one update for each key, the one
// that counts. Config.Backend makes one.
//
// A backend is empty when it is made, and is told everything again whenever a program
// mounts the Map: what it kept before does not matter, and nothing in it needs to be
// synced. When the replica rebuilds its models, as after an author's key was withdrawn, a
// second one is made and filled while readers see the first; Rebuilt says that the second
// is whole, and then the first is closed. So two are open at a time, and they must not
// write over each other.
//
// One goroutine at a time calls Put and Rebuilt, while any number call Get and All. An
// error or a panic of Get and Put takes the effect of the update that it is about, until
// the next rebuild or mount; of Get and All, the answer to who reads. All are counted in
// Stats and logged.
type Backend interface {
	// Get returns what was put last under a key, false if nothing was.
	Get(key string) (u Update, found bool, err error)
	// Put keeps u under u.Key. u.Expires and u.Deleted are for the Map to look at: such
	// updates are kept as others are.
	Put(u Update) error
	// All returns what is kept, in any order, as it is at one moment. Who reads does not
	// write or wait in between.
	All() iter.Seq2[Update, error]
	// Rebuilt is called when all that there was has been put, before readers see any of
	// it, and with it takes the place of the backend before. More is put afterwards.
	Rebuilt() error
	// Close is called when nobody reads any more.
	Close() error
}

// ErrBackend is wrapped by the errors about a Backend that has failed.
var ErrBackend = errors.New("backend failed")

// errRetired says that another backend has taken this one's place, or the Map is closed.
var errRetired = errors.New("backend is closed")

// stored keeps records in a Backend.
type stored struct {
	backend Backend
	fault   func(error)

	mu     sync.RWMutex // held by who reads; guards closed
	closed bool
}

// call calls a method of a Backend, and makes an error of whatever goes wrong.
func call(method string, f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("kv: %w: %s panicked: %v", ErrBackend, method, p)
		}
	}()
	if err := f(); err != nil {
		return fmt.Errorf("kv: %w: %s: %w", ErrBackend, method, err)
	}
	return nil
}

func (s *stored) get(key string) (r *record, err error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return nil, errRetired
	}
	err = call("Get", func() error {
		u, found, err := s.backend.Get(key)
		if found && err == nil {
			r = u.record()
		}
		return err
	})
	return r, err
}

func (s *stored) getBytes(key []byte) (*record, error) { return s.get(string(key)) }

func (s *stored) put(key string, r *record) error {
	return call("Put", func() error { return s.backend.Put(r.update(strings.Clone(key))) })
}

func (s *stored) remove(string) {} // nothing is evicted from a backend

func (s *stored) sorted(keep func(key string, r *record) bool) (items []item, err error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return nil, errRetired
	}
	err = call("All", func() error {
		for u, err := range s.backend.All() {
			if err != nil {
				return err
			}
			if r := u.record(); keep(u.Key, r) {
				items = append(items, item{Key: u.Key, Record: r})
			}
		}
		return nil
	})
	slices.SortFunc(items, func(a, b item) int { return strings.Compare(a.Key, b.Key) })
	return items, err
}

func (s *stored) all() iter.Seq2[string, *record] {
	return func(yield func(string, *record) bool) {
		items, err := s.sorted(func(string, *record) bool { return true })
		if err != nil {
			s.fault(err)
		}
		for _, it := range items {
			if !yield(it.Key, it.Record) {
				return
			}
		}
	}
}

func (s *stored) retire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	s.closed = true
	if err := call("Close", s.backend.Close); err != nil {
		s.fault(err)
	}
}
