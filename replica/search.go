package replica

import (
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// search looks for the first update at which a peer's history of an author differs
// from ours, by digests that claim less than we have: the peer answers each with the
// run that follows what it agrees with, or with the run that contradicts it.
type search struct {
	low, high uint64 // the two histories agree at low, and differ at high
	asked     uint64
	at        time.Time
}

const (
	// searchNear is how many updates a peer may as well send in one go.
	searchNear = 4 * wire.MaxEntries
	// searchAgain is when an unanswered question is asked again, if there is a reason.
	searchAgain = 10 * time.Second
	// maxSearches bounds the searches on one link.
	maxSearches = 256
)

// contradicted implements source: this peer has a history that differs at high.
func (l *lane) contradicted(id keys.NodeID, high uint64) {
	if !l.s.scope.tells(id) {
		return
	}
	l.s.mu.Lock()
	q := l.searches[id]
	if q == nil {
		if len(l.searches) >= maxSearches && !l.dropSearchLocked() {
			l.s.mu.Unlock()
			return
		}
		q = &search{high: high + 1}
		l.searches[id] = q
	}
	fresh := high < q.high
	if fresh {
		q.high = high
		q.low = min(q.low, high)
	}
	again := time.Since(q.at) >= searchAgain
	l.s.mu.Unlock()
	if fresh || again {
		l.probe(id)
	}
}

// dropSearchLocked gives up a search that has not been answered for a while.
func (l *lane) dropSearchLocked() bool {
	for id, q := range l.searches {
		if time.Since(q.at) >= searchAgain {
			delete(l.searches, id)
			return true
		}
	}
	return false
}

// agreed implements source: this peer's history is ours up to seq.
func (l *lane) agreed(id keys.NodeID, seq uint64) {
	l.s.mu.Lock()
	q := l.searches[id]
	higher := q != nil && seq > q.low && seq < q.high
	if higher {
		q.low = seq
	}
	far := higher && q.high-q.low > searchNear && seq > q.asked
	l.s.mu.Unlock()
	if far {
		l.probe(id)
	}
}

// probe asks the peer what follows a place between the bounds of a search.
func (l *lane) probe(id keys.NodeID) {
	l.s.mu.Lock()
	q := l.searches[id]
	if q == nil {
		l.s.mu.Unlock()
		return
	}
	mid := q.low
	if q.high-q.low > searchNear {
		mid += (q.high - q.low) / 2
	}
	l.s.mu.Unlock()
	ref, err := l.r.refAt(id, mid)
	if err != nil {
		l.r.trouble("search for the place of a fork", err)
		return
	}
	l.s.mu.Lock()
	defer l.s.mu.Unlock()
	q.asked, q.at = mid, time.Now()
	l.partLocked([]wire.Ref{ref})
}
