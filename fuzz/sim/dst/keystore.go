package dst

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/hearsaynet/hearsay/keys"
)

var errOutage = errors.New("dst: the keystore is down")

// health is how a keystore does.
type health int

const (
	well health = iota
	down
	hanging
	wrong // it answers with the key of somebody else
)

// keystore is one node's view of who is admitted.
type keystore struct {
	slow func(keys.NodeID) time.Duration

	mu      sync.Mutex // guards the fields below
	admit   map[keys.NodeID]keys.Admission
	said    map[keys.NodeID]said
	health  health
	other   keys.PublicKey // the wrong key
	changed chan struct{}
}

// said is what the keystore has answered last of an id.
type said struct {
	in bool
	at time.Time
}

func newKeystore(slow func(keys.NodeID) time.Duration, other keys.PublicKey) *keystore {
	return &keystore{slow: slow, admit: make(map[keys.NodeID]keys.Admission), said: make(map[keys.NodeID]said), other: other, changed: make(chan struct{})}
}

// Lookup implements keys.Keystore.
func (k *keystore) Lookup(ctx context.Context, id keys.NodeID) (keys.PublicKey, error) {
	a, err := k.LookupAdmission(ctx, id)
	return a.Key, err
}

// LookupAdmission implements keys.Windowed.
func (k *keystore) LookupAdmission(ctx context.Context, id keys.NodeID) (keys.Admission, error) {
	pause(ctx, k.slow(id))
	a, err := k.answer(id)
	if errors.Is(err, errHangs) {
		<-ctx.Done()
		err = ctx.Err()
	}
	return a, err
}

var errHangs = errors.New("dst: the keystore hangs")

func (k *keystore) answer(id keys.NodeID) (keys.Admission, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	a, ok := k.admit[id]
	switch {
	case k.health == down:
		return keys.Admission{}, errOutage
	case k.health == hanging:
		return keys.Admission{}, errHangs
	case k.health == wrong && ok:
		return keys.Admission{Key: k.other}, nil
	}
	k.said[id] = said{ok, time.Now()}
	if !ok {
		return keys.Admission{}, keys.ErrUnknown
	}
	return a, nil
}

// refused reports whether the keystore has said, some time ago, that an id is not admitted,
// and nothing else since.
func (k *keystore) refused(id keys.NodeID) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	s, ok := k.said[id]
	return ok && !s.in && time.Since(s.at) > 2*time.Second
}

func pause(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// forget is called when the node has lost what the keystore said lately.
func (k *keystore) forget(lately time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	maps.DeleteFunc(k.said, func(_ keys.NodeID, s said) bool { return time.Since(s.at) <= lately })
}

// Changed implements keys.Notifier.
func (k *keystore) Changed() <-chan struct{} {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.changed
}

func (k *keystore) set(key keys.PublicKey, admitted bool, ws keys.Windows) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if admitted {
		k.admit[key.ID()] = keys.Admission{Key: key, Windows: ws}
	} else {
		delete(k.admit, key.ID())
	}
	k.tellLocked()
}

// turn changes the keystore's health and, unless it is quiet about it, says so.
func (k *keystore) turn(h health, quiet bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	was := k.health
	k.health = h
	if !quiet && h != was {
		k.tellLocked()
	}
}

func (k *keystore) tellLocked() {
	close(k.changed)
	k.changed = make(chan struct{})
}

// admits says who is admitted, and for when, to the oracle.
func (k *keystore) admits(id keys.NodeID) (bool, keys.Windows) {
	k.mu.Lock()
	defer k.mu.Unlock()
	a, ok := k.admit[id]
	return ok, a.Windows
}

// lister is a keystore that can name all that it admits.
type lister struct{ *keystore }

// List implements keys.Lister.
func (l lister) List(context.Context) ([]keys.NodeID, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.health != well {
		return nil, errOutage
	}
	var ids []keys.NodeID
	for id := range l.admit {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, keys.NodeID.Compare)
	return ids, nil
}
