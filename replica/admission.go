package replica

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/verify"
)

// policy returns the Verify function in force.
func (r *Replica) policy() verify.Func {
	if r.cfg.Verify != nil {
		return r.cfg.Verify
	}
	return verify.Admitted(ownKeystore{r})
}

// lookUp asks the keystore about authors. Those of which it could not say are not in sure.
func (r *Replica) lookUp(ctx context.Context, ids []keys.NodeID) (sure map[keys.NodeID]standing) {
	sure = make(map[keys.NodeID]standing, len(ids))
	if r.cfg.Keystore == nil && r.cfg.Verify != nil {
		for _, id := range ids {
			sure[id] = standing{}
		}
		return sure
	}
	for i, a := range r.lookupAll(ctx, ids) {
		switch {
		case a.Err == nil:
			sure[ids[i]] = standing{windows: a.Windows}
		case errors.Is(a.Err, keys.ErrUnknown):
			sure[ids[i]] = standing{out: true}
		}
	}
	return sure
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
	defer func() {
		if recover() != nil {
			ids, listed = nil, false
		}
	}()
	ids, err := l.List(ctx)
	return ids, err == nil
}

// again is the authors that the keystore is to be asked about again.
type again struct {
	ids map[keys.NodeID]struct{}
	now chan struct{} // has a token when that must not wait
}

// lookAgain has the keystore asked about authors again, at once.
func (r *Replica) lookAgain(ids []keys.NodeID) {
	if len(ids) == 0 {
		return
	}
	r.mu.Lock()
	for _, id := range ids {
		r.again.ids[id] = struct{}{}
	}
	r.mu.Unlock()
	select {
	case r.again.now <- struct{}{}:
	default:
	}
}

// followKeystore looks again at every author when the admitted set has moved, and at
// those of which the keystore could not say, now and then. n may be nil.
func (r *Replica) followKeystore(n keys.Notifier, changed <-chan struct{}) {
	for {
		var later <-chan time.Time
		r.mu.Lock()
		if len(r.again.ids) > 0 {
			later = time.After(lookAgainAfter)
		}
		r.mu.Unlock()
		select {
		case <-r.ctx.Done():
			return
		case <-changed:
			changed = n.Changed()
			if r.cfg.testOnly.admissionIgnored {
				continue
			}
			r.readmitAll()
		case <-r.again.now:
			r.readmitAgain()
		case <-later:
			r.readmitAgain()
		}
	}
}

// admitStored brings the admitted authors that are stored into the models, while nothing
// else runs. Those of which the keystore cannot say stand as they stood.
func (r *Replica) admitStored(ctx context.Context) error {
	sure := r.lookUp(ctx, slices.Collect(maps.Keys(r.authors)))
	for id, a := range r.authors {
		now, ok := sure[id]
		if !ok {
			if !r.cfg.testOnly.outForgotten {
				now = r.standings.byID[id]
			}
			r.again.ids[id] = struct{}{}
		}
		if a.admitted = !now.out; !a.admitted {
			continue
		}
		r.models.bounds.set(id, bound{windows: now.windows})
		if err := r.models.catchUp(id); err != nil {
			return err
		}
	}
	r.note(ctx, sure)
	return nil
}

// readmitAll brings the models in step with a keystore that has changed, and asks all
// peers again.
func (r *Replica) readmitAll() {
	r.mu.Lock()
	r.epoch++ // verdicts on new authors that were on their way may be older
	ids := make([]keys.NodeID, 0, len(r.authors))
	for id := range r.authors {
		ids = append(ids, id)
	}
	r.mu.Unlock()
	r.pipe.Retry()
	r.readmit(ids)
	r.mu.Lock()
	clear(r.unknown)
	r.mu.Unlock()
	r.askAll()
}

// readmitAgain is readmit for the authors that wait for it.
func (r *Replica) readmitAgain() {
	r.mu.Lock()
	ids := slices.Collect(maps.Keys(r.again.ids))
	clear(r.again.ids)
	r.mu.Unlock()
	if r.readmit(ids) {
		r.askAll()
	}
}

// readmit brings the models in step with what the keystore says of authors, and
// reports whether that made a difference.
func (r *Replica) readmit(ids []keys.NodeID) (moved bool) {
	sure := r.lookUp(r.ctx, ids)
	var unsure []keys.NodeID
	for _, id := range ids {
		now, ok := sure[id]
		if !ok {
			unsure = append(unsure, id)
			continue
		}
		followed, err := r.follow(id, now)
		if err != nil {
			r.trouble("read updates of "+id.String(), err)
			unsure = append(unsure, id)
		}
		moved = moved || followed
	}
	r.mu.Lock()
	for _, id := range unsure {
		r.again.ids[id] = struct{}{}
	}
	r.mu.Unlock()
	r.note(r.ctx, sure)
	return moved
}

// follow brings an author in, takes it out, or has other updates of it count, and reports
// whether it had to.
func (r *Replica) follow(id keys.NodeID, now standing) (moved bool, err error) {
	other := false
	if r.cfg.testOnly.windowIgnored {
		now.windows = nil
	}
	if !now.out {
		if other, err = r.models.bind(id, now.windows); err != nil {
			return false, err
		}
	}
	r.mu.Lock()
	a := r.authors[id]
	was := a.admitted
	a.admitted = !now.out
	frontier := a.frontier
	if !was && a.admitted {
		r.tellFollowersLocked(slices.Values([]keys.NodeID{id}))
	}
	r.mu.Unlock()
	switch {
	case was && now.out:
		r.models.withdraw(id, Notice{Kind: Retracted, Ref: frontier, N: frontier.Seq, Reason: "the author's key was withdrawn"})
	case was && other: // an update that counted may not, and the reverse
		r.models.withdraw(id, Notice{Kind: Retracted, Ref: frontier, Reason: "the author is admitted for other times"})
		r.models.admit(id)
	case !was && !now.out:
		r.models.admit(id)
		for _, l := range r.allLanes() {
			l.readmitted(frontier)
		}
	default:
		return false, nil
	}
	return true, nil
}
