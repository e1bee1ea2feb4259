package keys

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
)

// Answer is what a Batcher says of one id. The error is that of Keystore.Lookup.
type Answer struct {
	Admission
	Err error
}

// Batcher is a Keystore that looks many ids up at the price of one.
type Batcher interface {
	// LookupAll returns an answer for each of ids, in their order. It may block; ctx
	// ends it.
	LookupAll(ctx context.Context, ids []NodeID) []Answer
}

// LookupAll asks ks for ids, in one request if it is a Batcher, else for 16 of them at the
// same time. It returns an answer for each, in their order, whatever ks does: one that
// panics, gives too few answers, or gives the key of another id is unavailable.
func LookupAll(ctx context.Context, ks Keystore, ids []NodeID) []Answer {
	answers := make([]Answer, len(ids))
	if b, ok := ks.(Batcher); ok {
		batch(ctx, b, ids, answers)
	} else {
		each(ctx, ks, ids, answers)
	}
	return answers
}

func batch(ctx context.Context, b Batcher, ids []NodeID, answers []Answer) {
	err := errors.New("keys: the keystore returned too few answers")
	n := 0
	defer func() {
		if p := recover(); p != nil {
			err = panicked(p)
		}
		for i := n; i < len(answers); i++ {
			answers[i].Err = err
		}
	}()
	n = copy(answers, b.LookupAll(ctx, ids))
	for i := range answers[:n] {
		answers[i].check(ids[i])
	}
}

func each(ctx context.Context, ks Keystore, ids []NodeID, answers []Answer) {
	var next atomic.Int64
	work := func() {
		for {
			i := int(next.Add(1)) - 1
			if i >= len(ids) {
				return
			}
			answers[i] = lookupOne(ctx, ks, ids[i])
		}
	}
	var tasks sync.WaitGroup
	for range min(lookupsAtOnce, len(ids)) - 1 {
		tasks.Go(work)
	}
	work()
	tasks.Wait()
}

// lookupOne is LookupAll of one id.
func lookupOne(ctx context.Context, ks Keystore, id NodeID) (a Answer) {
	defer func() {
		if p := recover(); p != nil {
			a = Answer{Err: panicked(p)}
		}
	}()
	a.Admission, a.Err = LookupAdmission(ctx, ks, id)
	a.check(id)
	return a
}

// check makes the key of another id no answer.
func (a *Answer) check(id NodeID) {
	if a.Err == nil && a.Key.ID() != id {
		*a = Answer{Err: fmt.Errorf("keys: the keystore returned a key of %v for %v", a.Key.ID(), id)}
	}
}

func panicked(p any) error { return fmt.Errorf("keys: the keystore panicked: %v", p) }
