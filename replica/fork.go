package replica

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/store"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// recordProof is the kind of record that keeps an author's fork proof.
const recordProof = "proof"

var (
	errCut    = errors.New("above the cut: the author has signed two histories")
	errSecond = errors.New("it belongs to a second history of its author; where the two part is being looked for")
)

// cut is where an author's history ends for everybody: it has signed two updates of
// this seq.
type cut struct {
	seq  uint64
	size int // of the proof, which stays in the store, in bytes
}

// reached reports whether the history below the cut is all there.
func (a *author) reached() bool { return a.cut != nil && a.frontier.Seq+1 >= a.cut.seq }

// doubt is a second history of an author that has been seen, but not where it begins
// to differ.
type doubt struct {
	at    uint64 // the lowest seq at which the two are known to differ
	peer  string
	since time.Time
}

// loadProofs reads the proofs from the store, and finishes cuts that a crash
// interrupted.
func (r *Replica) loadProofs(ctx context.Context) error {
	for rec, err := range r.store.Records(r.cfg.Topic, recordProof) {
		if err != nil {
			return err
		}
		proof, err := openProof(r.cfg.Topic, rec.Body)
		if err != nil {
			return err
		}
		a := r.authorLocked(rec.Author, proof.Key())
		a.cut = &cut{proof.Seq(), proof.Size()}
		if a.frontier.Seq >= a.cut.seq && !r.cfg.testOnly.cutUnfinished {
			if a.frontier, err = r.truncate(ctx, a.id, a.cut.seq-1); err != nil {
				return err
			}
		}
	}
	return nil
}

// keyed is how records keep a statement: behind its author's key.
func keyed(s wire.Statement) []byte {
	key := s.Key().Wire()
	b := make([]byte, 0, 2+len(key)+s.Size())
	b = append(b, byte(len(key)>>8), byte(len(key)))
	return append(append(b, key...), s.Body()...)
}

func splitKeyed(b []byte) (key keys.PublicKey, body []byte, err error) {
	if len(b) < 2 || len(b) < 2+int(b[0])<<8+int(b[1]) {
		return key, nil, errors.New("record is cut short")
	}
	n := 2 + int(b[0])<<8 + int(b[1])
	key, err = keys.ParsePublicKey(b[2:n])
	return key, b[n:], err
}

// takeProofs cuts authors where verified proofs say, unless they are cut there or below
// already: first the proofs are made durable, then the histories are cut, then the models
// follow. What a crash leaves undone is done when the store is opened again.
func (r *Replica) takeProofs(proofs []*wire.Proof) error {
	news := r.newCuts(proofs)
	if len(news) == 0 || r.cfg.testOnly.forkByArrival {
		return nil
	}
	var ends map[keys.NodeID]wire.Ref
	cutOnce := func() (_ struct{}, err error) {
		if ends, err = r.storeCuts(news); err != nil {
			r.trouble("cut forked authors", err)
		}
		return struct{}{}, err
	}
	if _, err := untilDone(r, cutOnce); err != nil {
		return err
	}
	r.recent.forget(news)
	for id, proof := range news {
		r.cutAt(proof, ends[id])
	}
	return nil
}

// newCuts returns, of each author that is not cut there or below already, the proof
// with the lowest seq.
func (r *Replica) newCuts(proofs []*wire.Proof) map[keys.NodeID]*wire.Proof {
	news := make(map[keys.NodeID]*wire.Proof)
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range proofs {
		a := r.authorLocked(p.Author(), p.Key())
		lower := news[a.id]
		if (a.cut == nil || p.Seq() < a.cut.seq && !r.cfg.testOnly.firstProofStays) && (lower == nil || p.Seq() < lower.Seq()) {
			news[a.id] = p
		}
	}
	return news
}

// storeCuts makes proofs durable and cuts the stored histories. It returns the new
// frontiers. Cuts that are asked for at once share a commit.
func (r *Replica) storeCuts(proofs map[keys.NodeID]*wire.Proof) (map[keys.NodeID]wire.Ref, error) {
	records := make([]store.Record, 0, len(proofs))
	for id, p := range proofs {
		records = append(records, store.Record{Author: id, Body: keyed(p)})
	}
	if r.cfg.testOnly.proofForgotten {
		records = nil
	}
	if err := r.store.PutRecords(r.ctx, r.cfg.Topic, recordProof, records...); err != nil {
		return nil, err
	}
	var tasks sync.WaitGroup
	var mu sync.Mutex // guards ends and errs
	var errs []error
	ends := make(map[keys.NodeID]wire.Ref, len(proofs))
	for id, p := range proofs {
		tasks.Go(func() {
			end, err := r.truncate(r.ctx, id, p.Seq()-1)
			mu.Lock()
			defer mu.Unlock()
			ends[id] = end
			errs = append(errs, err)
		})
	}
	tasks.Wait()
	return ends, errors.Join(errs...)
}

// cutAt follows a cut of the stored history, which ends at end now.
func (r *Replica) cutAt(proof *wire.Proof, end wire.Ref) {
	id := proof.Author()
	r.mu.Lock()
	a := r.authors[id]
	a.cut = &cut{proof.Seq(), proof.Size()}
	a.frontier, a.doubt, a.newer = end, nil, nil
	if a.gap != nil && a.reached() {
		a.gap = nil
	}
	r.tellFollowersLocked(slices.Values([]keys.NodeID{id}))
	lanes := r.lanesLocked()
	r.mu.Unlock()
	if id == r.self {
		r.guard.forked(proof.Seq())
	}
	r.log.Error("an author has signed two histories and is cut", "author", id, "seq", proof.Seq())
	at := wire.Ref{Author: id, Seq: proof.Seq()}
	r.notices.send(Notice{Kind: Forked, Ref: at, Reason: fmt.Sprintf("it has signed two updates with seq %d: nothing counts from there on", proof.Seq())})
	retracted := Notice{Kind: Retracted, Ref: at, Reason: "the author has signed two histories"}
	r.models.afterRebuild(1, func() { r.models.cutLocked(id, proof.Seq()-1, retracted) })
	for _, l := range lanes {
		l.proved(id)
	}
}

// truncate cuts an author's stored history and returns its new frontier.
func (r *Replica) truncate(ctx context.Context, id keys.NodeID, keep uint64) (wire.Ref, error) {
	if f := r.cfg.testOnly.cutRunDropped; f != nil {
		keep = f(r, wire.Ref{Author: id, Seq: keep})
	}
	if err := r.store.Truncate(ctx, r.cfg.Topic, id, keep); err != nil {
		return wire.Ref{}, err
	}
	end, err := r.store.Frontier(r.cfg.Topic, id)
	end.Author = id
	return end, err
}

// cutAgain cuts authors whose history has just reached the run that their cut falls
// into, and puts their frontiers in ends where they belong.
func (r *Replica) cutAgain(ends map[keys.NodeID]wire.Ref) error {
	for id, end := range ends {
		r.mu.Lock()
		c := r.authors[id].cut
		r.mu.Unlock()
		if c == nil || end.Seq < c.seq {
			continue
		}
		cutOnce := func() (wire.Ref, error) { return r.truncate(r.ctx, id, c.seq-1) }
		end, err := untilDone(r, cutOnce)
		if err != nil {
			return err
		}
		ends[id] = end
	}
	return nil
}

// compare looks at a verified run that does not continue its author's history: it is
// a copy, or it proves that there are two histories, or it shows that there are and
// the place where they part must be looked for further down.
func (r *Replica) compare(run *wire.Run, from []source) *wire.Proof {
	proof, high, err := r.contradiction(run)
	switch {
	case err != nil:
		r.trouble("compare two histories", err)
	case proof == nil && high > 0:
		r.doubted(run.Author(), high, from)
	}
	return proof
}

// contradiction returns a proof when run and the stored history part within run, or
// else the seq just below run at which they are known to differ.
func (r *Replica) contradiction(run *wire.Run) (proof *wire.Proof, high uint64, err error) {
	frontier := r.frontier(run.Author())
	last := min(run.Last(), frontier.Seq)
	if run.First() > last+1 {
		return nil, 0, nil // it is ahead: nothing to compare
	}
	have, err := r.refAt(run.Author(), last)
	if err != nil || refIn(run, last) == have {
		return nil, 0, err
	}
	prev := run.Prev()
	have, err = r.refAt(run.Author(), prev.Seq)
	if err != nil {
		return nil, 0, err
	}
	if prev != have {
		return nil, prev.Seq, nil
	}
	for ours, err := range r.store.Runs(r.cfg.Topic, prev) {
		if err != nil {
			return nil, 0, err
		}
		for seq := ours.First(); seq <= min(ours.Last(), last); seq++ {
			if refIn(ours, seq) != refIn(run, seq) {
				proof, err = wire.NewProof(ours, run, seq)
				return proof, 0, err
			}
		}
	}
	return nil, 0, fmt.Errorf("replica: update %d of %v: %w", last, run.Author(), store.ErrNotFound)
}

// doubted notes a second history, and makes those who have it search for its beginning.
func (r *Replica) doubted(id keys.NodeID, high uint64, from []source) {
	r.mu.Lock()
	a := r.authors[id]
	if a.doubt == nil || high < a.doubt.at {
		since := r.Now()
		if a.doubt != nil {
			since = a.doubt.since
		}
		a.doubt = &doubt{high, from[0].name(), since}
	}
	r.mu.Unlock()
	if id == r.self {
		r.guard.forked(high)
	}
	for _, s := range from {
		s.contradicted(id, high)
	}
}

// Proofs yields the fork proofs of admitted authors, by author.
func (r *Replica) Proofs() iter.Seq2[*wire.Proof, error] {
	return func(yield func(*wire.Proof, error) bool) {
		r.mu.Lock()
		var ids []keys.NodeID
		for id, a := range r.authors {
			if a.cut != nil && a.admitted {
				ids = append(ids, id)
			}
		}
		r.mu.Unlock()
		slices.SortFunc(ids, keys.NodeID.Compare)
		for _, id := range ids {
			p, err := r.proof(id)
			if !yield(p, err) || err != nil {
				return
			}
		}
	}
}

// proof reads an author's proof from the store.
func (r *Replica) proof(id keys.NodeID) (*wire.Proof, error) {
	body, err := r.store.Record(r.cfg.Topic, recordProof, id)
	if err != nil {
		return nil, fmt.Errorf("replica: fork proof of %v: %w", id, err)
	}
	p, err := openProof(r.cfg.Topic, body)
	if err != nil {
		return nil, fmt.Errorf("replica: fork proof of %v: %w", id, err)
	}
	return p, nil
}

func openProof(topic string, record []byte) (*wire.Proof, error) {
	key, body, err := splitKeyed(record)
	if err != nil {
		return nil, err
	}
	u, err := wire.ParseProof(topic, body)
	if err != nil {
		return nil, err
	}
	return u.Open(key)
}
