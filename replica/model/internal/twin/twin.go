// Package twin keeps a model's state twice while its replica rebuilds it, so that readers
// see the one before until the new one is whole.
package twin

import "sync/atomic"

// Twin is a state and, during a rebuild, its successor. Readers call Now; all else is for
// the methods of replica.Model, which come one at a time.
type Twin[State any] struct {
	fresh func() *State
	now   atomic.Pointer[State]
	next  *State // what a rebuild has made so far, nil if there is none
}

// New returns a twin in its empty state, which fresh makes.
func New[State any](fresh func() *State) *Twin[State] {
	t := &Twin[State]{fresh: fresh}
	t.now.Store(fresh())
	return t
}

// Now returns the state that readers see.
func (t *Twin[State]) Now() *State { return t.now.Load() }

// Fold returns the state to apply an update to, and whether readers see it.
func (t *Twin[State]) Fold() (s *State, seen bool) {
	if t.next != nil {
		return t.next, false
	}
	return t.now.Load(), true
}

// Reset begins a rebuild.
func (t *Twin[State]) Reset() { t.next = t.fresh() }

// Next returns what the rebuild under way has made, nil if none is.
func (t *Twin[State]) Next() *State { return t.next }

// Rebuilt ends a rebuild: readers see what it has made.
func (t *Twin[State]) Rebuilt() {
	if t.next != nil {
		t.now.Store(t.next)
		t.next = nil
	}
}

// Drop ends a rebuild that came to nothing: readers keep the state before.
func (t *Twin[State]) Drop() { t.next = nil }
