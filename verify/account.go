package verify

import (
	"cmp"
	"slices"
)

// usage counts statements and their cost.
type usage struct {
	runs  int
	bytes int64
}

func (u *usage) add(it *item) { u.runs++; u.bytes += it.cost }
func (u *usage) sub(it *item) { u.runs--; u.bytes -= it.cost }

// takes reports whether it fits. An empty account takes one statement of any size.
func (u *usage) takes(it *item, maxRuns int, maxBytes int64) bool {
	return u.runs == 0 || u.runs < max(maxRuns, 1) && u.bytes+it.cost <= maxBytes
}

// place is what became of an item.
type place int

const (
	placed     place = iota // in its author's queue
	refused                 // its author waits and there is no room
	authorFull              // its author has as much in flight as it may
	full                    // so have all together
)

func (w place) err() error {
	if w == refused {
		return ErrDropped
	}
	return nil
}

func (p *Pipeline) placeLocked(it *item) place {
	id := it.req.Statement.Author()
	a := p.authors[id]
	if a != nil && a.waiting {
		if !a.waits.takes(it, p.cfg.MaxWaitingRuns/waitingShare, p.cfg.MaxWaitingPerAuthor) ||
			!p.waiting.takes(it, p.cfg.MaxWaitingRuns, p.cfg.MaxWaitingBytes) {
			return refused
		}
		it.author, it.waits = a, true
		p.countLocked(it)
		a.queue = append(a.queue, it)
		return placed
	}
	if a != nil && !a.flows.takes(it, p.cfg.MaxRuns/flowShare, p.cfg.MaxBytes/flowShare) {
		return authorFull
	}
	if !p.flowing.takes(it, p.cfg.MaxRuns, p.cfg.MaxBytes) {
		return full
	}
	if a == nil {
		a = newAuthor(p.cfg)
		p.authors[id] = a
		p.wg.Go(func() { p.work(id, a) })
	}
	it.author = a
	p.countLocked(it)
	a.queue = append(a.queue, it)
	return placed
}

func (p *Pipeline) countLocked(it *item) {
	total, own := p.accountsLocked(it)
	total.add(it)
	own.add(it)
	if !it.waits {
		p.origins[it.req.Origin] += it.cost
	}
}

func (p *Pipeline) uncountLocked(it *item) {
	total, own := p.accountsLocked(it)
	total.sub(it)
	own.sub(it)
	if !it.waits {
		if p.origins[it.req.Origin] -= it.cost; p.origins[it.req.Origin] <= 0 {
			delete(p.origins, it.req.Origin)
		}
	}
}

func (p *Pipeline) accountsLocked(it *item) (total, own *usage) {
	if it.waits {
		return &p.waiting, &it.author.waits
	}
	return &p.flowing, &it.author.flows
}

func (p *Pipeline) moveLocked(it *item, waits bool) {
	if it.waits != waits {
		p.uncountLocked(it)
		it.waits = waits
		p.countLocked(it)
	}
}

// grantLocked lets blocked submitters in: first those whose origin has least in
// flight, and of one origin first come first served. One that has reached its author's
// share holds nobody up.
func (p *Pipeline) grantLocked() {
	if len(p.blocked) == 0 {
		return
	}
	turns := slices.Clone(p.blocked)
	slices.SortStableFunc(turns, func(a, b *submitter) int {
		return cmp.Compare(p.origins[a.it.req.Origin], p.origins[b.it.req.Origin])
	})
	for _, s := range turns {
		switch where := p.placeLocked(s.it); where {
		case full:
			return
		case authorFull:
		default:
			s.err <- where.err()
			p.blocked = slices.Delete(p.blocked, slices.Index(p.blocked, s), slices.Index(p.blocked, s)+1)
		}
	}
}

// parkLocked counts all that a has queued as waiting and drops what does not fit.
// It reports whether the head of a's queue fits; if not, it still counts as flowing.
func (p *Pipeline) parkLocked(a *author) bool {
	for _, it := range a.queue {
		p.moveLocked(it, true)
	}
	share := usage{max(p.cfg.MaxWaitingRuns/waitingShare, 1), p.cfg.MaxWaitingPerAuthor}
	for a.waits.over(share) && len(a.queue) > 1 {
		p.dropLastLocked(a)
	}
	total := usage{p.cfg.MaxWaitingRuns, p.cfg.MaxWaitingBytes}
	for p.waiting.over(total) {
		largest := p.largestLocked(a)
		if len(largest.queue) <= 1 {
			p.moveLocked(a.queue[0], false)
			break
		}
		p.dropLastLocked(largest)
	}
	p.grantLocked()
	return a.queue[0].waits
}

func (u usage) over(most usage) bool { return u.runs > most.runs || u.bytes > most.bytes }

// largestLocked returns who waits with most of what can be dropped, the newcomer a if
// nobody can lose anything. The head of a queue is in work and cannot be dropped.
func (p *Pipeline) largestLocked(a *author) *author {
	for _, b := range p.authors {
		if len(b.queue) > 1 && b.queue[len(b.queue)-1].waits && (len(a.queue) <= 1 || b.waits.bytes > a.waits.bytes) {
			a = b
		}
	}
	return a
}

// dropLastLocked takes the newest statement of a out. Until its result is taken it counts
// as flowing, so that a slow reader is felt by Submit.
func (p *Pipeline) dropLastLocked(a *author) {
	last := len(a.queue) - 1
	it := a.queue[last]
	a.queue[last] = nil
	a.queue = a.queue[:last]
	p.moveLocked(it, false)
	if p.closed {
		return
	}
	p.wg.Go(func() {
		if p.deliver(it.result(Unavailable, ErrDropped)) {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.uncountLocked(it)
			p.grantLocked()
		}
	})
}
