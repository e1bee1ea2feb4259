package keys

import (
	"context"
	"errors"
	"slices"
	"sync"
)

// Union admits whom one of its keystores admits, for the times of all that do.
// While one of them is unavailable, only what another admits at any time is certain.
// It implements Keystore, Windowed, Batcher, Notifier, Lister and io.Closer, and is safe
// for concurrent use.
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
	var found joined
	for _, ks := range u.stores {
		if found.add(lookupOne(ctx, ks, id)) {
			break
		}
	}
	got := found.answer()
	return got.Admission, got.Err
}

// LookupAll implements Batcher. Each of the keystores is asked once at most, for the ids
// that those before it leave open.
func (u *Union) LookupAll(ctx context.Context, ids []NodeID) []Answer {
	found := make([]joined, len(ids))
	open := make([]int, len(ids)) // into ids
	for i := range open {
		open[i] = i
	}
	for _, ks := range u.stores {
		if len(open) == 0 {
			break
		}
		asked := make([]NodeID, len(open))
		for i, at := range open {
			asked[i] = ids[at]
		}
		still := open[:0]
		for i, got := range LookupAll(ctx, ks, asked) {
			if at := open[i]; !found[at].add(got) {
				still = append(still, at)
			}
		}
		open = still
	}
	answers := make([]Answer, len(ids))
	for i := range found {
		answers[i] = found[i].answer()
	}
	return answers
}

// joined is what the keystores asked so far say of one id.
type joined struct {
	Admission
	down error // of one that is unavailable
}

// add reports whether no other keystore can say more.
func (j *joined) add(got Answer) (final bool) {
	switch {
	case errors.Is(got.Err, ErrUnknown):
	case got.Err != nil:
		j.down = got.Err
	case len(got.Windows) == 0:
		*j = joined{Admission: got.Admission}
		return true
	case j.Key.IsZero():
		j.Admission = got.Admission
	default:
		j.Windows = j.Windows.Join(got.Windows)
	}
	return false
}

func (j *joined) answer() Answer {
	switch {
	case j.down != nil:
		return Answer{Err: j.down}
	case j.Key.IsZero():
		return Answer{Err: ErrUnknown}
	}
	return Answer{Admission: j.Admission}
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
