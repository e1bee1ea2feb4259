package keys

import (
	"context"
	"errors"
	"slices"
	"sync"
)

// Union admits whom one of its keystores admits, for the times of all that do.
// While one of them is unavailable, only what another admits at any time is certain.
// It implements Keystore, Windowed, Notifier, Lister and io.Closer, and is safe for
// concurrent use.
type Union struct {
	stores []Keystore
	done   chan struct{} // closed by Close
	closed sync.Once
	follow sync.WaitGroup

	mu      sync.Mutex // guards changed
	changed chan struct{}
}

// NewUnion joins stores and follows those that are Notifiers until Close, which does
// not close them.
func NewUnion(stores ...Keystore) *Union {
	u := &Union{stores: stores, done: make(chan struct{})}
	for _, ks := range stores {
		if n, ok := ks.(Notifier); ok {
			changed := n.Changed()
			u.follow.Go(func() { u.forward(n, changed) })
		}
	}
	return u
}

func (u *Union) forward(n Notifier, changed <-chan struct{}) {
	for {
		select {
		case <-u.done:
			return
		case <-changed:
		}
		changed = n.Changed()
		u.mu.Lock()
		if u.changed != nil {
			close(u.changed)
			u.changed = nil
		}
		u.mu.Unlock()
	}
}

// Close ends the following, and waits for it.
func (u *Union) Close() error {
	u.closed.Do(func() { close(u.done) })
	u.follow.Wait()
	return nil
}

// Changed implements Notifier.
func (u *Union) Changed() <-chan struct{} {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.changed == nil {
		u.changed = make(chan struct{})
	}
	return u.changed
}

// Lookup implements Keystore.
func (u *Union) Lookup(ctx context.Context, id NodeID) (PublicKey, error) {
	a, err := u.LookupAdmission(ctx, id)
	return a.Key, err
}

// LookupAdmission implements Windowed.
func (u *Union) LookupAdmission(ctx context.Context, id NodeID) (Admission, error) {
	var found Admission
	var down error
	for _, ks := range u.stores {
		a, err := LookupAdmission(ctx, ks, id)
		switch {
		case errors.Is(err, ErrUnknown):
		case err != nil:
			down = err
		case len(a.Windows) == 0:
			return a, nil
		case found.Key.IsZero():
			found = a
		default:
			found.Windows = found.Windows.Join(a.Windows)
		}
	}
	if down != nil {
		return Admission{}, down
	}
	if found.Key.IsZero() {
		return Admission{}, ErrUnknown
	}
	return found, nil
}

// List implements Lister. The error says which of the keystores cannot list.
func (u *Union) List(ctx context.Context) ([]NodeID, error) {
	var all []NodeID
	for _, ks := range u.stores {
		l, ok := ks.(Lister)
		if !ok {
			return nil, errors.New("keys: one of the keystores cannot list")
		}
		ids, err := l.List(ctx)
		if err != nil {
			return nil, err
		}
		all = append(all, ids...)
	}
	slices.SortFunc(all, NodeID.Compare)
	return slices.Compact(all), nil
}
