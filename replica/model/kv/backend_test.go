package kv_test

import (
	"errors"
	"iter"
	"maps"
	"sync"

	"github.com/hearsaynet/hearsay/replica/model/kv"
)

// backend is a kv.Backend in memory, which can be made to fail.
type backend struct {
	fail func(method string) error // nil: never

	mu     sync.Mutex // guards the fields below
	all    map[string]kv.Update
	whole  bool
	closed bool
}

func (b *backend) try(method string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		panic(method + " of a backend that is closed")
	}
	if b.fail != nil {
		return b.fail(method)
	}
	return nil
}

func (b *backend) Get(key string) (kv.Update, bool, error) {
	err := b.try("Get")
	b.mu.Lock()
	defer b.mu.Unlock()
	u, ok := b.all[key]
	return u, ok, err
}

func (b *backend) Put(u kv.Update) error {
	err := b.try("Put")
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.all == nil {
		b.all = make(map[string]kv.Update)
	}
	if err == nil {
		b.all[u.Key] = u
	}
	return err
}

func (b *backend) All() iter.Seq2[kv.Update, error] {
	err := b.try("All")
	b.mu.Lock()
	all := maps.Clone(b.all)
	b.mu.Unlock()
	return func(yield func(kv.Update, error) bool) {
		for _, u := range all {
			if !yield(u, nil) {
				return
			}
		}
		if err != nil {
			yield(kv.Update{}, err)
		}
	}
}

func (b *backend) Rebuilt() error {
	if err := b.try("Rebuilt"); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.whole {
		return errors.New("rebuilt twice")
	}
	b.whole = true
	return nil
}

func (b *backend) Close() error {
	err := b.try("Close")
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	return err
}
