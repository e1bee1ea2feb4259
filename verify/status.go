package verify

import (
	"time"

	"github.com/hearsaynet/hearsay/keys"
)

// Counts says how much waits for the keystore.
type Counts struct {
	Authors int
	Runs    int   // statements
	Bytes   int64 // with what parsing adds
}

// Waiting counts what waits for the keystore.
func (p *Pipeline) Waiting() Counts {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := Counts{Runs: p.waiting.runs, Bytes: p.waiting.bytes}
	for _, a := range p.authors {
		if a.waiting {
			c.Authors++
		}
	}
	return c
}

// AuthorWaiting says why and for how long an author waits.
type AuthorWaiting struct {
	Since    time.Time
	Attempts int   // that have failed for the statement that is first
	Err      error // of the last one; ErrSilent while the first is only slow
	Runs     int   // statements
	Bytes    int64
}

// WaitingAuthors returns the authors that wait for the keystore, in no order.
func (p *Pipeline) WaitingAuthors() (ids []keys.NodeID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for id, a := range p.authors {
		if a.waiting {
			ids = append(ids, id)
		}
	}
	return ids
}

// WaitingFor returns how id waits for the keystore, and false if it does not.
func (p *Pipeline) WaitingFor(id keys.NodeID) (AuthorWaiting, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	a := p.authors[id]
	if a == nil || !a.waiting {
		return AuthorWaiting{}, false
	}
	return AuthorWaiting{a.since, a.attempts, a.err, a.waits.runs, a.waits.bytes}, true
}

// Retry makes all that wait try again now: the keystore has changed.
func (p *Pipeline) Retry() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, a := range p.authors {
		select {
		case a.wake <- struct{}{}:
		default:
		}
	}
}
