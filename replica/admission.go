package replica

import (
	"context"
	"errors"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/store"
	"github.com/hearsaynet/hearsay/verify"
)

// lookupTimeout bounds one question to a keystore about an author that is stored.
const lookupTimeout = 5 * time.Second

// policy returns the Verify function in force.
func (r *Replica) policy() verify.Func {
	if r.cfg.Verify != nil {
		return r.cfg.Verify
	}
	return verify.Admitted(ownKeystore{r})
}

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

// lookupAdmitted says whether an author may be in the models, and with which of its
// signed times. While the keystore is unavailable, the answer is what it was, and not sure.
func (r *Replica) lookupAdmitted(ctx context.Context, id keys.NodeID, was bool) (is bool, ws keys.Windows, sure bool) {
	if r.cfg.Keystore == nil && r.cfg.Verify != nil {
		return true, nil, true
	}
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	a, err := ownKeystore{r}.LookupAdmission(ctx, id)
	if err != nil && !errors.Is(err, keys.ErrUnknown) {
		return was, nil, false
	}
	return err == nil, a.Windows, true
}

// wanted names the admitted authors, when the keystore can list them; digests then
// ask for these and no others.
func (r *Replica) wanted() (ids []keys.NodeID, listed bool) {
	if r.cfg.Keystore == nil {
		return nil, r.cfg.Verify == nil
	}
	l, ok := r.cfg.Keystore.(keys.Lister)
	if !ok {
		return nil, false
	}
	ctx, cancel := context.WithTimeout(r.ctx, lookupTimeout)
	defer cancel()
	ids, err := l.List(ctx)
	return ids, err == nil
}

// followKeystore looks again at every author when the admitted set has moved.
func (r *Replica) followKeystore(n keys.Notifier, changed <-chan struct{}) {
	for {
		select {
		case <-r.ctx.Done():
			return
		case <-changed:
		}
		changed = n.Changed()
		r.readmit()
	}
}

// recordOut marks a stored author that was not admitted when the keystore answered
// last, so that a restart while it is down does not bring the author back.
const recordOut = "out"

func (r *Replica) noteAdmission(ctx context.Context, id keys.NodeID, admitted bool) {
	var err error
	if admitted {
		err = r.store.DeleteRecord(ctx, r.cfg.Topic, recordOut, id)
	} else {
		err = r.store.PutRecords(ctx, r.cfg.Topic, recordOut, store.Record{Author: id, Body: []byte{1}})
	}
	if err != nil && ctx.Err() == nil {
		r.trouble("note who is admitted", err)
	}
}

// readmit brings the models in step with the keystore and asks all peers again.
func (r *Replica) readmit() {
	r.pipe.Retry()
	r.mu.Lock()
	ids := make([]keys.NodeID, 0, len(r.authors))
	for id := range r.authors {
		ids = append(ids, id)
	}
	r.mu.Unlock()

	for _, id := range ids {
		r.mu.Lock()
		was := r.authors[id].admitted
		r.mu.Unlock()
		now, windows, sure := r.lookupAdmitted(r.ctx, id, was)
		moved := false
		if now && sure {
			var err error
			if moved, err = r.models.bind(id, windows); err != nil {
				r.trouble("read updates of "+id.String(), err)
			}
		}
		if now == was && !moved {
			continue
		}
		r.mu.Lock()
		a := r.authors[id]
		a.admitted = now
		frontier := a.frontier
		r.mu.Unlock()
		if now != was {
			r.noteAdmission(r.ctx, id, now)
		}
		switch {
		case !now:
			r.models.withdraw(id, Notice{Kind: Retracted, Ref: frontier, N: frontier.Seq, Reason: "the author's key was withdrawn"})
		case was: // an update that counted may not, and the reverse
			r.models.withdraw(id, Notice{Kind: Retracted, Ref: frontier, Reason: "the author is admitted for other times"})
			r.models.admit(id)
		default:
			r.models.admit(id)
		}
	}
	r.mu.Lock()
	clear(r.unknown)
	r.mu.Unlock()
	r.askAll()
}
