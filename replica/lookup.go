package replica

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hearsaynet/hearsay/keys"
)

// ownKeystore is the configured keystore, and the own key beside it.
type ownKeystore struct{ r *Replica }

// Lookup implements keys.Keystore.
func (o ownKeystore) Lookup(ctx context.Context, id keys.NodeID) (keys.PublicKey, error) {
	a, err := o.LookupAdmission(ctx, id)
	return a.Key, err
}

// LookupAdmission implements keys.Windowed. The own key is admitted at any time.
func (o ownKeystore) LookupAdmission(ctx context.Context, id keys.NodeID) (keys.Admission, error) {
	if o.r.cfg.Signer != nil && id == o.r.self {
		return keys.Admission{Key: o.r.cfg.Signer.Public()}, nil
	}
	if o.r.cfg.Keystore == nil {
		return keys.Admission{}, keys.ErrUnknown
	}
	return keys.LookupAdmission(ctx, o.r.cfg.Keystore, id)
}

// lookupSome is one request, if the keystore takes several ids in one.
func (r *Replica) lookupSome(ctx context.Context, ids []keys.NodeID) []keys.Answer {
	own := ownKeystore{r}
	if _, ok := r.cfg.Keystore.(keys.Batcher); !ok {
		return keys.LookupAll(ctx, own, ids)
	}
	answers := keys.LookupAll(ctx, r.cfg.Keystore, ids)
	if i := slices.Index(ids, r.self); i >= 0 {
		answers[i].Admission, answers[i].Err = own.LookupAdmission(ctx, r.self)
	}
	return answers
}

// lookupAll asks the keystore about ids, many at the same time, and returns an answer
// for each, in their order. It gives up when none has come for lookupTimeout, so a
// keystore that hangs costs that once, however many ids there are.
func (r *Replica) lookupAll(ctx context.Context, ids []keys.NodeID) []keys.Answer {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	silence := time.AfterFunc(lookupTimeout, func() { cancel(fmt.Errorf("replica: the keystore said nothing for %v", lookupTimeout)) })
	defer silence.Stop()
	size := 1
	if _, ok := r.cfg.Keystore.(keys.Batcher); ok {
		size = lookupBatch
	}
	answers := make([]keys.Answer, len(ids))
	var next atomic.Int64
	var tasks sync.WaitGroup
	for range min(lookupsAtOnce, (len(ids)+size-1)/size) {
		tasks.Go(func() {
			for ctx.Err() == nil {
				to := int(next.Add(int64(size)))
				if to-size >= len(ids) {
					return
				}
				got := r.lookupSome(ctx, ids[to-size:min(to, len(ids))])
				copy(answers[to-size:], got)
				if anySure(got) {
					silence.Reset(lookupTimeout)
				}
			}
		})
	}
	tasks.Wait()
	for i := range answers {
		if answers[i].Err == nil && answers[i].Key == (keys.PublicKey{}) { // its turn never came
			answers[i].Err = fmt.Errorf("replica: the keystore has not given the key of %v", ids[i])
		}
	}
	return answers
}

func anySure(answers []keys.Answer) bool {
	for _, a := range answers {
		if a.Err == nil || errors.Is(a.Err, keys.ErrUnknown) {
			return true
		}
	}
	return false
}
