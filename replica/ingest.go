package replica

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/store"
	"github.com/hearsaynet/hearsay/replica/wire"
	"github.com/hearsaynet/hearsay/verify"
)

// delivery is a statement on its way through Verify, and who brought it.
type delivery struct {
	from    []source
	offered keys.PublicKey // that came with it, zero if none did
	epoch   uint64         // of the keystore when it came
}

// source is where a statement came from.
type source interface {
	// name says it to a person.
	name() string
	// id is its node id if it has proved one.
	id() keys.NodeID
	// origin says with whom it shares room while verification is behind.
	origin() string
	// verdict tells it what became of a statement that it brought. charge is set when
	// the fault is its own.
	verdict(err error, charge bool)
	// agreed tells it that a run which it brought is ours, up to seq.
	agreed(author keys.NodeID, seq uint64)
	// contradicted tells it that its history of an author is not ours at seq.
	contradicted(author keys.NodeID, seq uint64)
}

// The reasons for refusing a run that Verify accepted, or never saw.
var (
	errNewer    = errors.New("needs a newer hearsay")
	errAbsent   = errors.New("a change is missing and no erasure by its author explains it")
	errTooMany  = errors.New("the topic has as many authors as this node admits")
	errUnwanted = errors.New("the author is not admitted any more")
	errGap      = errors.New("updates before it are missing")
)

// offer is the one door for runs, heads and proofs: live, resync, import and relay. It
// blocks while verification is behind. The source hears the verdict later, exactly once.
func (r *Replica) offer(ctx context.Context, u wire.Unverified, offered keys.PublicKey, from source) error {
	print := u.Fingerprint()
	if r.recent.has(print) {
		from.verdict(nil, false)
		return nil
	}
	if u, ok := u.(*wire.UnverifiedRun); ok && r.cfg.testOnly.signatureIgnored {
		print = u.UnverifiedEnd().Hash
	}
	if offered.IsZero() { // a copy that comes without its key must not take the place of one that has it
		print[0] ^= 1
	}
	if r.fly(u.Author(), print, from, nil) || r.precheck(u, offered, from) || r.fly(u.Author(), print, from, &offered) {
		return nil
	}
	request := verify.NewRequest(u, offered)
	request.Origin = from.origin()
	err := r.pipe.Submit(ctx, request, print)
	if err == nil {
		return nil
	}
	r.mu.Lock()
	d := r.landedLocked(u.Author(), print)
	r.droppedLocked(u.Author())
	r.mu.Unlock()
	for _, s := range d.from {
		s.verdict(err, false)
	}
	if errors.Is(err, verify.ErrDropped) {
		return nil
	}
	return err
}

// fly adds a source to the statement in flight with this fingerprint, and reports
// whether there is one; else, if it starts now, with that key, it enters it in the table.
func (r *Replica) fly(id keys.NodeID, print [32]byte, from source, starts *keys.PublicKey) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if d := r.inflight[print]; d != nil {
		d.from = append(d.from, from)
		return true
	}
	if starts != nil {
		r.inflight[print] = &delivery{[]source{from}, *starts, r.epoch}
		r.flying[id]++
	}
	return false
}

// precheck settles what needs no signature check. Nothing is decided by it but that
// this copy is not needed.
func (r *Replica) precheck(u wire.Unverified, offered keys.PublicKey, from source) (done bool) {
	switch u := u.(type) {
	case *wire.UnverifiedHead:
		done = r.precheckHead(u, from)
	case *wire.UnverifiedProof:
		r.mu.Lock()
		a := r.authors[u.Author()]
		done = a != nil && a.cut != nil && a.cut.seq <= u.UnverifiedSeq() || a == nil && r.fullLocked(u.Author())
		r.mu.Unlock()
	case *wire.UnverifiedRun:
		return r.precheckRun(u, offered, from)
	}
	if done {
		from.verdict(nil, false)
	}
	return done
}

func (r *Replica) precheckRun(u *wire.UnverifiedRun, offered keys.PublicKey, from source) (done bool) {
	r.mu.Lock()
	a := r.authors[u.Author()]
	if why := r.refusalLocked(a, u); why != nil {
		r.refuseLocked(u, offered, from, why)
		r.mu.Unlock()
		from.verdict(why, false)
		return true
	}
	if a == nil {
		r.mu.Unlock()
		return false
	}
	if u.First() > a.frontier.Seq+1 && r.flying[u.Author()] == 0 && a.gap != nil { // else it is verified, to know of the gap
		r.mu.Unlock()
		from.verdict(errGap, false)
		r.ask(u.Author())
		return true
	}
	last := u.Last()
	if a.reached() {
		last = min(last, a.frontier.Seq)
	}
	compare := u.First() <= last && last <= a.frontier.Seq
	r.mu.Unlock()
	if !compare {
		return false
	}
	have, err := r.refAt(u.Author(), last)
	if err != nil {
		r.trouble("compare a replayed run", err)
	}
	if err == nil && have != u.UnverifiedRef(last) {
		return false
	}
	from.agreed(u.Author(), last)
	from.verdict(nil, false)
	return true
}

// fullLocked reports whether the topic has no room for a new author.
func (r *Replica) fullLocked(id keys.NodeID) bool {
	return r.cfg.Keystore == nil && id != r.self && len(r.authors) >= r.cfg.MaxAuthors
}

// landedLocked takes a run out of the table of runs in flight.
func (r *Replica) landedLocked(id keys.NodeID, print [32]byte) *delivery {
	d := r.inflight[print]
	delete(r.inflight, print)
	if r.flying[id]--; r.flying[id] <= 0 {
		delete(r.flying, id)
	}
	return d
}

// droppedLocked remembers to ask for an author again. Ids that nothing is stored of
// cost nothing to make, so only so many of them are remembered.
func (r *Replica) droppedLocked(id keys.NodeID) {
	if r.authors[id] != nil || len(r.dropped) < len(r.authors)+maxDropped {
		r.dropped[id] = struct{}{}
	}
}

// refusalLocked says why a run need not be verified.
func (r *Replica) refusalLocked(a *author, u *wire.UnverifiedRun) error {
	switch {
	case a != nil && a.cut != nil && u.First() >= a.cut.seq:
		return errCut
	case a == nil && r.fullLocked(u.Author()):
		return errTooMany
	}
	for _, e := range u.UnverifiedEntries() {
		if e.Absent {
			return errAbsent
		}
	}
	return nil
}

// refAt returns the stored update of that seq.
func (r *Replica) refAt(id keys.NodeID, seq uint64) (wire.Ref, error) {
	if seq == 0 {
		return wire.Ref{Author: id}, nil
	}
	for run, err := range r.store.Runs(r.cfg.Topic, wire.Ref{Author: id, Seq: seq - 1}) {
		if err != nil {
			return wire.Ref{}, err
		}
		return run.Ref(int(seq - run.First())), nil
	}
	return wire.Ref{}, fmt.Errorf("replica: no update %d of %v: %w", seq, id, store.ErrNotFound)
}

// gapLocked notes that updates of an author are missing, from seq want on, whoever said
// so by offering those from first to last.
func (r *Replica) gapLocked(a *author, want, first, last uint64, peer string) {
	if a.gap == nil {
		a.gap = &gap{since: r.Now(), peer: peer}
		r.notices.send(Notice{Kind: Gap, Ref: wire.Ref{Author: a.id, Seq: want}, Peer: peer,
			Reason: fmt.Sprintf("%d was offered, %d is missing", first, want)})
	}
	a.gap.want = want
	a.gap.seen = max(a.gap.seen, last)
}

// gatherLoop collects verdicts while the ones before are being settled: the slower
// the disk, the more go into one commit.
func (r *Replica) gatherLoop(batches chan<- []verify.Result) {
	defer close(batches)
	var batch []verify.Result
	size := 0
	results := r.pipe.Results()
	for {
		in, out := results, batches
		if len(batch) == 0 {
			out = nil
		}
		if len(batch) >= maxBatchRuns || size >= maxBatchBytes {
			in = nil
		}
		select {
		case res, ok := <-in:
			if !ok {
				return
			}
			batch = append(batch, res)
			size += res.Unverified.Size()
		case out <- batch:
			batch, size = nil, 0
		}
	}
}

// settleLoop moves frontiers. Besides the local author's loop, nothing else writes
// updates to the store.
func (r *Replica) settleLoop(batches <-chan []verify.Result) {
	for batch := range batches {
		r.settle(batch)
	}
}

// settlement is what a batch of verdicts comes to.
type settlement struct {
	runs     []*wire.Run              // to append, contiguous
	ends     map[keys.NodeID]wire.Ref // where they lead
	others   []other                  // verified, and not to append
	asks     []keys.NodeID
	outcomes []outcome
	news     map[keys.NodeID]standing // the authors that nothing was stored of
	outdated []keys.NodeID            // those of them that the keystore may speak of otherwise by now
}

// other is a verified statement that moves no frontier: a head, a proof, or a run
// that is to be compared with the stored history.
type other struct {
	statement wire.Statement
	from      []source
}

// outcome is what became of one statement.
type outcome struct {
	of     wire.Unverified
	print  [32]byte
	why    error // nil if it was taken, or was known
	refuse bool  // remember why
	charge bool  // the bringer's fault
}

func (r *Replica) settle(batch []verify.Result) {
	own := slices.ContainsFunc(batch, func(res verify.Result) bool {
		return res.Verdict == verify.Accept && res.Unverified.Author() == r.self
	})
	if own { // the own frontier must not move in between
		r.local.writing.Lock()
		defer r.local.writing.Unlock()
	}
	s := settlement{ends: make(map[keys.NodeID]wire.Ref), news: make(map[keys.NodeID]standing)}
	r.mu.Lock()
	for _, res := range batch {
		s.outcomes = append(s.outcomes, r.decideLocked(&s, res))
	}
	epoch := r.epoch
	r.mu.Unlock()
	if f := r.cfg.testOnly.decided; f != nil {
		f()
	}

	if len(s.runs) > 0 {
		s.outdated = append(s.outdated, r.welcome(s.news, epoch)...)
		if r.storeUntilDone(s.runs...) != nil || r.cutAgain(s.ends) != nil {
			return // closing
		}
		r.stored(s.runs, s.ends)
		r.models.afterRebuild(updates(s.runs), func() { r.models.applyLocked(s.runs, s.ends) })
	}
	r.lookAgain(s.outdated)
	r.takeAll(s.others)
	if _, ok := s.ends[r.self]; ok {
		r.guard.foreignOwn()
	}
	for _, o := range s.outcomes {
		if r.land(o) {
			s.asks = append(s.asks, o.of.Author())
		}
	}
	if len(s.asks) > 0 {
		r.ask(s.asks...)
	}
}

// takeAll handles what moves no frontier. Proofs are taken together: each by itself would
// cost everybody else two commits.
func (r *Replica) takeAll(others []other) {
	var proofs []*wire.Proof
	for _, o := range others {
		switch st := o.statement.(type) {
		case *wire.Head:
			r.takeHead(st, o.from)
		case *wire.Proof:
			proofs = append(proofs, st)
		case *wire.Run:
			if p := r.compare(st, o.from); p != nil {
				proofs = append(proofs, p)
			} else if f := r.cfg.testOnly.duplicateApplied; f != nil {
				f(&r.models, st)
			}
		}
	}
	if err := r.takeProofs(proofs); err != nil && r.ctx.Err() == nil {
		r.trouble("cut forked authors", err)
	}
}

// land ends a run's flight: only now can a copy of it, or a run that follows it, be
// judged by the frontier. It reports whether what was dropped of its author is to be asked
// for now, and not only with what else is missing: a peer that hears the same twice sends
// it again, and need not wait and see.
func (r *Replica) land(o outcome) (ask bool) {
	r.mu.Lock()
	d := r.landedLocked(o.of.Author(), o.print)
	if o.refuse {
		for _, from := range d.from {
			r.refuseLocked(o.of, d.offered, from, o.why)
		}
	}
	_, dropped := r.dropped[o.of.Author()]
	ask = dropped && o.why == nil && r.flying[o.of.Author()] == 0
	r.mu.Unlock()
	for _, from := range d.from {
		from.verdict(o.why, o.charge)
	}
	return ask
}

// decideLocked checks a verdict again against frontier, fork and admission.
func (r *Replica) decideLocked(s *settlement, res verify.Result) outcome {
	id := res.Unverified.Author()
	o := outcome{of: res.Unverified, print: res.Tag.([32]byte), why: res.Err}
	switch res.Verdict {
	case verify.Accept:
		d := r.inflight[o.print]
		if run, ok := res.Verified.(*wire.Run); ok {
			if o.why = r.acceptLocked(s, run, d); o.why == nil {
				r.meetLocked(s, id, res.Windows, d)
			}
			o.refuse = o.why != nil && !errors.Is(o.why, errGap)
		} else {
			s.others = append(s.others, other{res.Verified, d.from})
		}
	case verify.Reject:
		if u, ok := res.Unverified.(*wire.UnverifiedRun); ok && r.cfg.testOnly.clockFirst {
			if a := r.authors[id]; a != nil && u.Prev() == a.frontier {
				a.frontier = u.UnverifiedEnd()
			}
		}
		if a := r.authors[id]; a != nil && a.admitted && errors.Is(o.why, keys.ErrUnknown) {
			s.outdated = append(s.outdated, id) // it was admitted when the keystore was asked last
		}
		o.refuse = true
		o.charge = errors.Is(o.why, wire.ErrBadSignature) || errors.Is(o.why, wire.ErrWrongKey)
		if run, ok := res.Verified.(*wire.Run); ok && r.authors[id] != nil && r.authors[id].admitted {
			s.others = append(s.others, other{run, r.inflight[o.print].from}) // it may be of a second history
		}
	default:
		r.droppedLocked(id)
	}
	return o
}

// acceptLocked places a verified run after its author's frontier.
func (r *Replica) acceptLocked(s *settlement, run *wire.Run, d *delivery) error {
	a := r.authorLocked(run.Author(), run.Key())
	switch {
	case a.cut != nil && run.First() >= a.cut.seq:
		return errCut
	case !a.admitted:
		return errUnwanted
	}
	end, ok := s.ends[a.id]
	if !ok {
		end = a.frontier
	}
	switch {
	case run.First() > end.Seq+1 && r.cfg.testOnly.gapSkipped:
		a.frontier = run.End()
		return nil
	case run.First() > end.Seq+1:
		r.gapLocked(a, end.Seq+1, run.First(), run.Last(), d.from[0].name())
		s.asks = append(s.asks, a.id)
		return errGap
	case run.Last() <= end.Seq, a.reached():
		s.others = append(s.others, other{run, d.from}) // a copy, or a second history
		return nil
	case refIn(run, end.Seq) != end:
		s.others = append(s.others, other{run, d.from})
		return errSecond
	}
	for i, e := range run.Entries() {
		if e.Kind != wire.KindChange {
			a.newer = &newer{run.First() + uint64(i), e.Kind}
			return fmt.Errorf("update %d is a %v: %w", a.newer.seq, e.Kind, errNewer)
		}
	}
	run = run.CutFront(end.Seq)
	s.runs = append(s.runs, run)
	s.ends[a.id] = run.End()
	return nil
}

// meetLocked notes how the keystore spoke of an author that nothing is stored of: nobody
// else asks it before it changes.
func (r *Replica) meetLocked(s *settlement, id keys.NodeID, ws keys.Windows, d *delivery) {
	if _, comes := s.ends[id]; !comes || r.authors[id].frontier.Seq > 0 {
		return
	}
	s.news[id] = standing{windows: ws}
	if r.cfg.Keystore != nil && (d.epoch != r.epoch || r.cfg.Verify != nil) {
		s.outdated = append(s.outdated, id)
	}
}

// welcome has what windows admit count of new authors, now and after a restart. It
// returns them if the keystore has changed since epoch: what it says by now may have been
// followed already, and is to be followed again.
func (r *Replica) welcome(news map[keys.NodeID]standing, epoch uint64) (outdated []keys.NodeID) {
	for id, s := range news {
		r.models.bounds.set(id, bound{windows: s.windows})
	}
	r.note(r.ctx, news)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.epoch == epoch {
		return nil
	}
	return slices.Collect(maps.Keys(news))
}

// refIn returns what run says of seq, which is in it or just before it.
func refIn(run *wire.Run, seq uint64) wire.Ref {
	if seq < run.First() {
		return run.Prev()
	}
	return run.Ref(int(seq - run.First()))
}

func updates(runs []*wire.Run) (n int) {
	for _, run := range runs {
		n += run.Len()
	}
	return n
}

// stored follows an append: frontiers, then peers. The models are the caller's.
func (r *Replica) stored(runs []*wire.Run, ends map[keys.NodeID]wire.Ref) {
	r.recent.add(runs)
	r.mu.Lock()
	for id, end := range ends {
		a := r.authorLocked(id, runs[0].Key()) // makes an entry for the own author only
		a.frontier = end
		if a.gap != nil && a.gap.seen <= end.Seq {
			a.gap = nil
		} else if a.gap != nil {
			a.gap.want = end.Seq + 1
		}
	}
	r.tellFollowersLocked(maps.Keys(ends))
	lanes := r.lanesLocked()
	r.mu.Unlock()
	for _, l := range lanes {
		l.moved(ends)
	}
}

func (r *Replica) lanesLocked() []*lane {
	lanes := make([]*lane, 0, len(r.lanes))
	for l := range r.lanes {
		lanes = append(lanes, l)
	}
	return lanes
}

// ask asks all peers for what follows the frontiers of some authors.
func (r *Replica) ask(ids ...keys.NodeID) {
	for _, l := range r.allLanes() {
		l.ask(ids)
	}
}

// askLoop asks again, now and then, for what is still missing.
func (r *Replica) askLoop() {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-r.ctx.Done():
			return
		case <-tick.C:
			r.ask(r.missing()...)
		}
	}
}

// missing returns the authors of which something is known to be missing, and does
// not wait for the keystore.
func (r *Replica) missing() (ids []keys.NodeID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, a := range r.authors {
		behind := a.word != nil && a.word.head.Ref().Seq > a.frontier.Seq
		if (a.gap != nil || behind || a.doubt != nil) && a.admitted && !a.reached() {
			ids = append(ids, id)
		}
	}
	for id := range r.dropped {
		if _, waits := r.pipe.WaitingFor(id); !waits {
			delete(r.dropped, id)
			ids = append(ids, id)
		}
	}
	return ids
}

// askAll asks all peers for everything that is missing.
func (r *Replica) askAll() {
	for _, l := range r.allLanes() {
		l.askAll()
	}
}
