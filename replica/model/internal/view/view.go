// Package view shows a state that can be shared for nothing, as an order.Tree can, to
// readers who wait for no writer.
package view

import (
	"sync"
	"sync/atomic"
)

// patience is how many changes after a read are shared without another. What is not
// shared is changed in place, which is several times cheaper.
const patience = 64

// View holds what was shared last. One goroutine changes the state, any number read it.
type View[Shared any] struct {
	shared atomic.Pointer[Shared] // nil: the state has been changed in place since
	read   atomic.Bool            // since the last change

	mu  sync.Mutex // held while the state is changed; guards the field below
	due int        // changes to be shared even if nobody reads
}

// Read returns the state after the last change. It calls share, which shares the state,
// if nobody has read it for long; only then it waits for a change that is being made.
func (v *View[Shared]) Read(share func() *Shared) *Shared {
	if !v.read.Load() {
		v.read.Store(true)
	}
	if s := v.shared.Load(); s != nil {
		return s
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	s := v.shared.Load()
	if s == nil {
		s = share()
		v.shared.Store(s)
	}
	return s
}

// Change calls change, of which readers see all or nothing.
func (v *View[Shared]) Change(share func() *Shared, change func()) {
	v.Begin()
	defer v.End(share)
	change()
}

// Begin begins a change, of which readers see nothing until End. Until then, those that
// find nothing shared wait.
func (v *View[Shared]) Begin() {
	v.mu.Lock()
	if v.due--; v.read.Swap(false) {
		v.due = patience
	}
	if v.due <= 0 {
		v.due = 0
		v.shared.Store(nil)
	}
}

// End ends a change.
func (v *View[Shared]) End(share func() *Shared) {
	defer v.mu.Unlock()
	if v.due > 0 {
		v.shared.Store(share())
	}
}

// Exclude calls f, which reads what is not shared, while nothing is changed.
func (v *View[Shared]) Exclude(f func()) {
	v.mu.Lock()
	defer v.mu.Unlock()
	f()
}
