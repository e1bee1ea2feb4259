package dst

import (
	"context"
	"errors"
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
	admit   map[keys.NodeID]keys.PublicKey
	health  health
	other   keys.PublicKey // the wrong key
	changed chan struct{}
}

func newKeystore(slow func(keys.NodeID) time.Duration, other keys.PublicKey) *keystore {
	return &keystore{slow: slow, admit: make(map[keys.NodeID]keys.PublicKey), other: other, changed: make(chan struct{})}
}

// Lookup implements keys.Keystore.
func (k *keystore) Lookup(ctx context.Context, id keys.NodeID) (keys.PublicKey, error) {
	pause(ctx, k.slow(id))
	k.mu.Lock()
	key, ok := k.admit[id]
	h := k.health
	k.mu.Unlock()
	switch {
	case h == down:
		return keys.PublicKey{}, errOutage
	case h == hanging:
		<-ctx.Done()
		return keys.PublicKey{}, ctx.Err()
	case !ok:
		return keys.PublicKey{}, keys.ErrUnknown
	case h == wrong:
		return k.other, nil
	}
	return key, nil
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

// Changed implements keys.Notifier.
func (k *keystore) Changed() <-chan struct{} {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.changed
}

func (k *keystore) set(key keys.PublicKey, admitted bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if admitted {
		k.admit[key.ID()] = key
	} else {
		delete(k.admit, key.ID())
	}
	k.tellLocked()
}

// turn changes the keystore's health and, unless it is quiet about it, says so.
func (k *keystore) turn(h health, quiet bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.health = h
	if !quiet {
		k.tellLocked()
	}
}

func (k *keystore) tellLocked() {
	close(k.changed)
	k.changed = make(chan struct{})
}

// admits says who is admitted, to the oracle.
func (k *keystore) admits(id keys.NodeID) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	_, ok := k.admit[id]
	return ok
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
